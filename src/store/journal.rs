//! What was begun and not ended, and what people asked for.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, millis, time};
use crate::listing::SeriesKey;

/// A step that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub(super) i64);

/// A step that was begun and of which nobody knows how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Its number; closed by [`super::Save::closes`] or [`Store::drop_intent`].
    pub id: IntentId,
    /// Whose step.
    pub key: SeriesKey,
    /// Which step, as it was given to [`Store::begin`].
    pub step: String,
    /// What may be needed to find out how far it came.
    pub note: String,
    /// When it was begun last.
    pub at: Timestamp,
    /// How many times in a row it was begun without being ended: more than a few, and the step itself kills the
    /// bridge.
    pub times: u32,
}

/// Something a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) i64);

/// What a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// About which series. The bridge may never have heard of it.
    pub key: SeriesKey,
    /// What is to be done.
    pub what: What,
    /// Who asks, for the history.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// What is to be done with a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// Let it run in spite of policy; go on with a parked one.
    Release,
    /// Do not test it.
    Refuse {
        /// Why.
        reason: String,
    },
    /// Test it again.
    Retest,
    /// Test it earlier or later than others.
    Priority {
        /// Higher is earlier; 0 is usual.
        priority: i32,
    },
}

impl Store {
    /// Notes that a step with an outside effect is about to be done. It is on the disk when this comes back.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the store failed.
    pub fn begin(
        &mut self,
        key: &SeriesKey,
        step: &str,
        note: &str,
        at: Timestamp,
    ) -> Result<IntentId, StoreError> {
        let path = self.path.clone();
        let failed = |source| StoreError::of(&path, source);
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // A new number each time: an older one, closed late, does not close this.
        let id = transaction
            .prepare_cached(BEGIN)
            .and_then(|mut begin| {
                begin
                    .query_row(params![key.server, key.id, step, note, millis(at)], |row| row.get(0))
                    .optional()
            })
            .map_err(failed)?;
        let id = id.ok_or_else(|| StoreError::Unknown { key: key.clone() })?;
        transaction.commit().map_err(failed)?;
        Ok(IntentId(id))
    }

    /// All steps that were begun and not ended, in the order in which they were begun.
    ///
    /// # Errors
    /// The store failed.
    pub fn open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.rows(OPEN_INTENTS, [], |row| {
            Ok(Intent {
                key: SeriesKey { server: row.get(0)?, id: row.get(1)? },
                id: IntentId(row.get(2)?),
                step: row.get(3)?,
                note: row.get(4)?,
                at: time(row.get(5)?),
                times: row.get(6)?,
            })
        })
    }

    /// Forgets a step that was begun and needs no end.
    ///
    /// # Errors
    /// The store failed.
    pub fn drop_intent(&self, id: IntentId) -> Result<(), StoreError> {
        self.sql(|db| db.execute("DELETE FROM intents WHERE id = ?1", [id.0]))?;
        Ok(())
    }

    /// Leaves a request for the bridge.
    ///
    /// # Errors
    /// The store failed.
    pub fn ask(&self, request: &Request) -> Result<RequestId, StoreError> {
        let json = serde_json::to_string(request)
            .map_err(|source| StoreError::Unreadable { key: request.key.clone(), source })?;
        self.sql(|db| {
            db.execute("INSERT INTO requests (request) VALUES (?1)", [json])?;
            Ok(RequestId(db.last_insert_rowid()))
        })
    }

    /// The requests nobody has dealt with, in order. One that cannot be read is dropped by the bridge's own
    /// store, and the log says so.
    ///
    /// # Errors
    /// The store failed.
    pub fn requests(&self) -> Result<Vec<(RequestId, Request)>, StoreError> {
        let rows: Vec<(i64, String)> =
            self.rows("SELECT id, request FROM requests ORDER BY id", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let mut requests = Vec::new();
        for (id, json) in rows {
            match serde_json::from_str(&json) {
                Ok(request) => requests.push((RequestId(id), request)),
                Err(error) if self.lock.is_some() => {
                    tracing::error!(id, %error, "a request cannot be read; it is dropped");
                    self.drop_request(RequestId(id))?;
                }
                Err(_) => {}
            }
        }
        Ok(requests)
    }

    /// Closes a request that no save deals with: about a series nobody knows.
    ///
    /// # Errors
    /// The store failed.
    pub fn drop_request(&self, id: RequestId) -> Result<(), StoreError> {
        self.sql(|db| db.execute(CLOSE_REQUEST, [id.0]))?;
        Ok(())
    }
}

pub(super) const CLOSE_REQUEST: &str = "DELETE FROM requests WHERE id = ?1";
const BEGIN: &str = "INSERT OR REPLACE INTO intents (series, step, note, at, times) \
    SELECT s.row, ?3, ?4, ?5, \
        1 + coalesce((SELECT i.times FROM intents i WHERE i.series = s.row AND i.step = ?3), 0) \
    FROM series s WHERE s.server = ?1 AND s.id = ?2 RETURNING id";
const OPEN_INTENTS: &str = "SELECT s.server, s.id, i.id, i.step, i.note, i.at, i.times \
    FROM intents i JOIN series s ON s.row = i.series ORDER BY i.id";
