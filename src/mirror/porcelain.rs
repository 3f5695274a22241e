//! What `git push --porcelain` prints. Pure.

use patchlift_report::clean::line;

/// What the other side did with one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is as it was asked for.
    Done,
    /// It is not, and why: the other side's words.
    Refused(String),
}

/// Branch names with their answers. A line is `<flag> TAB <from>:<to> TAB <summary>`; others are not about a branch.
pub(super) fn read(output: &[u8]) -> Vec<(String, Answer)> {
    String::from_utf8_lossy(output).lines().filter_map(read_line).collect()
}

fn read_line(text: &str) -> Option<(String, Answer)> {
    let mut fields = text.splitn(3, '\t');
    let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
    let name = refs.rsplit_once(':')?.1.strip_prefix("refs/heads/")?.to_owned();
    match flag {
        " " | "+" | "*" | "-" | "=" => Some((name, Answer::Done)),
        "!" => Some((name, Answer::Refused(line(summary, 300)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_branch_has_its_answer() {
        let output = b"To https://example.org/r.git\n\
            *\t1111111111111111111111111111111111111111:refs/heads/series/o/1\t[new branch]\n\
            +\t2222:refs/heads/series/o/2\t1111..2222 (forced update)\n\
            =\t2222:refs/heads/series/o/3\t[up to date]\n\
            -\t:refs/heads/series/o/4\t[deleted]\n\
            !\t5555:refs/heads/series/o/5\t[remote rejected] (refusing to allow a GitHub App to create or update \
            workflow `.github/workflows/x.yml` without `workflows` permission)\n\
            Done\n";
        let answers = read(output);
        let names: Vec<&str> = answers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["series/o/1", "series/o/2", "series/o/3", "series/o/4", "series/o/5"]);
        assert!(answers[..4].iter().all(|(_, answer)| *answer == Answer::Done));
        assert!(
            matches!(&answers[4].1, Answer::Refused(why) if why.contains("without `workflows` permission"))
        );
        assert_eq!(read(b"\xff\t\t\n!\n\t\t\t\nX\ta:refs/heads/b\tc"), []);
    }
}
