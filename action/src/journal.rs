//! What was started and what ended: one JSON line each, on the disk before the stage goes on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use patchlift_report::{Lane, Stage, StageName};
use serde::{Deserialize, Serialize};

/// One line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Which stage.
    pub stage: StageName,
    /// On which commit.
    pub lane: Lane,
    /// `started`, or the word of its result.
    pub event: String,
    /// How it went, once it has ended: who follows the run from outside sees it here, and who ends it in its
    /// place goes on from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<Stage>,
}

/// The journal of one run.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens or creates the journal.
    ///
    /// # Errors
    /// Where the file can't be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { file })
    }

    /// Writes one entry and waits until it is on the disk.
    ///
    /// # Errors
    /// Where it can't be written, for example on a full disk.
    pub fn note(&mut self, stage: StageName, lane: Lane, event: &str) -> io::Result<()> {
        self.write(&Entry { at: Timestamp::now(), stage, lane, event: event.to_owned(), done: None })
    }

    /// Writes how a stage ended and waits until it is on the disk.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn ended(&mut self, stage: &Stage) -> io::Result<()> {
        self.write(&Entry {
            at: Timestamp::now(),
            stage: stage.name,
            lane: stage.lane,
            event: stage.result.word().to_owned(),
            done: Some(stage.clone()),
        })
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Reads a journal. A last line that was cut by a crash is left out.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
        let text = std::fs::read_to_string(path)?;
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_last_line_is_left_out() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).expect("it opens");
        journal.note(StageName::Boot, Lane::Series, "started").expect("it is written");
        journal.note(StageName::Boot, Lane::Series, "failed").expect("it is written");
        let bytes = std::fs::read(&path).expect("it is there");
        std::fs::write(&path, &bytes[..bytes.len() - 5]).expect("it is cut");
        let entries = Journal::read(&path).expect("it is read");
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].stage, entries[0].event.as_str()), (StageName::Boot, "started"));
    }
}
