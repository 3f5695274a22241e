//! Patches whose files have moved: merged by git, merged without git, found in the base's history, or refused.

use std::process::Command;

use serde_json::Value;

use crate::git_repo::{GitRepo, mailbox};
use crate::run::arg;

/// Thirty numbered lines, some of them replaced.
fn lines(replaced: &[(usize, &str)]) -> String {
    let line = |number: usize| {
        let new = replaced.iter().find(|(at, _)| *at == number).map(|(_, text)| (*text).to_owned());
        new.unwrap_or_else(|| format!("line {number}")) + "\n"
    };
    (1..=30).map(line).collect()
}

/// Applies to "main", with or without a git to ask.
fn apply(repo: &GitRepo, mails: &[u8], with_git: bool) -> Value {
    let (_dir, path) = mailbox(mails);
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
    command.args(["apply", arg(&path), "--repo", repo.arg(), "--base", "main", "--json"]);
    if !with_git {
        command.env("PATH", "/nonexistent");
    }
    serde_json::from_slice(&command.output().unwrap().stdout).unwrap()
}

#[test]
fn a_patch_that_renames_a_changed_file_is_merged_alike_with_and_without_git() {
    let repo = GitRepo::with(&[("a", &lines(&[]))]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["mv", "a", "b"]);
    repo.write("b", &lines(&[(5, "five")]));
    repo.commit("move it");
    let mails = repo.format_patch(&base, &["-M"]);
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.write("a", &lines(&[(25, "twenty-five")]));
    repo.commit("change it");
    let answers = [true, false].map(|with_git| apply(&repo, &mails, with_git));
    for answer in &answers {
        assert_eq!(answer["result"], "applied", "{answer}");
        let tip = answer["tip"].as_str().unwrap();
        assert_eq!(repo.git(&["ls-tree", "--name-only", tip]), "b");
        let merged = lines(&[(5, "five"), (25, "twenty-five")]);
        assert_eq!(repo.git(&["show", &format!("{tip}:b")]), merged.trim_end());
    }
    assert_eq!(answers[0]["tip"], answers[1]["tip"]);
}

/// Seed 104639 of the random histories.
#[test]
fn a_renamed_file_is_not_taken_for_a_deleted_one_that_is_less_like_it() {
    let half: Vec<(usize, &str)> = (1..=12).map(|at| (at, "other")).collect();
    let repo = GitRepo::with(&[("a", &lines(&[])), ("gone", &lines(&half))]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["rm", "-q", "gone"]);
    repo.git(&["mv", "a", "b"]);
    repo.write("b", &lines(&[(5, "five")]));
    repo.commit("move it");
    let mails = repo.format_patch(&base, &["-M"]);
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.git(&["rm", "-q", "gone"]);
    repo.commit("nobody needs it");
    for with_git in [true, false] {
        let answer = apply(&repo, &mails, with_git);
        assert_eq!(answer["result"], "applied", "{answer}");
        let tip = answer["tip"].as_str().unwrap();
        assert_eq!(repo.git(&["ls-tree", "--name-only", tip]), "b");
        assert_eq!(repo.git(&["show", &format!("{tip}:b")]), lines(&[(5, "five")]).trim_end());
    }
}

/// Seed 107142: `git am` up to 2.49 commits such a file with conflict markers in it.
#[test]
fn a_rename_onto_a_file_of_the_base_is_a_conflict() {
    let repo = GitRepo::with(&[("a", "one\ntwo\n")]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["mv", "a", "b"]);
    repo.write("b", "one\ntwo\nthree\n");
    repo.commit("move it");
    let mails = repo.format_patch(&base, &["-M"]);
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.write("a", "one\ntwo\nother\n");
    repo.write("b", "");
    repo.commit("a file in its place");
    for with_git in [true, false] {
        let answer = apply(&repo, &mails, with_git);
        assert_eq!((&answer["result"], &answer["file"]), (&"conflict".into(), &"b".into()), "{answer}");
        let says = answer["reason"].as_str().unwrap();
        assert!(!with_git || says.ends_with("another file stands at its new name"), "{says}");
    }
}

#[test]
fn attributes_of_a_directory_count_where_its_files_are_renamed() {
    let repo = GitRepo::with(&[("d/.gitattributes", "* merge=union\n"), ("d/a", &lines(&[]))]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["mv", "d/a", "d/b"]);
    repo.write("d/b", &lines(&[(5, "theirs")]));
    repo.commit("move it");
    let mails = repo.format_patch(&base, &["-M"]);
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.write("d/a", &lines(&[(5, "ours")]));
    repo.commit("change it");
    for with_git in [true, false] {
        let answer = apply(&repo, &mails, with_git);
        assert_eq!(answer["result"], "applied", "{answer}");
        let tip = answer["tip"].as_str().unwrap();
        let merged = lines(&[(5, "ours\ntheirs")]);
        assert_eq!(repo.git(&["show", &format!("{tip}:d/b")]), merged.trim_end());
        assert_eq!(repo.git(&["diff-tree", "-r", "--name-only", "main", tip]), "d/a\nd/b");
    }
}

#[test]
fn a_file_that_the_base_renamed_is_found_in_its_history() {
    let repo = GitRepo::with(&[("a", &lines(&[])), ("other", &lines(&[(1, "one")]))]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", &lines(&[(5, "five")]));
    repo.commit("change it");
    let mails = repo.format_patch(&base, &[]);
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.git(&["mv", "a", "new"]);
    repo.commit("move it");
    repo.write("unrelated", "x\n");
    repo.commit("something else");
    for with_git in [true, false] {
        let answer = apply(&repo, &mails, with_git);
        assert_eq!(answer["result"], "applied", "{answer}");
        let tip = answer["tip"].as_str().unwrap();
        assert_eq!(repo.git(&["show", &format!("{tip}:new")]), lines(&[(5, "five")]).trim_end());
        assert_eq!(repo.git(&["diff-tree", "-r", "--name-only", "main", tip]), "new");
    }
}

#[test]
fn a_similar_file_is_never_taken_for_a_missing_one() {
    let repo = GitRepo::with(&[("board-a.dts", &lines(&[]))]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("board-a.dts", &lines(&[(5, "gpu")]));
    repo.commit("enable the gpu");
    let mails = repo.format_patch(&base, &[]);
    // A base that never had this board, but one much like it.
    repo.git(&["checkout", "-q", "--orphan", "older"]);
    repo.git(&["rm", "-q", "-f", "board-a.dts"]);
    repo.write("board-b.dts", &lines(&[(1, "board b")]));
    repo.commit("older");
    repo.git(&["branch", "-q", "-f", "main", "older"]);
    for with_git in [true, false] {
        let answer = apply(&repo, &mails, with_git);
        assert_eq!(answer["result"], "conflict", "{answer}");
        assert_eq!(answer["file"], "board-a.dts");
        assert!(answer["reason"].as_str().unwrap().starts_with("it needs board-a.dts"), "{answer}");
    }
}
