//! One delivery: proven, read, saved, answered. In this order.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State as Extracted};
use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

use super::delivery::{Meant, Pressed, read};
use super::{Shared, signature};
use crate::bridge::site::chain;
use crate::bytes::hex;
use crate::record::{Event, Record};
use crate::store::{Request, StoreError};

/// GitHub sends no longer ones.
const BODY_MAX: usize = 25 << 20;

/// GitHub waits for 10 seconds for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// A number of a delivery is a UUID.
const ID_MAX: usize = 100;

/// A bridge whose last sign of life is older does not get on: one is left every 10 seconds.
const STUCK: Duration = Duration::from_secs(120);

type Answer = (StatusCode, String);

fn answer(status: StatusCode, words: &str) -> Answer {
    (status, format!("{words}\n"))
}

/// `POST /github`.
pub(super) async fn receive(Extracted(shared): Extracted<Arc<Shared>>, request: HttpRequest) -> Answer {
    let Ok(_place) = shared.free.try_acquire() else {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "too many deliveries at once: send it again later");
    };
    match tokio::time::timeout(LIMIT, take(&shared, request)).await {
        Ok(Ok(taken) | Err(taken)) => taken,
        Err(_) => answer(StatusCode::REQUEST_TIMEOUT, "it took longer than 10 s"),
    }
}

/// What a delivery's headers say, once they are what GitHub sends.
struct Head {
    signature: [u8; 32],
    id: String,
    event: String,
}

fn head(headers: &HeaderMap) -> Result<Head, Answer> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signed = text("x-hub-signature-256").and_then(signature::parse);
    let signature =
        signed.ok_or_else(|| answer(StatusCode::UNAUTHORIZED, "X-Hub-Signature-256 is missing"))?;
    let kind = text("content-type").unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let words = "the hook's content type has to be application/json";
        return Err(answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let length = text("content-length").and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_MAX) {
        return Err(too_long());
    }
    let word = |name: &str| {
        let good =
            |word: &&str| (1..=ID_MAX).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic());
        let missing = || answer(StatusCode::BAD_REQUEST, &format!("{name} is missing"));
        text(name).filter(good).map(str::to_owned).ok_or_else(missing)
    };
    Ok(Head { signature, id: word("x-github-delivery")?, event: word("x-github-event")? })
}

fn too_long() -> Answer {
    answer(StatusCode::PAYLOAD_TOO_LARGE, "it is longer than 25 MB")
}

async fn take(shared: &Shared, request: HttpRequest) -> Result<Answer, Answer> {
    let head = head(request.headers())?;
    let body = to_bytes(request.into_body(), BODY_MAX).await.map_err(|_| too_long())?;
    if !signature::verify(&shared.settings.secret, &body, &head.signature) {
        return Err(answer(StatusCode::UNAUTHORIZED, "the signature is another body's or another secret's"));
    }
    let meant = read(&head.event, &body, shared.settings.app).map_err(|error| {
        answer(StatusCode::BAD_REQUEST, &format!("it is not what GitHub documents: {error}"))
    })?;
    let digest = hex(&Sha256::digest(&body));
    drop(body);
    let done = match meant {
        Meant::Nothing => Ok(answer(StatusCode::ACCEPTED, "nothing to do")),
        Meant::Ping => Ok(answer(StatusCode::OK, "hello")),
        Meant::Run(id) => look_at_run(shared, head.id, digest, id).await,
        Meant::Pressed(pressed) => obey(shared, head.id, digest, pressed).await,
    };
    done.map_err(|error| {
        tracing::warn!("a delivery of GitHub's is lost: {}", chain(&error));
        answer(StatusCode::SERVICE_UNAVAILABLE, "it cannot be saved: send it again later")
    })
}

fn known() -> Answer {
    answer(StatusCode::OK, "it is known")
}

/// The series whose run went on is looked at now.
async fn look_at_run(shared: &Shared, id: String, digest: String, run: u64) -> Result<Answer, StoreError> {
    let now = shared.clock.now();
    let found = shared.ledger.with(move |store| {
        if !store.take_delivery(&id, &digest, now, &[])? {
            return Ok(None);
        }
        // Of a run that was just asked for the number may not be known yet.
        let may_be =
            |record: &Record| record.state.run().is_some_and(|one| one.id.is_none_or(|id| id == run));
        Ok(Some(store.holding()?.into_iter().filter(may_be).collect::<Vec<_>>()))
    });
    let Some(found) = found.await? else { return Ok(known()) };
    for record in found {
        let sooner = |record: &mut Record, now| {
            record.due = record.due.map(|due| due.min(now));
            vec![]
        };
        shared.ledger.edit(&record.key, None, sooner).await?;
    }
    Ok(answer(StatusCode::ACCEPTED, "noted"))
}

/// What a button asks for is left to the bridge, unless it belongs to commits that the series does not have any more.
async fn obey(shared: &Shared, id: String, digest: String, pressed: Pressed) -> Result<Answer, StoreError> {
    let now = shared.clock.now();
    let Pressed { key, head, what, who } = pressed;
    let request = Request { key: key.clone(), what, who: who.clone(), at: now };
    let taken = shared.ledger.with(move |store| {
        let record = match store.get(&request.key) {
            // It cannot be read: nobody knows its commits.
            Err(StoreError::Unreadable { .. }) => None,
            found => found?,
        };
        let is_present = record.as_ref().and_then(shown_tip) == Some(&head);
        let requests = if is_present { vec![request] } else { vec![] };
        let is_new = store.take_delivery(&id, &digest, now, &requests)?;
        Ok(is_new.then_some((is_present, record.is_some())))
    });
    match taken.await? {
        None => Ok(known()),
        Some((true, _)) => {
            shared.ledger.news.notify_one();
            Ok(answer(StatusCode::ACCEPTED, "noted"))
        }
        Some((false, there)) => {
            if there {
                let words = format!("{who} pressed a button of commits that it does not have any more");
                shared.ledger.edit(&key, None, |_, _| vec![Event::Noted { words }]).await?;
            }
            Ok(answer(StatusCode::ACCEPTED, "not its present commits"))
        }
    }
}

/// The last commit that people see of a series; one that is held has commits, too, where they are shown.
fn shown_tip(record: &Record) -> Option<&String> {
    let applied = record.state.applied().or(record.left.as_deref())?;
    Some(&applied.tip)
}

/// `GET /healthz`.
pub(super) async fn health(Extracted(shared): Extracted<Arc<Shared>>) -> Answer {
    let now = shared.clock.now();
    match shared.ledger.with(|store| store.heartbeat()).await {
        Ok(Some(beat)) => {
            let age = Duration::try_from(now.duration_since(beat.at)).unwrap_or_default();
            let seconds = age.as_secs();
            if age > STUCK {
                let words = format!("stuck: the last sign of life is {seconds} s old");
                return answer(StatusCode::SERVICE_UNAVAILABLE, &words);
            }
            answer(StatusCode::OK, &format!("ok: the last sign of life is {seconds} s old"))
        }
        Ok(None) => answer(StatusCode::OK, "ok: it begins"),
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be read"),
    }
}
