//! What people read in Slack and in mails, for every place where a series can stand.

use std::fmt::Write as _;

use insta::assert_snapshot;
use patchlift_publish::mail::{Person, Reply, ReplySettings, reply};
use patchlift_publish::slack::block::{Block, Text};
use patchlift_publish::slack::{Message, details, message};
use patchlift_publish::{Notice, Standing, notice_sample};

/// A message as it is sent, block by block.
fn shown(message: &Message) -> String {
    let text = |text: &Text| match text {
        Text::PlainText { text, .. } => text.clone(),
        Text::Mrkdwn { text, .. } => format!("(mrkdwn) {text}"),
    };
    let mut out = format!("in a notification: {}\n", message.text);
    for block in &message.blocks {
        out.push('\n');
        let (name, texts) = match block {
            Block::Header { text } => ("header", std::slice::from_ref(text)),
            Block::Section { text } => ("section", std::slice::from_ref(text)),
            Block::Fields { fields } => ("fields", &fields[..]),
            Block::Context { elements } => ("context", &elements[..]),
            Block::Divider => ("divider", &[][..]),
        };
        writeln!(out, "[{name}]").unwrap();
        for one in texts {
            writeln!(out, "{}", text(one)).unwrap();
        }
    }
    out
}

fn mailed(mail: &Reply) -> String {
    let people = |people: &[Person]| {
        let shown = people.iter().map(|person| format!("{} <{}>", person.name, person.address));
        shown.collect::<Vec<_>>().join(", ")
    };
    format!(
        "Message-ID: {}\nIn-Reply-To: {}\nFrom: {}\nTo: {}\nCc: {}\nSubject: {}\nDate: {}\n\n{}",
        mail.id,
        mail.in_reply_to,
        people(std::slice::from_ref(&mail.from)),
        people(&mail.to),
        people(&mail.cc),
        mail.subject,
        mail.date,
        mail.text.replace("-- \n", "--_\n"),
    )
}

/// Everybody may be told everything.
pub(crate) fn everything() -> ReplySettings {
    ReplySettings {
        from: Person::new("patchlift", "ci@lab.example.org").unwrap(),
        list: Person::new("", "linuxppc-dev@lists.example.org"),
        allow: vec!["@example.org".to_owned(), "@lists.example.org".to_owned()],
        always_to: vec![],
        say_success: true,
        say_all: true,
        contact: Some("lab@example.org".to_owned()),
    }
}

#[test]
fn every_message() {
    for (name, notice) in notice_sample::all() {
        assert_snapshot!(format!("slack-{name}"), shown(&message(&notice)));
    }
}

#[test]
fn every_thread() {
    for (name, notice) in notice_sample::all() {
        match details(&notice) {
            Some(details) => assert_snapshot!(format!("slack-{name}-details"), shown(&details)),
            None => assert!(notice.report.is_none(), "{name} has a report and no details"),
        }
    }
}

#[test]
fn every_mail() {
    for (name, notice) in notice_sample::all() {
        let mail = reply(&notice, &everything());
        let over = matches!(notice.standing, Standing::Ended { .. } | Standing::Conflict { .. });
        assert_eq!(mail.is_some(), over, "{name}");
        if let Some(mail) = mail {
            assert_snapshot!(format!("mail-{name}"), mailed(&mail));
        }
    }
}

/// Who is told by default: the author, of what is their own, and nobody of anything else.
#[test]
fn only_the_series_own_faults_are_mailed() {
    let settings = ReplySettings { say_success: false, say_all: false, ..everything() };
    let told = |notice: &Notice| reply(notice, &settings).is_some();
    let told: Vec<_> =
        notice_sample::all().into_iter().filter(|(_, notice)| told(notice)).map(|(name, _)| name).collect();
    assert_eq!(told, ["conflict", "does-not-build", "does-not-boot", "fails-tests"]);
}
