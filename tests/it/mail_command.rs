//! `patchlift mail --json`: what other programs read of a mailbox.

use serde_json::{Value, json};

use crate::run::patchlift_with_input;

fn mails(mailbox: &[u8]) -> Vec<Value> {
    let ran = patchlift_with_input(&["mail", "-", "--json"], mailbox);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json()["messages"].as_array().unwrap().clone()
}

#[test]
fn a_patch_mail_is_shown_whole() {
    let mailbox = b"From x Mon Sep 17 00:00:00 2001\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.com>\nDate: Fri, 15 Apr 2022 07:20:00 +0200\nSubject: [RFC PATCH v2 3/5] area: do it\nMessage-ID: <3@example.com>\nIn-Reply-To: <0@example.com>\n\nWhy.\n\nDepends-on: <before@example.com>\n---\nnote\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n-- \n2.39\n\nbase-commit: 4cff88d49a61b7a2a4f0ce9fbae0f1c4f1c3bd35\n";
    let mail = &mails(mailbox)[0];
    assert_eq!(mail["kind"], "patch");
    assert_eq!((&mail["number"], &mail["of"], &mail["version"]), (&json!(3), &json!(5), &json!(2)));
    assert_eq!(mail["tags"], json!(["RFC", "PATCH"]));
    assert_eq!(mail["author"], json!({"name": "Jörg", "email": "j@example.com"}));
    assert_eq!(mail["date"], "Fri, 15 Apr 2022 07:20:00 +0200");
    assert_eq!(mail["subject"], "area: do it");
    assert_eq!(mail["message"], "Why.\n\nDepends-on: <before@example.com>\n");
    assert_eq!(mail["commit_message"], "area: do it\n\nWhy.\n\nDepends-on: <before@example.com>\n");
    assert!(mail["patch"].as_str().unwrap().starts_with("---\nnote\ndiff --git"));
    assert_eq!(mail["base_commit"], "4cff88d49a61b7a2a4f0ce9fbae0f1c4f1c3bd35");
    assert_eq!(mail["depends_on"], json!(["<before@example.com>"]));
    assert_eq!(
        (&mail["message_id"], &mail["in_reply_to"]),
        (&json!("3@example.com"), &json!("0@example.com"))
    );
}

#[test]
fn bytes_that_are_no_text_are_base64_with_a_flag() {
    let mail = &mails(b"From: A <a@b.c>\nSubject: caf\xe9\n\nx\n---\ndiff --git a/f b/f\n+\xff\n")[0];
    assert_eq!(mail["subject"], json!({"base64": "Y2Fm6Q==", "encoding": "base64"}));
    assert_eq!(mail["patch"]["encoding"], "base64");
    assert_eq!(mail["message"], "x\n");
}

#[test]
fn kinds_are_told_apart() {
    let mail = |subject: &str, body: &str| {
        format!("From x Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: {subject}\n\n{body}\n")
    };
    let mailbox = [
        mail("[PATCH 0/2] all", "letter"),
        mail("Re: [PATCH 1/2] x", "> diff --git a/f b/f\nNo."),
        mail(
            "[GIT PULL] y",
            "The following changes since commit a:\n\nare available in the git repository at:\n",
        ),
        mail("hello", "x"),
        mail("broken =?utf-8?x?y?=", "x"),
    ]
    .concat();
    let mails = mails(mailbox.as_bytes());
    let kinds: Vec<_> = mails.iter().map(|mail| mail["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..4], ["cover", "reply", "pull_request", "other"]);
    assert!(mails[4]["error"].as_str().unwrap().contains("damaged encoded word"), "{}", mails[4]["error"]);
}
