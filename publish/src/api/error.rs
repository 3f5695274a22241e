//! Why there is no answer from GitHub that can be used.

use std::time::Duration;

use super::Doing;

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address of the API cannot be used.
    #[error("{url:?} is no address for a token: https is needed, or http on this machine")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// The repository's name cannot be used.
    #[error("{name:?} is not a repository's name: owner/name is needed")]
    BadRepository {
        /// What was given.
        name: String,
    },
    /// The App's key cannot be used.
    #[error(
        "the private key of App {app} cannot be read: the whole .pem file is needed that GitHub gave when the key \
         was made (PKCS#1 or PKCS#8, RSA, no passphrase)"
    )]
    BadKey {
        /// The App's number.
        app: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The token cannot stand in a header.
    #[error("the token for GitHub cannot be sent: it has to be one line of visible ASCII")]
    BadToken,
    /// A token was asked for that only a repository's installation has.
    #[error("an App has a token for git only on one repository: narrow it first")]
    NotNarrowed,
    /// The client could not be set up.
    #[error("cannot set up the GitHub client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer, or one that broke off.
    #[error("no answer from GitHub to {doing}")]
    Unreachable {
        /// What was asked.
        doing: Doing,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// GitHub said no.
    #[error("GitHub refuses {doing} with status {status}: {message}")]
    Refused {
        /// What was asked.
        doing: Doing,
        /// The HTTP status, 3xx or 4xx.
        status: u16,
        /// GitHub's words, one line.
        message: String,
        /// The words came in GitHub's own form; a proxy's page does not.
        by_github: bool,
    },
    /// GitHub gives the App no token for the repository.
    #[error("GitHub gives App {app} no token for {repository}; {}", advice(.source, .permissions))]
    NoToken {
        /// The App's number.
        app: u64,
        /// `owner/name`.
        repository: String,
        /// What the token should have been good for: `checks: write`.
        permissions: String,
        /// What GitHub said.
        #[source]
        source: Box<ApiError>,
    },
    /// GitHub does not take a token that it gave just before.
    #[error("GitHub takes no token for {doing}, not even one that it gave just now: {message}")]
    NotTaken {
        /// What was asked.
        doing: Doing,
        /// GitHub's words, one line.
        message: String,
    },
    /// GitHub asks to wait.
    #[error("GitHub asks to wait before {doing}: {} s", .wait.as_secs())]
    RateLimited {
        /// What was asked.
        doing: Doing,
        /// How long: as GitHub says, or else as long as it documents.
        wait: Duration,
    },
    /// GitHub is out of order.
    #[error("GitHub answers {doing} with status {status}")]
    OutOfOrder {
        /// What was asked.
        doing: Doing,
        /// The HTTP status, 5xx.
        status: u16,
    },
    /// The answer is not what GitHub documents.
    #[error("GitHub's answer to {doing} cannot be read")]
    Unreadable {
        /// What was asked.
        doing: Doing,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ApiError {
    /// Whether GitHub may have done what it was asked although it did not say so.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::OutOfOrder { .. } | Self::Unreadable { .. })
    }

    /// Asking again in the same way is of no use: an address, a name, a token or a permission is wrong.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl { .. }
            | Self::BadRepository { .. }
            | Self::BadKey { .. }
            | Self::BadToken
            | Self::NotNarrowed
            | Self::NoToken { .. }
            | Self::NotTaken { .. } => true,
            Self::Refused { by_github, .. } => *by_github,
            Self::Client(_)
            | Self::Unreachable { .. }
            | Self::RateLimited { .. }
            | Self::OutOfOrder { .. }
            | Self::Unreadable { .. } => false,
        }
    }
}

/// What a person can do about a token that is not given.
fn advice(said: &ApiError, permissions: &str) -> String {
    match said {
        ApiError::Refused { status: 401, .. } => {
            "check the App's number, its key and this machine's clock".to_owned()
        }
        ApiError::Refused { status: 404, .. } => "install the App on the repository".to_owned(),
        _ => format!("it needs the permissions {permissions} there"),
    }
}
