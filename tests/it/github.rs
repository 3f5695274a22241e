//! Runs of the workflow, against the fake GitHub.

mod faults;
mod odd_answers;
mod runs;

use std::collections::BTreeMap;
use std::time::Duration;

use patchlift::github::{GitHub, Settings};
use secrecy::SecretString;

use crate::world::github::{FakeGitHub, REPOSITORY, TOKEN};

fn settings(github: &FakeGitHub) -> Settings {
    Settings {
        api: github.url.parse().unwrap(),
        repository: REPOSITORY.into(),
        workflow: "kvm-ci.yml".into(),
        branch: None,
        trigger: patchlift::github::Trigger::Dispatch,
        credential: SecretString::from(TOKEN).into(),
        mirror: "https://mirror.example.org/linux.git".into(),
        poll: Duration::from_secs(60),
        pause: Duration::ZERO,
        queued_limit: Duration::from_secs(86_400),
        run_limit: Duration::from_secs(86_400),
        cancel_limit: Duration::from_secs(600),
    }
}

fn client(github: &FakeGitHub) -> GitHub {
    GitHub::new(&settings(github))
        .unwrap()
        .with_gap(Duration::ZERO)
        .with_answer_limit(Duration::from_secs(10))
}

/// One that does not wait long for an answer.
fn hasty_client(github: &FakeGitHub) -> GitHub {
    let fixed = Settings { branch: Some("trunk".into()), ..settings(github) };
    GitHub::new(&fixed).unwrap().with_gap(Duration::ZERO).with_answer_limit(Duration::from_millis(300))
}

fn inputs(run_key: &str) -> BTreeMap<String, String> {
    [
        ("run_key", run_key),
        ("box", "p8"),
        ("repository", "https://mirror.example.org/linux.git"),
        ("series", "{}"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
