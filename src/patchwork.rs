//! The client of a Patchwork server. The only place that knows its JSON.
//!
//! In reading order: [`Client`] puts the questions, `json` reads what the server says of things, `wire` does the
//! HTTP, [`recording`] keeps exchanges and plays them again. Nothing is tried twice in here: whoever asks knows what
//! is worth a second try, and [`PatchworkError::kind`] tells him what failed.

mod answers;
mod client;
mod comments;
mod error;
mod exchange;
mod json;
pub mod recording;
mod wire;

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use answers::{Found, Page, PatchText, PostedCheck, Project};
pub use client::Client;
pub use comments::{Answered, Comment, CommentPage, NewComment};
pub use error::{Kind, PatchworkError};
pub use exchange::{Asked, Method};
pub(crate) use json::msgid;
pub use recording::{Recording, RecordingError};
pub use wire::{SetupError, WireError};

/// How one server is talked to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name in the configuration and in [`crate::listing::SeriesKey`].
    pub name: String,
    /// Where it is, without `api/`. The only origin that ever gets the token.
    pub url: Url,
    /// Which version of the API is spoken.
    pub api: Api,
    /// The bot's token; without one nothing is posted.
    pub token: Option<SecretString>,
    /// The whole User-Agent, with an address to complain to.
    pub user_agent: String,
    /// For a connection to be made.
    pub connect_limit: Duration,
    /// For the next piece of an answer.
    pub answer_limit: Duration,
    /// For a whole exchange.
    pub whole_limit: Duration,
    /// Longest JSON answer, in bytes.
    pub max_json: u64,
    /// Longest mailbox, in bytes.
    pub max_mbox: u64,
    /// Requests at the same time.
    pub at_once: usize,
}

/// Versions of the API that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Patchwork 2.2 and later.
    V1_2,
    /// Patchwork 3.1 and later.
    V1_3,
}
