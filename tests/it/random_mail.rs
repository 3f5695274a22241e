//! Mails with everything that real and hostile ones have, put together at random.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;

const FROM: &[&str] = &[
    "A U Thor <a.u.thor@example.com>",
    "\"Doe, \\\"J\\\" (x)\" <j@example.com>",
    "bare@example.com",
    "<only@example.com>",
    "j@example.com (John (the) Doe)",
    "John (zzz) Doe <a@b.c> (Comment)",
    "=?utf-8?q?J=C3=B6rg_M?= <j@example.com>",
    "=?ISO-8859-1?B?SvZyZw==?= =?iso-8859-1?q?M=FCller?= <j@example.com>",
    "John Doe <nowhere>",
    "nobody",
    "",
    "a very long name that goes on for more than sixty characters, really, it does <long@example.com>",
    "Two <a@b.c>, Three <d@e.f>",
    "x@y <z@w>",
    "(c) \"q\\",
    "J\u{f6}rg raw",
    "Name\tWith\t Tabs  <t@example.com >",
    "=?utf-8?q?broken",
    "=?nosuch?q?x?= <x@example.com>",
    "=?utf-8?q?nul=00?= <x@example.com>",
    "\"unclosed <x@example.com>",
    "a@b@c <d>",
    "<a@b",
    "() <x@example.com>",
    "(x) <x@example.com>",
];

const SUBJECT: &[&str] = &[
    "[PATCH] area: do it",
    "[PATCH v2 3/5] area:  do  it",
    "Re: [PATCH 1/2] Re: x",
    "re:",
    "RE: fw: x",
    "[a] [b]: c [d] ",
    "[unclosed x",
    "=?UTF-8?q?=5BPATCH=5D_t=C3=B6pic?=",
    "=?UTF-8?q?a?= =?UTF-8?q?_b?=  c =?utf-8?b?w6k=?=",
    "=?utf-8*en?q?a?=",
    "=??q?a?=",
    "=?utf-8?Z?a?=",
    "=?utf-8?q?a",
    "=?utf-8?b?!!!!?= x=?=",
    "",
    " : : x",
    "raw \u{e9} utf8",
    "[PATCH]",
    "]x[",
    "Rex",
    "rE:x",
];

const DATE: &[&str] =
    &["Fri, 15 Apr 2022 07:20:00 +0200", "nonsense", "", "=?utf-8?q?15_Apr?=", "  two   blanks "];

const TEXT: &[&str] = &[
    "Some words.",
    "",
    "",
    "  indented  ",
    "From: In Body <in@body.example>",
    "From: =?utf-8?q?In_B=C3=B6dy?= <in@body.example>",
    "Subject: in body",
    "Subject: in body folded",
    " with a continuation",
    "\tand a tab one",
    "Date: Mon, 1 Jan 2024 00:00:00 +0000",
    "Fromm: x",
    "From : x",
    ">From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001",
    ">From somebody",
    "From here to there",
    "[PATCH] in body",
    "[PATCH]not",
    "-- >8 --",
    " >8 -- cut here -- 8<",
    "-- ",
    "--",
    "---",
    "--- ",
    "---\t",
    "----",
    "--- a/f",
    "---x",
    "diff --git a/f b/f",
    "diff -u x",
    "Index: f",
    "Index:",
    "@@ -1 +1 @@",
    "-a",
    "+b",
    "Signed-off-by: A <a@b.c>",
    "soft line ",
    " stuffed",
    "=3D escaped =",
    "=C3=A9",
    "aGVsbG8K",
    "--bound",
    "--bound--",
    "--inner",
    "Content-Type: text/plain; charset=koi8-r",
    "caf\u{e9}",
    "\u{20ac}",
    "nul \0 here",
    "X-Header: value",
    ": x",
];

const CONTENT_TYPE: &[&str] = &[
    "text/plain; charset=utf-8",
    "text/plain; charset=\"UTF-8\"; format=flowed",
    "text/plain; format=flowed; delsp=yes",
    "text/plain; charset=iso-8859-1",
    "text/plain; charset=us-ascii",
    "text/plain; charset=koi8-r",
    "text/plain; charset=no-such",
    "text/plain",
    "text/x-patch; name=x.patch",
    "text/html; charset=windows-1252",
    "TEXT/PLAIN; CHARSET=\"",
];

const ENCODING: &[&str] = &["7bit", "8bit", "quoted-printable", "base64", "Base64", "binary", "x"];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// One of a hundred.
fn rarely(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

/// A whole mail.
pub(crate) fn random_mail(rng: &mut Rng) -> Vec<u8> {
    let mut mail = Vec::new();
    if rarely(rng, 50) {
        mail.extend_from_slice(b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n");
    }
    for _ in 0..rng.usize(0..5) {
        header(rng, &mut mail);
    }
    entity(rng, &mut mail, 0);
    if rarely(rng, 10) {
        let crlf = String::from_utf8_lossy(&mail).replace('\n', "\r\n");
        mail = crlf.into_bytes();
    }
    for _ in 0..if rarely(rng, 15) { rng.usize(1..4) } else { 0 } {
        damage(rng, &mut mail);
    }
    mail
}

fn header(rng: &mut Rng, mail: &mut Vec<u8>) {
    let name =
        pick(rng, &["From", "Subject", "Date", "from", "SUBJECT", "X-Other", "Message-ID", "MIME-Version"]);
    let value = match name.to_ascii_lowercase().as_str() {
        "from" => pick(rng, FROM),
        "subject" => pick(rng, SUBJECT),
        "date" => pick(rng, DATE),
        _ => "1.0",
    };
    let colon = pick(rng, &[": ", ": ", ": ", ":", ":  ", " : "]);
    let folded = if rarely(rng, 30) {
        value.replacen(' ', pick(rng, &["\n ", "\n\t", " \n  "]), 1)
    } else {
        value.into()
    };
    mail.extend_from_slice(format!("{name}{colon}{folded}\n").as_bytes());
}

/// Headers that say what the body is, and the body.
fn entity(rng: &mut Rng, mail: &mut Vec<u8>, depth: usize) {
    if depth < 5 && rarely(rng, if depth == 0 { 25 } else { 35 }) {
        let boundary = pick(rng, &["bound", "inner", "third"]);
        let quote = pick(rng, &["", "\""]);
        mail.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary={quote}{boundary}{quote}\n\n").as_bytes(),
        );
        lines(rng, mail, 0..2);
        for _ in 0..rng.usize(1..4) {
            mail.extend_from_slice(format!("--{boundary}\n").as_bytes());
            entity(rng, mail, depth + 1);
        }
        if !rarely(rng, 15) {
            mail.extend_from_slice(format!("--{boundary}--\n").as_bytes());
        }
        return lines(rng, mail, 0..2);
    }
    let mut body = Vec::new();
    lines(rng, &mut body, 0..14);
    if rarely(rng, 60) {
        mail.extend_from_slice(format!("Content-Type: {}\n", pick(rng, CONTENT_TYPE)).as_bytes());
    }
    if rarely(rng, 50) {
        let encoding = pick(rng, ENCODING);
        mail.extend_from_slice(format!("Content-Transfer-Encoding: {encoding}\n").as_bytes());
        if rarely(rng, 80) {
            body = encoded(rng, encoding, &body);
        }
    }
    if !rarely(rng, 5) {
        mail.push(b'\n');
    }
    mail.extend_from_slice(&body);
}

fn lines(rng: &mut Rng, text: &mut Vec<u8>, count: std::ops::Range<usize>) {
    for _ in 0..rng.usize(count) {
        let line = pick(rng, TEXT);
        if rarely(rng, 5) {
            // Latin-1 instead of UTF-8.
            text.extend(line.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')));
        } else {
            text.extend_from_slice(line.as_bytes());
        }
        text.extend_from_slice(if rarely(rng, 4) { b"\r\n" } else { b"\n" });
    }
    if rarely(rng, 3) {
        text.pop();
    }
}

fn encoded(rng: &mut Rng, encoding: &str, body: &[u8]) -> Vec<u8> {
    match encoding {
        "quoted-printable" => quoted_printable(rng, body),
        "base64" | "Base64" => {
            let text = STANDARD.encode(body);
            let width = pick(rng, &["76", "4", "60", "7"]).parse().unwrap();
            text.as_bytes().chunks(width).flat_map(|line| [line, b"\n"].concat()).collect()
        }
        _ => body.to_vec(),
    }
}

fn quoted_printable(rng: &mut Rng, body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in body {
        if byte == b'=' || byte >= 0x7f || rarely(rng, 2) {
            text.extend_from_slice(format!("={byte:02X}").as_bytes());
        } else {
            text.push(byte);
        }
        if rarely(rng, 2) {
            text.extend_from_slice(b"=\n");
        }
    }
    text
}

fn damage(rng: &mut Rng, mail: &mut Vec<u8>) {
    if mail.is_empty() {
        return;
    }
    let at = rng.usize(..mail.len());
    match rng.u8(..4) {
        0 => mail[at] = rng.u8(..),
        1 => {
            mail.remove(at);
        }
        2 => mail.insert(at, b"\n\r =?-:\0<>@"[rng.usize(..11)]),
        _ => mail.truncate(at),
    }
}
