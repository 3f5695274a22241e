//! `patchlift series`: from mailbox to branch.

use crate::git_repo::{GitRepo, mailbox};
use crate::run::{arg, patchlift, patchlift_with_input};

/// A repository with three commits on its base, and their mailbox with a cover letter.
fn three_patches() -> (GitRepo, String, Vec<u8>) {
    let repo = GitRepo::with(&[("kernel/a.c", "int a;\n"), ("README", "read me\n")]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("kernel/a.c", "int a = 1;\n");
    repo.commit("a: give it a value\n\nIt had none.\n\nSigned-off-by: A U Thor <author@example.com>");
    repo.write("kernel/b.c", "int b;\n");
    repo.commit("b: new");
    repo.write("README", "read me twice\n");
    repo.commit("doc: say it twice");
    let mails = repo.format_patch(&base, &["--cover-letter"]);
    repo.git(&["branch", "-q", "work"]);
    repo.git(&["reset", "-q", "--hard", &base]);
    (repo, base, mails)
}

#[test]
fn a_series_becomes_a_branch_with_authors_and_messages_kept() {
    let (repo, base, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    let ran =
        patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "42", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let json = ran.json();
    assert_eq!(json["result"], "applied");
    assert_eq!(json["branch"], "series/42");
    assert_eq!(json["base"]["commit"], base);
    // The cover letter is the sender's; the patches keep their own authors.
    assert_eq!(json["series"]["author"], "Bot <bot@example.com>");
    assert_eq!(json["series"]["url"], serde_json::Value::Null);
    assert_eq!(json["tip"], repo.git(&["rev-parse", "series/42"]));
    assert_eq!(json["tree"], repo.git(&["rev-parse", "work^{tree}"]));
    let log = |range: &str| repo.git(&["log", "--format=%an %ae %ad %B", "--date=raw", range]);
    assert_eq!(log("main..series/42"), log("main..work"));
    let subjects: Vec<_> =
        json["commits"].as_array().unwrap().iter().map(|c| c["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["a: give it a value", "b: new", "doc: say it twice"]);
    assert_eq!(json["commits"][2]["patch"], 3);
    assert_eq!(json["commits"][2]["of"], 3);
    repo.git(&["fsck", "--strict"]);
}

#[test]
fn the_committer_is_the_bridge_with_the_mails_date() {
    let (repo, _, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    assert_eq!(
        patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "1"]).code,
        0
    );
    let committer = repo.git(&["log", "-1", "--format=%cn %ce %cd", "--date=raw", "series/1"]);
    assert_eq!(committer, "patchlift patchlift@localhost 1650000000 +0200");
}

#[test]
fn the_same_series_gives_the_same_commits_anywhere_and_a_second_run_does_nothing() {
    let (repo, base, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    let run =
        |repo: &GitRepo| patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--json"]);
    let first = run(&repo);
    let before = repo.state();
    let second = run(&repo);
    assert_eq!((first.code, second.code), (0, 0));
    assert_eq!(second.json()["moved"], "unchanged");
    assert_eq!(first.json()["tip"], second.json()["tip"]);
    assert_eq!(before, repo.state());
    let elsewhere = GitRepo::new();
    elsewhere.git(&["fetch", "-q", repo.arg(), &format!("{base}:main"), "--update-head-ok"]);
    assert_eq!(run(&elsewhere).json()["tip"], first.json()["tip"]);
}

#[test]
fn the_screen_is_short_and_plain_without_a_terminal() {
    let (repo, base, mails) = three_patches();
    let text = String::from_utf8(mails).unwrap().replace("*** SUBJECT HERE ***", "Three changes");
    let ran = patchlift_with_input(
        &["series", "-", "--repo", repo.arg(), "--base", "main", "--id", "7", "--dry-run"],
        text.as_bytes(),
    );
    let tip = ran
        .stdout
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .nth(6)
        .unwrap()
        .trim_end_matches(';')
        .to_owned();
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "Three changes");
    assert_eq!(lines[1], format!("Bot <bot@example.com> on main ({})", &base[..12]));
    assert!(lines[2].starts_with("  1/3 ") && lines[2].ends_with(" a: give it a value"), "{}", lines[2]);
    assert_eq!(lines[5], format!("dry run: series/7 would be at {tip}; nothing was written"));
    assert!(!ran.stdout.contains('\u{1b}'));
}

#[test]
fn a_dry_run_writes_nothing() {
    let (repo, _, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    let before = repo.state();
    let ran = patchlift(&[
        "series",
        arg(&path),
        "--repo",
        repo.arg(),
        "--base",
        "main",
        "--dry-run",
        "--id",
        "other",
    ]);
    assert_eq!(ran.code, 0);
    assert_eq!(before, repo.state());
}

#[test]
fn another_repository_can_be_the_mirror() {
    let (repo, base, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    let mirror = GitRepo::new();
    mirror.git(&["config", "core.bare", "true"]);
    let run = || {
        let args = [
            "series",
            arg(&path),
            "--repo",
            repo.arg(),
            "--base",
            "main",
            "--mirror",
            mirror.arg(),
            "--id",
            "9",
            "--json",
        ];
        patchlift(&args).json()
    };
    let json = run();
    assert_eq!(json["moved"], "created");
    assert_eq!(json["tip"], mirror.git(&["rev-parse", "series/9"]));
    assert_eq!(mirror.git(&["rev-parse", "series/9~3"]), base);
    mirror.git(&["fsck", "--strict"]);
    assert_eq!(repo.git(&["for-each-ref", "refs/heads/series", "refs/patchlift"]), "");
    assert_eq!(run()["moved"], "unchanged");
}

#[test]
fn a_conflict_names_base_patch_file_hunk_and_reason_and_leaves_nothing() {
    let (repo, _, mails) = three_patches();
    repo.write("README", "something else entirely\n");
    let base = repo.commit("other");
    let (_dir, path) = mailbox(&mails);
    let before = repo.state();
    let ran =
        patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "5", "--json"]);
    assert_eq!(ran.code, 3);
    let json = ran.json();
    assert_eq!(json["result"], "conflict");
    assert_eq!(json["base"]["commit"], base);
    assert_eq!((&json["patch"], &json["of"]), (&3.into(), &3.into()));
    assert_eq!(json["subject"], "doc: say it twice");
    assert_eq!(json["file"], "README");
    assert_eq!(json["hunk"], "@@ -1 +1 @@");
    assert_eq!(json["reason"], "the patch and the base changed the same lines");
    assert_eq!(json["made_for"][0]["known"], true);
    assert_eq!(json["known_base"], serde_json::Value::Null);
    assert_eq!(before, repo.state());
    let text = patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "5"]).stdout;
    assert!(text.contains("conflict: patch 3/3 does not apply to main"), "{text}");
    repo.git(&["tag", "v1", "main~1"]);
    let text = patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "main", "--id", "5"]).stdout;
    assert!(text.contains("the series was made for v1 ("), "{text}");
}

#[test]
fn a_series_that_the_base_holds_is_its_own_outcome() {
    let (repo, _, mails) = three_patches();
    let (_dir, path) = mailbox(&mails);
    let ran = patchlift(&["series", arg(&path), "--repo", repo.arg(), "--base", "work", "--json"]);
    assert_eq!(ran.code, 4, "{}", ran.stdout);
    assert_eq!(ran.json()["result"], "already_applied");
    assert_eq!(ran.json()["commits"], serde_json::json!([]));
    assert_eq!(repo.git(&["for-each-ref", "refs/heads/series"]), "");
}

#[test]
fn the_first_base_that_fits_is_taken_and_the_others_are_explained() {
    let (repo, base, mails) = three_patches();
    repo.git(&["branch", "-q", "good"]);
    repo.write("README", "something else entirely\n");
    let bad = repo.commit("other");
    let (_dir, path) = mailbox(&mails);
    let run = |bases: &[&str]| {
        let mut args = vec!["series", arg(&path), "--repo", repo.arg(), "--id", "8", "--dry-run", "--json"];
        args.extend(bases);
        patchlift(&args)
    };
    let json = run(&["--base", "main", "--base", "good"]).json();
    assert_eq!((&json["result"], &json["base"]["branch"]), (&"applied".into(), &"good".into()));
    assert_eq!(json["tried"][0]["commit"], bad);
    assert_eq!(json["tried"][0]["why"], "given");
    assert_eq!(json["tried"][0]["patch"], 3);
    let tagged = run(&["--base", "main", "--base", "good path:kernel/ path:README"]).json();
    assert_eq!(tagged["base"]["branch"], "good");
    assert_eq!(tagged["tried"], serde_json::Value::Null);
    let named = run(&["--base", "main", "--use-base-commit"]).json();
    assert_eq!(named["base"]["commit"], base);
    assert_eq!(run(&["--base", "main"]).code, 3);
    assert_eq!(run(&["--base", "main", "--base", "nowhere"]).code, 2);
}
