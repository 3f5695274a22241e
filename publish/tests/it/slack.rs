//! One message a series, whatever goes wrong on the way.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchlift_publish::slack::{Place, Settings, Slack, SlackError};
use patchlift_publish::{Notice, Standing, notice_sample};
use patchlift_report::Ending;
use patchlift_report::clean::with_causes;
use serde_json::json;

use crate::fake_slack::{CHANNEL, FakeSlack, Fault, TOKEN, WEBHOOK_SECRET};

const KEY: &str = "lab/ozlabs/4711";
/// For answers that come, on a machine that has much else to do.
const PATIENT: Duration = Duration::from_secs(20);
/// For answers that never come: the question has to arrive, on a machine that has much else to do.
const HASTY: Duration = Duration::from_millis(500);

fn bot(fake: &FakeSlack) -> Slack {
    Slack::with_answer_limit(bot_settings(fake, TOKEN), PATIENT).unwrap()
}

fn bot_settings(fake: &FakeSlack, token: &str) -> Settings {
    Settings::Bot { api: fake.api(), token: token.into(), channel: CHANNEL.to_owned() }
}

fn webhook(fake: &FakeSlack) -> Slack {
    Slack::with_answer_limit(webhook_settings(fake), PATIENT).unwrap()
}

fn webhook_settings(fake: &FakeSlack) -> Settings {
    Settings::Webhook { url: fake.webhook_url().into() }
}

/// As patient as the fault needs.
fn limit(fault: &Fault) -> Duration {
    if matches!(fault, Fault::Silence) { HASTY } else { PATIENT }
}

/// Before anything that the fake remembers.
fn earlier() -> Option<Timestamp> {
    Some(Timestamp::from_second(1_795_000_000).unwrap())
}

fn waiting() -> Notice {
    notice_sample::notice(Standing::Waiting)
}

#[tokio::test]
async fn a_series_is_one_message_and_one_thread() {
    let fake = FakeSlack::start().await;
    let slack = bot(&fake);
    let place = slack.tell(&waiting(), KEY, None, None).await.unwrap();
    assert_eq!(fake.channel(), [("⏳ Waits for a free box: KVM: PPC: count exits".to_owned(), 0)]);

    let place = slack.tell(&notice_sample::testing(), KEY, Some(&place), None).await.unwrap();
    let ended = notice_sample::ended(Ending::DoesNotBoot);
    let place = slack.tell(&ended, KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.channel(), [("❌ Does not boot: KVM: PPC: count exits".to_owned(), 1)]);
    assert_eq!(fake.calls(), ["chat.postMessage", "chat.update", "chat.update", "chat.postMessage"]);

    // The bridge was started anew: what it kept is enough.
    let place: Place = serde_json::from_str(&serde_json::to_string(&place).unwrap()).unwrap();
    assert_eq!(slack.tell(&ended, KEY, Some(&place), None).await.unwrap(), place);
    assert_eq!(fake.calls(), [""; 0], "the same is not said again");

    let passed = notice_sample::ended(Ending::Passed);
    slack.tell(&passed, KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.channel(), [("✅ Passed: KVM: PPC: count exits".to_owned(), 1)]);
    assert_eq!(fake.calls(), ["chat.update", "chat.update"], "message and details");
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_found_again() {
    for fault in [Fault::After(502), Fault::After(200), Fault::Silence] {
        let fake = FakeSlack::start().await;
        fake.fail("chat.postMessage", fault.clone());
        let slack = Slack::with_answer_limit(bot_settings(&fake, TOKEN), limit(&fault)).unwrap();
        let error = slack.tell(&waiting(), KEY, None, None).await.unwrap_err();
        assert!(error.may_have_happened() && !error.is_lasting(), "{fault:?}: {error}");

        let ended = notice_sample::ended(Ending::DoesNotBuild);
        bot(&fake).tell(&ended, KEY, None, earlier()).await.unwrap();
        assert_eq!(fake.channel(), [("❌ Does not build: KVM: PPC: count exits".to_owned(), 1)], "{fault:?}");
    }
}

#[tokio::test]
async fn the_look_up_reads_every_page_and_only_its_own_marks() {
    let fake = FakeSlack::start().await;
    let slack = bot(&fake);
    let first = slack.tell(&notice_sample::ended(Ending::Passed), KEY, None, None).await.unwrap();
    let own = |key: &str| json!({"event_type": "patchlift_series", "event_payload": {"key": key, "part": "message"}});
    for number in 0..5 {
        fake.chat(&format!("somebody {number}"), json!(null));
    }
    fake.chat("another series", own("lab/ozlabs/4712"));
    fake.memory(|memory| memory.page = Some(2));
    fake.calls();

    let found = slack.tell(&waiting(), KEY, None, earlier()).await.unwrap();
    assert_eq!(found.ts, first.ts);
    assert_eq!(
        fake.calls(),
        [
            "conversations.history",
            "conversations.history",
            "conversations.history",
            "conversations.history",
            "chat.update"
        ]
    );

    // A message that is only marked as ours cannot be changed: there will be one of our own.
    fake.memory(|memory| memory.messages.clear());
    fake.chat("a forgery", own(KEY));
    let place = slack.tell(&waiting(), KEY, None, earlier()).await.unwrap();
    let titles = fake.channel();
    assert_eq!(titles[0].0, "a forgery");
    assert_eq!((titles.len(), titles[1].0.as_str()), (2, "⏳ Waits for a free box: KVM: PPC: count exits"));
    slack.tell(&notice_sample::testing(), KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.channel().len(), 2);
}

#[tokio::test]
async fn nothing_is_found_where_nothing_happened() {
    let fake = FakeSlack::start().await;
    let slack = bot(&fake);
    slack.tell(&waiting(), KEY, None, earlier()).await.unwrap();
    assert_eq!(fake.calls(), ["conversations.history", "chat.postMessage"]);
    assert_eq!(fake.channel().len(), 1);
}

#[tokio::test]
async fn contract_18_a_message_that_is_gone_is_replaced_once() {
    for error in ["message_not_found", "cant_update_message", "edit_window_closed"] {
        let fake = FakeSlack::start().await;
        let slack = bot(&fake);
        let place = slack.tell(&notice_sample::ended(Ending::DoesNotBoot), KEY, None, None).await.unwrap();
        if error == "message_not_found" {
            fake.memory(|memory| memory.messages.clear());
        } else {
            fake.refuse("chat.update", error);
        }
        let before = fake.channel().len();
        // The answer to the new one is lost as well.
        fake.fail("chat.postMessage", Fault::After(500));
        let passed = notice_sample::ended(Ending::Passed);
        slack.tell(&passed, KEY, Some(&place), None).await.unwrap_err();
        if error != "message_not_found" {
            fake.refuse("chat.update", error);
        }
        let new = slack.tell(&passed, KEY, Some(&place), earlier()).await.unwrap();
        assert_ne!(new.ts, place.ts);
        let channel = fake.channel();
        assert_eq!(channel.len(), before + 1, "{error}: {channel:?}");
        assert_eq!(channel[before], ("✅ Passed: KVM: PPC: count exits".to_owned(), 1));
    }
}

#[tokio::test]
async fn details_come_once_even_if_their_answer_is_lost() {
    let fake = FakeSlack::start().await;
    let slack = bot(&fake);
    let place = slack.tell(&waiting(), KEY, None, None).await.unwrap();
    let ended = notice_sample::ended(Ending::FailsTests);
    fake.fail("chat.postMessage", Fault::After(503));
    let error = slack.tell(&ended, KEY, Some(&place), None).await.unwrap_err();
    assert!(error.may_have_happened(), "{error}");
    assert_eq!(error.to_string(), "the message is in Slack, its details are not");
    let place = error.place().unwrap().clone();
    slack.tell(&ended, KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.channel(), [("❌ Fails tests: KVM: PPC: count exits".to_owned(), 1)]);

    // The bridge was killed before it had noted anything of it.
    let place = slack.tell(&ended, KEY, None, earlier()).await.unwrap();
    assert_eq!(fake.channel(), [("❌ Fails tests: KVM: PPC: count exits".to_owned(), 1)]);

    // The whole thread is deleted while the message keeps its words: the next call but one has it again.
    fake.memory(|memory| memory.messages.clear());
    let place = Place { details_ts: None, ..place };
    let error = slack.tell(&ended, KEY, Some(&place), None).await.unwrap_err();
    assert!(!error.is_lasting(), "{error}");
    slack.tell(&ended, KEY, error.place(), None).await.unwrap();
    assert_eq!(fake.channel(), [("❌ Fails tests: KVM: PPC: count exits".to_owned(), 1)]);
}

#[tokio::test]
async fn contract_18_a_refusal_with_status_200_is_an_error_that_says_what_to_do() {
    for (code, lasting, advice) in [
        ("invalid_auth", true, "install the app again"),
        ("token_revoked", true, "install the app again"),
        ("channel_not_found", true, "invite it"),
        ("not_in_channel", true, "/invite"),
        ("is_archived", true, "archived"),
        ("msg_too_long", true, "mistake of this program"),
        ("something_new", true, "documentation"),
        ("fatal_error", false, "by itself"),
        ("service_unavailable", false, "by itself"),
    ] {
        let fake = FakeSlack::start().await;
        fake.refuse("chat.postMessage", code);
        let error = bot(&fake).tell(&waiting(), KEY, None, None).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("Slack refuses a new message ({code}): ")), "{text}");
        assert!(text.contains(advice), "{text}");
        assert_eq!(error.is_lasting(), lasting, "{text}");
        assert_eq!(error.may_have_happened(), code == "fatal_error", "{text}");
        assert_eq!(fake.channel().len(), 0);
    }
    let fake = FakeSlack::start().await;
    let missing = json!({"ok": false, "error": "missing_scope", "needed": "channels:history", "provided": "chat:write"});
    fake.fail("conversations.history", Fault::Refused(missing));
    let error = bot(&fake).tell(&waiting(), KEY, None, earlier()).await.unwrap_err();
    assert!(error.is_lasting() && !error.may_have_happened());
    assert!(error.to_string().contains("channels:history is missing: add the scope to the app"), "{error}");
    assert_eq!(fake.channel().len(), 0, "what cannot be looked up is not posted on the chance");
}

#[tokio::test]
async fn contract_18_a_wait_is_a_wait() {
    let fake = FakeSlack::start().await;
    for (method, slack) in [("chat.postMessage", bot(&fake)), ("webhook", webhook(&fake))] {
        for (headers, wait) in [(&[("retry-after", "37")][..], Some(37)), (&[], None)] {
            fake.fail(method, Fault::Before(429, headers, "rate limited"));
            let ended = notice_sample::notice(Standing::Pushed);
            let error = slack.tell(&ended, KEY, None, None).await.unwrap_err();
            assert_eq!(error.retry_after(), wait.map(Duration::from_secs), "{error}");
            assert!(matches!(error, SlackError::RateLimited { .. }), "{error}");
            assert!(!error.is_lasting() && !error.may_have_happened());
        }
    }
    fake.refuse("chat.postMessage", "ratelimited");
    let error = bot(&fake).tell(&waiting(), KEY, None, None).await.unwrap_err();
    assert!(matches!(error, SlackError::RateLimited { wait: None, .. }), "{error}");
    assert_eq!(fake.channel().len(), 0);
}

#[tokio::test]
async fn a_webhook_says_one_thing_when_the_series_is_over() {
    let fake = FakeSlack::start().await;
    let slack = webhook(&fake);
    let place = slack.tell(&waiting(), KEY, None, None).await.unwrap();
    let place = slack.tell(&notice_sample::testing(), KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.calls(), [""; 0], "nothing before it is over");
    let lab = notice_sample::ended(Ending::Infrastructure);
    let place = slack.tell(&lab, KEY, Some(&place), None).await.unwrap();
    let place = slack.tell(&lab, KEY, Some(&place), None).await.unwrap();
    assert_eq!(fake.memory(|memory| memory.webhook.len()), 1);
    // A base moves, and what was tested does not apply any more; then it is tested again.
    let tried = vec!["powerpc/next: patch 1: x.c: the hunk does not fit the file".to_owned()];
    let conflict = notice_sample::notice(Standing::Conflict { tried });
    let place = slack.tell(&conflict, KEY, Some(&place), None).await.unwrap();
    let again = Notice { attempt: 2, ..notice_sample::ended(Ending::Passed) };
    slack.tell(&again, KEY, Some(&place), None).await.unwrap();
    let said = fake.memory(|memory| memory.webhook.clone());
    let titles: Vec<_> = said.iter().map(|one| one["blocks"][0]["text"]["text"].as_str().unwrap()).collect();
    assert_eq!(
        titles,
        [
            "⚠️ Lab failed: KVM: PPC: count exits",
            "❌ Does not apply: KVM: PPC: count exits",
            "✅ Passed: KVM: PPC: count exits"
        ]
    );
}

#[tokio::test]
async fn a_webhook_whose_answer_is_lost_is_not_used_again_for_it() {
    for fault in [Fault::After(500), Fault::Silence] {
        let fake = FakeSlack::start().await;
        let slack = webhook(&fake);
        let first = Slack::with_answer_limit(webhook_settings(&fake), limit(&fault)).unwrap();
        fake.fail("webhook", fault);
        let ended = notice_sample::ended(Ending::Passed);
        let error = first.tell(&ended, KEY, None, None).await.unwrap_err();
        assert!(error.may_have_happened(), "{error}");
        let doubt = Some(ended.since + SignedDuration::from_secs(3));
        let place = slack.tell(&ended, KEY, None, doubt).await.unwrap();
        slack.tell(&ended, KEY, Some(&place), None).await.unwrap();
        assert_eq!(fake.memory(|memory| memory.webhook.len()), 1);
        // A doubt from before it stood there is about something else.
        let later = Notice { since: ended.since + SignedDuration::from_mins(5), attempt: 2, ..ended };
        slack.tell(&later, KEY, Some(&place), doubt).await.unwrap();
        assert_eq!(fake.memory(|memory| memory.webhook.len()), 2);
    }
}

#[tokio::test]
async fn contract_18_a_dead_webhook_is_said_so() {
    for (status, word, advice) in [
        (410, "channel_is_archived", "archived"),
        (404, "no_service", "make a new one"),
        (403, "action_prohibited", "administrator"),
        (400, "invalid_payload", "mistake of this program"),
    ] {
        let fake = FakeSlack::start().await;
        fake.fail("webhook", Fault::Before(status, &[], word));
        let error =
            webhook(&fake).tell(&notice_sample::ended(Ending::Passed), KEY, None, None).await.unwrap_err();
        assert!(error.is_lasting() && !error.may_have_happened(), "{error}");
        assert!(error.to_string().contains(word) && error.to_string().contains(advice), "{error}");
    }
    let fake = FakeSlack::start().await;
    fake.fail("webhook", Fault::Before(404, &[], "<html>not here</html>"));
    let error =
        webhook(&fake).tell(&notice_sample::ended(Ending::Passed), KEY, None, None).await.unwrap_err();
    assert!(matches!(error, SlackError::Status { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_slacks_is_not_read() {
    let fake = FakeSlack::start().await;
    let slack = bot(&fake);
    for (fault, expect) in [
        (
            Fault::Before(200, &[("content-type", "text/html")], "{\"ok\":true,\"ts\":\"1.0\"}"),
            "cannot be read",
        ),
        (Fault::Before(200, &[("content-type", "application/json")], "{\"ok\":true}"), "cannot be read"),
        (Fault::Before(200, &[("content-type", "application/json")], "[1]"), "cannot be read"),
        (Fault::Before(302, &[("location", "http://127.0.0.1:1/")], ""), "status 302"),
        (Fault::Before(403, &[], "{\"ok\":true,\"ts\":\"1.0\"}"), "status 403"),
        (Fault::Before(502, &[], "bad gateway"), "status 502"),
    ] {
        fake.fail("chat.postMessage", fault.clone());
        let error = slack.tell(&waiting(), KEY, None, None).await.unwrap_err();
        assert!(error.to_string().contains(expect), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_text() {
    let fake = FakeSlack::start().await;
    let mut texts = Vec::new();
    for token in ["xoxb-another-token-that-must-never-be-seen", "xoxb-must-never-be-seen\n"] {
        let slack = Slack::new(bot_settings(&fake, token)).unwrap();
        texts.push(slack.tell(&waiting(), KEY, None, None).await.unwrap_err());
    }
    let over = notice_sample::ended(Ending::Passed);
    let page = Fault::Before(400, &[], "<p>");
    for fault in [Fault::Silence, Fault::After(500), Fault::Before(404, &[], "no_service"), page] {
        let slack = Slack::with_answer_limit(webhook_settings(&fake), limit(&fault)).unwrap();
        fake.fail("webhook", fault);
        texts.push(slack.tell(&over, KEY, None, None).await.unwrap_err());
    }
    for port in ["127.0.0.1:1", "127.0.0.1:notaport"] {
        let url = format!("http://{port}/services/T0/B0/{WEBHOOK_SECRET}");
        let slack = Slack::new(Settings::Webhook { url: url.into() }).unwrap();
        texts.push(slack.tell(&over, KEY, None, None).await.unwrap_err());
    }
    for url in ["http://hooks.example.org/never-be-seen", "https://u:never-be-seen@example.org/"] {
        texts.push(Slack::new(Settings::Webhook { url: url.into() }).unwrap_err());
    }
    let shown = texts.iter().map(|error| format!("{} {error:?}\n", with_causes(error)));
    let mut shown: String = shown.collect();
    shown.push_str(&format!("{:?} {:?}", bot(&fake), webhook(&fake)));
    assert!(!shown.contains("never-be-seen"), "{shown}");
    assert_eq!(texts.len(), 10);
}

#[test]
fn settings_that_would_give_a_secret_away_are_refused() {
    let new = |api: &str, channel: &str| {
        let (api, channel) = (api.to_owned(), channel.to_owned());
        Slack::new(Settings::Bot { api, token: TOKEN.into(), channel }).map(drop)
    };
    assert!(new("https://slack.com/api/", "C0123ABCD").is_ok());
    for api in
        ["http://slack.com/api/", "slack.com", "https://u:p@slack.com/api/", "https://slack.com/?x=", ""]
    {
        assert!(matches!(new(api, "C0123ABCD"), Err(SlackError::BadApi { .. })), "{api}");
    }
    for channel in ["#kernel", "kernel", "C0123", "c0123abcd", "", "C0123ABC<"] {
        assert!(
            matches!(new("https://slack.com/api/", channel), Err(SlackError::BadChannel { .. })),
            "{channel}"
        );
    }
}
