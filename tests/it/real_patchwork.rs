//! The whole bridge against a real Patchwork, where there is one: recorded mails in, the authors' trees out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use patchlift::record::{Record, State};
use patchlift::store::{Filter, Store};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::patchwork_client::corpus::Corpus;
use crate::run::{arg, must, patchlift};
use crate::world::real_patchwork::RealPatchwork;

/// A check as the server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Check {
    context: String,
    state: String,
    description: String,
}

#[derive(Debug, Deserialize)]
struct Patch {
    id: u64,
}

async fn get<T: DeserializeOwned>(server: &RealPatchwork, rest: &str) -> Vec<T> {
    let request = reqwest::Client::new().get(format!("{}api/1.3/{rest}", server.url));
    let answer = request.timeout(Duration::from_secs(60)).send().await.unwrap().error_for_status().unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// All checks on all patches of the server, in the order in which they came.
async fn checks(server: &RealPatchwork) -> BTreeMap<u64, Vec<Check>> {
    let mut checks = BTreeMap::new();
    for page in 1.. {
        let patches: Vec<Patch> = get(server, &format!("patches/?order=id&per_page=100&page={page}")).await;
        for patch in &patches {
            checks.insert(patch.id, get(server, &format!("patches/{}/checks/?per_page=250", patch.id)).await);
        }
        if patches.len() < 100 {
            break;
        }
    }
    checks
}

fn once(config: &Path) {
    let ran = patchlift(&["once", "--config", arg(config)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn configuration(dir: &Path, server: &RealPatchwork, data: &Path) -> std::path::PathBuf {
    let upstream = dir.join("upstream.git");
    let bundle = data.join("base.bundle");
    must(Command::new("git").args(["clone", "-q", "--bare", arg(&bundle), arg(&upstream)]));
    let mirror = dir.join("mirror.git");
    must(Command::new("git").args(["init", "-q", "--bare", arg(&mirror)]));
    let projects = ["linuxppc-dev", "skiboot", "kvm-ppc", "qemu-ppc"]
        .map(|name| format!("[[server.project]]\nname = \"{name}\"\n"))
        .concat();
    let text = format!(
        "state_dir = \"state\"\n\
         [[server]]\nname = \"real\"\nurl = \"{}\"\ntoken = {{ file = \"{}\" }}\n\
         poll = \"1 s\"\nsettle = \"500 ms\"\n{projects}\
         [[tree]]\nname = \"skiboot\"\nurl = \"{}\"\nbranches = [\"master\"]\n\
         [mirror]\nurl = \"{}\"\npause = \"0 s\"\n",
        server.url,
        server.token_file().display(),
        upstream.display(),
        mirror.display(),
    );
    let config = dir.join("patchlift.toml");
    std::fs::write(&config, text).unwrap();
    config
}

/// What became of a series, compared with what git makes of its mails.
fn compare(record: &Record, corpus: &Corpus) -> Option<Result<(), String>> {
    let ids: Vec<&str> = record.listing.patches.iter().map(|patch| patch.msgid.as_str()).collect();
    let series = corpus.with(&ids)?;
    let tree = match &record.state {
        State::Conflicts { .. } => "FAIL",
        state => state.applied()?.tree.as_str(),
    };
    let wrong = || Err(format!("{} {:?}: {tree} of {:?}", record.key, record.listing.name, series.trees()));
    Some(if series.is_right(tree) { Ok(()) } else { wrong() })
}

#[tokio::test]
async fn recorded_mails_become_the_authors_trees_and_no_check_comes_twice() {
    let (Some(corpus), Some(mut server)) = (Corpus::open(), RealPatchwork::start()) else { return };
    server.takes_all(&corpus.data);
    let dir = tempfile::tempdir().unwrap();
    let config = configuration(dir.path(), &server, &corpus.data);
    once(&config);

    let store = Store::read_only(&dir.path().join("state")).unwrap();
    let found = store.listed(&Filter::default()).unwrap();
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    let compared: Vec<Result<(), String>> =
        found.records.iter().filter_map(|record| compare(record, &corpus)).collect();
    let wrong: Vec<&String> = compared.iter().filter_map(|one| one.as_ref().err()).collect();
    eprintln!("{} series, {} trees compared", found.records.len(), compared.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(compared.len() >= 45, "only {} compared", compared.len());
    let parked = found.records.iter().filter(|record| matches!(record.state, State::Parked { .. }));
    assert_eq!(parked.map(|record| &record.state).collect::<Vec<_>>(), Vec::<&State>::new());

    let after_first = checks(&server).await;
    let posted: usize = after_first.values().map(Vec::len).sum();
    assert!(posted >= compared.len(), "only {posted} checks");
    for (patch, checks) in &after_first {
        let doubled = checks.iter().enumerate().find(|(at, check)| checks[..*at].contains(check));
        assert_eq!(doubled, None, "on patch {patch}");
    }
    once(&config);
    assert_eq!(checks(&server).await, after_first);
}
