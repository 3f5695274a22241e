//! What can go wrong in an exchange with a Patchwork server, and whether it is about the server or one object.

use std::time::Duration;

use super::exchange::Asked;
use super::wire::WireError;

/// Why a Patchwork server gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum PatchworkError {
    /// No connection, or one that broke, fell silent or took too long before the answer was whole.
    #[error("{asked}: no answer")]
    Unreachable {
        /// What was asked.
        asked: Asked,
        /// No connection was made at all.
        connecting: bool,
        /// What happened.
        #[source]
        source: WireError,
    },
    /// The server refused or failed.
    #[error("{asked}: status {status}{}", after_colon(detail))]
    Status {
        /// What was asked.
        asked: Asked,
        /// The status.
        status: u16,
        /// What the server says about it, one line.
        detail: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The server does not know the token. It then refuses everything, public reads too.
    #[error("{asked}: the server does not know the token")]
    BadToken {
        /// What was asked.
        asked: Asked,
    },
    /// The token's owner may not do this, or there is no token.
    #[error("{asked}: not allowed{}", after_colon(detail))]
    NoRights {
        /// What was asked.
        asked: Asked,
        /// What the server says about it, one line.
        detail: String,
    },
    /// The server does not have it.
    #[error("{asked}: not found{}", after_colon(detail))]
    NotFound {
        /// What was asked.
        asked: Asked,
        /// What the server says about it, one line.
        detail: String,
    },
    /// A page where data were expected: a wall against robots, a login, a proxy's excuse.
    #[error("{asked}: expected {expected}, got {content_type:?}{}", after_colon(beginning))]
    WrongType {
        /// What was asked.
        asked: Asked,
        /// The type that was expected.
        expected: &'static str,
        /// The type that came; empty where none was stated.
        content_type: String,
        /// The first words of what came.
        beginning: String,
    },
    /// More than is read.
    #[error("{asked}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// What was asked.
        asked: Asked,
        /// The most that is read.
        limit: u64,
    },
    /// JSON that is none, or of a shape that cannot be used.
    #[error("{asked}: {field} cannot be used")]
    Malformed {
        /// What was asked.
        asked: Asked,
        /// The path of the field: `patches[3].msgid`; `.` for the whole.
        field: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Sent on to where nothing is asked: another host, in circles, or after a POST.
    #[error("{asked}: sent on to {to:?}, which is not followed")]
    Redirected {
        /// What was asked.
        asked: Asked,
        /// Where to, one line.
        to: String,
    },
    /// The recording that is played does not hold this exchange.
    #[error("{asked}: not in the recording")]
    NotRecorded {
        /// What was asked.
        asked: Asked,
    },
}

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server is down, or does not want to be asked now: nothing else need be asked for a while.
    Server,
    /// This one thing; others may well work, and so may this one later.
    Object,
    /// This one thing, and asking again changes nothing.
    Lasting,
}

impl PatchworkError {
    /// What the failure is about. A proxy's 502 to 504 counts for the server, although one thing that takes the
    /// server too long gives the same.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { connecting: true, .. }
            | Self::BadToken { .. }
            | Self::WrongType { .. }
            | Self::Redirected { .. }
            | Self::Status { status: 401 | 407 | 429 | 502..=504, .. } => Kind::Server,
            Self::Unreachable { .. }
            | Self::NotFound { .. }
            | Self::Malformed { .. }
            | Self::Status { status: 404 | 408 | 500.., .. } => Kind::Object,
            Self::Status { .. }
            | Self::NoRights { .. }
            | Self::TooLarge { .. }
            | Self::NotRecorded { .. } => Kind::Lasting,
        }
    }

    /// How long the server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// May the request have been carried out although no usable answer came? A POST is looked up before it is sent
    /// again.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreachable { connecting, .. } => !connecting,
            Self::Status { status, .. } => *status >= 500 || (200..300).contains(status),
            Self::WrongType { .. } | Self::TooLarge { .. } | Self::Malformed { .. } => true,
            _ => false,
        }
    }
}

/// `: text`, or nothing where there is none.
fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
