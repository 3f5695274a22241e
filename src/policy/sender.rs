//! Who sent a series.
//!
//! A From header is not proof: anybody can write any address into it. The list's server checks DKIM and DMARC for some
//! domains, and people on the list notice a stranger in a known name, but nothing here can know that. So this gate
//! keeps a stranger's first series from the hardware until somebody has read it; it does not keep out somebody who
//! means harm. What does that: the box is taken for hostile once it has booted a series.

use super::{Reason, Senders};
use crate::bytes::shown;

/// Somebody who sent a mail of a series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// The address, as the mail or the server says it. Empty where a mail does not say one address.
    pub address: String,
    /// How many commits of this author the base has.
    pub commits: u32,
}

/// Longer addresses are none: RFC 5321 allows 64 bytes, an @, and 255.
const ADDRESS_LIMIT: usize = 320;

/// One reason for everybody who is not known.
pub(super) fn strangers(rule: &Senders, senders: &[Sender]) -> Vec<Reason> {
    let Senders::Known { listed, commits } = rule else { return Vec::new() };
    if senders.is_empty() {
        return vec![Reason::NoSender];
    }
    let unknown = senders.iter().filter(|sender| !is_known(sender, listed, *commits));
    let reason = |sender: &Sender| Reason::Stranger { sender: sender.clone(), wanted: *commits };
    unknown.map(reason).collect()
}

/// Is this address in the list, itself or by its domain? An odd address never is.
pub fn is_listed(address: &str, listed: &[String]) -> bool {
    is_known(&Sender { address: address.to_owned(), commits: 0 }, listed, 0)
}

fn is_known(sender: &Sender, listed: &[String], wanted: u32) -> bool {
    let address = sender.address.trim().to_ascii_lowercase();
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>(),;:\"\\".contains(c);
    let Some((name, domain)) = address.split_once('@') else { return false };
    // An odd address can read like another one; a second @ hides which domain is meant.
    if address.len() > ADDRESS_LIMIT || address.contains(odd) || name.is_empty() || domain.contains('@') {
        return false;
    }
    let is_listed = |entry: &String| match entry.strip_prefix('@') {
        Some(wanted) => domain.eq_ignore_ascii_case(wanted),
        None => address.eq_ignore_ascii_case(entry),
    };
    listed.iter().any(is_listed) || (wanted > 0 && sender.commits >= wanted)
}

/// The addresses of everybody who sent a mail of the series, lower case, each once: the submitter as the server knows
/// him, then the From header of every mail. `""` stands for a mail with no From header, with two, or with several
/// addresses in it.
pub fn addresses(submitter: &str, mails: &[&[u8]]) -> Vec<String> {
    let mut all = vec![submitter.trim().to_ascii_lowercase()];
    for mail in mails {
        let address = from_header(mail).unwrap_or_default();
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// The one address in the one From header. Not the author: that is what a From line in the mail's text says, and
/// people send patches that others wrote.
fn from_header(mail: &[u8]) -> Option<String> {
    let mail = if mail.starts_with(b"From ") { &mail[crate::bytes::line_length(mail)..] } else { mail };
    let message = mail_parser::MessageParser::default().parse_headers(mail)?;
    let mut headers = message.headers().iter().filter(|header| header.name() == "From");
    let (header, None) = (headers.next()?, headers.next()) else { return None };
    let mut all = header.value.as_address()?.iter();
    let (one, None) = (all.next()?, all.next()) else { return None };
    let address = one.address()?.trim().to_ascii_lowercase();
    (address.len() <= ADDRESS_LIMIT).then(|| shown(address.as_bytes(), ADDRESS_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known() {
        let listed = ["nick@example.com".to_owned(), "@ibm.example".to_owned()];
        let table: [(&str, u32, bool); 14] = [
            ("nick@example.com", 0, true),
            ("NICK@Example.COM", 0, true),
            ("any@ibm.example", 0, true),
            ("any@IBM.example", 0, true),
            ("any@sub.ibm.example", 0, false),
            ("any@notibm.example", 0, false),
            ("nick@example.com.evil.example", 0, false),
            ("x@evil.example@ibm.example", 0, false),
            ("\"a@ibm.example\"@evil.example", 0, false),
            ("@ibm.example", 9, false),
            ("", 9, false),
            ("newcomer@example.net", 2, false),
            ("regular@example.net", 3, true),
            ("regular@example.net\n", 3, true),
        ];
        for (address, commits, known) in table {
            let sender = Sender { address: address.to_owned(), commits };
            assert_eq!(is_known(&sender, &listed, 3), known, "{address:?} {commits}");
        }
        let nobody = Sender { address: "regular@example.net".to_owned(), commits: 0 };
        assert!(!is_known(&nobody, &listed, 0), "0 commits mean nobody, not everybody");
    }

    #[test]
    fn the_sender_is_the_header_and_not_the_line_in_the_text() {
        let mail: &[u8] = b"From patchwork Fri Nov 20 02:00:02 2026\nX-Patchwork-Id: 1\nFrom: =?utf-8?q?N=C3=AFck?= <Nick@Example.com>\nSubject: x\n\nFrom: Other <other@example.com>\n\ntext\n";
        let two: &[u8] = b"From: a@example.com\nFrom: b@example.com\n\n";
        let list: &[u8] = b"From: a@example.com, b@example.com\n\n";
        assert_eq!(addresses("Sub@example.com", &[mail, mail]), ["sub@example.com", "nick@example.com"]);
        for odd in [two, list, b"Subject: x\n\n", b""] {
            assert_eq!(addresses("a@example.com", &[odd]), ["a@example.com", ""], "{}", odd.escape_ascii());
        }
    }
}
