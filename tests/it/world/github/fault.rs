//! How requests go wrong.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::connection::Cut;

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Another answer: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, &'static str),
    /// The connection is reset.
    Reset,
    /// The connection ends in the middle of the answer.
    HalfBody,
    /// No answer, for longer than anybody waits.
    Silence,
}

/// Before or after GitHub did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

pub(crate) struct Planned {
    /// Part of the method and path.
    pub(super) what: String,
    /// So many of such requests go well before.
    pub(super) well: usize,
    pub(super) when: When,
    pub(super) fault: Fault,
}

/// What is planned for this request.
pub(super) fn next(planned: &mut Vec<Planned>, request: &str) -> Option<(When, Fault)> {
    let mut due = None;
    for (place, plan) in planned.iter_mut().enumerate() {
        if !request.contains(&plan.what) {
            continue;
        }
        match plan.well.checked_sub(1) {
            Some(left) => plan.well = left,
            None => due = due.or(Some(place)),
        }
    }
    due.map(|place| planned.remove(place)).map(|plan| (plan.when, plan.fault))
}

/// The answer as it arrives.
pub(super) async fn spoil(answer: Response, fault: Fault, cut: &Cut) -> Response {
    match fault {
        Fault::Answer(status, headers, body) => {
            let mut answer = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                answer
                    .headers_mut()
                    .insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
            }
            answer
        }
        Fault::Reset => {
            cut.now();
            answer
        }
        Fault::HalfBody => {
            let (mut head, body) = answer.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            head.headers.insert("content-length", body.len().into());
            let broken = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            let half = stream::iter([Ok(body.slice(..body.len() / 2)), broken]);
            Response::from_parts(head, Body::from_stream(half))
        }
        Fault::Silence => std::future::pending().await,
    }
}
