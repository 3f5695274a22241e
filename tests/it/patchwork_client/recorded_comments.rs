//! Answers to patches as a real server tells of them.

use patchlift::patchwork::{Answered, NewComment};
use serde_json::Value;

use super::{client, patchwork};
use crate::test_data;
use crate::world::patchwork::Fault;

/// The body of a recorded answer.
fn recorded(name: &str) -> Option<String> {
    let path = test_data::folder("patchwork")?.join("json").join(name);
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Some(recorded["response"]["body"].to_string())
}

#[tokio::test]
async fn what_a_real_server_tells_of_answers_is_read() {
    let patchwork = patchwork();
    let client = client(&patchwork);
    for (events, patches, covers) in [
        ("events-all-v1.3.json", true, true),
        ("v3.1.3-events.json", true, false),
        ("v3.2.1-events.json", true, false),
        ("events-comment-dup.json", true, false),
    ] {
        let Some(body) = recorded(events) else { return };
        let mut read: Vec<NewComment> = Vec::new();
        for answered in [Answered::Patch, Answered::Cover] {
            patchwork.fails("/events/", Fault::Body(body.clone()), 1);
            let page = client.newest_comments(answered, "linuxppc-dev", 1, 250).await.unwrap();
            assert!(page.rows >= page.comments.len(), "{events}: events of other kinds are left out");
            assert!(page.comments.iter().all(|one| one.answered == answered && one.answered_id > 0));
            read.extend(page.comments);
        }
        let has = |answered| read.iter().any(|one| one.answered == answered);
        assert_eq!((has(Answered::Patch), has(Answered::Cover) || !covers), (patches, true), "{events}");
        assert!(read.iter().all(|one| one.msgid.contains('@') && !one.msgid.contains('<')), "{read:?}");
    }
    // One answer, with its sender and its text.
    let Some(body) = recorded("comment-detail-v13.json") else { return };
    let mail = b"From: A <a@example.org>\nSubject: [PATCH] x\nMessage-ID: <p@example.org>\n\n---\n\
        diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-a\n+b\n";
    let answer = b"From: A <a@example.org>\nSubject: Re: [PATCH] x\nMessage-ID: <c@example.org>\n\
        In-Reply-To: <p@example.org>\n\nno\n";
    patchwork.receives("linuxppc-dev", mail);
    patchwork.receives("linuxppc-dev", answer);
    let page = client.newest_comments(Answered::Patch, "linuxppc-dev", 1, 50).await.unwrap();
    assert_eq!(page.comments[0].answered_msgid, "p@example.org");
    assert_eq!(client.comment(&page.comments[0]).await.unwrap().content.trim(), "no");
    patchwork.fails("/comments/", Fault::Body(body), 1);
    let text = client.comment(&page.comments[0]).await.unwrap();
    assert_eq!(text.submitter.email, "tess@example.net");
    assert!(text.content.starts_with("Works here.\n\nTested-by: "), "{text:?}");
}
