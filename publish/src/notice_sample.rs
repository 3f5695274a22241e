//! Notices for tests and for the snapshots of what is said.

use jiff::Timestamp;
use patchlift_report::{Ending, sample};

use crate::notice::{Commits, Links, LiveStage, Notice, NoticePatch, Standing};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A series of two patches that stands there.
pub fn notice(standing: Standing) -> Notice {
    let head = "9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60".to_owned();
    let first = "1111111111111111111111111111111111111111".to_owned();
    Notice {
        key: "ozlabs/4711".to_owned(),
        revision: 1,
        attempt: 1,
        title: "KVM: PPC: count exits".to_owned(),
        version: 2,
        author: "Ada Author".to_owned(),
        author_address: "ada@example.org".to_owned(),
        project: "linuxppc-dev".to_owned(),
        patches: vec![
            NoticePatch { subject: "KVM: PPC: add a counter".to_owned(), commit: Some(first) },
            NoticePatch { subject: "KVM: PPC: show the counter".to_owned(), commit: Some(head.clone()) },
        ],
        message_id: "20261122.4711-0-ada@example.org".to_owned(),
        links: Links {
            patchwork: Some("https://patchwork.example.org/series/4711/".to_owned()),
            thread: Some("https://lore.example.org/20261122.4711-0-ada@example.org".to_owned()),
            run: Some("https://github.example.org/octo/kvm/actions/runs/9001".to_owned()),
            branch: Some("https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711".to_owned()),
            page: None,
        },
        commits: Some(Commits {
            head,
            branch: "series/ozlabs/4711".to_owned(),
            base: "powerpc/next".to_owned(),
            base_commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            base_why: "the first of the configured trees".to_owned(),
            base_branch: Some("powerpc/next".to_owned()),
        }),
        on: Some("p8".to_owned()),
        standing,
        since: at(600),
        live: vec![],
        report: None,
    }
}

/// A series whose test came to this.
pub fn ended(ending: Ending) -> Notice {
    let report = sample::report(ending);
    let standing = Standing::Ended { fault: ending.fault(), summary: report.verdict.title.clone() };
    Notice { report: Some(Box::new(report)), ..notice(standing) }
}

/// A series that is at work in its boot.
pub fn testing() -> Notice {
    let stage = |stage: &str, from: i64, to: Option<i64>| LiveStage {
        stage: stage.to_owned(),
        started: Some(at(from)),
        ended: to.map(at),
        passed: to.is_some(),
    };
    let live = vec![
        stage("preflight", 600, Some(605)),
        stage("fetch-source", 605, Some(610)),
        stage("build-host-kernel", 610, Some(900)),
        stage("install-host-kernel", 900, Some(905)),
        stage("boot", 905, None),
    ];
    Notice { live, ..notice(Standing::Testing) }
}

/// Each standing there is, with a name for its snapshot.
pub fn all() -> Vec<(&'static str, Notice)> {
    let held = Standing::Held { reasons: vec!["it changes .github/workflows/ci.yml".to_owned()] };
    let tried =
        vec!["powerpc/next: patch 2: arch/powerpc/kvm/book3s.c: the hunk does not fit the file".to_owned()];
    let not_tested =
        Standing::NotTested { reason: "refused by a maintainer: not for this box".to_owned(), fault: None };
    let without = |standing| Notice { commits: None, on: None, ..notice(standing) };
    let mut all = vec![
        ("held", without(held)),
        ("conflict", without(Standing::Conflict { tried })),
        ("already-applied", without(Standing::AlreadyApplied { base: "powerpc/next".to_owned() })),
        ("pushed", Notice { on: None, ..notice(Standing::Pushed) }),
        ("waiting", Notice { on: None, ..notice(Standing::Waiting) }),
        ("testing", testing()),
        ("superseded", notice(Standing::Superseded { by: "ozlabs/4712".to_owned() })),
        ("not-tested", notice(not_tested)),
    ];
    let no_report = Standing::Ended {
        fault: Some(patchlift_report::Fault::Infrastructure),
        summary: "the run ended (failure) without a report".to_owned(),
    };
    all.push(("no-report", notice(no_report)));
    for (name, ending) in [
        ("passed", Ending::Passed),
        ("does-not-build", Ending::DoesNotBuild),
        ("does-not-boot", Ending::DoesNotBoot),
        ("fails-tests", Ending::FailsTests),
        ("base-broken", Ending::BaseBroken),
        ("infrastructure", Ending::Infrastructure),
        ("hardware", Ending::Hardware),
        ("cancelled", Ending::Cancelled),
    ] {
        all.push((name, ended(ending)));
    }
    all
}
