//! Bad input: one clear line, the documented exit code, nothing written.

use crate::git_repo::{GitRepo, mailbox};
use crate::run::{arg, patchlift, patchlift_with_input};

/// A mail with this subject and this text after its headers.
fn mail(subject: &str, body: &str) -> String {
    format!(
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\nDate: Fri, 15 Apr 2022 07:20:00 +0200\nSubject: {subject}\n\nWhy.\n---\n{body}\n"
    )
}

/// A diff that makes a file at this path.
fn new_file(path: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..9daeafb\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+test\n"
    )
}

const CHANGE: &str =
    "diff --git a/f b/f\nindex 7898192..6178079 100644\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn every_kind_of_bad_mailbox_has_its_line() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    let before = repo.state();
    let gap = format!("{}{}", mail("[PATCH 1/3] a", CHANGE), mail("[PATCH 3/3] c", CHANGE));
    let doubled = format!("{}{}", mail("[PATCH 1/1] a", CHANGE), mail("[PATCH 1/1] b", CHANGE));
    let pull = mail(
        "[GIT PULL] fixes",
        "The following changes since commit abc:\n\nare available in the Git repository at:\n\n  git://x\n",
    );
    let table: [(&[u8], &str, &str); 13] = [
        (b"", "empty", "the file is empty"),
        (b"\n\n  \n", "empty", "the file is empty"),
        (b"<!DOCTYPE html><html><body>Making sure you're not a bot!", "html", "a web page (HTML)"),
        (&[0x7f, b'E', b'L', b'F', 0, 1, 2, 255, 254, 0, 10, 0], "not_a_mailbox", "not a mailbox"),
        (b"some prose\nwithout headers\n", "not_a_mailbox", "not a mailbox"),
        (gap.as_bytes(), "bad_series", "patch 2 of 3 missing"),
        (doubled.as_bytes(), "bad_series", "patch 1/1 is there 2 times"),
        (pull.as_bytes(), "bad_series", "is a pull request"),
        (mail("hello", "no patch").as_bytes().to_vec().leak(), "bad_series", "no patch in it"),
        (
            mail("[PATCH] x", &new_file("../x")).into_bytes().leak(),
            "unsafe_path",
            "../x: the path is not allowed",
        ),
        (
            mail("[PATCH] x", &new_file("/etc/x")).into_bytes().leak(),
            "unsafe_path",
            "/etc/x: the path is not allowed",
        ),
        (
            mail("[PATCH] x", &new_file(".git/hooks/x")).into_bytes().leak(),
            "unsafe_path",
            ".git/hooks/x: the path",
        ),
        (mail("[PATCH] x", &new_file("d/.GIT/x")).into_bytes().leak(), "unsafe_path", "d/.GIT/x: the path"),
    ];
    for (bytes, kind, line) in table {
        let ran =
            patchlift_with_input(&["series", "-", "--repo", repo.arg(), "--base", "main", "--json"], bytes);
        assert_eq!(ran.code, 2, "{line}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.error_line().contains(line), "{line}: {}", ran.stderr);
        assert_eq!(ran.json()["result"], "error");
        assert_eq!(ran.json()["kind"], kind);
    }
    assert_eq!(before, repo.state());
}

#[test]
fn writing_through_a_symlink_is_refused() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    std::os::unix::fs::symlink("/tmp", repo.path().join("esc")).unwrap();
    repo.commit("link");
    let before = repo.state();
    let (_dir, path) = mailbox(mail("[PATCH] x", &new_file("esc/owned")).as_bytes());
    let ran = patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error_line().contains("esc/owned: the path leads through a symlink"), "{}", ran.stderr);
    // The link may also come with the patch itself.
    let link = "diff --git a/l b/l\nnew file mode 120000\nindex 0000000..9595ced\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/tmp\n\\ No newline at end of file\n";
    let both = mail("[PATCH] x", &format!("{link}{}", new_file("l/owned")));
    let ran = patchlift_with_input(&["series", "-", "--repo", repo.arg(), "--base", "main"], both.as_bytes());
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.error_line().contains("l/owned: the path leads through a symlink"), "{}", ran.stderr);
    assert_eq!(before, repo.state());
}

#[test]
fn fifty_megabytes_are_refused_without_being_read_into_memory() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    let text = b"From: A <a@example.com>\n\nlong line of text after text after text\n".repeat(50 << 14);
    let (_dir, path) = mailbox(&text);
    for ran in [
        patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main"]),
        patchlift_with_input(&["series", "-", "--repo", repo.arg(), "--base", "main"], &text),
    ] {
        assert_eq!(ran.code, 2);
        assert!(ran.error_line().contains("larger than 32 MiB"), "{}", ran.stderr);
    }
}

#[test]
fn wrong_names_on_the_command_line_are_named() {
    let repo = GitRepo::with(&[("f", "a\n")]);
    let (_dir, path) = mailbox(mail("[PATCH] x", CHANGE).as_bytes());
    let table = [
        (
            vec!["series", "/no/such.mbox", "--repo", repo.arg(), "--base", "main"],
            "/no/such.mbox: no such file",
        ),
        (
            vec!["series", arg(&path), "--repo", "/no/such/repo", "--base", "main"],
            "/no/such/repo: no git repository",
        ),
        (vec!["series", arg(&path), "--repo", repo.arg(), "--base", "nowhere"], "no commit \"nowhere\""),
        (
            vec!["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "../x"],
            "cannot name a branch",
        ),
        (
            vec!["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--mirror", "/no/mirror"],
            "/no/mirror: no git repository",
        ),
    ];
    let before = repo.state();
    for (args, line) in table {
        let ran = patchlift(&args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.error_line().contains(line), "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(before, repo.state());
}

#[test]
fn control_characters_of_a_mail_never_reach_the_screen() {
    let repo = GitRepo::with(&[("f", "other\n")]);
    let evil =
        mail("[PATCH] \u{1b}[31mred\u{7}", &CHANGE.replace("@@ -1 +1 @@", "@@ -1 +1 @@ \u{1b}]0;title\u{7}"));
    let ran = patchlift_with_input(&["series", "-", "--repo", repo.arg(), "--base", "main"], evil.as_bytes());
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        !ran.stdout.contains(['\u{1b}', '\u{7}']) && !ran.stderr.contains(['\u{1b}', '\u{7}']),
        "{}",
        ran.stdout
    );
}
