//! A real Patchwork on this machine, where `PATCHLIFT_PATCHWORK` points to a checkout of it.
//!
//! `tests/patchwork-server` runs it and says what is needed for that.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

/// A running Patchwork; it ends with its input.
pub(crate) struct RealPatchwork {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// `http://127.0.0.1:1234/`
    pub(crate) url: String,
    folder: TempDir,
}

impl RealPatchwork {
    /// `None`, loudly, where no checkout is named: it is no part of the recorded data.
    pub(crate) fn start() -> Option<Self> {
        let Some(checkout) = std::env::var_os("PATCHLIFT_PATCHWORK") else {
            eprintln!("SKIPPED: set PATCHLIFT_PATCHWORK to a checkout of Patchwork");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/patchwork-server"))
            .args([checkout, folder.path().into()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening ").expect("the server did not start");
        let url = format!("http://127.0.0.1:{port}/");
        Some(Self { child, input, output, url, folder })
    }

    /// The file with the bot's token.
    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// Takes in a mail.
    pub(crate) fn takes(&mut self, mail: &Path) {
        writeln!(self.input.as_mut().unwrap(), "mail {}", mail.display()).unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "taken", "{}", mail.display());
    }

    /// Takes in all mails of the recorded scenarios in their order.
    pub(crate) fn takes_all(&mut self, data: &Path) {
        let files = |folder: &Path| {
            let mut entries: Vec<PathBuf> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            entries
        };
        for mail in files(&data.join("mails")).iter().flat_map(|scenario| files(scenario)) {
            self.takes(&mail);
        }
    }
}

impl Drop for RealPatchwork {
    fn drop(&mut self) {
        drop(self.input.take());
        // It is of no use any more, however it ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
