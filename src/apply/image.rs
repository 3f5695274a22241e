//! A file's lines while hunks are put into it, and the search for the place of a hunk.

use crate::bytes::{Lines, is_blank};
use crate::patch::Hunk;

/// One line, its line feed included, borrowed from the file or from the patch.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    /// A hunk has been here: no later hunk of the same file may match this line.
    patched: bool,
}

/// The lines of a file. Kept as two halves around the last change, as hunks come in file order: the whole file is
/// walked once however many hunks it has.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    before: Vec<Line<'a>>,
    /// Backwards: the next line is the last.
    after: Vec<Line<'a>>,
}

/// Comparisons while the place of a hunk is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// So far.
    pub(crate) taken: u64,
    /// As many as there may be.
    pub(crate) limit: u64,
}

impl Steps {
    fn left(self) -> usize {
        usize::try_from(self.limit.saturating_sub(self.taken)).unwrap_or(usize::MAX)
    }
}

/// Comparisons for the place that a hunk is most like.
const NEAREST_LIMIT: usize = 4_000_000;

/// The lines a hunk wants to see and the lines it leaves.
#[derive(Debug)]
struct Sides<'a> {
    old: Vec<&'a [u8]>,
    new: Vec<&'a [u8]>,
}

/// Why a hunk has no place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Its lines are nowhere in the file where it may match.
    NoMatch,
    /// Searching took more steps than any real patch needs.
    TooMuchSearching,
}

impl<'a> Image<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        let mut after: Vec<Line<'a>> =
            Lines::new(content).map(|text| Line { text, patched: false }).collect();
        after.reverse();
        Self { before: Vec::new(), after }
    }

    /// The file as it stands.
    pub(crate) fn content(&self) -> Vec<u8> {
        let size = self.before.iter().chain(&self.after).map(|line| line.text.len()).sum();
        let mut content = Vec::with_capacity(size);
        for line in self.before.iter().chain(self.after.iter().rev()) {
            content.extend_from_slice(line.text);
        }
        content
    }

    fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn line(&self, at: usize) -> Line<'a> {
        match at.checked_sub(self.before.len()) {
            None => self.before[at],
            Some(over) => self.after[self.after.len() - 1 - over],
        }
    }

    /// Puts one hunk in. `steps`: comparisons so far, over the whole series.
    pub(crate) fn apply(&mut self, hunk: &Hunk<'a>, steps: &mut Steps) -> Result<(), Misfit> {
        let sides = Sides::of(hunk);
        let at = self.place(hunk, &sides.old, steps)?;
        self.move_to(at);
        self.after.truncate(self.after.len() - sides.old.len());
        self.before.extend(sides.new.into_iter().map(|text| Line { text, patched: true }));
        Ok(())
    }

    fn move_to(&mut self, at: usize) {
        while self.before.len() > at {
            self.after.extend(self.before.pop());
        }
        while self.before.len() < at {
            self.before.extend(self.after.pop());
        }
    }

    /// Where the hunk's old lines are: at the stated line, else searched outwards from there, forward first.
    ///
    /// A hunk for the first line matches only at the start, one without context after its last change only at the
    /// end; context is never given up.
    fn place(&self, hunk: &Hunk<'_>, old: &[&[u8]], steps: &mut Steps) -> Result<usize, Misfit> {
        let last = self.len().checked_sub(old.len()).ok_or(Misfit::NoMatch)?;
        let at_start = hunk.old_start <= 1;
        let at_end = hunk.trailing == 0;
        if at_start || at_end {
            let at = if at_start { 0 } else { last };
            let fits = (!at_end || at == last) && self.matches(at, old, at_end, steps)?;
            return if fits { Ok(at) } else { Err(Misfit::NoMatch) };
        }
        let stated = usize::try_from(hunk.new_start.saturating_sub(1)).unwrap_or(usize::MAX).min(self.len());
        let (mut forward, mut backward) = (stated, stated);
        if stated <= last && self.matches(stated, old, false, steps)? {
            return Ok(stated);
        }
        while forward < last || backward > 0 {
            if forward < last {
                forward += 1;
                if self.matches(forward, old, false, steps)? {
                    return Ok(forward);
                }
            }
            if backward > 0 {
                backward -= 1;
                if backward <= last && self.matches(backward, old, false, steps)? {
                    return Ok(backward);
                }
            }
        }
        Err(Misfit::NoMatch)
    }

    fn matches(&self, at: usize, old: &[&[u8]], to_the_end: bool, steps: &mut Steps) -> Result<bool, Misfit> {
        steps.taken += 1;
        for (offset, wanted) in old.iter().enumerate() {
            steps.taken += 1;
            let line = self.line(at + offset);
            let is_last = offset + 1 == old.len();
            if line.patched
                || !(line.text == *wanted || (is_last && !to_the_end && unfinished(line.text, wanted)))
            {
                return if steps.taken > steps.limit { Err(Misfit::TooMuchSearching) } else { Ok(false) };
            }
        }
        Ok(true)
    }

    /// The place in the file most like what the hunk wants, and the first lines that differ there: (line number from
    /// 1, wanted, found). For people only.
    pub(crate) fn nearest(&self, hunk: &Hunk<'a>, steps: &mut Steps) -> Option<Difference> {
        let old = Sides::of(hunk).old;
        // Comparing everywhere is only worth it on files of a sane size.
        let budget = steps.left().min(NEAREST_LIMIT) / old.len().max(1);
        if budget == 0 {
            return None;
        }
        let stated = usize::try_from(hunk.new_start.saturating_sub(1)).unwrap_or(usize::MAX).min(self.len());
        let last = self.len().saturating_sub(1).min(stated.saturating_add(budget));
        let first = stated.saturating_sub(budget);
        steps.taken += ((last + 1).saturating_sub(first) * old.len()) as u64;
        let score = |at: usize| {
            let same =
                |offset: &usize| at + offset < self.len() && self.line(at + offset).text == old[*offset];
            (0..old.len()).filter(same).count()
        };
        let best = (first..=last).max_by_key(|&at| (score(at), std::cmp::Reverse(at.abs_diff(stated))))?;
        if score(best) == 0 {
            return None;
        }
        // Some lines more on both sides: a line that the file lacks shifts all that follow.
        const AROUND: usize = 20;
        let from = best.saturating_sub(AROUND);
        let to = (best + old.len() + AROUND).min(self.len());
        let file: Vec<&[u8]> = (from..to).map(|at| self.line(at).text).collect();
        let (wanted, found) = first_difference(&old, &file)?;
        Some(Difference {
            line: from + found + 1,
            wanted: crate::bytes::shown(old[wanted], 200),
            found: file.get(found).map(|text| crate::bytes::shown(text, 200)),
        })
    }
}

/// The first of `old` that a longest common subsequence with `file` leaves out, and the place in `file` where it
/// should be. Of equal ones the subsequence that lies latest in `file` is taken: a lone brace then stands with its
/// own function.
fn first_difference(old: &[&[u8]], file: &[&[u8]]) -> Option<(usize, usize)> {
    // Tables are small: hunks of that many lines have a place or are hopeless.
    if old.len().saturating_mul(file.len()) > 1_000_000 {
        return None;
    }
    let width = file.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..file.len()).rev() {
            common[i * width + j] = if old[i] == file[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let mut after_match = None;
    let mut j = 0;
    for i in 0..old.len() {
        while j < file.len() && common[i * width + j + 1] == common[i * width + j] {
            j += 1;
        }
        if j == file.len() || old[i] != file[j] {
            // Before the first line in common it is the line above that one.
            return Some((i, after_match.unwrap_or_else(|| j.saturating_sub(1))));
        }
        j += 1;
        after_match = Some(j);
    }
    None
}

/// The first line that keeps a hunk from its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The line of the file on the base, from 1.
    pub line: usize,
    /// What the patch expects there.
    pub wanted: String,
    /// What is there; `None`: the file has ended.
    pub found: Option<String>,
}

/// A wanted line without line feed also matches a line that goes on with blanks only, as in git.
fn unfinished(found: &[u8], wanted: &[u8]) -> bool {
    !wanted.ends_with(b"\n")
        && found.strip_prefix(wanted).is_some_and(|rest| rest.iter().all(|&b| is_blank(b)))
}

impl<'a> Sides<'a> {
    fn of(hunk: &Hunk<'a>) -> Self {
        let mut sides = Self { old: Vec::new(), new: Vec::new() };
        let mut lines = Lines::new(hunk.body).peekable();
        while let Some(line) = lines.next() {
            let no_newline = lines.peek().is_some_and(|next| next.starts_with(b"\\"));
            let end = line.len() - usize::from(no_newline && line.ends_with(b"\n"));
            match line[0] {
                // Newer GNU diff writes empty context lines without the blank.
                b'\n' if end > 0 => {
                    sides.old.push(&line[..end]);
                    sides.new.push(&line[..end]);
                }
                b' ' => {
                    sides.old.push(&line[1..end]);
                    sides.new.push(&line[1..end]);
                }
                b'-' => sides.old.push(&line[1..end]),
                b'+' => sides.new.push(&line[1..end]),
                _ => {}
            }
        }
        sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::parse;

    const FREE: Steps = Steps { taken: 0, limit: u64::MAX };

    fn patched(content: &str, hunks: &str) -> Option<String> {
        let text = format!("--- a/f\n+++ b/f\n{hunks}");
        let files = parse(text.as_bytes(), Some(1)).unwrap();
        let mut image = Image::new(content.as_bytes());
        for hunk in &files[0].hunks {
            image.apply(hunk, &mut FREE.clone()).ok()?;
        }
        Some(String::from_utf8(image.content()).unwrap())
    }

    #[test]
    fn hunks_are_found_at_an_offset_forward_first() {
        let hunk = "@@ -3,3 +3,3 @@\n a\n-b\n+B\n c\n";
        assert_eq!(patched("x\nx\na\nb\nc\n", hunk).unwrap(), "x\nx\na\nB\nc\n");
        assert_eq!(patched("a\nb\nc\nx\na\nb\nc\n", hunk).unwrap(), "a\nb\nc\nx\na\nB\nc\n");
        assert_eq!(patched("a\nb\nx\n", hunk), None);
    }

    #[test]
    fn the_first_difference_is_where_a_person_would_point() {
        let lines = |text: &'static str| text.split_inclusive('\n').map(str::as_bytes).collect::<Vec<_>>();
        let file = lines("int f(void)\n{\n}\n\nint g(void)\n{\n\tunsigned v;\n\n\tv = 1;\n");
        let cases = [
            // A line that the file lacks, below a brace that stands twice.
            ("{\n\tint *p;\n\tunsigned v;\n\n", Some((1, 6))),
            // Its very first line.
            ("int h(void)\n{\n\tunsigned v;\n", Some((0, 4))),
            // Its last line, where the file has ended.
            ("\tv = 1;\n}\n", Some((1, 9))),
            ("int g(void)\n{\n", None),
        ];
        for (old, expected) in cases {
            assert_eq!(first_difference(&lines(old), &file), expected, "{old}");
        }
    }

    #[test]
    fn first_and_last_hunks_are_anchored() {
        let first = "@@ -1,2 +1,3 @@\n+new\n a\n b\n";
        assert_eq!(patched("a\nb\nc\n", first).unwrap(), "new\na\nb\nc\n");
        assert_eq!(patched("x\na\nb\n", first), None);
        let last = "@@ -3,2 +3,3 @@\n a\n b\n+new\n";
        assert_eq!(patched("x\nx\nx\nx\na\nb\n", last).unwrap(), "x\nx\nx\nx\na\nb\nnew\n");
        assert_eq!(patched("x\nx\na\nb\nc\n", last), None);
    }

    #[test]
    fn a_line_is_patched_once() {
        let twice = "@@ -2,3 +2,3 @@\n a\n-b\n+b\n c\n@@ -2,3 +2,3 @@\n a\n-b\n+B\n c\n";
        assert_eq!(patched("x\na\nb\nc\n", twice), None);
        assert_eq!(patched("x\na\nb\nc\na\nb\nc\n", twice).unwrap(), "x\na\nb\nc\na\nB\nc\n");
    }

    #[test]
    fn the_search_ends_when_the_series_has_used_up_its_comparisons() {
        let text = "--- a/f\n+++ b/f\n@@ -9,3 +9,3 @@\n a\n-b\n+B\n c\n";
        let file = &parse(text.as_bytes(), Some(1)).unwrap()[0];
        let content = "a\n".repeat(1000) + "a\nb\nc\n";
        let mut steps = Steps { taken: 0, limit: 5000 };
        assert_eq!(Image::new(content.as_bytes()).apply(&file.hunks[0], &mut steps), Ok(()));
        // What is left does not take the second patch as far.
        let again = Image::new(content.as_bytes()).apply(&file.hunks[0], &mut steps);
        assert_eq!(again, Err(Misfit::TooMuchSearching));
        assert_eq!(Image::new(content.as_bytes()).nearest(&file.hunks[0], &mut steps), None);
    }

    #[test]
    fn a_missing_last_line_feed_is_kept_and_made() {
        let add = "@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n+a\n+b\n\\ No newline at end of file\n";
        assert_eq!(patched("a", add).unwrap(), "a\nb");
        assert_eq!(patched("a\n", add), None);
    }
}
