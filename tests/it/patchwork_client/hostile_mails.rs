//! Mails that a server's mailbox does not carry safely, sent to the faked server, and to a real one where there is one.

use patchlift::intake::{Frozen, Reason, freeze, match_mailbox};
use patchlift::patchwork::Client;

use super::corpus::differences;
use super::real_server::{bot_token, client_of};
use super::{client, patchwork};
use crate::world::real_patchwork::RealPatchwork;

const DIFF: &str = "---\n doc/x.txt | 1 +\n 1 file changed, 1 insertion(+)\n\ndiff --git a/doc/x.txt b/doc/x.txt\nnew file mode 100644\nindex 0000000..587be6b\n--- /dev/null\n+++ b/doc/x.txt\n@@ -0,0 +1 @@\n+x\n";

/// What it is, the mail, and why the mailbox's mail is not taken; `None`: it is.
fn mails() -> Vec<(&'static str, Vec<u8>, Option<Reason>)> {
    let head = |id: &str| {
        format!(
            "From: A U Thor <author@example.com>\nDate: Fri, 20 Nov 2026 13:00:00 +1100\nSubject: [PATCH] doc: {id}\nMessage-ID: <{id}@example.com>\nTo: linuxppc-dev@lists.ozlabs.org\nList-Id: <linuxppc-dev.lists.ozlabs.org>\n"
        )
    };
    let plain = |id: &str, text: &str| format!("{}\n{text}\n{DIFF}", head(id)).into_bytes();
    let imitation = "Why.\n\nFrom patchwork Fri Nov 20 02:00:00 2026\nX-Patchwork-Id: 1\nFrom: Evil <evil@example.com>\nSubject: [PATCH] evil\nMessage-ID: <smuggle@example.com>\n\nEvil.\n";
    let attached = format!(
        "{}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nSee the attachment.\n--b\nContent-Type: text/x-patch\n\nFrom 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001\nFrom: A U Thor <author@example.com>\nSubject: [PATCH] doc: x\n\nWhy.\n{DIFF}\n--b--\n",
        head("attached")
    );
    let crlf = DIFF.replace("+x\n", "+x\r\n").replace("587be6b", "db127bf");
    let crlf = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("Why.\n{crlf}"));
    let crlf = format!(
        "{}MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: base64\n\n{crlf}\n",
        head("crlf")
    );
    let mut raw = plain("raw", "Why.");
    let name = raw.windows(8).position(|window| window == b"A U Thor").unwrap();
    raw.splice(name..name + 8, *b"J\xc3\xb6rg Roh");
    vec![
        ("prose that begins with From", plain("prose", "From here on it works."), None),
        ("an imitation of the server's separator", plain("smuggle", imitation), Some(Reason::Smuggled)),
        (
            "the line format-patch begins with",
            plain("line", &format!("Why.\n\nFrom {} Mon Sep 17 00:00:00 2001\nmore", "1".repeat(40))),
            Some(Reason::FromLine),
        ),
        ("a whole format-patch file attached", attached.into_bytes(), Some(Reason::FromLine)),
        ("a file with CR LF in base64", crlf.into_bytes(), Some(Reason::Altered)),
        ("a name in raw bytes", raw, Some(Reason::UnknownCharset)),
    ]
}

/// The one patch of a series as the bridge freezes it, and why it came from JSON.
async fn taken(client: &Client, series: u64) -> (Frozen, Option<Reason>) {
    let listing = client.series(series).await.unwrap();
    let matched = match_mailbox(&listing, &client.mbox(series).await.unwrap());
    let reason = matched.from_json.first().map(|(_, reason)| *reason);
    let mut texts = Vec::new();
    for (patch, _) in &matched.from_json {
        texts.push(client.patch(*patch).await.unwrap());
    }
    (freeze(&listing, matched, &texts, None).unwrap(), reason)
}

#[tokio::test]
async fn they_make_the_authors_commit_all_the_same() {
    let patchwork = patchwork();
    let client = client(&patchwork);
    for (at, (what, mail, reason)) in mails().into_iter().enumerate() {
        patchwork.receives("linuxppc-dev", &mail);
        let (frozen, got) = taken(&client, at as u64 + 1).await;
        // The model writes raw bytes as they are; a real server makes words of an unknown charset of them.
        if reason != Some(Reason::UnknownCharset) {
            assert_eq!(got, reason, "{what}");
        }
        assert_eq!(differences(&mail, &frozen.mails.patches[0]), Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
async fn they_make_the_authors_commit_on_a_real_server_too() {
    let Some(mut server) = RealPatchwork::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let client = client_of(&server, patchlift::patchwork::Api::V1_3, &bot_token());
    for (at, (what, mail, reason)) in mails().into_iter().enumerate() {
        let path = folder.path().join(format!("{at}.eml"));
        std::fs::write(&path, &mail).unwrap();
        server.takes(&path);
        let (frozen, got) = taken(&client, at as u64 + 1).await;
        assert_eq!(got, reason, "{what}");
        assert_eq!(differences(&mail, &frozen.mails.patches[0]), Vec::<String>::new(), "{what}");
    }
    // The list in the author's place: git would commit in the list's name.
    let mail = format!(
        "From: \"A U Thor via Linuxppc-dev\" <linuxppc-dev@lists.ozlabs.org>\nReply-To: A U Thor <author@example.com>\nDate: Fri, 20 Nov 2026 13:00:00 +1100\nSubject: [PATCH] doc: munged\nMessage-ID: <munged@example.com>\nList-Id: <linuxppc-dev.lists.ozlabs.org>\n\nWhy.\n\nFrom {} Mon Sep 17 00:00:00 2001\n{DIFF}",
        "1".repeat(40)
    );
    let path = folder.path().join("munged.eml");
    std::fs::write(&path, mail).unwrap();
    server.takes(&path);
    let (frozen, reason) = taken(&client, mails().len() as u64 + 1).await;
    assert_eq!(reason, Some(Reason::FromLine));
    let read = patchlift::mail::read(&frozen.mails.patches[0], patchlift::mail::Options::default()).unwrap();
    let author = read.author.unwrap();
    assert_eq!((author.name, author.email), (b"A U Thor".to_vec(), b"author@example.com".to_vec()));
}
