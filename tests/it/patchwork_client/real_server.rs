//! The client and the intake against a real Patchwork, where there is one.

use std::time::Duration;

use patchlift::clock::Clock;
use patchlift::intake::{Completeness, Frozen, Matched, Reason, completeness, freeze, match_mailbox};
use patchlift::listing::Listing;
use patchlift::patchwork::{Api, Client, Kind, PatchText, PatchworkError};
use patchlift::record::CheckState;
use secrecy::SecretString;

use super::corpus::{Corpus, differences};
use super::{check, settings};
use crate::world::real_patchwork::RealPatchwork;

/// A client that waits for a server that does all this in Python.
pub(super) fn client_of(server: &RealPatchwork, api: Api, token: &str) -> Client {
    let mut settings = settings(&server.url);
    settings.api = api;
    settings.token = Some(SecretString::from(token));
    settings.whole_limit = Duration::from_secs(60);
    Client::new(settings, Clock::System).unwrap()
}

pub(super) fn bot_token() -> String {
    "a".repeat(40)
}

/// The series as the bridge would freeze it; or all of it from JSON.
async fn frozen(client: &Client, listing: &Listing, from_json: bool) -> Result<Frozen, String> {
    let mailbox = client.mbox(listing.id).await.unwrap();
    let mut matched = match_mailbox(listing, &mailbox);
    if from_json {
        matched = Matched::none(listing, Reason::NotApplied);
    }
    let mut texts: Vec<PatchText> = Vec::new();
    for (patch, _) in &matched.from_json {
        texts.push(client.patch(*patch).await.unwrap());
    }
    let cover = match &listing.cover {
        Some(cover) => Some(client.cover(cover.id).await.unwrap()),
        None => None,
    };
    freeze(listing, matched, &texts, cover.as_ref()).map_err(|error| error.to_string())
}

/// Mails that the server does not give back as they were: bytes of other charsets become UTF-8, and a mail without a
/// date gets the day it came. Git refuses to read the one in UTF-16, which then can be read.
const KNOWN: [(&str, &str); 6] = [
    ("date: none", "date: "),
    ("doc: add iso2022 test", "patch: "),
    ("doc: add latin1 test", "patch: "),
    ("doc: add latin1nolabel test", "patch: "),
    ("doc: add utf16 test", "unreadable"),
    ("doc: add win1252 test", "patch: "),
];

fn is_known(difference: &str) -> bool {
    KNOWN.iter().any(|(name, what)| difference.starts_with(&format!("Some({name:?}) {what}")))
}

#[tokio::test]
async fn every_series_of_a_real_server_gives_its_authors_tree() {
    let (Some(corpus), Some(mut server)) = (Corpus::open(), RealPatchwork::start()) else { return };
    server.takes_all(&corpus.data);
    for api in [Api::V1_2, Api::V1_3] {
        let client = client_of(&server, api, &bot_token());
        let mut listings = Vec::new();
        for page in 1.. {
            let page = client.newest(&[], page, 20).await.unwrap();
            assert_eq!(page.unusable.len(), 0, "{:?}", page.unusable);
            if page.rows == 0 {
                break;
            }
            listings.extend(page.listings);
        }
        let (mut compared, mut wrong, mut changed) = (0, Vec::new(), Vec::new());
        let (mut not_whole, mut refused) = (Vec::new(), Vec::new());
        for listing in &listings {
            assert_eq!(*listing, client.series(listing.id).await.unwrap());
            let ids: Vec<&str> = listing.patches.iter().map(|patch| patch.msgid.as_str()).collect();
            let Some(series) = corpus.with(&ids) else { continue };
            if completeness(listing) != Completeness::Whole {
                not_whole.push(completeness(listing).words());
            }
            for from_json in [false, true] {
                let frozen = match frozen(&client, listing, from_json).await {
                    Ok(frozen) => frozen,
                    Err(error) => {
                        refused.push(error);
                        continue;
                    }
                };
                let tree = corpus.tree(series, &frozen);
                compared += 1;
                if from_json {
                    for (original, mail) in corpus.originals(series).iter().zip(&frozen.mails.patches) {
                        let differences = differences(original, mail);
                        changed
                            .extend(differences.into_iter().map(|what| format!("{:?} {what}", listing.name)));
                    }
                }
                if !series.is_right(&tree) {
                    let from = &frozen.text.from_json;
                    wrong.push(format!(
                        "{:?} {from_json}: {tree} of {:?} {from:?}",
                        listing.name,
                        series.trees()
                    ));
                }
            }
        }
        eprintln!("{} series, {compared} trees compared", listings.len());
        let unknown: Vec<&String> = changed.iter().filter(|what| !is_known(what)).collect();
        assert!(unknown.is_empty() && changed.len() == KNOWN.len(), "{changed:?}");
        assert_eq!(not_whole, [""; 0]);
        assert!(
            refused.len() == 2 && refused.iter().all(|why| why.contains("is a pull request")),
            "{refused:?}"
        );
        assert!(compared > 60, "only {compared} compared");
        assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[tokio::test]
async fn a_real_server_takes_and_refuses_checks() {
    let (Some(corpus), Some(mut server)) = (Corpus::open(), RealPatchwork::start()) else { return };
    server.takes(
        &corpus.data.join("mails/02-single-utf8/01-PATCH-external-opal-prd-generate-path-to-opal-p.eml"),
    );
    let bot = client_of(&server, Api::V1_3, &bot_token());
    assert_eq!(bot.project("linuxppc-dev").await.unwrap().maintainers, ["patchlift-bot"]);
    assert!(matches!(bot.project("nope").await, Err(PatchworkError::NotFound { .. })));
    let listing = bot.series(1).await.unwrap();
    let patch = listing.patches[0].id;
    assert_eq!(bot.latest_check(patch, "patchlift").await.unwrap(), None);
    bot.post_check(patch, "patchlift", &check(CheckState::Pending, "queued")).await.unwrap();
    bot.post_check(patch, "patchlift", &check(CheckState::Fail, "guest did not boot")).await.unwrap();
    let latest = bot.latest_check(patch, "patchlift").await.unwrap().unwrap();
    assert_eq!((latest.state, latest.description.as_str()), (CheckState::Fail, "guest did not boot"));
    assert_eq!(latest.user, "patchlift-bot");
    assert_eq!(bot.find(&listing.patches[0].msgid).await.unwrap()[0].series, [1]);
    let bad_context = bot.post_check(patch, "a/b", &check(CheckState::Fail, "")).await.unwrap_err();
    assert!(matches!(&bad_context, PatchworkError::Status { status: 400, .. }), "{bad_context:?}");

    let outsider = client_of(&server, Api::V1_3, &"b".repeat(40));
    let refused = outsider.post_check(patch, "x", &check(CheckState::Success, "")).await.unwrap_err();
    assert!(matches!(refused, PatchworkError::NoRights { .. }), "{refused:?}");
    let unknown = client_of(&server, Api::V1_3, "wrong");
    assert!(matches!(unknown.series(1).await, Err(PatchworkError::BadToken { .. })));
    assert!(unknown.mbox(1).await.is_ok());
    for missing in
        [bot.series(99).await.map(drop), bot.patch(99).await.map(drop), bot.mbox(99).await.map(drop)]
    {
        let error = missing.unwrap_err();
        assert!(matches!(error, PatchworkError::NotFound { .. }), "{error:?}");
        assert_eq!(error.kind(), Kind::Object);
    }
    assert_eq!(bot.newest(&["nope".to_owned()], 1, 30).await.unwrap().rows, 0);
    assert_eq!(bot.newest(&[], 2, 30).await.unwrap().rows, 0);
}

#[tokio::test]
async fn a_pull_request_on_a_real_server_is_told_apart() {
    let (Some(corpus), Some(mut server)) = (Corpus::open(), RealPatchwork::start()) else { return };
    server.takes(&corpus.data.join("mails/13-pull-request/01-git-pull.eml"));
    let client = client_of(&server, Api::V1_3, &bot_token());
    let listing = client.series(1).await.unwrap();
    let error = frozen(&client, &listing, false).await.unwrap_err();
    assert!(error.contains("is a pull request of https://git.kernel.org/"), "{error}");
}
