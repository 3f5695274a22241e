//! Addresses of servers and repositories, of which none holds a password and none is plain http but to this machine; and
//! of people.

use url::{Host, Url};

use crate::git_process::Address;

/// A server's address: https, or http on this machine. Always ends in a slash.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    safe(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address of a server has no ? and no #; leave them out".to_owned());
    }
    if url.path().contains("/api/") || url.path().ends_with("/api") {
        let host = url.host_str().unwrap_or_default();
        // GitHub Enterprise Server lies below /api/v3; a Patchwork server's address is given without.
        if !url.path().trim_end_matches('/').ends_with("/api/v3") {
            return Err(format!(
                "leave api/ out: it is added; the address of the server is like https://{host}/"
            ));
        }
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The address of a service as it is, path and all: https, or http on this machine.
pub(super) fn service(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    safe(&url)?;
    Ok(url)
}

/// A mail address, or `@domain` for all of it, in lower case.
pub(super) fn mail(text: &str) -> Result<String, String> {
    let good = text.contains('@') && text.len() <= 300 && !text.contains([' ', '<', '>', ',']);
    good.then(|| text.to_lowercase())
        .ok_or_else(|| "expected an address, or @domain for all of it".to_owned())
}

/// https, or http to this machine; no user, no password.
fn safe(url: &Url) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user and no password in an address; use token".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_this_machine(url) => Ok(()),
        "http" => Err("http would send the token in the open; use https".to_owned()),
        other => Err(format!("{other} is not spoken; use https")),
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A repository as git takes it: https, ssh, git, file, `user@host:path`, or a path, which may begin at the
/// configuration's folder.
pub(super) fn repository(text: &str, from_folder: impl Fn(&str) -> String) -> Result<String, String> {
    if text.contains(char::is_control) {
        return Err("no repository has such a name".to_owned());
    }
    // git's rule: a colon before the first slash makes it a host. A leading dash would be an option.
    let is_remote = text.find(':').is_some_and(|colon| !text[..colon].contains('/'));
    let as_it_is = is_remote || text.starts_with('-') || text.is_empty();
    let address = if as_it_is { text.to_owned() } else { from_folder(text) };
    match Address::parse(&address) {
        Ok(_) => Ok(address),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_https_or_here_and_carry_no_secret() {
        for (text, expected) in [
            ("https://patchwork.ozlabs.org", "https://patchwork.ozlabs.org/"),
            ("https://example.org/patchwork", "https://example.org/patchwork/"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
            ("http://localhost:1", "http://localhost:1/"),
            ("http://[::1]:8000/", "http://[::1]:8000/"),
            ("https://github.example/api/v3", "https://github.example/api/v3/"),
        ] {
            assert_eq!(server(text).map(String::from).as_deref(), Ok(expected));
        }
        for bad in [
            "patchwork.ozlabs.org",
            "http://patchwork.ozlabs.org/",
            "https://me:secret@example.org/",
            "https://example.org/?token=x",
            "https://example.org/api/1.2/",
            "file:///etc/passwd",
            "http://127.0.0.1.example.org/",
        ] {
            assert!(server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn repositories_are_what_git_takes_and_no_more() {
        let read = |text: &str| repository(text, |path| format!("/etc/patchlift/{path}"));
        for text in [
            "https://git.kernel.org/pub/scm/linux.git",
            "ssh://git@example.org/linux.git",
            "git@github.com:me/linux.git",
            "git://example.org/linux.git",
            "file:///srv/linux.git",
        ] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        assert_eq!(read("linux.git").as_deref(), Ok("/etc/patchlift/linux.git"));
        assert_eq!(read("./a:b").as_deref(), Ok("/etc/patchlift/./a:b"));
        for bad in [
            "",
            "--upload-pack=evil",
            "ext::sh -c evil",
            "https://me:secret@example.org/x.git",
            "ssh://me:secret@example.org/x.git",
            "http://example.org/x.git",
            "ftp://example.org/x.git",
            "a\nb",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
