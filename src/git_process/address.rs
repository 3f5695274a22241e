//! Where a repository is, and which protocol leads there.

use std::path::PathBuf;

use patchlift_report::clean::line;
use url::Url;

/// The address of a repository, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// On this machine.
    Local(PathBuf),
    /// Over https.
    Https,
    /// Over http, on this machine only: nothing else than TLS protects a token on its way.
    LoopbackHttp,
    /// Over ssh, with the user's keys.
    Ssh,
    /// git's own protocol: read only, and nothing in it says who answers.
    Git,
}

/// An address that is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no address that is used: {why}")]
pub struct BadAddress {
    /// The address; nothing of it where it holds a password.
    url: String,
    why: &'static str,
}

impl Address {
    /// Reads `https://…`, `ssh://…`, `user@host:path`, `git://…`, `file:///…` or an absolute path.
    pub(crate) fn parse(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { url: line(text, 200), why };
        if text.starts_with('/') {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        if text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(bad("it is no address"));
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return scp_like(text).ok_or_else(|| bad(FORMS));
        };
        let url = Url::parse(text).map_err(|_| bad("it is no address"))?;
        if url.password().is_some() || (scheme.starts_with("http") && url.username().len() > USER_MAX) {
            // It would be seen in the process list.
            return Err(BadAddress { url: format!("{scheme}://…"), why: "it holds a password" });
        }
        let host = url.host_str().unwrap_or_default();
        // ssh would read it as an option.
        if host.starts_with('-') {
            return Err(bad("it is no address"));
        }
        let loopback = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
        match scheme {
            "https" => Ok(Self::Https),
            "http" if loopback => Ok(Self::LoopbackHttp),
            "http" => Err(bad("http is taken on this machine only")),
            "ssh" => Ok(Self::Ssh),
            "git" => Ok(Self::Git),
            "file" => url.to_file_path().map(Self::Local).map_err(|()| bad("it is no absolute path")),
            _ => Err(bad(FORMS)),
        }
    }

    /// The protocol as `GIT_ALLOW_PROTOCOL` names it.
    pub(crate) fn protocol(&self) -> &'static str {
        match self {
            Self::Local(_) => "file",
            Self::Https => "https",
            Self::LoopbackHttp => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
        }
    }
}

/// A longer user name is a token: GitHub's have 40 characters and more, its own name for their user has 14.
const USER_MAX: usize = 32;

const FORMS: &str = "https, ssh, git, a file:// address or an absolute path is needed";

/// `user@host:path`. A helper like `ext::sh` has no single colon after a host.
fn scp_like(text: &str) -> Option<Address> {
    let (host, path) = text.split_once(':')?;
    let name = host.rsplit('@').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let good = !name.is_empty() && !name.starts_with('-') && host.chars().all(plain);
    (good && !path.is_empty() && !path.starts_with(':')).then_some(Address::Ssh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_git_would_make_of_them() {
        let table = [
            ("/srv/git/linux.git", Some("file")),
            ("file:///srv/git/linux.git", Some("file")),
            ("https://git.kernel.org/pub/scm/linux.git", Some("https")),
            ("https://git@github.com/o/r.git", Some("https")),
            ("http://127.0.0.1:8080/r.git", Some("http")),
            ("http://example.org/r.git", None),
            ("http://127.0.0.1.example.org/r.git", None),
            ("https://user:secret@github.com/o/r.git", None),
            ("https://ghp_secretsecretsecretsecretsecretsecret@github.com/o/r.git", None),
            ("ssh://git@github.com/o/r.git", Some("ssh")),
            ("git@github.com:o/r.git", Some("ssh")),
            ("git://git.kernel.org/linux.git", Some("git")),
            ("ext::sh -c touch% /tmp/x", None),
            ("ext::sh", None),
            ("ssh://-oProxyCommand=x/r.git", None),
            ("-oProxyCommand=x:r.git", None),
            ("--upload-pack=x", None),
            ("../linux.git", None),
            ("linux.git", None),
            ("", None),
        ];
        for (text, protocol) in table {
            let parsed = Address::parse(text);
            assert_eq!(parsed.as_ref().ok().map(Address::protocol), protocol, "{text}: {parsed:?}");
        }
        for login in ["user:secret", "ghp_secretsecretsecretsecretsecretsecret"] {
            let error = Address::parse(&format!("https://{login}@github.com/o/r.git")).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
