//! Recorded series with the commits that `git am -3` made of them: every commit id must be the same.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::run::{arg, must, patchlift};
use crate::test_data;

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    mbox: String,
    base: String,
    expected: String,
    commits: Vec<String>,
    hazard: Option<String>,
}

/// Where a better answer than git's is given, with the reason; docs/git-differences.md explains each.
const COVER_LETTER: &str = "kvm-unit-tests-034-conflict";

#[test]
fn every_recorded_series_gives_gits_commits() {
    let Some(data) = test_data::folder("apply") else { return };
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(data.join("manifest.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("corpus.git");
    must(Command::new("git").args(["init", "-q", "--bare", arg(&repo)]));
    let bundle = data.join("corpus.bundle");
    let refs = ["+refs/cases/*:refs/cases/*", "+refs/aux/*:refs/aux/*"];
    must(Command::new("git").args(["-C", arg(&repo), "fetch", "-q", arg(&bundle)]).args(refs));
    let wrong: Vec<String> = manifest.cases.iter().filter_map(|case| case.differs(&data, &repo)).collect();
    assert!(manifest.cases.len() > 200, "the corpus is not whole");
    assert_eq!(wrong, Vec::<String>::new());
}

impl Case {
    /// What is wrong with our answer to this case.
    fn differs(&self, data: &Path, repo: &Path) -> Option<String> {
        let ran = patchlift(&[
            "apply",
            arg(&data.join(&self.mbox)),
            "--repo",
            arg(repo),
            "--base",
            &self.base,
            "--json",
            "--committer",
            "Bot <bot@example.com>",
            "--committer-date",
            "1700000000 +0000",
        ]);
        let json = ran.json();
        let result = json["result"].as_str().unwrap();
        let commits: Vec<&str> =
            json["commits"].as_array().into_iter().flatten().filter_map(|c| c["commit"].as_str()).collect();
        // Git puts such a patch into another file; refusing it with the missing file's name is right.
        let hazard_refused = self.hazard.is_some() && result == "conflict" && json["file"].is_string();
        if hazard_refused || self.name == COVER_LETTER {
            return None;
        }
        let expected = match (self.expected.as_str(), self.commits.as_slice()) {
            ("conflict", _) => "conflict",
            (_, []) => "already_applied",
            _ => "applied",
        };
        let same = result == expected && (result != "applied" || commits == self.commits);
        (!same).then(|| format!("{}: expected {expected}, got {}", self.name, ran.stdout))
    }
}
