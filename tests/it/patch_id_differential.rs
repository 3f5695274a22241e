//! Patch ids of recorded mails: git's, bit for bit.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use patchlift::mail::{Options, read};
use patchlift::mbox;
use patchlift::patch::id::stable_id;

use crate::test_data;

#[test]
fn every_recorded_patch_has_gits_stable_id() {
    let Some(data) = test_data::folder("apply") else { return };
    let mut patches = Vec::new();
    for entry in std::fs::read_dir(data.join("mbox")).unwrap() {
        let mailbox = std::fs::read(entry.unwrap().path()).unwrap();
        let mails = mbox::split(&mailbox);
        patches.extend(
            mails.iter().filter_map(|mail| read(mail, Options::default()).ok()).map(|mail| mail.patch),
        );
    }
    assert!(patches.len() > 500, "the corpus is not whole");
    patches.push(b"diff --git a/f b/f\nindex 12..34\nBinary files a/f and b/f differ\n".to_vec());
    patches.push(
        b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -7 +7 @@\n-a\n+b\n@@ -9,0 +9,2 @@\n+c\n+d\n".to_vec(),
    );
    patches.push(b"diff --git a/f b/g\nsimilarity index 100%\nrename from f\nrename to g\n".to_vec());
    patches.push(
        b"diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\0c\n"
            .to_vec(),
    );
    let expected = gits_ids(&patches);
    let got: BTreeMap<usize, String> =
        patches.iter().enumerate().filter_map(|(at, patch)| Some((at, stable_id(patch)?))).collect();
    let wrong: Vec<usize> = (0..patches.len()).filter(|at| expected.get(at) != got.get(at)).collect();
    let first = wrong.first().map(|at| String::from_utf8_lossy(&patches[*at]).into_owned());
    assert!(wrong.is_empty(), "{} of {} differ, the first: {first:?}", wrong.len(), patches.len());
}

/// One run of git for all: each patch under a commit line that counts.
fn gits_ids(patches: &[Vec<u8>]) -> BTreeMap<usize, String> {
    let mut input = tempfile::tempfile().unwrap();
    for (at, patch) in patches.iter().enumerate() {
        writeln!(input, "From {at:040x}").unwrap();
        input.write_all(patch).unwrap();
        input.write_all(b"\n").unwrap();
    }
    input.rewind().unwrap();
    let output =
        Command::new("git").args(["patch-id", "--stable"]).stdin(Stdio::from(input)).output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut ids = BTreeMap::new();
    for line in lines.lines() {
        let (id, commit) = line.split_once(' ').unwrap();
        // A second diff in one patch has an id of its own, under no commit.
        if let Ok(at) = usize::from_str_radix(commit, 16) {
            ids.entry(at).or_insert_with(|| id.to_owned());
        }
    }
    ids
}
