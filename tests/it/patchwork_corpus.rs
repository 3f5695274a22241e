//! Series as a real Patchwork took them in, with the tree that `git am` makes of the original mails.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchlift::apply::objects::Objects;
use patchlift::apply::{Settings, apply};
use patchlift::mail::Options;
use patchlift::series::{Message, in_file_order, read_mailbox};
use serde::Deserialize;

use crate::run::{arg, must};
use crate::test_data;

#[derive(Deserialize)]
struct Series {
    name: Option<String>,
    mails: Vec<Option<String>>,
    base: String,
    /// "FAIL" where git refuses them.
    tree_git_am_of_original_mails: Option<String>,
}

/// This mail has no date, for which git takes the time of the run: docs/git-differences.md.
const NO_DATE: &str = "date: none";

#[test]
fn every_series_gives_gits_tree() {
    let Some(data) = test_data::folder("patchwork") else { return };
    let expected = std::fs::read(data.join("expected.json")).unwrap();
    let all: BTreeMap<String, Series> = serde_json::from_slice(&expected).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("base.git");
    must(Command::new("git").args(["init", "-q", "--bare", arg(&repo)]));
    must(Command::new("git").args([
        "-C",
        arg(&repo),
        "fetch",
        "-q",
        arg(&data.join("base.bundle")),
        "+refs/*:refs/*",
    ]));
    assert!(all.len() > 40, "the corpus is not whole");
    let wrong: Vec<String> = all.iter().filter_map(|(id, series)| series.differs(id, &data, &repo)).collect();
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

impl Series {
    fn differs(&self, id: &str, data: &Path, repo: &Path) -> Option<String> {
        let expected = self.tree_git_am_of_original_mails.as_deref()?;
        let files: Vec<_> = self.mails.iter().flatten().map(|mail| data.join("mails").join(mail)).collect();
        // Mails of more than 100 kB were not kept.
        if files.len() < self.mails.len() || !files.iter().all(|file| file.exists()) {
            return None;
        }
        let read = |file: &PathBuf| read_mailbox(&std::fs::read(file).unwrap(), Options::default());
        let messages: Vec<Message> = files.iter().flat_map(read).collect();
        let patches = in_file_order(&messages);
        let repository = git2::Repository::open_bare(repo).unwrap();
        let objects = Objects::open(&repository).unwrap();
        let mails: Vec<_> = patches.iter().map(|message| message.content.as_ref()).collect();
        let applied = apply(&objects, self.base.parse().unwrap(), &mails, &Settings::default());
        let got = match &applied {
            Ok(applied) if !patches.is_empty() => applied.tree.to_string(),
            _ => "FAIL".into(),
        };
        let name = self.name.as_deref().unwrap_or_default();
        let why = applied.err().map(|error| format!("{error:?}")).unwrap_or_default();
        (got != expected && name != NO_DATE)
            .then(|| format!("{id} {name:?}: expected {expected}, got {got} {why}"))
    }
}
