//! Who is written to. Addresses come out of mails, so each is hostile.

use patchlift_report::clean::line;
use serde::{Deserialize, Serialize};

/// Longest address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const ADDRESS_MAX: usize = 254;

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name; may be empty. One clean line.
    pub name: String,
    /// The address, in ASCII, without quotes or comments.
    pub address: String,
}

impl Person {
    /// A person, if the address is a plain one: nothing in it can end a header or an SMTP command. Others exist
    /// (quoted, or not in ASCII), and are not worth the risk.
    pub fn new(name: &str, address: &str) -> Option<Self> {
        let address = address.trim();
        let (local, domain) = address.rsplit_once('@')?;
        let atom = |part: &str, also: &[u8]| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
        };
        let local_ok = local.len() <= 64 && local.split('.').all(|part| atom(part, b"!#$%&'*+-/=?^_`{|}~"));
        let label = |part: &str| atom(part, b"-") && !part.starts_with('-') && !part.ends_with('-');
        let plain = local_ok && domain.split('.').all(label) && address.len() <= ADDRESS_MAX;
        plain.then(|| Self { name: shown_name(name), address: address.to_owned() })
    }

    /// Reads `Name <address>` or an address alone, as an operator writes it.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => Self::new(name.trim().trim_matches('"'), address),
            None => Self::new("", text),
        }
    }

    /// The part of the address behind the `@`.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// Whether one of the entries, each an address or an `@domain`, is this one.
    pub fn is_one_of(&self, entries: &[String]) -> bool {
        entries.iter().any(|entry| {
            let entry = entry.trim();
            match entry.strip_prefix('@') {
                Some(domain) => domain.eq_ignore_ascii_case(self.domain()),
                None => Self::parse(entry).is_some_and(|entry| entry.is(self)),
            }
        })
    }

    /// Whether both are the same mailbox. Domains have no case, and no mailbox is told from another by it.
    pub fn is(&self, other: &Self) -> bool {
        self.address.eq_ignore_ascii_case(&other.address)
    }
}

/// Text in which nothing begins as an encoded word does: what was read is meant to be shown, not decoded again.
pub(super) fn undecoded(text: &str) -> String {
    text.replace("=?", "= ?")
}

/// A name in which nothing looks like an address: mail programs show it in its place.
fn shown_name(name: &str) -> String {
    let name = line(&undecoded(name).replace(['<', '>', '@', '"', '\\'], " "), 80);
    // Folded headers keep one blank of many.
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_written_to() {
        for address in
            ["ada@example.org", "a.b+c=d@sub.example-x.org", " ada@localhost ", "o'neil@EXAMPLE.org"]
        {
            assert!(Person::new("", address).is_some(), "{address}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}.org", ["a".repeat(60).as_str(); 5].join("."));
        for address in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@@example.org",
            "a b@example.org",
            "\"a b\"@example.org",
            "ada@example.org>\r\nRCPT TO:<eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@[127.0.0.1]",
            "ada@-example.org",
            ".ada@example.org",
            "ada..b@example.org",
            "ada@exam_ple.org",
            "ädä@example.org",
            "ada@exämple.org",
            "ada@example.org (comment)",
            "<ada@example.org>",
            "ada@example.org,eve@example.org",
            long.as_str(),
            longer.as_str(),
        ] {
            assert_eq!(Person::new("", address), None, "{address}");
        }
    }

    #[test]
    fn names_are_one_harmless_line() {
        for (name, expect) in [
            ("Ada Author", "Ada Author"),
            ("Ada\r\nBcc: eve@example.org", "Ada Bcc: eve example.org"),
            ("boss@example.org", "boss example.org"),
            ("\"Ada\" <x>", "Ada x"),
            ("Ada\u{202e}rohtuA", "AdarohtuA"),
            ("=?utf-8?q?Ada?=", "= ?utf-8?q?Ada?="),
        ] {
            assert_eq!(Person::new(name, "ada@example.org").unwrap().name, expect);
        }
    }

    #[test]
    fn lists_name_addresses_and_whole_domains() {
        let entries = ["eve@example.net", "@Example.org", "Bob <bob@example.com>"].map(str::to_owned);
        for (address, expect) in [
            ("ada@example.org", true),
            ("EVE@example.net", true),
            ("bob@example.com", true),
            ("ada@example.net", false),
            ("ada@sub.example.org", false),
            ("ada@notexample.org", false),
        ] {
            assert_eq!(Person::new("", address).unwrap().is_one_of(&entries), expect, "{address}");
        }
        assert!(!Person::new("", "ada@example.org").unwrap().is_one_of(&[]), "an empty list names nobody");
    }
}
