//! What the loop asks the store all the time.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::find::key;
use super::{FILE, Store, StoreError, millis, time};
use crate::listing::SeriesKey;
use crate::record::Record;

pub(super) const NEXT_DUE: &str = "SELECT due FROM series WHERE due > ?1 ORDER BY due LIMIT 1";
pub(super) const TO_TELL: &str =
    "SELECT server, id, record FROM series WHERE tell <= ?1 ORDER BY tell, row LIMIT ?2";
pub(super) const OPEN_IN_STATE: &str = "SELECT server, id, record FROM series WHERE open = 1 AND state = ?1";
pub(super) const KEYS_IN_STATE: &str =
    "SELECT server, id FROM series WHERE state = ?1 ORDER BY first_seen, row";

impl Store {
    /// The keys of all series in one of these states: they take little memory, however many there are.
    ///
    /// # Errors
    /// The store failed.
    pub fn keys_in_state(&self, words: &[&str]) -> Result<Vec<SeriesKey>, StoreError> {
        let mut keys = Vec::new();
        for word in words {
            keys.extend(self.rows(KEYS_IN_STATE, [word], key)?);
        }
        Ok(keys)
    }

    /// The records of these series, without those that are not there or cannot be read.
    ///
    /// # Errors
    /// The store failed.
    pub fn get_all(&self, keys: &[SeriesKey]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for key in keys {
            match self.get(key) {
                // Lists of series say so.
                Err(StoreError::Unreadable { .. }) => {}
                record => records.extend(record?),
            }
        }
        Ok(records)
    }

    /// The first time after `now` at which something is due.
    ///
    /// # Errors
    /// The store failed.
    pub fn next_due_after(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = self
            .sql(|db| db.prepare_cached(NEXT_DUE)?.query_row([millis(now)], |row| row.get(0)).optional())?;
        Ok(due.map(time))
    }

    /// Series of which something is to be said at a sink ([`Record::tell_at`]), the longest overdue first.
    ///
    /// # Errors
    /// The store failed.
    pub fn to_tell(&self, now: Timestamp, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.readable(TO_TELL, params![millis(now), limit])
    }

    /// The series for which a box is kept, those whose run has still to be cancelled among them.
    ///
    /// # Errors
    /// The store failed.
    pub fn holding(&self) -> Result<Vec<Record>, StoreError> {
        let mut records = self.in_state(&["starting", "running"])?;
        for word in ["superseded", "declined"] {
            records.extend(self.readable(OPEN_IN_STATE, [word])?);
        }
        records.retain(|record| record.state.holds().is_some());
        Ok(records)
    }

    /// Writes a copy of the store as it is now into another folder.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn copy_to(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE);
        let failed = |source| StoreError::of(&path, source);
        let mut copy = Connection::open(&path).map_err(failed)?;
        let backup = Backup::new(&self.db, &mut copy).map_err(failed)?;
        // All pages in one go: the copy is of one moment, and nobody waits for this process meanwhile.
        backup.step(-1).map_err(failed)?;
        Ok(())
    }
}
