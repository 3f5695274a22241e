//! Writing: a record, what happened to it and all its indexes in one transaction.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::find::patch_ids_digest;
use super::{IntentId, RequestId, Store, StoreError, millis};
use crate::listing::SeriesKey;
use crate::record::{Moment, Record, State};

/// What is written of one series at once.
#[derive(Debug, Clone)]
pub struct Save<'a> {
    /// The record as it is from now on.
    pub record: &'a Record,
    /// It must not be stored yet; otherwise it must.
    pub new: bool,
    /// What happened to it, in order.
    pub events: &'a [Moment],
    /// The frozen mails of [`Record::revision`].
    pub mails: Option<&'a [u8]>,
    /// The report on [`Record::revision`].
    pub report: Option<&'a [u8]>,
    /// The step that was begun and has ended with this.
    pub closes: Option<IntentId>,
    /// The requests that are dealt with by this.
    pub answers: &'a [RequestId],
}

impl<'a> Save<'a> {
    /// A record that is stored already, and what happened to it.
    pub fn of(record: &'a Record, events: &'a [Moment]) -> Self {
        Self { record, new: false, events, mails: None, report: None, closes: None, answers: &[] }
    }

    /// A record that is not stored yet.
    pub fn new(record: &'a Record, events: &'a [Moment]) -> Self {
        Self { new: true, ..Self::of(record, events) }
    }
}

impl Store {
    /// Writes one series. When this comes back it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::Unknown`], or the store failed; nothing was written then.
    pub fn save(&mut self, save: &Save<'_>) -> Result<(), StoreError> {
        self.save_all(std::slice::from_ref(save))
    }

    /// Writes a series that is not stored yet, whatever [`Save::new`] says.
    ///
    /// # Errors
    /// [`StoreError::Exists`], or the store failed; nothing was written then.
    pub fn create(&mut self, save: &Save<'_>) -> Result<(), StoreError> {
        self.save(&Save { new: true, ..save.clone() })
    }

    /// Writes several series: all or none.
    ///
    /// # Errors
    /// As [`Store::save`].
    pub fn save_all(&mut self, saves: &[Save<'_>]) -> Result<(), StoreError> {
        let (path, sinks) = (self.path.clone(), self.sinks);
        let failed = |source| StoreError::of(&path, source);
        // Compressing takes longer than all else: it is done before the transaction.
        let mut packed = Vec::new();
        for save in saves {
            let json = serde_json::to_string(save.record)
                .map_err(|source| StoreError::Unreadable { key: save.record.key.clone(), source })?;
            packed.push((json, save.mails.map(Packed::of), save.report.map(Packed::of)));
        }
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for (save, (json, mails, report)) in saves.iter().zip(&packed) {
            let key = &save.record.key;
            let row = write_record(&transaction, save, json, sinks).map_err(failed)?;
            let row = row.ok_or_else(|| refusal(save.new, key.clone()))?;
            write_rest(&transaction, save, row).map_err(failed)?;
            let revision = save.record.revision;
            for (sql, packed) in [(PUT_MAILS, mails), (PUT_REPORT, report)] {
                let Some(Packed { size, bytes }) = packed else { continue };
                let put = transaction.prepare_cached(sql);
                put.and_then(|mut put| put.execute(params![row, revision, size, bytes])).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }
}

fn refusal(new: bool, key: SeriesKey) -> StoreError {
    if new { StoreError::Exists { key } } else { StoreError::Unknown { key } }
}

/// Bytes as they lie in the store.
struct Packed {
    size: u64,
    bytes: Vec<u8>,
}

impl Packed {
    fn of(bytes: &[u8]) -> Self {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; if it did, reading would find the length wrong.
        let _ = encoder.write_all(bytes);
        Self { size: bytes.len() as u64, bytes: encoder.finish().unwrap_or_default() }
    }
}

/// May something still happen for it by itself?
pub(super) fn is_open(record: &Record) -> bool {
    !record.state.is_final() || record.wakes().is_some()
}

/// Writes the record and its columns; gives its row, or nothing where it is there and should not be, or the other
/// way round.
fn write_record(
    transaction: &Transaction<'_>,
    save: &Save<'_>,
    json: &str,
    sinks: bool,
) -> rusqlite::Result<Option<i64>> {
    let record = save.record;
    let leader = match &record.state {
        State::Follows { leader, .. } => Some(leader),
        _ => None,
    };
    let sql = if save.new { INSERT } else { UPDATE };
    transaction
        .prepare_cached(sql)?
        .query_row(
            params![
                record.key.server,
                record.key.id,
                record.listing.project,
                record.listing.submitter.email,
                record.state.word(),
                is_open(record),
                record.wakes().map(millis),
                millis(record.first_seen),
                leader.map(|leader| &leader.server),
                leader.map(|leader| leader.id),
                record.text.as_ref().and_then(|text| patch_ids_digest(&text.patch_ids)),
                json,
                record.tell_at.filter(|_| sinks).map(millis),
            ],
            |row| row.get(0),
        )
        .optional()
}

fn write_rest(transaction: &Transaction<'_>, save: &Save<'_>, row: i64) -> rusqlite::Result<()> {
    let listing = &save.record.listing;
    for patch in listing.patches.iter().chain(&listing.cover) {
        transaction.prepare_cached(PUT_MSGID)?.execute(params![patch.msgid, row])?;
    }
    for moment in save.events {
        let json = serde_json::to_string(moment)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        transaction.prepare_cached(PUT_MOMENT)?.execute(params![row, json])?;
    }
    if let Some(intent) = save.closes {
        transaction.prepare_cached(CLOSE_INTENT)?.execute([intent.0])?;
    }
    for request in save.answers {
        transaction.prepare_cached(super::journal::CLOSE_REQUEST)?.execute([request.0])?;
    }
    if let State::Finished { run, outcome, .. } = &save.record.state
        && let (Some(id), Some(started)) = (run.id, run.started)
    {
        let took = millis(outcome.ended).saturating_sub(millis(started)).max(0);
        transaction.prepare_cached(PUT_RUN)?.execute(params![id, run.on, millis(outcome.ended), took])?;
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO series (server, id, project, email, state, open, due, first_seen, \
    leader_server, leader_id, patch_ids, record, tell) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
    ON CONFLICT DO NOTHING RETURNING row";
const UPDATE: &str = "UPDATE series SET project = ?3, email = ?4, state = ?5, open = ?6, due = ?7, \
    first_seen = ?8, leader_server = ?9, leader_id = ?10, patch_ids = ?11, record = ?12, tell = ?13, unreadable = NULL \
    WHERE server = ?1 AND id = ?2 RETURNING row";
const PUT_MAILS: &str =
    "INSERT OR REPLACE INTO mails (series, revision, size, bytes) VALUES (?1, ?2, ?3, ?4)";
const PUT_REPORT: &str =
    "INSERT OR REPLACE INTO reports (series, revision, size, bytes) VALUES (?1, ?2, ?3, ?4)";
const PUT_MSGID: &str = "INSERT OR IGNORE INTO msgids (msgid, series) VALUES (?1, ?2)";
const PUT_MOMENT: &str = "INSERT INTO history (series, moment) VALUES (?1, ?2)";
const CLOSE_INTENT: &str = "DELETE FROM intents WHERE id = ?1";
const PUT_RUN: &str = "INSERT OR REPLACE INTO runs (run, box, ended, took) VALUES (?1, ?2, ?3, ?4)";
