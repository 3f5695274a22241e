//! The Patchwork client over HTTP, against the faked server; and the faked server against what a real one said.

mod contract;
pub(crate) mod corpus;
mod hostile_mails;
mod real_server;
mod recorded_comments;
mod recorded_mailboxes;

use std::time::Duration;

use patchlift::clock::Clock;
use patchlift::intake::{Completeness, completeness, freeze, mail_from_json, match_mailbox};
use patchlift::patchwork::{Api, Client, Kind, PatchworkError, Recording, Settings};
use patchlift::record::{Check, CheckState};
use secrecy::SecretString;

use crate::git_repo::GitRepo;
use crate::world::patchwork::{Delivered, FakePatchwork, Fault};

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// Settings of a client that is kept waiting by nobody.
fn settings(url: &str) -> Settings {
    Settings {
        name: "ozlabs".to_owned(),
        url: url.parse().unwrap(),
        api: Api::V1_3,
        token: Some(SecretString::from(TOKEN)),
        user_agent: "patchlift-test (mailto:bot@example.org)".to_owned(),
        connect_limit: Duration::from_secs(5),
        answer_limit: Duration::from_secs(20),
        whole_limit: Duration::from_secs(30),
        max_json: 1 << 20,
        max_mbox: 1 << 20,
        at_once: 4,
    }
}

fn client(patchwork: &FakePatchwork) -> Client {
    Client::new(settings(&patchwork.url()), Clock::System).unwrap()
}

/// A server with a list on which the bot may post.
fn patchwork() -> FakePatchwork {
    let patchwork = FakePatchwork::start();
    patchwork.has_project("linuxppc-dev");
    patchwork.has_project("kvm-ppc");
    patchwork.has_user("bot", "bot@example.org", TOKEN);
    patchwork.lets_maintain("bot", "linuxppc-dev");
    patchwork
}

/// A series of two patches and a cover letter as git sends it.
fn mailbox(prefix: &str) -> Vec<u8> {
    let repo = GitRepo::with(&[("f", "a\nb\n")]);
    let base = repo.git(&["rev-parse", "HEAD"]);
    repo.write("f", "a\nc\n");
    repo.commit("f: Fix it\n\nFrom here on it works.");
    repo.write("g", "new\n");
    repo.commit("g: Add it");
    let prefix = format!("--subject-prefix={prefix}");
    let options = ["--thread=shallow", "--cover-letter", "--subject-prefix"];
    repo.format_patch(&base, &[options[0], options[1], &prefix])
}

fn check(state: CheckState, description: &str) -> Check {
    Check { state, description: description.to_owned(), url: Some("https://ci.example.org/run/1".to_owned()) }
}

#[tokio::test]
async fn a_series_is_found_and_read_in_the_order_of_its_numbers() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH v2"));
    let client = client(&patchwork);
    let page = client.newest(&["linuxppc-dev".to_owned()], 1, 30).await.unwrap();
    assert_eq!((page.rows, page.unusable.len(), series.len()), (1, 0, 1));
    let listing = &page.listings[0];
    assert_eq!(*listing, client.series(series[0]).await.unwrap());
    assert_eq!(completeness(listing), Completeness::Whole);
    assert_eq!((listing.version, listing.project.as_str()), (2, "linuxppc-dev"));
    let names: Vec<&str> = listing.patches.iter().map(|patch| patch.name.as_str()).collect();
    assert_eq!(names, ["[v2,1/2] f: Fix it", "[v2,2/2] g: Add it"]);

    let mailbox = client.mbox(series[0]).await.unwrap();
    let matched = match_mailbox(listing, &mailbox);
    assert_eq!(matched.from_json, []);
    let cover = client.cover(listing.cover.as_ref().unwrap().id).await.unwrap();
    let frozen = freeze(listing, matched, &[], Some(&cover)).unwrap();
    assert_eq!(frozen.text.paths, ["f", "g"]);
    assert!(frozen.text.base_commit.is_some() && frozen.text.patch_ids.len() == 2);
}

#[tokio::test]
async fn the_mailbox_and_the_json_give_the_same_commit() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH"))[0];
    let client = client(&patchwork);
    let listing = client.series(series).await.unwrap();
    let matched = match_mailbox(&listing, &client.mbox(series).await.unwrap());
    for mail in &matched.mails {
        let json = mail_from_json(&client.patch(mail.patch).await.unwrap());
        let read = |mail: &[u8]| patchlift::mail::read(mail, patchlift::mail::Options::default()).unwrap();
        let (a, b) = (read(&mail.mail), read(&json));
        assert_eq!((a.author, a.subject, a.date), (b.author, b.subject, b.date));
        assert_eq!(a.message.trim_ascii(), b.message.trim_ascii());
        assert_eq!(patchlift::patch::id::stable_id(&a.patch), patchlift::patch::id::stable_id(&b.patch));
    }
}

#[tokio::test]
async fn review_tags_change_the_mailbox_but_not_the_json() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH"))[0];
    let client = client(&patchwork);
    let patch = patchwork.patches_of(series)[0];
    let (before, text) = (client.mbox(series).await.unwrap(), client.patch(patch).await.unwrap());
    patchwork.receives_answer(patch, "Looks good.\nReviewed-by: B <b@example.org>\n");
    assert_ne!(client.mbox(series).await.unwrap(), before);
    assert_eq!(client.patch(patch).await.unwrap(), text);
}

#[tokio::test]
async fn pages_end_without_an_error_and_unknown_projects_are_empty() {
    let patchwork = patchwork();
    for number in 0..5 {
        patchwork.receives_mailbox("linuxppc-dev", &single(number, "linuxppc-dev"));
    }
    patchwork.receives_mailbox("kvm-ppc", &single(9, "kvm-ppc"));
    let client = client(&patchwork);
    let ids = async |projects: &[&str], page, per_page| {
        let projects: Vec<String> = projects.iter().map(|name| (*name).to_owned()).collect();
        let page = client.newest(&projects, page, per_page).await.unwrap();
        page.listings.iter().map(|listing| listing.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["linuxppc-dev"], 1, 2).await, [5, 4]);
    assert_eq!(ids(&["linuxppc-dev"], 3, 2).await, [1]);
    assert_eq!(ids(&["linuxppc-dev"], 4, 2).await, Vec::<u64>::new());
    assert_eq!(ids(&["linuxppc-dev", "kvm-ppc"], 1, 1000).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(ids(&["nope"], 1, 30).await, Vec::<u64>::new());
    assert!(matches!(client.project("nope").await, Err(PatchworkError::NotFound { .. })));
    assert_eq!(client.project("linuxppc-dev").await.unwrap().maintainers, ["bot"]);
}

/// One patch without a thread.
fn single(number: u32, list: &str) -> Vec<u8> {
    format!(
        "From: A <a@example.org>\nSubject: [PATCH] patch {number}\nDate: Fri, 20 Nov 2026 13:00:{number:02} +1100\nMessage-ID: <{number}@{list}>\n\nWhy.\n---\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+{number}\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn checks_are_added_and_the_newest_is_found() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"))[0];
    let patch = patchwork.patches_of(series)[0];
    let client = client(&patchwork);
    assert_eq!(client.latest_check(patch, "patchlift").await.unwrap(), None);
    client.post_check(patch, "patchlift", &check(CheckState::Pending, "queued")).await.unwrap();
    client.post_check(patch, "patchlift", &check(CheckState::Success, "all passed")).await.unwrap();
    let mut local = check(CheckState::Warning, "no dot");
    local.url = Some("http://power8-runner:8080/run/1".to_owned());
    client.post_check(patch, "other", &local).await.unwrap();
    let latest = client.latest_check(patch, "patchlift").await.unwrap().unwrap();
    assert_eq!((latest.state, latest.description.as_str()), (CheckState::Success, "all passed"));
    assert_eq!(
        (latest.user.as_str(), latest.target_url.as_deref()),
        ("bot", Some("https://ci.example.org/run/1"))
    );
    let seen = patchwork.checks_of(patch);
    assert_eq!(seen.len(), 3);
    assert_eq!((seen[2].context.as_str(), seen[2].url.as_deref()), ("other", None));
    assert_eq!((seen[1].state.as_str(), seen[1].user.as_str()), ("success", "bot"));
    assert_eq!(seen[1].description, "all passed");
}

#[tokio::test]
async fn where_the_bot_may_not_post_it_says_so() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("kvm-ppc", &single(1, "l"))[0];
    let patch = patchwork.patches_of(series)[0];
    let green = check(CheckState::Success, "ok");
    let refused = client(&patchwork).post_check(patch, "patchlift", &green).await.unwrap_err();
    assert!(matches!(refused, PatchworkError::NoRights { .. }), "{refused:?}");
    assert_eq!(refused.kind(), Kind::Lasting);
    assert!(!refused.may_have_happened());

    let mut unknown = settings(&patchwork.url());
    unknown.token = Some(SecretString::from("wrong"));
    let unknown = Client::new(unknown, Clock::System).unwrap();
    let refused = unknown.series(series).await.unwrap_err();
    assert!(matches!(refused, PatchworkError::BadToken { .. }) && refused.kind() == Kind::Server);
    // Mailboxes ask for no token and get none.
    assert!(unknown.mbox(series).await.is_ok());
}

#[tokio::test]
async fn the_token_goes_to_the_api_of_this_server_only() {
    let (patchwork, elsewhere) = (patchwork(), FakePatchwork::start());
    let series = patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"))[0];
    let client = client(&patchwork);
    patchwork.fails("GET /api", Fault::SentTo(format!("{}api/1.3/series/1/", elsewhere.url())), 1);
    let refused = client.series(series).await.unwrap_err();
    assert!(matches!(refused, PatchworkError::Redirected { .. }), "{refused:?}");
    assert_eq!(elsewhere.takes_requests(), []);
    // Without a port, as a proxy that knows nothing of it writes it, and with one.
    for link in ["http://127.0.0.1/api/1.3/series/1/?a=b".to_owned(), "/api/1.3/series/1/?a=b".to_owned()] {
        patchwork.takes_requests();
        patchwork.fails("GET /api", Fault::SentTo(link), 1);
        assert_eq!(client.series(series).await.unwrap().id, series);
        let asked = patchwork.takes_requests();
        assert_eq!(asked[1].path, "/api/1.3/series/1/?a=b");
        assert!(asked[1].agent.contains("mailto:bot@example.org"));
    }
    patchwork.takes_requests();
    client.mbox(series).await.unwrap();
    client.series(series).await.unwrap();
    let tokens: Vec<bool> =
        patchwork.takes_requests().iter().map(|asked| asked.authorization.is_some()).collect();
    assert_eq!(tokens, [false, true]);
}

#[tokio::test]
async fn a_post_is_never_sent_on() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"))[0];
    let patch = patchwork.patches_of(series)[0];
    patchwork.takes_requests();
    patchwork.fails("POST ", Fault::SentTo(format!("/api/1.3/patches/{patch}/checks/")), 1);
    let client = client(&patchwork);
    let refused = client.post_check(patch, "p", &check(CheckState::Success, "ok")).await.unwrap_err();
    assert!(matches!(refused, PatchworkError::Redirected { .. }), "{refused:?}");
    assert_eq!(patchwork.takes_requests().len(), 1);
    assert_eq!(patchwork.checks_of(patch), []);
}

#[tokio::test]
async fn each_failure_says_what_it_is_about() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"))[0];
    let client = client(&patchwork);
    let table = [
        (Fault::ServerError, Kind::Object, "status 500: Server Error (500)"),
        (Fault::BadGateway, Kind::Server, "status 502: 502 Bad Gateway"),
        (Fault::NotFound, Kind::Object, "not found: Not found."),
        (Fault::TooMany { retry_after: 90 }, Kind::Server, "status 429: Too Many Requests"),
        (Fault::BotWall, Kind::Server, "got \"text/html; charset=utf-8\": Making sure you&#39;re not a bot!"),
        (Fault::Reset, Kind::Object, "no answer"),
        (Fault::HalfBody, Kind::Object, "no answer"),
        (Fault::Body("[]".to_owned()), Kind::Object, ". cannot be used"),
        (Fault::Body("{\"id\":1} x".to_owned()), Kind::Object, "cannot be used"),
    ];
    for (fault, kind, words) in table {
        patchwork.fails("/series/1/", fault.clone(), 1);
        let error = client.series(series).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().starts_with("GET /api/1.3/series/1/: "), "{error}");
        assert_eq!(error.retry_after().is_some(), matches!(fault, Fault::TooMany { .. }));
    }
    patchwork.fails("/mbox/", Fault::BotWall, 1);
    assert!(matches!(client.mbox(series).await, Err(PatchworkError::WrongType { .. })));
    assert!(matches!(client.mbox(99).await, Err(PatchworkError::NotFound { .. })));
    patchwork.fails("", Fault::ServerError, usize::MAX);
    assert!(client.series(series).await.is_err());
    patchwork.recovers();
    assert!(client.series(series).await.is_ok());
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let patchwork = patchwork();
    for whole_limit in [60_000, 100] {
        let mut settings = settings(&patchwork.url());
        settings.answer_limit = Duration::from_millis(100);
        settings.whole_limit = Duration::from_millis(whole_limit);
        patchwork.fails("/series/1/", Fault::Silence(Duration::from_secs(60)), 1);
        let error = Client::new(settings, Clock::System).unwrap().series(1).await.unwrap_err();
        assert!(matches!(error, PatchworkError::Unreachable { connecting: false, .. }), "{error:?}");
        assert_eq!(error.kind(), Kind::Object);
    }
}

#[tokio::test]
async fn no_more_is_asked_at_once_than_is_allowed() {
    let patchwork = patchwork();
    let mut settings = settings(&patchwork.url());
    settings.at_once = 2;
    let client = Client::new(settings, Clock::System).unwrap();
    patchwork.fails("GET ", Fault::Silence(Duration::from_millis(20)), 10);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        asking.spawn(async move { client.project("linuxppc-dev").await.map(drop) });
    }
    assert!(asking.join_all().await.iter().all(Result::is_ok));
    assert_eq!(patchwork.most_at_once(), 2);
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_from_one_that_breaks_off() {
    let patchwork = patchwork();
    let client = client(&patchwork);
    drop(patchwork);
    let error = client.series(1).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Server);
    assert!(!error.may_have_happened());
}

#[tokio::test]
async fn a_check_whose_answer_was_lost_may_have_happened() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"))[0];
    let patch = patchwork.patches_of(series)[0];
    patchwork.fails("POST ", Fault::LostAnswer, 1);
    let client = client(&patchwork);
    let error = client.post_check(patch, "p", &check(CheckState::Success, "ok")).await.unwrap_err();
    assert!(error.may_have_happened());
    assert_eq!(client.latest_check(patch, "p").await.unwrap().unwrap().description, "ok");
}

#[tokio::test]
async fn answers_that_are_too_long_are_cut_off() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH"))[0];
    let mut settings = settings(&patchwork.url());
    (settings.max_json, settings.max_mbox) = (500, 500);
    let client = Client::new(settings, Clock::System).unwrap();
    assert!(matches!(client.series(series).await, Err(PatchworkError::TooLarge { limit: 500, .. })));
    assert!(matches!(client.mbox(series).await, Err(PatchworkError::TooLarge { limit: 500, .. })));
}

#[tokio::test]
async fn one_row_that_cannot_be_used_does_not_hide_the_others() {
    let patchwork = patchwork();
    patchwork.receives_mailbox("linuxppc-dev", &single(1, "l"));
    let client = client(&patchwork);
    let good = client.newest(&[], 1, 30).await.unwrap().listings[0].clone();
    let bad = r#"{"id":7,"project":{"link_name":"p"},"received_all":true,"patches":[{"id":1}]}"#;
    let raw =
        reqwest::get(format!("{}api/1.3/series/1/", patchwork.url())).await.unwrap().text().await.unwrap();
    patchwork.fails("/series/?", Fault::Body(format!("[{bad},{raw}]")), 1);
    let page = client.newest(&[], 1, 30).await.unwrap();
    assert_eq!((page.rows, page.listings), (2, vec![good]));
    assert!(page.unusable[0].to_string().contains("patches[0]"), "{}", page.unusable[0]);
}

#[tokio::test]
async fn mails_are_found_by_message_id() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH"))[0];
    patchwork.receives_mailbox("linuxppc-dev", &single(1, "a+b%2Fc&d"));
    let client = client(&patchwork);
    let listing = client.series(series).await.unwrap();
    let found = client.find(&format!("<{}>", listing.patches[1].msgid)).await.unwrap();
    assert_eq!((found.len(), found[0].id, found[0].is_cover), (1, listing.patches[1].id, false));
    let found = client.find(&listing.cover.unwrap().msgid).await.unwrap();
    assert_eq!((found.len(), found[0].is_cover, found[0].series.as_slice()), (1, true, &[series][..]));
    assert_eq!(client.find("1@a+b%2Fc&d").await.unwrap().len(), 1);
    assert_eq!(client.find("nobody@example.org").await.unwrap(), []);
}

#[tokio::test]
async fn a_recording_answers_as_the_server_did() {
    let patchwork = patchwork();
    let series = patchwork.receives_mailbox("linuxppc-dev", &mailbox("PATCH"))[0];
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::replayed("2026-11-22T12:00:00Z".parse().unwrap());
    let live = Client::recording(settings(&patchwork.url()), clock.clone(), dir.path()).unwrap();
    let listing = live.series(series).await.unwrap();
    let mailbox = live.mbox(series).await.unwrap();
    clock.wait_until("2026-11-22T12:01:00Z".parse().unwrap()).await;
    patchwork.fails("/mbox/", Fault::BadGateway, 1);
    live.mbox(series).await.unwrap_err();
    live.post_check(listing.patches[0].id, "p", &check(CheckState::Success, "ok")).await.unwrap();
    drop(patchwork);

    let list = std::fs::read_to_string(dir.path().join("exchanges.jsonl")).unwrap();
    assert!(!list.contains(TOKEN) && list.contains("\"asked\""));
    let recording = Recording::open(dir.path()).unwrap();
    let clock = Clock::replayed(recording.start().unwrap());
    let replayed = Client::replayed(settings("http://127.0.0.1:1/"), clock.clone(), recording).unwrap();
    assert_eq!(replayed.series(series).await.unwrap(), listing);
    assert_eq!(replayed.mbox(series).await.unwrap(), mailbox);
    clock.wait_until("2026-11-22T12:05:00Z".parse().unwrap()).await;
    assert_eq!(replayed.mbox(series).await.unwrap_err().kind(), Kind::Server);
    replayed.post_check(listing.patches[0].id, "p", &check(CheckState::Success, "ok")).await.unwrap();
    assert!(matches!(replayed.series(77).await, Err(PatchworkError::NotRecorded { .. })));
}

#[tokio::test]
async fn no_error_and_no_debug_output_shows_the_token() {
    let patchwork = patchwork();
    let client = client(&patchwork);
    patchwork.fails("", Fault::BotWall, 1);
    let error = client.series(1).await.unwrap_err();
    for text in [format!("{error:?}"), format!("{client:?}")] {
        assert!(!text.contains(TOKEN), "{text}");
    }
}

#[test]
fn a_v2_patch_fills_a_gap_of_v1_and_is_seen_through() {
    let patchwork = patchwork();
    let patch = |subject: &str, id: &str, above: &str| {
        format!(
            "From: A <a@example.org>\nSubject: [{subject}] x\nDate: Fri, 20 Nov 2026 13:00:00 +1100\nMessage-ID: <{id}@x>\nIn-Reply-To: <{above}@x>\n\n---\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
        )
    };
    let mut last = Delivered::Dropped;
    for (subject, id) in [("PATCH 1/2", "a"), ("PATCH v2 2/2", "b")] {
        last = patchwork.receives("linuxppc-dev", patch(subject, id, "cover").as_bytes());
    }
    assert!(matches!(last, Delivered::Patch { series: 1, .. }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listing = runtime.block_on(client(&patchwork).series(1)).unwrap();
    assert!(listing.received_all);
    assert!(completeness(&listing).words().contains("is of version 2"));
}
