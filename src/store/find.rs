//! Looking up: every question the bridge asks on its way is answered by an index, however much is stored.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use flate2::read::ZlibDecoder;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Params, Row, params, params_from_iter};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, millis, time};
use crate::bytes::hex;
use crate::listing::SeriesKey;
use crate::record::{Moment, Record};

/// Which series a list is about. The default is all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those in one of these states, by [`crate::record::State::word`]; empty: in any.
    pub states: Vec<String>,
    /// Only those of this project.
    pub project: Option<String>,
    /// Only those for which something may still happen by itself.
    pub open: bool,
    /// At most so many; 0: all.
    pub limit: u32,
}

/// A list that one bad row does not hide.
#[derive(Debug, Default)]
pub struct Found {
    /// What could be read.
    pub records: Vec<Record>,
    /// What could not, and why.
    pub unreadable: Vec<(SeriesKey, String)>,
}

/// The digest under which a text's patch-ids are looked for; `None` without any.
pub fn patch_ids_digest(patch_ids: &[String]) -> Option<String> {
    (!patch_ids.is_empty()).then(|| hex(&Sha256::digest(patch_ids.join("\n"))))
}

/// The columns every record is read from, in the order [`Raw::of`] expects.
const COLUMNS: &str = "SELECT server, id, record FROM series";

/// A row that has not been parsed yet.
struct Raw {
    key: SeriesKey,
    json: String,
}

impl Raw {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { key: key(row)?, json: row.get(2)? })
    }

    fn parse(&self) -> Result<Record, serde_json::Error> {
        let record: Record = serde_json::from_str(&self.json)?;
        if record.key != self.key {
            return Err(serde::de::Error::custom(format!("it is the record of {}", record.key)));
        }
        Ok(record)
    }
}

/// The key in the first two columns.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<SeriesKey> {
    Ok(SeriesKey { server: row.get(0)?, id: row.get(1)? })
}

impl Store {
    /// The record of a series.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`], or the store failed.
    pub fn get(&self, key: &SeriesKey) -> Result<Option<Record>, StoreError> {
        let raw = self.sql(|db| {
            db.prepare_cached(&format!("{COLUMNS} WHERE server = ?1 AND id = ?2"))?
                .query_row(params![key.server, key.id], Raw::of)
                .optional()
        })?;
        let parsed = raw.map(|raw| raw.parse()).transpose();
        parsed.map_err(|source| StoreError::Unreadable { key: key.clone(), source })
    }

    /// Series for which something is to be done ([`Record::wakes`]), the longest overdue first. One that cannot be read is set aside: it is
    /// listed by [`Store::listed`] and tried again when the store is opened next.
    ///
    /// # Errors
    /// The store failed.
    pub fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Record>, StoreError> {
        loop {
            let found = self.records(DUE, params![millis(now), limit])?;
            if found.unreadable.is_empty() {
                return Ok(found.records);
            }
            self.set_aside(&found.unreadable)?;
        }
    }

    /// When something is to be done for any series next: the least [`Record::wakes`].
    ///
    /// # Errors
    /// The store failed.
    pub fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = self.sql(|db| db.prepare_cached(NEXT_DUE)?.query_row([], |row| row.get(0)))?;
        Ok(due.map(time))
    }

    /// All series for which something may still happen by itself: their state is not final, or something is due.
    ///
    /// # Errors
    /// The store failed.
    pub fn unfinished(&self) -> Result<Vec<Record>, StoreError> {
        self.readable(UNFINISHED, [])
    }

    /// All series in one of these states, by [`crate::record::State::word`].
    ///
    /// # Errors
    /// The store failed.
    pub fn in_state(&self, words: &[&str]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for word in words {
            records.extend(self.readable(IN_STATE, [word])?);
        }
        Ok(records)
    }

    /// Series by a filter, those seen last first.
    ///
    /// # Errors
    /// The store failed.
    pub fn listed(&self, filter: &Filter) -> Result<Found, StoreError> {
        let marks = vec!["?"; filter.states.len()].join(", ");
        let mut conditions = Vec::new();
        let mut values: Vec<&dyn rusqlite::ToSql> = Vec::new();
        if !filter.states.is_empty() {
            conditions.push(format!("state IN ({marks})"));
            values.extend(filter.states.iter().map(|word| word as &dyn rusqlite::ToSql));
        }
        if let Some(project) = &filter.project {
            conditions.push("project = ?".to_owned());
            values.push(project);
        }
        if filter.open {
            conditions.push("(open = 1 OR unreadable IS NOT NULL)".to_owned());
        }
        let only =
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let limit = if filter.limit == 0 { -1 } else { i64::from(filter.limit) };
        values.push(&limit);
        let sql = format!("{COLUMNS} {only} ORDER BY first_seen DESC, row DESC LIMIT ?");
        self.records(&sql, params_from_iter(values))
    }

    /// How many series stand in each state.
    ///
    /// # Errors
    /// The store failed.
    pub fn counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.rows("SELECT state, count(*) FROM series GROUP BY state ORDER BY state", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// The numbers of a server's series that are stored, from `at_least` on.
    ///
    /// # Errors
    /// The store failed.
    pub fn known_ids(&self, server: &str, at_least: u64) -> Result<BTreeSet<u64>, StoreError> {
        let ids = self.rows(KNOWN_IDS, params![server, at_least], |row| row.get(0))?;
        Ok(ids.into_iter().collect())
    }

    /// The highest number of a server's series that is stored.
    ///
    /// # Errors
    /// The store failed.
    pub fn highest(&self, server: &str) -> Result<Option<u64>, StoreError> {
        self.sql(|db| db.prepare_cached(HIGHEST)?.query_row([server], |row| row.get(0)))
    }

    /// Series one of whose patches or whose cover letter has, or once had, this Message-ID (without brackets).
    ///
    /// # Errors
    /// The store failed.
    pub fn by_msgid(&self, msgid: &str) -> Result<Vec<SeriesKey>, StoreError> {
        self.rows(BY_MSGID, [msgid], key)
    }

    /// Series with exactly these patches, by their patch-ids in order; those seen first come first.
    ///
    /// # Errors
    /// The store failed.
    pub fn by_patch_ids(&self, patch_ids: &[String]) -> Result<Vec<SeriesKey>, StoreError> {
        match patch_ids_digest(patch_ids) {
            Some(digest) => self.rows(BY_PATCH_IDS, [digest], key),
            None => Ok(Vec::new()),
        }
    }

    /// What an address has sent to a project, those seen first come first.
    ///
    /// # Errors
    /// The store failed.
    pub fn by_submitter(&self, server: &str, project: &str, email: &str) -> Result<Vec<Record>, StoreError> {
        self.readable(BY_SUBMITTER, params![server, project, email])
    }

    /// Series in [`crate::record::State::Follows`] whose leader this is.
    ///
    /// # Errors
    /// The store failed.
    pub fn followers(&self, leader: &SeriesKey) -> Result<Vec<Record>, StoreError> {
        self.readable(FOLLOWERS, params![leader.server, leader.id])
    }

    /// The frozen mails of a revision, as they were saved.
    ///
    /// # Errors
    /// The store failed, or they are damaged.
    pub fn mails(&self, key: &SeriesKey, revision: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.bytes(MAILS, key, revision)
    }

    /// The report on a revision, as it was saved.
    ///
    /// # Errors
    /// The store failed, or it is damaged.
    pub fn report(&self, key: &SeriesKey, revision: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.bytes(REPORTS, key, revision)
    }

    /// What happened to a series, in order. What an older or newer patchlift wrote and this one cannot read is left
    /// out.
    ///
    /// # Errors
    /// The store failed.
    pub fn history(&self, key: &SeriesKey) -> Result<Vec<Moment>, StoreError> {
        let rows: Vec<String> = self.rows(HISTORY, params![key.server, key.id], |row| row.get(0))?;
        Ok(rows.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }

    /// How long the last runs on a box took, the latest first.
    ///
    /// # Errors
    /// The store failed.
    pub fn run_times(&self, on: &str, limit: u32) -> Result<Vec<Duration>, StoreError> {
        self.rows(RUN_TIMES, params![on, limit], |row| Ok(Duration::from_millis(row.get(0)?)))
    }

    /// Records of which those that cannot be read are left out; the bridge's own store sets them aside, so that it is
    /// said once.
    pub(super) fn readable(&self, sql: &str, values: impl Params) -> Result<Vec<Record>, StoreError> {
        let found = self.records(sql, values)?;
        if self.lock.is_some() {
            self.set_aside(&found.unreadable)?;
        }
        Ok(found.records)
    }

    fn records(&self, sql: &str, values: impl Params) -> Result<Found, StoreError> {
        let mut found = Found::default();
        // Each row is parsed as it comes: the JSON of all of them takes more memory than what is made of it.
        let parse = |row: &Row<'_>| {
            let raw = Raw::of(row)?;
            Ok(raw.parse().map_err(|error| (raw.key, error.to_string())))
        };
        for row in self.rows(sql, values, parse)? {
            match row {
                Ok(record) => found.records.push(record),
                Err(unreadable) => found.unreadable.push(unreadable),
            }
        }
        Ok(found)
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.sql(|db| db.prepare_cached(sql)?.query_map(values, read)?.collect())
    }

    fn bytes(&self, sql: &str, key: &SeriesKey, revision: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(u64, Vec<u8>)> = self.sql(|db| {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            db.prepare_cached(sql)?.query_row(params![key.server, key.id, revision], read).optional()
        })?;
        let Some((size, packed)) = row else { return Ok(None) };
        let mut bytes = Vec::new();
        // One byte more than there should be: longer is damaged, too.
        let read = ZlibDecoder::new(packed.as_slice()).take(size.saturating_add(1)).read_to_end(&mut bytes);
        match read {
            Ok(length) if length as u64 == size => Ok(Some(bytes)),
            Ok(length) => Err(damaged(key, format!("{length} bytes instead of {size}"))),
            Err(error) => Err(damaged(key, error.to_string())),
        }
    }

    /// Takes unreadable rows out of the way of the others.
    fn set_aside(&self, unreadable: &[(SeriesKey, String)]) -> Result<(), StoreError> {
        for (series, why) in unreadable {
            tracing::error!(%series, why, "the stored record cannot be read; it is set aside");
            self.sql(|db| {
                db.prepare_cached(SET_ASIDE)?.execute(params![series.server, series.id, why])?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// An update of patchlift may have made readable what was not.
    pub(super) fn try_unreadable_again(&self) -> Result<(), StoreError> {
        let found = self.records(&format!("{COLUMNS} WHERE unreadable IS NOT NULL"), [])?;
        for record in &found.records {
            tracing::info!(series = %record.key, "the stored record can be read again");
            let wakes = record.wakes().map(millis);
            let open = super::save::is_open(record);
            let values = params![record.key.server, record.key.id, wakes, open];
            self.sql(|db| db.execute(READABLE_AGAIN, values))?;
        }
        Ok(())
    }
}

fn damaged(key: &SeriesKey, what: String) -> StoreError {
    StoreError::Unreadable { key: key.clone(), source: serde::de::Error::custom(what) }
}

const DUE: &str = "SELECT server, id, record FROM series WHERE due <= ?1 ORDER BY due, row LIMIT ?2";
const NEXT_DUE: &str = "SELECT min(due) FROM series WHERE due IS NOT NULL";
const UNFINISHED: &str = "SELECT server, id, record FROM series WHERE open = 1 ORDER BY row";
const IN_STATE: &str =
    "SELECT server, id, record FROM series WHERE state = ?1 AND unreadable IS NULL ORDER BY first_seen, row";
const KNOWN_IDS: &str = "SELECT id FROM series WHERE server = ?1 AND id >= ?2";
const HIGHEST: &str = "SELECT max(id) FROM series WHERE server = ?1";
const BY_MSGID: &str = "SELECT s.server, s.id FROM msgids m JOIN series s ON s.row = m.series \
    WHERE m.msgid = ?1 ORDER BY m.series";
const BY_PATCH_IDS: &str = "SELECT server, id FROM series WHERE patch_ids = ?1 ORDER BY row";
const BY_SUBMITTER: &str = "SELECT server, id, record FROM series \
    WHERE server = ?1 AND project = ?2 AND email = ?3 AND unreadable IS NULL ORDER BY row";
const FOLLOWERS: &str = "SELECT server, id, record FROM series \
    WHERE leader_server = ?1 AND leader_id = ?2 AND unreadable IS NULL ORDER BY row";
const MAILS: &str = "SELECT m.size, m.bytes FROM series s JOIN mails m ON m.series = s.row \
    WHERE s.server = ?1 AND s.id = ?2 AND m.revision = ?3";
const REPORTS: &str = "SELECT r.size, r.bytes FROM series s JOIN reports r ON r.series = s.row \
    WHERE s.server = ?1 AND s.id = ?2 AND r.revision = ?3";
const HISTORY: &str = "SELECT h.moment FROM series s JOIN history h ON h.series = s.row \
    WHERE s.server = ?1 AND s.id = ?2 ORDER BY h.row";
const RUN_TIMES: &str = "SELECT took FROM runs WHERE box = ?1 ORDER BY ended DESC LIMIT ?2";
const SET_ASIDE: &str =
    "UPDATE series SET due = NULL, open = 0, unreadable = ?3 WHERE server = ?1 AND id = ?2";
const READABLE_AGAIN: &str =
    "UPDATE series SET due = ?3, open = ?4, unreadable = NULL WHERE server = ?1 AND id = ?2";

/// Questions that are asked all the time, each with what it may be asked for.
#[cfg(test)]
pub(super) const HOT: &[(&str, &[&str])] = &[
    (DUE, &["5", "10"]),
    (NEXT_DUE, &[]),
    (UNFINISHED, &[]),
    (IN_STATE, &["queued"]),
    (KNOWN_IDS, &["s", "50000"]),
    (HIGHEST, &["s"]),
    (BY_MSGID, &["7@x"]),
    (BY_PATCH_IDS, &["d7"]),
    (BY_SUBMITTER, &["s", "p", "a7"]),
    (FOLLOWERS, &["s", "7"]),
    (MAILS, &["s", "7", "1"]),
    (REPORTS, &["s", "7", "1"]),
    (HISTORY, &["s", "7"]),
    (RUN_TIMES, &["p8", "20"]),
    (super::wake::NEXT_DUE, &["5"]),
    (super::wake::TO_TELL, &["5", "10"]),
    (super::wake::OPEN_IN_STATE, &["superseded"]),
    (super::wake::KEYS_IN_STATE, &["queued"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patch_ids_count_in_their_order() {
        let ids = |ids: &[&str]| patch_ids_digest(&ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(ids(&[]), None);
        assert_eq!(ids(&["a", "b"]), ids(&["a", "b"]));
        assert_ne!(ids(&["a", "b"]), ids(&["b", "a"]));
        assert_ne!(ids(&["ab"]), ids(&["a", "b"]));
        assert_eq!(ids(&["a"]).unwrap().len(), 64);
    }
}
