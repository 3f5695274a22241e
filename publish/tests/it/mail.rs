//! Replies as a real SMTP server gets them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use patchlift_publish::mail::{MailError, Mailer, Person, Reply, ReplySettings, Settings, Step, Tls, reply};
use patchlift_publish::{Notice, notice_sample};
use patchlift_report::Ending;
use patchlift_report::clean::with_causes;
use serde_json::{Value, json};

use crate::giants::giants;
use crate::smtp_sink::{PASSWORD, Sink, USER};
use crate::texts::everything;

/// Exactly these, each once.
const HEADERS: [&str; 12] = [
    "From",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "To",
    "Cc",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// As the server reads them: names without blanks.
fn people(people: &[Person]) -> Value {
    people.iter().map(|person| json!([person.name.replace(' ', ""), person.address])).collect()
}

/// What was received is what was to be said, and a mail in good order.
fn assert_received(mail: &Value, reply: &Reply) {
    assert_eq!(mail["defects"], json!([]), "{mail}");
    assert_eq!(mail["names"], json!(HEADERS));
    let told = reply.to.iter().chain(&reply.cc).map(|person| person.address.as_str());
    assert_eq!(mail["recipients"], json!(told.collect::<Vec<_>>()));
    assert_eq!(mail["sender"], reply.from.address.as_str());
    assert_eq!(mail["from"], people(std::slice::from_ref(&reply.from)));
    assert_eq!((&mail["to"], &mail["cc"]), (&people(&reply.to), &people(&reply.cc)));
    let headers = &mail["headers"];
    assert_eq!(headers["Subject"], reply.subject.as_str());
    assert_eq!(headers["Message-ID"], format!("<{}>", reply.id));
    assert_eq!(headers["In-Reply-To"], format!("<{}>", reply.in_reply_to));
    assert_eq!(headers["References"], format!("<{}>", reply.in_reply_to));
    assert_eq!(headers["Auto-Submitted"], "auto-generated");
    assert_eq!(mail["date"].as_f64().unwrap() as i64, reply.date.as_second());
    assert_eq!((&mail["kind"], &mail["charset"]), (&json!("text/plain"), &json!("utf-8")));
    assert_eq!(mail["text"].as_str().unwrap().replace("\r\n", "\n"), reply.text);
    assert_eq!((&mail["ascii"], &mail["bare"]), (&json!(true), &json!(0)));
    assert!(mail["longest"].as_u64().unwrap() <= 998, "{}", mail["longest"]);
}

fn verdict() -> Reply {
    reply(&notice_sample::ended(Ending::DoesNotBoot), &everything()).unwrap()
}

#[tokio::test]
async fn every_mail_arrives_as_it_was_meant() {
    let Some(mut sink) = Sink::start("plain", None, false) else { return };
    let mailer = sink.mailer();
    let mut sent = 0;
    for (name, notice) in notice_sample::all() {
        let Some(reply) = reply(&notice, &everything()) else { continue };
        let delivery = mailer.send(&reply).await.unwrap();
        assert_eq!(delivery.refused, [""; 0], "{name}");
        let mail = sink.mail();
        assert_received(&mail, &reply);
        assert_eq!((&mail["encrypted"], &mail["helo"]), (&json!(false), &json!("lab.example.org")));
        sent += 1;
    }
    assert_eq!(sent, 10);
    assert_eq!(sink.left(), 0);
}

#[tokio::test]
async fn nothing_that_others_wrote_gets_out_of_its_place() {
    let Some(mut sink) = Sink::start("plain", None, false) else { return };
    let mailer = sink.mailer();
    for hostile in [
        "Ada\r\nBcc: eve@example.net",
        "\"Ada\" <eve@example.net>, Bob",
        "=?utf-8?q?Ada?= <eve@example.net>",
        "Ädä 漢字 😀 Author, the \\ second",
        ".\r\nRCPT TO:<eve@example.net>\r\n",
        "eve@example.net",
        &"long ".repeat(100),
        "",
    ] {
        let mut notice = notice_sample::ended(Ending::FailsTests);
        (notice.title, notice.author) = (hostile.to_owned(), hostile.to_owned());
        notice.key = hostile.to_owned();
        notice.links.run = Some(format!("https://example.org/{hostile}"));
        let report = notice.report.as_mut().unwrap();
        (report.verdict.title, report.verdict.summary) = (hostile.to_owned(), hostile.to_owned());
        report.reproduce = vec![hostile.to_owned(), ".".to_owned()];
        let reply = reply(&notice, &everything()).unwrap();
        mailer.send(&reply).await.unwrap();
        assert_received(&sink.mail(), &reply);
        assert_eq!(reply.to.len() + reply.cc.len(), 2, "the author and the list");
    }
    assert_eq!(sink.left(), 0);
}

#[tokio::test]
async fn giants_are_mails_too() {
    let Some(mut sink) = Sink::start("plain", None, false) else { return };
    let mailer = sink.mailer();
    let replies: Vec<_> = giants().iter().filter_map(|notice| reply(notice, &everything())).collect();
    assert!(replies.len() > 30, "{}", replies.len());
    for reply in replies {
        mailer.send(&reply).await.unwrap();
        assert_received(&sink.mail(), &reply);
        assert!(reply.text.len() < 100_000, "{} bytes", reply.text.len());
    }
}

/// A certificate for localhost and its key, good for a day; `None`, said loudly, without openssl.
fn certificate(folder: &tempfile::TempDir) -> Option<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output();
    crate::tools::found(made.is_ok_and(|output| output.status.success()), "openssl")
        .then_some((certificate, key))
}

#[tokio::test]
async fn mails_and_passwords_go_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let Some((certificate, key)) = certificate(&folder) else { return };
    for (mode, tls) in [("starttls", Tls::StartTls), ("tls", Tls::Tls)] {
        let files = Some((certificate.as_path(), key.as_path()));
        let Some(mut sink) = Sink::start(mode, files, true) else { return };
        let trusted = Some(std::fs::read(&certificate).unwrap());
        let login = Some((USER.to_owned(), PASSWORD.into()));
        let settings = Settings { trusted, login, ..sink.settings(tls) };
        Mailer::new(settings.clone()).unwrap().send(&verdict()).await.unwrap();
        let mail = sink.mail();
        assert_received(&mail, &verdict());
        assert_eq!(mail["encrypted"], json!(true), "{mode}");
        assert_eq!(mail["login"], json!(true), "{mode}");

        let wrong = Some((USER.to_owned(), "another-password-that-must-never-be-seen".into()));
        let mailer = Mailer::new(Settings { login: wrong, ..settings.clone() }).unwrap();
        let error = mailer.send(&verdict()).await.unwrap_err();
        assert!(matches!(error, MailError::Refused { step: Step::LogIn, code: 535, .. }), "{error:?}");
        assert!(error.is_lasting() && !error.may_have_happened());
        let shown = format!("{error:?} {} {mailer:?}", with_causes(&error));
        assert!(!shown.contains("never-be-seen"), "{shown}");

        let strict = Mailer::new(Settings { trusted: None, ..settings.clone() }).unwrap();
        let error = strict.send(&verdict()).await.unwrap_err();
        assert!(matches!(error, MailError::Unreachable { step: Step::Connect, .. }), "{error:?}");
        let other = Mailer::new(Settings { host: "127.0.0.1".to_owned(), ..settings }).unwrap();
        other.send(&verdict()).await.unwrap_err();
        assert_eq!(sink.left(), 0, "nothing goes to a server that is not the one");
    }
}

#[tokio::test]
async fn without_encryption_nothing_leaves_this_machine() {
    let settings =
        |host: &str, tls| Settings { host: host.to_owned(), port: 25, tls, trusted: None, login: None };
    let error = Mailer::new(settings("mail.example.org", Tls::None)).unwrap_err();
    assert!(matches!(error, MailError::NotEncrypted { .. }) && error.is_lasting(), "{error}");
    let trusted = Some(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_vec());
    let error = Mailer::new(Settings { trusted, ..settings("mail.example.org", Tls::Tls) }).unwrap_err();
    assert!(matches!(error, MailError::Encryption(_)), "{error}");
    // A server that offers no STARTTLS, or whose offer was taken away on the way.
    let Some(sink) = Sink::start("plain", None, false) else { return };
    let error = Mailer::new(sink.settings(Tls::StartTls)).unwrap().send(&verdict()).await.unwrap_err();
    assert!(matches!(error, MailError::NoStartTls) && error.is_lasting(), "{error}");
    assert_eq!(sink.left(), 0);
}

#[tokio::test]
async fn recipients_are_refused_one_by_one() {
    let Some(mut sink) = Sink::start("plain", None, false) else { return };
    let mailer = sink.mailer();
    let person = |name: &str| Person::new("", &format!("{name}@example.org")).unwrap();
    let two = Reply { to: vec![person("refused")], cc: vec![person("bob")], ..verdict() };
    let delivery = mailer.send(&two).await.unwrap();
    assert_eq!(delivery.refused, ["refused@example.org: 550 5.1.1 nobody of that name"]);
    assert_eq!(sink.mail()["recipients"], json!(["bob@example.org"]));
    for (name, code) in [("refused", 550), ("later", 450)] {
        let nobody = Reply { to: vec![person(name)], cc: vec![], ..verdict() };
        let error = mailer.send(&nobody).await.unwrap_err();
        assert!(
            matches!(error, MailError::Refused { step: Step::Recipients, code: seen, .. } if seen == code)
        );
        assert_eq!((error.is_lasting(), error.may_have_happened()), (code == 550, false));
    }
    assert_eq!(sink.left(), 0);
}

#[tokio::test]
async fn it_is_known_whether_a_mail_may_be_on_its_way() {
    let Some(mut sink) = Sink::start("plain", None, false) else { return };
    let mailer = sink.mailer();
    for (word, lasting, maybe) in [("GREYLIST", false, false), ("SPAM", true, false), ("LOST", false, true)] {
        let error = mailer.send(&Reply { text: word.to_owned(), ..verdict() }).await.unwrap_err();
        assert_eq!((error.is_lasting(), error.may_have_happened()), (lasting, maybe), "{word}: {error:?}");
    }
    let hasty = sink.mailer().with_limits(Duration::from_secs(60), Duration::from_millis(500));
    let silent = Reply { text: "SILENT".to_owned(), ..verdict() };
    let error = hasty.send(&silent).await.unwrap_err();
    assert!(error.may_have_happened() && !error.is_lasting(), "{error:?}");
    let (first, second) = (sink.mail(), sink.mail());
    assert_eq!(
        first["headers"]["Message-ID"], second["headers"]["Message-ID"],
        "sent again it is the same mail"
    );

    let port = sink.port;
    assert_eq!(sink.left(), 0);
    let settings =
        Settings { host: "127.0.0.1".to_owned(), port, tls: Tls::None, trusted: None, login: None };
    let error = Mailer::new(settings).unwrap().send(&verdict()).await.unwrap_err();
    assert!(matches!(error, MailError::Unreachable { step: Step::Connect, .. }), "{error:?}");
    assert!(!error.may_have_happened() && !error.is_lasting());
}

fn told(notice: &Notice, settings: &ReplySettings) -> Vec<String> {
    let reply = reply(notice, settings);
    let people = reply.into_iter().flat_map(|reply| reply.to.into_iter().chain(reply.cc));
    people.map(|person| person.address).collect()
}

#[test]
fn only_who_is_allowed_is_written_to() {
    let notice = notice_sample::ended(Ending::DoesNotBoot);
    let allow = |entries: &[&str]| ReplySettings {
        allow: entries.iter().map(|&entry| entry.to_owned()).collect(),
        ..everything()
    };
    let author = "ada@example.org";
    let list = "linuxppc-dev@lists.example.org";
    assert_eq!(told(&notice, &everything()), [author, list]);
    assert_eq!(told(&notice, &allow(&[author])), [author]);
    assert_eq!(told(&notice, &allow(&["@lists.example.org"])), [list]);
    assert_eq!(told(&notice, &allow(&[])), [""; 0], "nobody is allowed: no mail");
    let operator = vec![Person::new("Operator", "op@lab.example.org").unwrap()];
    let only = ReplySettings { always_to: operator.clone(), ..allow(&[]) };
    assert_eq!(told(&notice, &only), ["op@lab.example.org"]);
    let all = ReplySettings { always_to: operator, ..everything() };
    assert_eq!(told(&notice, &all), [author, list, "op@lab.example.org"]);

    // Nobody is told twice, and the sender never tells itself.
    let same = ReplySettings { list: Person::new("", "ADA@example.org"), ..everything() };
    assert_eq!(told(&notice, &same), [author]);
    let own = Notice { author_address: "CI@lab.example.org".to_owned(), ..notice.clone() };
    assert_eq!(told(&own, &allow(&["@lab.example.org"])), [""; 0]);
    let hostile =
        Notice { author_address: "ada@example.org>\r\nRCPT TO:<eve@example.org".to_owned(), ..notice };
    assert_eq!(told(&hostile, &everything()), [list]);
}

#[test]
fn a_reply_without_a_thread_is_not_sent() {
    let notice = notice_sample::ended(Ending::DoesNotBoot);
    for id in
        ["", "no-at-sign", "a@b\r\nBcc: eve@example.org", "a b@c", "<a@b", "a@b>", "ä@b", &"a@".repeat(200)]
    {
        let notice = Notice { message_id: id.to_owned(), ..notice.clone() };
        assert_eq!(reply(&notice, &everything()), None, "{id}");
    }
    let notice = Notice { message_id: "<a@b>".to_owned(), ..notice };
    assert_eq!(reply(&notice, &everything()).unwrap().in_reply_to, "a@b");
}

/// The same is the same mail; anything else is another.
#[test]
fn mails_are_told_apart_by_what_they_say() {
    let id = |notice: &Notice| reply(notice, &everything()).unwrap().id;
    let notice = notice_sample::ended(Ending::DoesNotBoot);
    assert_eq!(id(&notice), "patchlift.ozlabs.4711.r1.a1.verdict@lab.example.org");
    assert_eq!(id(&notice), id(&notice.clone()));
    assert_ne!(id(&notice), id(&Notice { attempt: 2, ..notice.clone() }));
    assert_ne!(id(&notice), id(&Notice { revision: 2, ..notice.clone() }));
    assert_ne!(id(&notice), id(&Notice { key: "ozlabs/4712".to_owned(), ..notice }));
}
