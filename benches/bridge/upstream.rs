//! An upstream tree of Linux's size, and patches that fit it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of the tree; Linux 6.17 has about 90 000.
pub(crate) const FILES: u64 = 80_000;

/// Lines of every file.
const LINES: u64 = 40;

/// The line below which a patch adds one.
const AT: u64 = 20;

/// The file that a patch touches: spread over the whole tree.
pub(crate) fn path(series: u64, place: u64) -> String {
    file((series * 5 + place).wrapping_mul(7919) % FILES)
}

fn file(number: u64) -> String {
    format!("drivers{}/part{}/file{number}.c", number % 20, number / 20 % 50)
}

fn line(path: &str, number: u64) -> String {
    format!("/* line {number} of {path} */\n")
}

/// A patch that adds a line in the middle of its file.
pub(crate) fn diff(series: u64, place: u64) -> String {
    let path = path(series, place);
    let mut diff = format!(" {path} | 1 +\n 1 file changed, 1 insertion(+)\n\n");
    diff.push_str(&format!("diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"));
    diff.push_str(&format!("@@ -{},6 +{},7 @@\n", AT - 2, AT - 2));
    for number in AT - 2..=AT {
        diff.push_str(&format!(" {}", line(&path, number)));
    }
    diff.push_str(&format!("+int added_by_series_{series}_{place};\n"));
    for number in AT + 1..=AT + 3 {
        diff.push_str(&format!(" {}", line(&path, number)));
    }
    diff
}

/// A bare repository.
pub(crate) struct Upstream {
    pub(crate) path: PathBuf,
}

impl Upstream {
    /// With a branch `master` of all files.
    pub(crate) fn make(dir: &Path) -> Self {
        let upstream = Self::empty(dir);
        upstream.commit(0..FILES, "");
        upstream
    }

    /// Without a branch.
    pub(crate) fn empty(dir: &Path) -> Self {
        git(&["init", "-q", "--bare", "-b", "master", dir.to_str().unwrap()]);
        Self { path: dir.to_owned() }
    }

    /// Another commit that writes these files, with `word` in their last line.
    pub(crate) fn commit(&self, files: impl Iterator<Item = u64>, word: &str) {
        let mut import = Command::new("git")
            .args(["fast-import", "--quiet"])
            .current_dir(&self.path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stream = std::io::BufWriter::new(import.stdin.take().unwrap());
        let words = format!("bench {word}\n");
        write!(stream, "commit refs/heads/master\ncommitter Bench <bench@example.org> 1790000000 +0000\n")
            .unwrap();
        write!(stream, "data {}\n{words}", words.len()).unwrap();
        if !word.is_empty() {
            stream.write_all(b"from refs/heads/master^0\n").unwrap();
        }
        for number in files {
            let path = file(number);
            let mut text: String = (1..=LINES).map(|number| line(&path, number)).collect();
            text.push_str(word);
            write!(stream, "M 100644 inline {path}\ndata {}\n{text}\n", text.len()).unwrap();
        }
        drop(stream);
        assert!(import.wait().unwrap().success());
    }

    /// The commit of `master`.
    pub(crate) fn tip(&self) -> String {
        let path = self.path.to_str().unwrap();
        git(&["--git-dir", path, "rev-parse", "refs/heads/master"]).trim().to_owned()
    }

    /// Points these branches at that commit, all at once.
    pub(crate) fn branches(&self, names: &[String], commit: &str) {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
        for name in sorted {
            packed.push_str(&format!("{commit} refs/heads/{name}\n"));
        }
        std::fs::write(self.path.join("packed-refs"), packed).unwrap();
    }
}

pub(crate) fn git(args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
