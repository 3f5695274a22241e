//! One request and its answer, before anything is known of their meaning.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bytes::shown;

/// How a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Adds a row.
    Post,
}

/// What was asked, fit to be shown: no query, no body, no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// How.
    pub method: Method,
    /// The path.
    pub path: String,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        write!(f, "{method} {}", shown(self.path.as_bytes(), 300))
    }
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Path and query on the configured origin, percent-encoded.
    pub(crate) target: String,
    /// JSON, for a POST.
    pub(crate) body: Option<String>,
    pub(crate) expects: Expects,
    /// Most bytes of the answer.
    pub(crate) limit: u64,
}

impl Request {
    pub(crate) fn asked(&self) -> Asked {
        let path = self.target.split('?').next().unwrap_or_default().to_owned();
        Asked { method: self.method, path }
    }
}

/// The kind of answer that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expects {
    /// An answer of the API; the token goes with it.
    Json,
    /// A mailbox; these pages need no token and get none.
    Mailbox,
}

impl Expects {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Mailbox => "text/plain",
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As stated; empty where it is not.
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Is its stated type this one, parameters aside?
    pub(crate) fn is(&self, content_type: &str) -> bool {
        let stated = self.content_type.split(';').next().unwrap_or_default().trim();
        stated.eq_ignore_ascii_case(content_type)
    }
}
