//! Random histories as mails, applied by us and by the real `git am -3`: same commits, or both refuse.
//!
//! `PATCHLIFT_DIFFERENTIAL_CASES` and `PATCHLIFT_DIFFERENTIAL_FIRST` say which cases are tried,
//! `PATCHLIFT_DIFFERENTIAL_KEEP` names a folder for those that differ.

use std::process::Stdio;

use fastrand::Rng;

use crate::git_repo::GitRepo;
use crate::random_history::make;
use crate::run::{Ran, arg, patchlift};
use crate::test_data::cases;

/// Ways in which people make mails.
const FORMATS: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &["--full-index"],
    &["--binary"],
    &["--binary", "--full-index"],
    &["--no-renames"],
    &["-M"],
    &["-C", "--find-copies-harder"],
    &["-U0"],
    &["-U1"],
    &["-U8"],
    &["--attach"],
    &["--inline"],
    &["--abbrev=5"],
    &["--irreversible-delete"],
    &["--ignore-space-change"],
    &["--encode-email-headers"],
    &["--zero-commit"],
    &["--minimal"],
    &["--patience"],
    &["--signoff"],
    &["-W"],
    &["-B"],
    &["--in-reply-to=x@y"],
    &["--no-signature"],
];

#[test]
fn random_series_give_gits_commits() {
    let repo = GitRepo::new();
    repo.git(&["config", "gc.auto", "0"]);
    repo.git(&["config", "merge.renameLimit", "7000"]);
    repo.git(&["config", "core.quotePath", "true"]);
    let mut counts = [0_u64; 4];
    let first: u64 = std::env::var("PATCHLIFT_DIFFERENTIAL_FIRST").map_or(0, |text| text.parse().unwrap());
    let mut wrong = Vec::new();
    for seed in first..first + cases(40) {
        let case = Case::new(seed, &repo);
        match case.compare(&repo) {
            Ok(outcome) => counts[outcome as usize] += 1,
            Err(text) => {
                case.keep(&repo, &text);
                wrong.push(text);
            }
        }
    }
    let [applied, already, refused, hazard] = counts;
    eprintln!(
        "{applied} applied, {already} already there, {refused} refused, {hazard} refused as hazards, as git does"
    );
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.iter().min_by_key(|text| text.len()).unwrap()
    );
    assert!(cases(40) < 20 || (applied > 0 && refused > 0), "the cases are too uniform");
}

struct Case {
    seed: u64,
    mails: Vec<u8>,
    format: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Applied,
    Already,
    Refused,
    /// Git changed a file that no patch names, left one out, or gave up over one: docs/git-differences.md.
    Hazard,
}

impl Case {
    fn new(seed: u64, repo: &GitRepo) -> Self {
        let mut rng = Rng::with_seed(seed);
        let history = make(&mut rng, repo);
        assert!(history.patches > 0);
        let format = FORMATS[rng.usize(..FORMATS.len())];
        let mut command = repo.command();
        command.args(["format-patch", "--stdout", "--no-cover-letter"]).args(format);
        let output = command.arg("refs/case/base..refs/case/topic").stderr(Stdio::null()).output().unwrap();
        let mut mails = output.stdout;
        if rng.u8(..100) < 15 {
            damage(&mut rng, &mut mails);
        }
        Self { seed, mails, format }
    }

    /// Did git change a file that its patch does not name, and that is no new name either, as it was there all along?
    fn changes_a_stranger(repo: &GitRepo, commits: &[String]) -> bool {
        let existing = repo.git(&["ls-tree", "-r", "--name-only", "refs/case/base"]);
        let topic = repo.git(&["rev-list", "refs/case/base..refs/case/topic"]);
        // The author's date tells the commits of a case apart.
        let date = |commit: &str| repo.git(&["log", "-1", "--format=%at", commit]);
        let names = |commit: &str| repo.git(&["diff-tree", "-r", "--no-commit-id", "--name-only", commit]);
        commits.iter().any(|commit| {
            // A damaged date: nothing is known.
            let Some(original) = topic.lines().find(|original| date(original) == date(commit)) else {
                return false;
            };
            let named = names(original);
            let is = |list: &str, path: &str| list.lines().any(|line| line == path);
            names(commit).lines().any(|path| is(&existing, path) && !is(&named, path))
        })
    }

    /// What differs, the mails, and the history they came from, for a closer look.
    fn keep(&self, repo: &GitRepo, text: &str) {
        let Ok(folder) = std::env::var("PATCHLIFT_DIFFERENTIAL_KEEP") else { return };
        let path = format!("{folder}/{}", self.seed);
        std::fs::write(format!("{path}.txt"), text).unwrap();
        std::fs::write(format!("{path}.mbox"), &self.mails).unwrap();
        let history = ["refs/case/base", "refs/case/topic", "refs/case/target"];
        repo.git(&[&["bundle", "create", "-q", &format!("{path}.bundle")], &history[..]].concat());
    }

    fn compare(&self, repo: &GitRepo) -> Result<Outcome, String> {
        if self.mails.is_empty() {
            return Ok(Outcome::Refused);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mails");
        std::fs::write(&path, &self.mails).unwrap();
        let git = git_am(repo, arg(&path));
        let ours = patchlift(&[
            "apply",
            arg(&path),
            "--repo",
            repo.arg(),
            "--base",
            "refs/case/target",
            "--json",
            "--committer",
            "Bot <bot@example.com>",
            "--committer-date",
            "1700000000 +0000",
        ]);
        match (&git.commits, ours.code) {
            (Some(commits), 0) if *commits == our_commits(&ours) => Ok(Outcome::Applied),
            (Some(commits), 4) if commits.is_empty() => Ok(Outcome::Already),
            (None, 2 | 3) => Ok(Outcome::Refused),
            (None, 0 | 4) if blames_a_similar_file(&git.said) => Ok(Outcome::Hazard),
            // Git itself breaks down on some damaged headers.
            (None, _) if git.said.contains("Assertion") => Ok(Outcome::Hazard),
            (Some(_), 3) if ours.stdout.contains("a similar file is not taken for it") => Ok(Outcome::Hazard),
            (Some(commits), 3) if Self::changes_a_stranger(repo, commits) => Ok(Outcome::Hazard),
            (Some(_), 3) if ours.stdout.contains("date cannot be read: \\\"\\\"") => Ok(Outcome::Hazard),
            // Git leaves the file out and commits the rest.
            (Some(_), 3) if ours.stdout.contains("corrupt binary change") => Ok(Outcome::Hazard),
            // Git commits such a file, at times with the conflict's markers in it.
            (Some(_), 3) if ours.stdout.contains("another file stands at its new name") => {
                Ok(Outcome::Hazard)
            }
            _ => Err(format!(
                "seed {} {:?}\n#### mails\n{}\n#### ours\n{}{}\n#### git's\n{git:?}",
                self.seed,
                self.format,
                String::from_utf8_lossy(&self.mails),
                ours.stdout,
                ours.stderr
            )),
        }
    }
}

/// Git took a file that is only similar for the one that the patch deletes or renames, and gave up.
fn blames_a_similar_file(said: &str) -> bool {
    said.contains("CONFLICT (rename/") && (said.contains(" in HEAD.") || said.contains("in branch \"HEAD\""))
}

fn our_commits(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    json["commits"].as_array().unwrap().iter().map(|c| c["commit"].as_str().unwrap().to_owned()).collect()
}

/// How `git am -3` ends.
#[derive(Debug)]
struct Gits {
    /// The commits it makes; `None`: it fails.
    commits: Option<Vec<String>>,
    said: String,
}

fn git_am(repo: &GitRepo, mails: &str) -> Gits {
    // What a refused series leaves, and a git that died in the middle of a merge.
    let _ = std::fs::remove_dir_all(repo.path().join(".git/rebase-apply"));
    let _ = std::fs::remove_file(repo.path().join(".git/index.lock"));
    repo.git(&["checkout", "-q", "-f", "--detach", "refs/case/target"]);
    repo.git(&["clean", "-ffdxq"]);
    let output = repo.command().args(["am", "-3", mails]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() {
        return Gits { commits: None, said };
    }
    let commits = repo.git(&["rev-list", "--reverse", "refs/case/target..HEAD"]);
    Gits { commits: Some(commits.lines().map(str::to_owned).collect()), said }
}

/// Does to mails what mailers, people and bad disks do.
fn damage(rng: &mut Rng, mails: &mut Vec<u8>) {
    match rng.u8(..8) {
        0 => *mails = String::from_utf8_lossy(mails).replace('\n', "\r\n").into_bytes(),
        1 => edit_lines(mails, |line| !line.starts_with(b"index ")),
        2 => {
            let text = mails.clone();
            let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
            let drop = rng.usize(..lines.len());
            *mails = lines
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != drop)
                .map(|(_, line)| *line)
                .collect::<Vec<_>>()
                .concat();
        }
        3 => {
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..mails.len());
                mails[at] = rng.u8(..);
            }
        }
        4 => mails.truncate(rng.usize(..mails.len())),
        5 => {
            // Another id in one index line: the version it was made for is not known.
            let at = mails.windows(7).position(|window| window == b"\nindex ");
            if let Some(at) = at {
                mails[at + 7] = if mails[at + 7] == b'a' { b'b' } else { b'a' };
            }
        }
        6 => edit_lines(mails, |line| !line.starts_with(b"diff --git") && !line.starts_with(b"index ")),
        _ => *mails = String::from_utf8_lossy(mails).replace(" \n", "\n").into_bytes(),
    }
}

fn edit_lines(mails: &mut Vec<u8>, keep: impl Fn(&[u8]) -> bool) {
    *mails = mails.split_inclusive(|&b| b == b'\n').filter(|line| keep(line)).collect::<Vec<_>>().concat();
}
