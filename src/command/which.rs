//! Which series a person means: its key, its number, a Message-ID, or an address of a page.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::config::Config;
use crate::listing::SeriesKey;
use crate::store::{Store, StoreError};

/// Finds the stored series that are meant; none where nothing fits.
///
/// # Errors
/// The store failed.
pub(super) fn series(text: &str, config: &Config, store: &Store) -> Result<Vec<SeriesKey>, StoreError> {
    let text = text.trim();
    let meant = meant(text, config);
    let mut found = BTreeSet::new();
    for key in &meant.keys {
        // One that cannot be read is there, too.
        if !matches!(store.get(key), Ok(None)) {
            found.insert(key.clone());
        }
    }
    for msgid in &meant.msgids {
        found.extend(store.by_msgid(msgid)?);
    }
    Ok(found.into_iter().collect())
}

/// What a text may mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// Series by their numbers.
    pub(super) keys: Vec<SeriesKey>,
    /// Mails by their Message-IDs.
    pub(super) msgids: Vec<String>,
}

/// What a text may mean, by itself.
pub(super) fn meant(text: &str, config: &Config) -> Meant {
    let servers = || config.servers.iter().map(|server| &server.client);
    let key = |server: &str, id: u64| SeriesKey { server: server.to_owned(), id };
    if let Ok(key) = text.parse::<SeriesKey>() {
        return Meant { keys: vec![key], ..Meant::default() };
    }
    if let Ok(id) = text.parse::<u64>() {
        return Meant { keys: servers().map(|server| key(&server.name, id)).collect(), ..Meant::default() };
    }
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")) else {
        let bare = text.trim_start_matches('<').trim_end_matches('>');
        return Meant { msgids: vec![bare.to_owned()], ..Meant::default() };
    };
    // Pages behind a TLS proxy are told with http.
    let port = |url: &Url| url.port().unwrap_or_default();
    let same = |of: &Url| of.host_str() == url.host_str() && port(of) == port(&url);
    let here = servers().filter(|server| same(&server.url));
    let keys = series_number(&url).map(|id| here.map(|server| key(&server.name, id)).collect());
    Meant { keys: keys.unwrap_or_default(), msgids: msgids(&url) }
}

/// `…/?series=7` and `…/series/7/…`.
fn series_number(url: &Url) -> Option<u64> {
    let asked = url.query_pairs().find(|(name, _)| name == "series").and_then(|(_, id)| id.parse().ok());
    let segments: Vec<&str> = url.path().split('/').collect();
    let below = segments.windows(2).find(|pair| pair[0] == "series").and_then(|pair| pair[1].parse().ok());
    asked.or(below)
}

/// Parts of the address that may be Message-IDs: Patchwork's and lore's pages have them there.
fn msgids(url: &Url) -> Vec<String> {
    let decoded = url.path().split('/').map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned());
    decoded.filter(|part| part.contains('@')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("patchlift.toml");
        let server = |name: &str, host: &str| {
            format!(
                "[[server]]\nname = \"{name}\"\nurl = \"https://{host}/\"\n[[server.project]]\nname = \"p\"\n"
            )
        };
        let servers = server("ozlabs", "patchwork.ozlabs.org") + &server("korg", "patchwork.kernel.org");
        let text = format!("state_dir = \"s\"\n{servers}[[tree]]\nname = \"t\"\nurl = \"t.git\"\n");
        std::fs::write(&path, text).unwrap();
        Config::load(&path).unwrap()
    }

    #[test]
    fn a_series_is_named_in_many_ways() {
        let config = config();
        let table: [(&str, &[&str], &[&str]); 9] = [
            ("ozlabs/7", &["ozlabs/7"], &[]),
            ("7", &["ozlabs/7", "korg/7"], &[]),
            ("<a@b>", &[], &["a@b"]),
            ("a@b", &[], &["a@b"]),
            ("https://patchwork.ozlabs.org/project/p/list/?series=7", &["ozlabs/7"], &[]),
            ("https://patchwork.kernel.org/api/1.3/series/7/mbox/", &["korg/7"], &[]),
            ("https://example.org/?series=7", &[], &[]),
            ("https://patchwork.ozlabs.org/project/p/patch/a+b%2Fc@d/", &[], &["a+b/c@d"]),
            ("https://lore.kernel.org/r/a@b/", &[], &["a@b"]),
        ];
        for (text, keys, msgids) in table {
            let meant = meant(text, &config);
            let found: Vec<String> = meant.keys.iter().map(ToString::to_string).collect();
            assert_eq!((found.as_slice(), meant.msgids.as_slice()), (&*own(keys), &*own(msgids)), "{text}");
        }
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }
}
