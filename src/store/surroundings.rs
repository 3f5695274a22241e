//! What is known of servers and trees, and whether the bridge is alive.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, millis, time};

/// How far a server has been looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Every series up to this number is stored, or is none of ours.
    pub id: u64,
    /// When the server was looked at last.
    pub scanned_at: Timestamp,
    /// When everything was compared with the server last.
    pub reconciled_at: Option<Timestamp>,
}

/// A server that cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTrouble {
    /// Its name in the configuration, or that of another far side (`github`, `mirror`).
    pub server: String,
    /// What is wrong, one line.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
}

/// What is known of one branch of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeState {
    /// The tree's name.
    pub tree: String,
    /// The branch.
    pub branch: String,
    /// Its commit, in hex, as it was fetched last.
    pub commit: Option<String>,
    /// When it was fetched last.
    pub fetched_at: Option<Timestamp>,
    /// Why it could not be fetched since, and since when.
    pub trouble: Option<(String, Timestamp)>,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The bridge's process.
    pub pid: u32,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// How far a server has been looked through; `None` before its first look.
    ///
    /// # Errors
    /// The store failed.
    pub fn watermark(&self, server: &str) -> Result<Option<Watermark>, StoreError> {
        self.sql(|db| {
            db.prepare_cached(
                "SELECT watermark, scanned_at, reconciled_at FROM servers \
                 WHERE server = ?1 AND watermark IS NOT NULL",
            )?
            .query_row([server], |row| {
                Ok(Watermark {
                    id: row.get(0)?,
                    scanned_at: time(row.get(1)?),
                    reconciled_at: row.get::<_, Option<i64>>(2)?.map(time),
                })
            })
            .optional()
        })
    }

    /// Notes how far a server has been looked through. Never goes back.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_watermark(&self, server: &str, id: u64, at: Timestamp) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO servers (server, watermark, scanned_at) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
             SET watermark = max(coalesce(watermark, 0), excluded.watermark), scanned_at = excluded.scanned_at",
            params![server, id, millis(at)],
        )
    }

    /// Notes that everything was compared with a server.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_reconciled(&self, server: &str, at: Timestamp) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO servers (server, reconciled_at) VALUES (?1, ?2) ON CONFLICT DO UPDATE \
             SET reconciled_at = excluded.reconciled_at",
            params![server, millis(at)],
        )
    }

    /// Notes that a far side is in trouble, or not any more. The time of the first of several in a row is kept.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_server_trouble(
        &self,
        server: &str,
        what: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(
            "INSERT INTO servers (server, trouble, trouble_since) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
             SET trouble = excluded.trouble, trouble_since = CASE \
             WHEN excluded.trouble IS NULL THEN NULL ELSE coalesce(trouble_since, excluded.trouble_since) END",
            params![server, what, what.map(|_| millis(at))],
        )
    }

    /// The far sides that are in trouble.
    ///
    /// # Errors
    /// The store failed.
    pub fn server_troubles(&self) -> Result<Vec<ServerTrouble>, StoreError> {
        self.rows(
            "SELECT server, trouble, trouble_since FROM servers WHERE trouble IS NOT NULL ORDER BY server",
            [],
            |row| Ok(ServerTrouble { server: row.get(0)?, what: row.get(1)?, since: time(row.get(2)?) }),
        )
    }

    /// Notes what is known of a branch. A trouble that lasts keeps the time at which it began.
    ///
    /// # Errors
    /// The store failed.
    pub fn set_tree(&self, state: &TreeState) -> Result<(), StoreError> {
        let (what, since) = state.trouble.as_ref().map(|(what, since)| (what, millis(*since))).unzip();
        self.write(
            "INSERT INTO trees (tree, branch, \"commit\", fetched_at, trouble, trouble_since) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \"commit\" = excluded.\"commit\", \
             fetched_at = excluded.fetched_at, trouble = excluded.trouble, trouble_since = CASE \
             WHEN excluded.trouble IS NULL THEN NULL ELSE coalesce(trouble_since, excluded.trouble_since) END",
            params![state.tree, state.branch, state.commit, state.fetched_at.map(millis), what, since],
        )
    }

    /// What is known of every branch.
    ///
    /// # Errors
    /// The store failed.
    pub fn trees(&self) -> Result<Vec<TreeState>, StoreError> {
        self.rows(
            "SELECT tree, branch, \"commit\", fetched_at, trouble, trouble_since FROM trees ORDER BY 1, 2",
            [],
            |row: &Row<'_>| {
                let what: Option<String> = row.get(4)?;
                let since: Option<i64> = row.get(5)?;
                Ok(TreeState {
                    tree: row.get(0)?,
                    branch: row.get(1)?,
                    commit: row.get(2)?,
                    fetched_at: row.get::<_, Option<i64>>(3)?.map(time),
                    trouble: what.map(|what| (what, time(since.unwrap_or_default()))),
                })
            },
        )
    }

    /// Leaves a sign of life of this process: at least every 30 seconds while the bridge runs.
    ///
    /// # Errors
    /// The store failed.
    pub fn beat(&self, at: Timestamp) -> Result<(), StoreError> {
        self.write(
            "INSERT OR REPLACE INTO heartbeat (one, pid, at) VALUES (1, ?1, ?2)",
            params![std::process::id(), millis(at)],
        )
    }

    /// The bridge's last sign of life.
    ///
    /// # Errors
    /// The store failed.
    pub fn heartbeat(&self) -> Result<Option<Heartbeat>, StoreError> {
        self.sql(|db| {
            db.query_row("SELECT pid, at FROM heartbeat", [], |row| {
                Ok(Heartbeat { pid: row.get(0)?, at: time(row.get(1)?) })
            })
            .optional()
        })
    }

    /// Takes the sign of life away: the bridge ends in order.
    ///
    /// # Errors
    /// The store failed.
    pub fn end_heartbeat(&self) -> Result<(), StoreError> {
        self.write("DELETE FROM heartbeat", [])
    }

    fn write(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        self.sql(|db| db.prepare_cached(sql)?.execute(values).map(|_| ()))
    }
}
