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
