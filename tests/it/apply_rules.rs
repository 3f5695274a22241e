//! `patchlift apply` on small repositories: what it writes and what it leaves alone.

use crate::git_repo::{GitRepo, mailbox};
use crate::run::{arg, patchlift};

#[test]
fn apply_writes_objects_and_nothing_else() {
    let repo = GitRepo::with(&[("a", "1\n2\n3\n")]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", "1\nzwei\n3\n");
    repo.commit("a: translate");
    let (_dir, path) = mailbox(&repo.format_patch(&base, &[]));
    repo.git(&["reset", "-q", "--hard", &base]);
    let before = (repo.git(&["for-each-ref"]), repo.git(&["status", "--porcelain"]));
    let ran = patchlift(&["apply", arg(&path), "--repo", repo.arg(), "--base", &base, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let tip = ran.json()["tip"].as_str().unwrap().to_owned();
    assert_eq!(repo.git(&["show", &format!("{tip}:a")]), "1\nzwei\n3");
    assert_eq!((repo.git(&["for-each-ref"]), repo.git(&["status", "--porcelain"])), before);
}

/// Seed 401416: `git am` fails to write it.
#[test]
fn a_symlink_to_nowhere_is_refused() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    let text = "From: A <a@example.com>\nDate: Fri, 15 Apr 2022 07:20:00 +0200\nSubject: [PATCH] x\n\n---\ndiff --git a/l b/l\nnew file mode 120000\nindex 0000000..e69de29\n";
    let (_dir, path) = mailbox(text.as_bytes());
    let ran = patchlift(&["apply", arg(&path), "--repo", repo.arg(), "--base", "main", "--json"]);
    assert_eq!((ran.code, &ran.json()["file"]), (3, &"l".into()));
}

/// Seed 408284: the rename does not say that the file is a symlink.
#[test]
fn a_symlink_is_not_renamed_onto_a_file() {
    let repo = GitRepo::with(&[("f", "a\n"), ("g", "b\n")]);
    std::os::unix::fs::symlink("f", repo.path().join("l")).unwrap();
    let base = repo.commit("a link");
    let text = "From: A <a@example.com>\nDate: Fri, 15 Apr 2022 07:20:00 +0200\nSubject: [PATCH] x\n\n---\ndiff --git a/l b/g\nsimilarity index 100%\nrename from l\nrename to g\ndiff --git a/m b/m\nnew file mode 120000\nindex 0000000..6a69f92\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+f\n\\ No newline at end of file\n";
    let (_dir, path) = mailbox(text.as_bytes());
    let ran = patchlift(&["apply", arg(&path), "--repo", repo.arg(), "--base", &base, "--json"]);
    assert_eq!(ran.json()["result"], "conflict", "{}", ran.stdout);
}

#[test]
fn part_of_a_series_is_taken_as_git_am_takes_it() {
    let repo = GitRepo::with(&[("a", "1\n2\n3\n")]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", "1\nzwei\n3\n");
    repo.commit("a: translate");
    let mails = String::from_utf8(repo.format_patch(&base, &[])).unwrap().replace("[PATCH]", "[PATCH 3/7]");
    let (_dir, path) = mailbox(mails.as_bytes());
    let ran = patchlift(&["apply", arg(&path), "--repo", repo.arg(), "--base", &base, "--json"]);
    assert_eq!(ran.json()["commits"][0]["patch"], 1);
    let refused = patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", &base]);
    assert_eq!(refused.code, 2);
    assert!(refused.error_line().contains("patches 1, 2, 4, 5, 6 and 7 of 7 missing"), "{}", refused.stderr);
}

/// `patchlift apply` stands in for `git am`, so git's own variables count; a branch must not depend on them.
#[test]
fn the_committer_of_the_environment_counts_for_apply_only() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    let text = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\nDate: Fri, 15 Apr 2022 07:20:00 +0200\nSubject: [PATCH] x\n\nWhy.\n---\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";
    let (_dir, path) = mailbox(text.as_bytes());
    let tip = |command: &str, environment: bool, extra: &[&str]| {
        let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_patchlift"));
        run.args([command, arg(&path), "--repo", repo.arg(), "--base", "main", "--json"]).args(extra);
        for name in ["GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE"] {
            run.env_remove(name);
        }
        if environment {
            run.env("GIT_COMMITTER_NAME", "Bot").env("GIT_COMMITTER_EMAIL", "bot@example.com");
            run.env("GIT_COMMITTER_DATE", "1700000000 +0000");
        }
        let output = run.output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        json["tip"].as_str().unwrap().to_owned()
    };
    let flags = ["--committer", "Bot <bot@example.com>", "--committer-date", "1700000000 +0000"];
    assert_eq!(tip("apply", true, &[]), tip("apply", false, &flags));
    assert_ne!(tip("apply", true, &[]), tip("apply", false, &[]));
    assert_eq!(tip("series", true, &["--dry-run"]), tip("series", false, &["--dry-run"]));
    let other = ["--committer", "C <c@example.com>"];
    assert_ne!(tip("apply", true, &other), tip("apply", true, &[]), "a flag wins");
}
