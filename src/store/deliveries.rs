//! What came from outside and may come again: deliveries of GitHub's and comments of the list. Each is taken once.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Transaction, TransactionBehavior, params};

use super::{Request, Store, StoreError, millis, time};

/// GitHub lets a delivery be sent again for three days.
const DELIVERIES_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The number of a delivery is not signed, so that whoever has one delivery can send it again under other numbers. Within
/// this time the same body counts as such; later it is somebody who presses the same button again, as GitHub's bodies
/// need not differ then.
const SAME_BODY: Duration = Duration::from_secs(10 * 60);

/// A server's events are looked through back to where the last look ended, an outage of weeks included.
const COMMENTS_KEPT: Duration = Duration::from_secs(366 * 86_400);

impl Store {
    /// Takes a delivery and leaves what it asks for, both or neither. `false`: it was taken before, under its number or
    /// in the last ten minutes under another one, and nothing is left.
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
            let known = "SELECT count(*) FROM deliveries WHERE id = ?1 OR (digest = ?2 AND at > ?3)";
            let recent = millis(at - SAME_BODY);
            let known: i64 = transaction.query_row(known, params![id, digest, recent], |row| row.get(0))?;
            let is_new = known == 0;
            // One that is not obeyed does not make the time longer in which the next one is not.
            let digest = if is_new { digest } else { "" };
            let put = "INSERT INTO deliveries (id, digest, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            transaction.execute(put, params![id, digest, millis(at)])?;
            Ok(is_new)
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
            transaction.execute("DELETE FROM comments WHERE at < ?1", [millis(at - COMMENTS_KEPT)])?;
            let put = "INSERT INTO comments (server, msgid, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            Ok(transaction.execute(put, params![server, msgid, millis(at)])? == 1)
        })
    }

    /// Was this comment taken?
    ///
    /// # Errors
    /// The store failed.
    pub fn knows_comment(&self, server: &str, msgid: &str) -> Result<bool, StoreError> {
        let known = "SELECT count(*) FROM comments WHERE server = ?1 AND msgid = ?2";
        let count: i64 =
            self.sql(|db| db.prepare_cached(known)?.query_row([server, msgid], |row| row.get(0)))?;
        Ok(count > 0)
    }

    /// When each list of a server was looked through last, by the lists' names.
    ///
    /// # Errors
    /// The store failed.
    pub fn comments_looked(&self, server: &str) -> Result<BTreeMap<String, Timestamp>, StoreError> {
        let sql = "SELECT list, looked FROM comment_lists WHERE server = ?1 AND looked IS NOT NULL";
        let rows = self.rows(sql, [server], |row| Ok((row.get(0)?, time(row.get(1)?))))?;
        Ok(rows.into_iter().collect())
    }

    /// Notes that a list was looked through.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_comments_looked(&self, server: &str, list: &str, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO comment_lists (server, list, looked) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO UPDATE SET looked = excluded.looked";
        self.sql(|db| db.prepare_cached(sql)?.execute(params![server, list, millis(at)]).map(|_| ()))
    }

    /// The number of the newest comment that a list had when it was looked through first; 0: it had none. `None`: it was
    /// not looked through yet.
    ///
    /// # Errors
    /// The store failed.
    pub fn first_comment(&self, server: &str, list: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT first FROM comment_lists WHERE server = ?1 AND list = ?2";
        let rows = self.rows(sql, [server, list], |row| row.get::<_, Option<i64>>(0))?;
        Ok(rows.into_iter().flatten().find_map(|number| u64::try_from(number).ok()))
    }

    /// Notes what a list had when it was looked through first.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_first_comment(&self, server: &str, list: &str, number: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO comment_lists (server, list, first) VALUES (?1, ?2, ?3) \
                   ON CONFLICT DO UPDATE SET first = excluded.first";
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.sql(|db| db.prepare_cached(sql)?.execute(params![server, list, number]).map(|_| ()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_come_again_later_and_a_number_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut is_new = |minutes: i64, id: &str, digest: &str| {
            let at = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_mins(minutes);
            store.take_delivery(id, digest, at, &[]).unwrap()
        };
        assert!(is_new(0, "1", "same"));
        assert!(!is_new(9, "2", "same"), "sent again under another number");
        assert!(is_new(11, "3", "same"), "the same button, pressed again");
        assert!(!is_new(12, "4", "same"));
        assert!(!is_new(60, "2", "same"), "its number came before");
        assert!(!is_new(6 * 1440, "1", "other"));
        assert!(is_new(8 * 1440, "1", "same"), "GitHub keeps none for so long");
    }
}
