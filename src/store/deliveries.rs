//! What came from outside and may come again: deliveries of GitHub's and comments of the list. Each is taken once.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior, params};

use super::{Request, Store, StoreError, millis, time};

/// GitHub lets a delivery be sent again for three days.
const DELIVERIES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// A server's events are looked through back to where the last look ended, an outage of weeks included.
const COMMENTS_KEPT: Duration = Duration::from_secs(366 * 86_400);

impl Store {
    /// Takes a delivery and leaves what it asks for, both or neither. `false`: it was taken before, under its number or
    /// under another one, and nothing is left.
    ///
    /// # Errors
    /// The store failed; nothing was taken then.
    pub fn take_delivery(
        &mut self,
        id: &str,
        digest: &str,
        at: Timestamp,
        requests: &[Request],
    ) -> Result<bool, StoreError> {
        self.take(requests, |transaction| {
            let old = millis(at - DELIVERIES_KEPT);
            transaction.execute("DELETE FROM deliveries WHERE at < ?1", [old])?;
            let known = "SELECT count(*) FROM deliveries WHERE id = ?1 OR digest = ?2";
            let known: i64 = transaction.query_row(known, [id, digest], |row| row.get(0))?;
            let put = "INSERT INTO deliveries (id, digest, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            transaction.execute(put, params![id, digest, millis(at)])?;
            Ok(known == 0)
        })
    }

    /// Takes a comment of a server's list and leaves what it asks for, both or neither. `false`: it was taken before.
    ///
    /// # Errors
    /// The store failed; nothing was taken then.
    pub fn take_comment(
        &mut self,
        server: &str,
        msgid: &str,
        at: Timestamp,
        requests: &[Request],
    ) -> Result<bool, StoreError> {
        self.take(requests, |transaction| {
            let old = "DELETE FROM comments WHERE at < ?1 AND msgid NOT LIKE '#%'";
            transaction.execute(old, [millis(at - COMMENTS_KEPT)])?;
            let put =
                "INSERT INTO comments (server, msgid, at) VALUES (?1, '<' || ?2, ?3) ON CONFLICT DO NOTHING";
            Ok(transaction.execute(put, params![server, msgid, millis(at)])? == 1)
        })
    }

    /// Was this comment taken?
    ///
    /// # Errors
    /// The store failed.
    pub fn knows_comment(&self, server: &str, msgid: &str) -> Result<bool, StoreError> {
        let known = "SELECT count(*) FROM comments WHERE server = ?1 AND msgid = '<' || ?2";
        let count: i64 =
            self.sql(|db| db.prepare_cached(known)?.query_row([server, msgid], |row| row.get(0)))?;
        Ok(count > 0)
    }

    /// When each list of a server was looked through last, by the lists' names.
    ///
    /// # Errors
    /// The store failed.
    pub fn comments_looked(&self, server: &str) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let sql = "SELECT substr(msgid, 2), at FROM comments WHERE server = ?1 AND msgid LIKE '#%'";
        let rows = self.rows(sql, [server], |row| Ok((row.get(0)?, time(row.get(1)?))))?;
        Ok(rows.into_iter().collect())
    }

    /// Notes that a list was looked through.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_comments_looked(&self, server: &str, list: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO comments (server, msgid, at) VALUES (?1, '#' || ?2, ?3)";
        self.sql(|db| db.prepare_cached(sql)?.execute(params![server, list, millis(at)]).map(|_| ()))
    }

    fn take(
        &mut self,
        requests: &[Request],
        is_new: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<bool>,
    ) -> Result<bool, StoreError> {
        let path = self.path.clone();
        let failed = |source| StoreError::of(&path, source);
        let mut texts = Vec::new();
        for request in requests {
            let text = serde_json::to_string(request)
                .map_err(|source| StoreError::Unreadable { key: request.key.clone(), source })?;
            texts.push(text);
        }
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let is_new = is_new(&transaction).map_err(failed)?;
        for text in texts.iter().filter(|_| is_new) {
            let put = "INSERT INTO requests (request) VALUES (?1)";
            transaction.execute(put, [text]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(is_new)
    }
}
