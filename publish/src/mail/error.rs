//! Why a mail was not sent, and whether it may have been.

use std::time::Duration;

/// Where in the talk with the server something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The connection, with its encryption.
    Connect,
    /// User and password.
    LogIn,
    /// The sender.
    Sender,
    /// All of the recipients.
    Recipients,
    /// The announcement of the text.
    Announce,
    /// The text: once it is on its way the server may take it although no answer comes back.
    Text,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "the connection",
            Self::LogIn => "user and password",
            Self::Sender => "the sender",
            Self::Recipients => "every recipient",
            Self::Announce => "the text's announcement",
            Self::Text => "the text",
        })
    }
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Without encryption a mail and a password can be read on their way.
    #[error("the SMTP server {host:?} is not on this machine: STARTTLS or TLS is needed")]
    NotEncrypted {
        /// The server.
        host: String,
    },
    /// Encryption could not be set up.
    #[error("cannot set up encryption for the SMTP server")]
    Encryption(#[source] lettre::transport::smtp::Error),
    /// The mail cannot be written.
    #[error("cannot write the mail")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server does not offer encryption, and is told nothing without.
    #[error("the SMTP server offers no STARTTLS")]
    NoStartTls,
    /// The server said no.
    #[error("the SMTP server refuses {step} with {code}: {message}")]
    Refused {
        /// What it refused.
        step: Step,
        /// Its code, 4xx or 5xx.
        code: u16,
        /// Its words, one line.
        message: String,
    },
    /// No answer, or one that cannot be read.
    #[error("no answer from the SMTP server to {step}")]
    Unreachable {
        /// What was asked.
        step: Step,
        /// Why.
        #[source]
        source: lettre::transport::smtp::Error,
    },
    /// It took too long.
    #[error("no answer from the SMTP server to {step} in {} s", limit.as_secs())]
    TooLong {
        /// What was asked.
        step: Step,
        /// How long it was waited for.
        limit: Duration,
    },
}

impl MailError {
    /// Whether sending again is useless before somebody has acted.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NotEncrypted { .. } | Self::Encryption(_) | Self::Write(_) | Self::NoStartTls => true,
            Self::Refused { code, .. } => *code >= 500,
            Self::Unreachable { .. } | Self::TooLong { .. } => false,
        }
    }

    /// Whether the mail may be on its way although the server did not say so. Sent again it is the same mail with
    /// the same Message-ID.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreachable { step, .. } | Self::TooLong { step, .. } => *step == Step::Text,
            _ => false,
        }
    }
}
