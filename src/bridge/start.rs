//! Starts a series' run on GitHub, or finds the one that was started.

mod push;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ledger::{Change, Stand};
use super::site::{Site, StepError, ours};
use crate::config::Config;
use crate::github::{GitHub, GitHubError, RunView};
use crate::record::standing::{self, without_prefix};
use crate::record::state::{Applied, Base, Run};
use crate::record::{Record, State};

/// A run that was asked for shows after this many looks; otherwise the request was lost, or the run is gone. GitHub
/// promises no time; its list was never more than seconds behind.
const LOOKS_FOR_A_NEW_RUN: u32 = 4;

/// May a run that was asked for at this time still show, though it is not found now?
pub(super) fn may_still_show(site: &Site, asked: Timestamp) -> bool {
    site.clock.now() < asked + poll_of(site) * LOOKS_FOR_A_NEW_RUN
}

/// Most bytes of the series in the workflow's inputs: GitHub takes 65 535 characters of all inputs together.
const SERIES_MAX: usize = 48_000;

/// Starts the run of a series that has its box.
pub(super) async fn start(site: &Site, mut record: Record) -> Result<Change, StepError> {
    let State::Starting { applied, run } = record.state.clone() else {
        return Ok(Change::of(record, vec![]));
    };
    let Some(github) = &site.github else {
        return Err(ours("there is no [github] in the configuration").into());
    };
    let now = site.clock.now();
    if let Some(asked) = run.asked {
        // It was asked for, and what came of it is not known.
        if let Some(view) = find(github, &run, asked).await? {
            let run = Run { id: Some(view.id), url: view.url, status: view.status, ..run };
            return Ok(running(record, applied, run, site));
        }
        if may_still_show(site, asked) {
            record.due = Some(now + poll_of(site));
            return Ok(Change::of(record, vec![]));
        }
    }
    if site.only_says(|| format!("{}: start a run on {}", record.key, run.on)) {
        record.due = None;
        return Ok(Change::of(record, vec![]));
    }
    // The push is what asks for it.
    if site.config.ci_files().is_some()
        && let Some(until) = site.mirror_gate.closed(now)
    {
        record.due = Some(until);
        return Ok(Change::of(record, vec![]));
    }
    // Saved before it is asked for: from here on a run of that name may be there.
    let mut asked = record.clone();
    let pushed = match site.config.ci_files() {
        Some(_) => Some(push::before(github, &applied.tip).await?),
        None => None,
    };
    let run = Run { asked: Some(now), pushed, ..run };
    asked.state = State::Starting { applied: applied.clone(), run: run.clone() };
    if !site.ledger.commit(Stand::of(&record), Change::of(asked.clone(), vec![]), None).await? {
        return Ok(Change::of(asked, vec![]));
    }
    if site.config.ci_files().is_some() {
        return push::start(site, asked).await;
    }
    match github.dispatch(&inputs(site, &record, &applied, &run)).await {
        Ok(Some(id)) => {
            // The rest is seen when it is looked at.
            let run = Run { id: Some(id), ..run };
            Ok(running(asked, applied, run, site))
        }
        // The answer does not say which run it is: it is looked for by its name.
        Ok(None) => {
            asked.due = Some(now + Duration::from_secs(2).min(poll_of(site)));
            Ok(Change::of(asked, vec![]))
        }
        Err(error) if !error.may_have_happened() => {
            asked.state = State::Starting { applied, run: Run { asked: None, ..run } };
            site.ledger.commit(Stand::of(&asked), Change::of(asked.clone(), vec![]), None).await?;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A run that was asked for at this time; `None`: there is none yet.
pub(super) async fn find(
    github: &GitHub,
    run: &Run,
    asked: Timestamp,
) -> Result<Option<RunView>, GitHubError> {
    match &run.pushed {
        Some(pushed) => push::find(github, pushed).await,
        None => github.find_run(&run.run_key, asked).await,
    }
}

pub(super) fn poll_of(site: &Site) -> Duration {
    site.config.github.as_ref().map_or(Duration::from_secs(30), |settings| settings.poll)
}

fn running(mut record: Record, applied: Applied, run: Run, site: &Site) -> Change {
    let words = format!("run {} for {}", run.id.unwrap_or(0), run.on);
    // Whoever is at work on the branch found it there.
    let applied = Applied { held_back: false, ..applied };
    let event = record.enter(State::Running { applied, run }, words, site.clock.now());
    Change::of(record, vec![event])
}

/// What the workflow is given: its name, where the commits are, and what `patchlift series --json` prints.
fn inputs(site: &Site, record: &Record, applied: &Applied, run: &Run) -> BTreeMap<String, String> {
    let count = applied.commits.len();
    let commits: Vec<_> = applied
        .commits
        .iter()
        .enumerate()
        .map(|(at, commit)| {
            let name = record.listing.patches.get(at).map_or("", |patch| patch.name.as_str());
            json!({ "commit": commit, "patch": at + 1, "of": count, "subject": without_prefix(name), "merged": false })
        })
        .collect();
    let mut series = json!({
        "result": "applied",
        "series": described(record),
        "base": { "branch": applied.base.name, "commit": applied.base.commit },
        "branch": applied.branch,
        "tip": applied.tip,
        "tree": applied.tree,
        "commits": commits,
    });
    // What the commit under a series says of it, where there is one, is the same at every attempt.
    series["series"]["attempt"] = standing::attempt(record).into();
    if series.to_string().len() > SERIES_MAX
        && let Some(commits) = series["commits"].as_array_mut()
    {
        // The action reads the subjects from the commits, too.
        for commit in commits {
            commit["subject"] = "".into();
        }
    }
    let mirror = site.config.github.as_ref().map_or("", |settings| settings.mirror.as_str());
    [
        ("run_key", run.run_key.clone()),
        ("box", run.on.clone()),
        ("repository", mirror.to_owned()),
        ("series", series.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What is said of a series whatever its commits are.
fn described(record: &Record) -> Value {
    let submitter = &record.listing.submitter;
    let first = record.listing.first_mail();
    json!({
        "id": record.key.to_string(),
        "title": record.text.as_ref().map_or("", |text| text.title.as_str()),
        "version": record.listing.version,
        "author": format!("{} <{}>", submitter.name, submitter.email),
        "message_id": first.map(|first| first.msgid.as_str()),
        "url": record.listing.web_url,
    })
}

/// What the commit under a series tells the workflow. Its own commits are not known before it.
pub(super) fn told(config: &Config, record: &Record, base: &Base) -> Vec<u8> {
    let mirror = config.github.as_ref().map_or("", |settings| settings.mirror.as_str());
    let told = json!({
        "result": "applied",
        "series": described(record),
        "base": { "branch": base.name, "commit": base.commit },
        "branch": crate::mirror::branch_of(&record.key.to_string()),
        "repository": mirror,
    });
    format!("{told:#}\n").into_bytes()
}
