use super::*;

const DIFF: &str = "---\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

fn listing(ids: &[u64]) -> Listing {
    let names: Vec<String> = (1..=ids.len()).map(|at| format!("[{at}/{}] a", ids.len())).collect();
    let named: Vec<_> = ids.iter().copied().zip(names.iter().map(String::as_str)).collect();
    Listing::sample(&named)
}

/// A mail as the server writes it.
fn mail(id: u64, body: &str) -> String {
    format!(
        "From patchwork Fri Nov 20 02:00:02 2026\nMIME-Version: 1.0\nX-Patchwork-Id: {id}\nFrom: A <a@b.c>\nSubject: [PATCH] a\nMessage-ID:\n <{id}@x>\n\n{body}"
    )
}

/// What is taken from the mailbox, and what is not and why.
fn outcome(ids: &[u64], mails: &[String]) -> (Vec<u64>, Vec<(u64, Reason)>) {
    let matched = match_mailbox(&listing(ids), mails.join("\n").as_bytes());
    (matched.mails.iter().map(|mail| mail.patch).collect(), matched.from_json)
}

#[test]
fn each_patch_gets_its_own_mail_in_its_order() {
    let mails = [mail(9, &format!("nine\n{DIFF}")), mail(4, &format!("four\n{DIFF}"))];
    let matched = match_mailbox(&listing(&[4, 9]), mails.join("\n").as_bytes());
    assert_eq!(matched.from_json, []);
    let texts: Vec<String> =
        matched.mails.iter().map(|mail| String::from_utf8(mail.mail.clone()).unwrap()).collect();
    assert!(texts[0].contains("four") && !texts[0].contains("nine"));
    assert!(texts.iter().all(|text| text.starts_with("MIME-Version")));
}

/// What it is, the mails, what is taken from the mailbox, and what is not.
type Case = (&'static str, Vec<String>, Vec<u64>, Vec<(u64, Reason)>);

#[test]
fn what_cannot_be_trusted_is_taken_from_json() {
    use Reason::{
        Altered, CarriageReturn, Doubled, FromLine, Missing, MovedUp, NoDiff, Smuggled, UnknownCharset,
        Unreadable,
    };
    let good = |id| mail(id, &format!("why\n{DIFF}"));
    let with = |id, text: &str| mail(id, &format!("{text}\n{DIFF}"));
    let header = |id, line: &str| good(id).replace("MIME-Version: 1.0", line);
    let new_file = "new file mode 100644\nindex 0000000..e1587ff\n--- /dev/null\n+++ b/doc/crlf.txt\n@@ -0,0 +1,3 @@\n+one\n+two\n+three\n";
    let table: Vec<Case> = vec![
        ("one is missing", vec![good(1)], vec![1], vec![(2, Missing)]),
        ("nothing at all", vec![], vec![], vec![(1, Missing), (2, Missing)]),
        ("one twice", vec![good(2), good(1), good(1)], vec![], vec![(1, Doubled), (2, Smuggled)]),
        ("the last one twice", vec![good(1), good(2), good(2)], vec![], vec![(1, Smuggled), (2, Doubled)]),
        ("an id of another series", vec![good(1), good(2), good(3)], vec![1], vec![(2, Smuggled)]),
        (
            "another Message-ID",
            vec![good(1), good(2).replace("<2@x>", "<3@x>")],
            vec![],
            vec![(1, Smuggled), (2, Missing)],
        ),
        (
            "a body that imitates the other patch",
            vec![with(1, &mail(2, "evil")), good(2)],
            vec![],
            vec![(1, Smuggled), (2, Doubled)],
        ),
        (
            "a body that imitates a mail of its own",
            vec![with(1, &mail(77, "evil")), good(2)],
            vec![2],
            vec![(1, Smuggled)],
        ),
        (
            "format-patch's line",
            vec![with(1, &format!("From {} Mon Sep 17 00:00:00 2001", "a".repeat(40))), good(2)],
            vec![2],
            vec![(1, FromLine)],
        ),
        ("prose beginning with From", vec![with(1, "From here on"), good(2)], vec![1, 2], vec![]),
        ("a CR", vec![with(1, "x\r"), good(2)], vec![2], vec![(1, CarriageReturn)]),
        (
            "unknown charset",
            vec![header(1, "From: =?unknown-8bit?q?=F6?= <a@b>"), good(2)],
            vec![2],
            vec![(1, UnknownCharset)],
        ),
        ("damaged header", vec![header(1, "Subject: =?utf-8?q?x"), good(2)], vec![2], vec![(1, Unreadable)]),
        ("no diff", vec![mail(1, "please pull\n"), good(2)], vec![2], vec![(1, NoDiff)]),
        (
            "a new file that lost its CRs",
            vec![mail(1, &format!("x\n---\ndiff --git a/doc/crlf.txt b/doc/crlf.txt\n{new_file}")), good(2)],
            vec![2],
            vec![(1, Altered)],
        ),
        (
            "a base that stood below the diff",
            vec![mail(1, &format!("base-commit: {}\n\n{}", "a".repeat(40), &DIFF[5..])), good(2)],
            vec![2],
            vec![(1, MovedUp)],
        ),
        (
            "a sender's own number",
            vec![good(1).replace("From: A", "X-Patchwork-Id: 2\nFrom: A"), good(2)],
            vec![1, 2],
            vec![],
        ),
    ];
    for (case, mails, taken, from_json) in table {
        assert_eq!(outcome(&[1, 2], &mails), (taken, from_json), "{case}");
    }
}
