//! What can be wrong with the store, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::listing::SeriesKey;

/// Why the store could not be used. The path is the database's unless it is said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another bridge works on it.
    #[error("{}: in use by {}; only one bridge may work on a state directory", path.display(), by(*pid))]
    Locked {
        /// The state directory.
        path: PathBuf,
        /// The other one, where its number could be read.
        pid: Option<u32>,
    },
    /// There is none.
    #[error("{}: no store there; check state_dir, or start the bridge once", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A newer patchlift made it.
    #[error("{}: made by a newer patchlift (store version {found}, this one knows {known}); update patchlift", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that is understood.
        known: i64,
    },
    /// An older patchlift made it, and this command does not change it.
    #[error("{}: made by an older patchlift (store version {found} of {known}); start the bridge once", path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version it will get.
        known: i64,
    },
    /// It is a database of something else.
    #[error("{}: not a store of patchlift (application id {found:#x}); choose another state_dir", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// SQLite's application id.
        found: i64,
    },
    /// It is no database, or a damaged one.
    #[error("{}: damaged; stop the bridge, keep a copy and put a backup in its place", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// No space is left.
    #[error("{}: the disk is full; nothing was changed", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It may not be written.
    #[error("{}: cannot be written; check the owner of the state directory and how its disk is mounted", path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// It may not be opened: no right to, or no room for the files beside it.
    #[error("{}: cannot be opened; check who may read and write the state directory", path.display())]
    Unopened {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The disk refused to read, write or sync.
    #[error("{}: the disk failed; the system's log says more", path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// Somebody else kept it locked for longer than [`super::BUSY_LIMIT`].
    #[error("{}: another process keeps it busy; try again", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A file of the state directory cannot be read, made or locked.
    #[error("{}: cannot be opened", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite refused for another reason.
    #[error("{}: the store failed", path.display())]
    Sql {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored record, its history or its mails are not what this patchlift writes.
    #[error("{key}: what is stored of it cannot be read")]
    Unreadable {
        /// Which series.
        key: SeriesKey,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A series that is stored already was to be created.
    #[error("{key}: stored already")]
    Exists {
        /// Which series.
        key: SeriesKey,
    },
    /// A series that was never created was to be changed.
    #[error("{key}: not stored")]
    Unknown {
        /// Which series.
        key: SeriesKey,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    /// Gives an error of SQLite the name by which callers tell it from others.
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path, source },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, source },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, source },
            Some(ErrorCode::CannotOpen) => Self::Unopened { path, source },
            Some(ErrorCode::SystemIoFailure) => Self::Disk { path, source },
            _ => Self::Sql { path, source },
        }
    }

    /// Another try may work without anybody doing something about it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Full { .. })
    }
}
