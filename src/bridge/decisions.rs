//! What became of series, in a file of its own: kept beside a recording, so that another configuration's decisions
//! can be compared with it.
//!
//! `decisions.jsonl`: one JSON object a line, `{"series":"ozlabs/7","state":"held","words":"…"}`, in order of time.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::listing::SeriesKey;

/// The file's name.
const FILE: &str = "decisions.jsonl";

/// Longest line that is read: a state and a sentence.
const LINE_MAX: usize = 64 * 1024;

/// An open file of decisions.
#[derive(Debug)]
pub struct Decisions {
    file: Mutex<File>,
}

/// One line of it.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    series: SeriesKey,
    state: String,
    words: String,
}

impl Decisions {
    /// Opens the file in `dir`, which is made where it is missing; what is there is added to.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn in_folder(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = OpenOptions::new().create(true).append(true).open(dir.join(FILE))?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Adds a line. A recording that cannot be written to does not stop the bridge.
    pub fn note(&self, series: &SeriesKey, state: &str, words: &str) {
        let line = Line { series: series.clone(), state: state.to_owned(), words: words.to_owned() };
        let Ok(mut text) = serde_json::to_string(&line) else { return };
        text.push('\n');
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
        if let Err(error) = written {
            tracing::warn!("{FILE} cannot be written: {error}");
        }
    }
}

/// What was decided of each series, in order.
pub type Decided = BTreeMap<SeriesKey, Vec<String>>;

/// States that say what was decided; the others say how far the bridge had come.
const DECISIONS: [&str; 9] = [
    "held",
    "declined",
    "given-up",
    "superseded",
    "follows",
    "conflict",
    "already-applied",
    "applied",
    "parked",
];

/// Reads what was decided. A torn last line, as a crash leaves it, is left out.
///
/// # Errors
/// There is no such file, or it cannot be read.
pub fn read(dir: &Path) -> io::Result<Decided> {
    let mut decided = Decided::new();
    for line in BufReader::new(File::open(dir.join(FILE))?).lines() {
        let line = line?;
        if line.len() > LINE_MAX {
            continue;
        }
        let Ok(Line { series, state, words }) = serde_json::from_str(&line) else { continue };
        if DECISIONS.contains(&state.as_str()) {
            let words = without_ids(&patchlift_report::clean::line(&words, 400));
            decided.entry(series).or_default().push(format!("{state}: {words}"));
        }
    }
    Ok(decided)
}

/// The words without commit ids in parentheses: a tree moves on between a recording and its replay.
fn without_ids(words: &str) -> String {
    let is_id = |part: &str| part.len() >= 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut rest = words;
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once(" (") {
        plain.push_str(before);
        match after.split_once(')') {
            Some((inside, behind)) if is_id(inside) => rest = behind,
            _ => {
                plain.push_str(" (");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// A series on which two sets of decisions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The series.
    pub series: SeriesKey,
    /// What was decided then.
    pub was: Vec<String>,
    /// What is decided now.
    pub now: Vec<String>,
}

/// What differs, by series.
pub fn differences(was: &Decided, now: &Decided) -> Vec<Difference> {
    let mut keys: Vec<&SeriesKey> = was.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let of = |decided: &Decided, key: &SeriesKey| decided.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| Difference { series: key.clone(), was: of(was, key), now: of(now, key) })
        .filter(|difference| difference.was != difference.now)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_compared_without_commit_ids() {
        let dir = tempfile::tempdir().unwrap();
        let decisions = Decisions::in_folder(dir.path()).unwrap();
        let key = |id| SeriesKey { server: "s".into(), id };
        decisions.note(&key(1), "applied", "on powerpc/next (0123456789ab), by its tag (v2)");
        decisions.note(&key(2), "settling", "3 patches");
        decisions.note(&key(3), "held", "a stranger");
        std::fs::OpenOptions::new()
            .append(true)
            .open(dir.path().join(FILE))
            .unwrap()
            .write_all(b"{\"series\":\"s/9\",\"sta")
            .unwrap();
        let was = read(dir.path()).unwrap();
        assert_eq!(was[&key(1)], ["applied: on powerpc/next, by its tag (v2)"]);
        let mut now = was.clone();
        now.remove(&key(3));
        let differ = differences(&was, &now);
        assert_eq!(differ.len(), 1);
        assert_eq!((differ[0].series.id, differ[0].was.len(), differ[0].now.len()), (3, 1, 0));
    }
}
