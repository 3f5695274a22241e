//! Exchanges with Patchwork servers, kept in a folder and read back.
//!
//! `exchanges.jsonl` has one JSON object a line, in the order in which the answers came: `at` (when it was asked, by
//! the bridge's clock), `server` (its configured name), `method`, `path` (with its query), `asked` (a POST's body),
//! and either `failed` with `why`, or `status`, `content_type`, `retry_after` (seconds) and `body`. A body is
//! `{"text": …}`, `{"base64": …}`, or `{"file": …}`: a file below `bodies/`, named by its SHA-256. No header of a
//! request is kept, so no token is. A line that was cut off by a crash is passed over.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::exchange::{Answer, Method, Request};
use super::wire::{Failure, WireError, chain};
use crate::bytes::hex;

const LIST: &str = "exchanges.jsonl";
const BODIES: &str = "bodies";

/// Longer bodies have a file of their own, in bytes.
const INLINE_LIMIT: usize = 4096;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it was asked, by the bridge's clock.
    pub at: Timestamp,
    /// The server's configured name.
    pub server: String,
    /// How it was asked.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// A POST's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// How a recorded exchange ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum End {
    /// With an answer.
    Answered {
        /// The HTTP status.
        status: u16,
        /// As stated; may be empty.
        content_type: String,
        /// In seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
        /// The answer's body.
        body: Body,
    },
    /// Without one.
    Failed {
        /// What kind of failure it was.
        failed: Failed,
        /// In words.
        why: String,
    },
}

/// Kinds of recorded failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// No connection was made.
    NoConnection,
    /// The exchange broke off or took too long.
    BrokenOff,
    /// The answer was too long.
    TooLarge,
    /// It was sent on to where nothing is asked.
    Redirected,
}

/// A recorded body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64(String),
    /// A file's name below `bodies/`.
    File(String),
}

/// Writes a recording.
pub(crate) struct Recorder {
    dir: PathBuf,
    list: Mutex<File>,
}

impl Recorder {
    /// Opens or makes the folder; an older recording in it is gone on with.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir.join(BODIES))?;
        let mut list = OpenOptions::new().create(true).read(true).append(true).open(dir.join(LIST))?;
        if list.metadata()?.len() > 0 {
            let mut last = [0];
            list.seek(SeekFrom::End(-1))?;
            list.read_exact(&mut last)?;
            if last != *b"\n" {
                list.write_all(b"\n")?; // Ends the line that a crash cut off.
            }
        }
        Ok(Self { dir: dir.to_owned(), list: Mutex::new(list) })
    }

    pub(crate) fn write(
        &self,
        at: Timestamp,
        server: &str,
        request: &Request,
        result: &Result<Answer, Failure>,
    ) -> io::Result<()> {
        let end = match result {
            Ok(answer) => End::Answered {
                status: answer.status,
                content_type: answer.content_type.clone(),
                retry_after: answer.retry_after.map(|wait| wait.as_secs()),
                body: self.body(&answer.body)?,
            },
            Err(Failure::NotRecorded) => return Ok(()),
            Err(failure) => failed(failure),
        };
        let exchange = Exchange {
            at,
            server: server.to_owned(),
            method: request.method,
            path: request.target.clone(),
            asked: request.body.clone(),
            end,
        };
        let mut line = serde_json::to_vec(&exchange)?;
        line.push(b'\n');
        // One write, so that several servers may share the file.
        self.list.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
    }

    fn body(&self, body: &[u8]) -> io::Result<Body> {
        if body.len() <= INLINE_LIMIT {
            return Ok(match std::str::from_utf8(body) {
                Ok(text) => Body::Text(text.to_owned()),
                Err(_) => Body::Base64(STANDARD.encode(body)),
            });
        }
        let name = hex(&Sha256::digest(body));
        let path = self.dir.join(BODIES).join(&name);
        if !path.exists() {
            let mut file = tempfile::NamedTempFile::new_in(self.dir.join(BODIES))?;
            file.write_all(body)?;
            file.persist(&path).map_err(|error| error.error)?;
        }
        Ok(Body::File(name))
    }
}

fn failed(failure: &Failure) -> End {
    let (failed, why) = match failure {
        Failure::Unreachable { connecting: true, source } => (Failed::NoConnection, chain(source)),
        Failure::Unreachable { source, .. } => (Failed::BrokenOff, chain(source)),
        Failure::TooLarge { limit } => (Failed::TooLarge, limit.to_string()),
        Failure::Redirected { to } => (Failed::Redirected, to.clone()),
        Failure::NotRecorded => (Failed::BrokenOff, String::new()),
    };
    End::Failed { failed, why }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be read", path.display())]
pub struct RecordingError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// A recording that was read.
#[derive(Debug, Clone)]
pub struct Recording {
    dir: PathBuf,
    /// In the order in which they were asked.
    exchanges: Vec<Exchange>,
    skipped: usize,
}

impl Recording {
    /// Reads the list of a recording.
    ///
    /// # Errors
    /// The file is missing or cannot be read. Lines that cannot are passed over and counted.
    pub fn open(dir: &Path) -> Result<Self, RecordingError> {
        let path = dir.join(LIST);
        let list = std::fs::read(&path).map_err(|source| RecordingError { path, source })?;
        let lines = list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let (mut exchanges, mut skipped) = (Vec::new(), 0);
        for line in lines {
            match serde_json::from_slice(line) {
                Ok(exchange) => exchanges.push(exchange),
                Err(_) => skipped += 1,
            }
        }
        exchanges.sort_by_key(|exchange: &Exchange| exchange.at);
        Ok(Self { dir: dir.to_owned(), exchanges, skipped })
    }

    /// All exchanges in the order in which they were asked.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// How many lines could not be read.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// When the first exchange was asked: where a replayed clock begins.
    pub fn start(&self) -> Option<Timestamp> {
        self.exchanges.first().map(|exchange| exchange.at)
    }

    fn body(&self, body: &Body) -> io::Result<Bytes> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        Ok(match body {
            Body::Text(text) => text.clone().into_bytes().into(),
            Body::Base64(text) => STANDARD.decode(text).map_err(broken)?.into(),
            Body::File(name) => {
                // A name from the list must not lead out of the folder.
                if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                std::fs::read(self.dir.join(BODIES).join(name))?.into()
            }
        })
    }
}

/// Answers from a recording as the server of that name gave them.
pub(crate) struct Replay {
    recording: Recording,
    /// Places in the recording, by what was asked.
    places: HashMap<(Method, String), Vec<usize>>,
    /// How many of them were given already; counts only where the clock is a real one.
    given: Mutex<HashMap<(Method, String), usize>>,
}

impl Replay {
    pub(crate) fn new(recording: Recording, server: &str) -> Self {
        let mut places: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, exchange) in recording.exchanges.iter().enumerate() {
            if exchange.server == server {
                places.entry((exchange.method, exchange.path.clone())).or_default().push(at);
            }
        }
        Self { recording, places, given: Mutex::default() }
    }

    /// The answer that was recorded last before `now`, or else the first one after it; without `now` the next one in
    /// order, the last one again and again.
    pub(crate) fn answer(&self, request: &Request, now: Option<Timestamp>) -> Result<Answer, Failure> {
        let key = (request.method, request.target.clone());
        let places = self.places.get(&key).ok_or(Failure::NotRecorded)?;
        let chosen = match now {
            Some(now) => {
                let before = places.partition_point(|&at| self.recording.exchanges[at].at <= now);
                before.saturating_sub(1)
            }
            None => {
                let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
                let next = given.entry(key).or_default();
                *next += 1;
                (*next - 1).min(places.len() - 1)
            }
        };
        self.replayed(&self.recording.exchanges[places[chosen]].end)
    }

    fn replayed(&self, end: &End) -> Result<Answer, Failure> {
        let recorded = |connecting, why: &str| Failure::Unreachable {
            connecting,
            source: WireError::Recorded(why.to_owned()),
        };
        match end {
            End::Answered { status, content_type, retry_after, body } => {
                let body = self.recording.body(body).map_err(|error| recorded(false, &chain(&error)))?;
                Ok(Answer {
                    status: *status,
                    content_type: content_type.clone(),
                    retry_after: retry_after.map(Duration::from_secs),
                    body,
                })
            }
            End::Failed { failed, why } => Err(match failed {
                Failed::NoConnection => recorded(true, why),
                Failed::BrokenOff => recorded(false, why),
                Failed::TooLarge => Failure::TooLarge { limit: why.parse().unwrap_or(0) },
                Failed::Redirected => Failure::Redirected { to: why.clone() },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Expects;
    use super::*;

    fn get(target: &str) -> Request {
        Request {
            method: Method::Get,
            target: target.to_owned(),
            body: None,
            expects: Expects::Json,
            limit: 1000,
        }
    }

    fn answer(body: &[u8]) -> Result<Answer, Failure> {
        let content_type = "application/json".to_owned();
        Ok(Answer { status: 200, content_type, retry_after: None, body: Bytes::copy_from_slice(body) })
    }

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_recorded_is_played_by_the_clock() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(dir.path()).unwrap();
        let large = vec![b'x'; INLINE_LIMIT + 1];
        let cut = Failure::Unreachable { connecting: true, source: WireError::Recorded("refused".into()) };
        recorder.write(time(10), "a", &get("/x"), &answer(b"one")).unwrap();
        recorder.write(time(20), "a", &get("/x"), &answer(b"\xff\xfe")).unwrap();
        recorder.write(time(30), "a", &get("/x"), &answer(&large)).unwrap();
        recorder.write(time(40), "a", &get("/x"), &Err(cut)).unwrap();
        recorder.write(time(50), "b", &get("/y"), &answer(b"other server")).unwrap();

        let recording = Recording::open(dir.path()).unwrap();
        assert_eq!((recording.exchanges().len(), recording.start()), (5, Some(time(10))));
        let replay = Replay::new(recording, "a");
        let at = |second| replay.answer(&get("/x"), Some(time(second))).map(|answer| answer.body);
        assert_eq!(at(5).unwrap(), "one");
        assert_eq!(at(19).unwrap(), "one");
        assert_eq!(at(20).unwrap(), &b"\xff\xfe"[..]);
        assert_eq!(at(35).unwrap(), large);
        assert!(matches!(at(99), Err(Failure::Unreachable { connecting: true, .. })));
        assert!(matches!(replay.answer(&get("/y"), None), Err(Failure::NotRecorded)));
        assert_eq!(replay.answer(&get("/x"), None).unwrap().body, "one");
        assert_eq!(replay.answer(&get("/x"), None).unwrap().body, &b"\xff\xfe"[..]);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        Recorder::open(dir.path()).unwrap().write(time(1), "a", &get("/x"), &answer(b"one")).unwrap();
        let list = dir.path().join(LIST);
        let mut bytes = std::fs::read(&list).unwrap();
        bytes.extend_from_slice(br#"{"at":"2026-11-22T12:0"#);
        std::fs::write(&list, bytes).unwrap();
        Recorder::open(dir.path()).unwrap().write(time(2), "a", &get("/x"), &answer(b"two")).unwrap();
        let recording = Recording::open(dir.path()).unwrap();
        assert_eq!((recording.exchanges().len(), recording.skipped()), (2, 1));
    }

    #[test]
    fn a_list_cannot_name_files_outside_its_folder() {
        let recording = Recording { dir: "/".into(), exchanges: Vec::new(), skipped: 0 };
        for name in ["../../etc/passwd", "/etc/passwd", ""] {
            assert!(recording.body(&Body::File(name.to_owned())).is_err(), "{name}");
        }
    }
}
