//! Series that a real Patchwork took in, with the trees that git makes of them in four ways.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use patchlift::apply::objects::Objects;
use patchlift::apply::{Settings, apply};
use patchlift::intake::{Frozen, Mails};
use patchlift::mail::{Options, overview::overview};
use patchlift::patch::id::stable_id;
use patchlift::series::Message;
use serde::Deserialize;
use tempfile::TempDir;

use crate::run::{arg, must};
use crate::test_data;

/// The recorded series and their base.
pub(crate) struct Corpus {
    pub(crate) data: PathBuf,
    /// Each with the Message-IDs of its mails, as far as all of these were kept.
    series: Vec<(Series, Vec<String>)>,
    repo: TempDir,
}

/// One series. A tree is `FAIL` where git refuses it.
#[derive(Debug, Deserialize)]
pub(crate) struct Series {
    /// Files of the mails, in order; none where one was too long to be kept.
    mails: Vec<Option<String>>,
    base: String,
    tree_git_am_of_original_mails: Option<String>,
    tree_git_am_of_each_patch_mbox: Option<String>,
    tree_git_apply_of_json_diffs: Option<String>,
}

impl Series {
    /// What may come of it: what its author meant; where the server changed the text, what it made of it.
    pub(crate) fn trees(&self) -> [Option<&str>; 3] {
        [
            self.tree_git_am_of_original_mails.as_deref(),
            self.tree_git_am_of_each_patch_mbox.as_deref(),
            self.tree_git_apply_of_json_diffs.as_deref(),
        ]
    }

    /// Is this tree the author's? Where no way through the server gives that one, the server's own will do.
    pub(crate) fn is_right(&self, tree: &str) -> bool {
        let [author, server @ ..] = self.trees();
        Some(tree) == author || (!server.contains(&author) && server.contains(&Some(tree)))
    }
}

/// How a commit made of `mail` would differ from one made of the author's mail.
pub(super) fn differences(original: &[u8], mail: &[u8]) -> Vec<String> {
    let read = |mail: &[u8]| patchlift::mail::read(mail, Options::default());
    let (Ok(original), Ok(mail)) = (read(original), read(mail)) else { return vec!["unreadable".to_owned()] };
    let mut differences = Vec::new();
    let mut compare = |what: &str, original: String, mail: String| {
        if original != mail {
            differences.push(format!("{what}: {mail} instead of {original}"));
        }
    };
    compare("author", format!("{:?}", text_of(&original)), format!("{:?}", text_of(&mail)));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    let optional = |bytes: &Option<Vec<u8>>| text(bytes.as_deref().unwrap_or_default());
    compare("subject", optional(&original.subject), optional(&mail.subject));
    compare("date", optional(&original.date), optional(&mail.date));
    compare("message", text(&original.message), text(&mail.message));
    compare("patch", format!("{:?}", stable_id(&original.patch)), format!("{:?}", stable_id(&mail.patch)));
    differences
}

fn text_of(content: &patchlift::mail::Content) -> Option<(String, String)> {
    let author = content.author.as_ref()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&author.name), text(&author.email)))
}

impl Corpus {
    /// `None`, loudly, where the recorded data are missing.
    pub(crate) fn open() -> Option<Self> {
        let data = test_data::folder("patchwork")?;
        let expected = std::fs::read(data.join("expected.json")).unwrap();
        let all: BTreeMap<String, Series> = serde_json::from_slice(&expected).unwrap();
        let id = |mail: &Option<String>| {
            let mail = std::fs::read(data.join("mails").join(mail.as_ref()?)).ok()?;
            overview(&mail).message_id
        };
        let series = all.into_values().filter_map(|series| {
            let ids = series.mails.iter().map(id).collect::<Option<Vec<String>>>()?;
            Some((series, ids))
        });
        let series = series.collect();
        let repo = tempfile::tempdir().unwrap();
        must(Command::new("git").args(["init", "-q", "--bare", arg(repo.path())]));
        let bundle = data.join("base.bundle");
        must(Command::new("git").args([
            "-C",
            arg(repo.path()),
            "fetch",
            "-q",
            arg(&bundle),
            "+refs/*:refs/*",
        ]));
        Some(Self { data, series, repo })
    }

    /// The series with these mails.
    pub(crate) fn with(&self, message_ids: &[&str]) -> Option<&Series> {
        self.series.iter().find(|(_, ids)| ids == message_ids).map(|(series, _)| series)
    }

    /// The mails as their author sent them.
    pub(super) fn originals(&self, series: &Series) -> Vec<Vec<u8>> {
        let read = |file: &String| std::fs::read(self.data.join("mails").join(file)).unwrap();
        series.mails.iter().flatten().map(read).collect()
    }

    /// The tree of a frozen series on its base, or `FAIL`. Its mails go through the store's format first.
    pub(super) fn tree(&self, series: &Series, frozen: &Frozen) -> String {
        let mails = Mails::from_bytes(&frozen.mails.to_bytes()).unwrap();
        assert_eq!(mails, frozen.mails);
        let messages: Vec<Message> =
            mails.patches.iter().map(|mail| Message::read(mail, Options::default())).collect();
        let contents: Vec<_> = messages.iter().map(|message| message.content.as_ref()).collect();
        let repository = git2::Repository::open_bare(self.repo.path()).unwrap();
        let objects = Objects::open(&repository).unwrap();
        match apply(&objects, series.base.parse().unwrap(), &contents, &Settings::default()) {
            Ok(applied) => applied.tree.to_string(),
            Err(_) => "FAIL".to_owned(),
        }
    }
}
