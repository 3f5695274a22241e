//! Records and history in SQLite, written before any outside effect.
//!
//! One file, `<state_dir>/patchlift.db`, in WAL mode with `synchronous = FULL`: what a call has written when it comes
//! back is there after a crash of the process or of the machine, and what it was killed in never happened.
//! In reading order: [`save`] writes, [`find`] looks up, [`journal`] holds steps that were begun and requests of
//! people, [`surroundings`] servers, trees and the heartbeat.

mod deliveries;
pub mod error;
#[cfg(test)]
mod faults;
pub mod find;
pub mod journal;
mod lock;
pub mod save;
#[cfg(test)]
mod scale;
mod schema;
pub mod surroundings;
mod wake;

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

pub use error::StoreError;
pub use find::{Filter, Found, patch_ids_digest};
pub use journal::{Intent, IntentId, Request, RequestId, What};
pub use save::Save;
pub use surroundings::{Heartbeat, ServerTrouble, TreeState, Watermark};

/// The database's name in the state directory.
pub const FILE: &str = "patchlift.db";

/// How long a call waits for another process before it is [`StoreError::Busy`]. Nobody holds the store for longer
/// than one small transaction.
pub const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// An open store.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    path: PathBuf,
    /// The bridge's own store has it.
    lock: Option<lock::Lock>,
    /// There are sinks to tell of series.
    sinks: bool,
}

impl Store {
    /// Opens the store of a state directory for the bridge: makes what is missing, brings an old one up to date and
    /// keeps every other bridge out until it is dropped.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        // The store holds what people wrote in private mails to the list's server: nobody else reads it.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| StoreError::Io { path: dir.to_owned(), source })?;
        let lock = lock::Lock::take(dir)?;
        let path = dir.join(FILE);
        // Also in a directory that was there before, and whatever the umask is. SQLite gives the files beside it the
        // same mode.
        let made = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        made.map_err(|source| StoreError::Io { path: path.clone(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut store = Self::connect(&path, flags, Some(lock))?;
        let found = store.check_origin()?;
        store.sql(|db| {
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.pragma_update(None, "synchronous", "FULL")
        })?;
        if found < schema::VERSION {
            let migrated = schema::migrate(&mut store.db, schema::MIGRATIONS);
            migrated.map_err(|source| StoreError::of(&store.path, source))?;
        }
        store.try_unreadable_again()?;
        Ok(store)
    }

    /// There are sinks: series that are saved from now on are found by [`Store::to_tell`]. Without sinks none is, so
    /// that old news is not told when there are some one day.
    #[must_use]
    pub fn with_sinks(self, sinks: bool) -> Self {
        Self { sinks, ..self }
    }

    /// Opens the store to look at it, also while a bridge works on it.
    ///
    /// # Errors
    /// See [`StoreError`]; a store that is not there is not made.
    pub fn read_only(dir: &Path) -> Result<Self, StoreError> {
        Self::beside(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// Opens the store to leave requests in it, also while a bridge works on it. Nothing but [`Store::ask`] may be
    /// called that writes.
    ///
    /// # Errors
    /// See [`StoreError`]; a store that is not there is not made.
    pub fn for_requests(dir: &Path) -> Result<Self, StoreError> {
        let store = Self::beside(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.sql(|db| db.pragma_update(None, "synchronous", "FULL"))?;
        Ok(store)
    }

    fn beside(dir: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { path });
            }
            Err(source) => return Err(StoreError::Io { path, source }),
            Ok(_) => {}
        }
        let store = Self::connect(&path, flags, None)?;
        match store.check_origin()? {
            0 => Err(StoreError::Missing { path }),
            found if found < schema::VERSION => {
                Err(StoreError::Older { path, found, known: schema::VERSION })
            }
            _ => Ok(store),
        }
    }

    fn connect(path: &Path, flags: OpenFlags, lock: Option<lock::Lock>) -> Result<Self, StoreError> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|source| StoreError::of(path, source))?;
        let store = Self { db, path: path.to_owned(), lock, sinks: false };
        store.sql(|db| {
            db.busy_timeout(BUSY_LIMIT)?;
            db.pragma_update(None, "foreign_keys", true)
        })?;
        // More statements than there are kinds of them here: none is ever compiled twice.
        store.db.set_prepared_statement_cache_capacity(64);
        Ok(store)
    }

    /// The store's version, if this patchlift may use it.
    fn check_origin(&self) -> Result<i64, StoreError> {
        let (found, mark) = self.sql(|db| Ok((schema::version(db)?, schema::application_id(db)?)))?;
        let path = || self.path.clone();
        let tables: i64 =
            self.sql(|db| db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)))?;
        if mark != schema::APPLICATION_ID && (mark != 0 || found != 0 || tables != 0) {
            return Err(StoreError::Foreign { path: path(), found: mark });
        }
        if found > schema::VERSION {
            return Err(StoreError::Newer { path: path(), found, known: schema::VERSION });
        }
        Ok(found)
    }

    /// Runs SQL and gives its error a name.
    fn sql<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        run(&self.db).map_err(|source| StoreError::of(&self.path, source))
    }
}

/// A time as it is stored.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A stored time; 1970 where the number is none.
fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}
