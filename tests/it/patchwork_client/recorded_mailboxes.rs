//! Mailboxes and listings that a real server gave.

use patchlift::intake::{Completeness, Reason, completeness, freeze, match_mailbox};
use patchlift::listing::{ListedPatch, Listing, Submitter};
use patchlift::mail::overview::overview;
use patchlift::mbox;

use super::client;
use super::corpus::Corpus;
use crate::world::patchwork::{FakePatchwork, Fault};

/// A listing as it must have been: what the mailbox itself says, which is safe here as nobody wrote it to deceive.
fn listing(mailbox: &[u8]) -> Listing {
    let patches: Vec<ListedPatch> = mbox::split(mailbox)
        .iter()
        .map(|mail| overview(mail))
        .map(|seen| ListedPatch {
            id: seen.patchwork_id.unwrap(),
            msgid: seen.message_id.unwrap(),
            name: String::new(),
            web_url: None,
        })
        .collect();
    let total = u32::try_from(patches.len()).unwrap();
    Listing {
        id: 1,
        project: "linuxppc-dev".to_owned(),
        name: None,
        date: String::new(),
        submitter: Submitter { name: String::new(), email: String::new() },
        version: 1,
        total,
        received_total: total,
        received_all: true,
        cover: None,
        patches,
        web_url: None,
    }
}

#[test]
fn recorded_mailboxes_give_their_authors_trees() {
    let Some(corpus) = Corpus::open() else { return };
    let (mut compared, mut odd) = (0, Vec::new());
    let mut names: Vec<_> =
        std::fs::read_dir(corpus.data.join("mbox")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|end| end == "mbox")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mailbox = std::fs::read(path).unwrap();
        if name.starts_with("cover") {
            continue; // Not a series.
        }
        let listing = listing(&mailbox);
        let matched = match_mailbox(&listing, &mailbox);
        if !matched.from_json.is_empty() {
            odd.extend(matched.from_json.iter().map(|(_, reason)| (name.clone(), *reason)));
            continue;
        }
        let frozen = freeze(&listing, matched, &[], None).unwrap();
        let ids: Vec<&str> = listing.patches.iter().map(|patch| patch.msgid.as_str()).collect();
        let Some(series) = corpus.with(&ids) else { continue };
        let tree = corpus.tree(series, &frozen);
        assert!(series.is_right(&tree), "{name}: {tree} of {:?}", series.trees());
        compared += 1;
    }
    // What Patchwork made of Latin-1 bytes in a new file is not what the patch says of itself.
    let expected =
        [("s13-latin1-file".to_owned(), Reason::Altered), ("s32-pull-request".to_owned(), Reason::NoDiff)];
    assert_eq!(odd, expected);
    assert!(compared >= 12, "only {compared} were compared");
}

#[tokio::test]
async fn recorded_listings_are_whole_or_say_why_not() {
    let Some(corpus) = Corpus::open() else { return };
    let table = [
        ("series-detail-v1.2", "whole"),
        ("series-detail-v1.3", "whole"),
        ("series-incomplete-before", "patch 2 of 3 is missing"),
        ("series-incomplete-after", "whole"),
        ("series-rfc", "whole"),
        ("series-v2", "whole"),
        ("series-falling-dates", "whole"),
        ("series-equal-dates", "whole"),
        ("series-huge", "whole"),
        ("series-two-lists-a", "whole"),
        ("series-cover-last-before", "whole"),
        ("series-cover-last-after", "whole"),
        ("series-interleaved", "whole"),
        ("series-extra-patch", "whole"),
        (
            "series-mixed-versions",
            "\"[v2,2/3] hw/sbe-p9: Check SBE health on each chip\" is of version 2, but the series of version 1",
        ),
        ("series-no-name", "patch 1 of 3 is missing"),
        ("series-partial-reroll", "patches 1 and 3 of 3 are missing"),
        ("totals-differ", "patch 4 of 4 is missing"),
    ];
    let patchwork = FakePatchwork::start();
    patchwork.has_user("bot", "bot@example.org", super::TOKEN);
    patchwork.has_project("linuxppc-dev");
    patchwork.receives_mailbox("linuxppc-dev", &super::single(1, "l"));
    let client = client(&patchwork);
    for (name, expected) in table {
        let recorded = std::fs::read(corpus.data.join("json").join(format!("{name}.json"))).unwrap();
        let recorded: serde_json::Value = serde_json::from_slice(&recorded).unwrap();
        patchwork.fails("/series/1/", Fault::Body(recorded["response"]["body"].to_string()), 1);
        let listing = client.series(1).await.unwrap();
        assert_eq!(completeness(&listing).words(), expected, "{name}");
        if completeness(&listing) == Completeness::Whole {
            let numbers: Vec<String> = listing
                .patches
                .iter()
                .map(|patch| patch.name.split(']').next().unwrap().to_owned())
                .collect();
            let mut sorted = numbers.clone();
            sorted.sort();
            assert_eq!(numbers, sorted, "{name}");
        }
    }
}
