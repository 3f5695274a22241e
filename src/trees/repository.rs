//! The bridge's own repository: made where it is missing, mended where a killed git left locks behind.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use git2::{ConfigLevel, Oid, RepositoryInitOptions};

use super::authors::Authors;
use super::{Limits, TreeError};

/// The bridge's repository. Cloned handles are the same one.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    git: OsString,
    limits: Limits,
    /// For short look-ups. What takes long opens a handle of its own.
    objects: Mutex<git2::Repository>,
    authors: RwLock<Authors>,
    /// Answers of [`Repository::holds`] that are true until a branch moves.
    held: Mutex<BTreeMap<String, Oid>>,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

/// Written once, when the repository is made.
///
/// `transfer.fsckObjects` is left off: upstream trees are named by whoever runs the bridge, every object's name is
/// checked against its content on arrival anyway, and old commits of real trees (Linux among them) do not pass it.
/// What strangers send never comes by fetch; the commits made of it are checked by the code that makes them.
const CONFIG: [(&str, &str); 4] = [
    // Objects that nothing refers to yet must stay: a series' commits are written before their branch.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.logAllRefUpdates", "false"),
    // Done in `upkeep`: a fetch fails as a whole where this part of it fails, on a lock left behind for example.
    ("fetch.writeCommitGraph", "false"),
];

/// References are locked for milliseconds: a lock of this age has no owner.
const STALE_LOCK: Duration = Duration::from_secs(10);

impl Repository {
    /// Opens the repository in `dir`, `<state_dir>/git`, and makes it where it is missing.
    ///
    /// # Errors
    /// It cannot be made, or what is there is no repository.
    pub fn open(dir: &Path) -> Result<Self, TreeError> {
        Self::open_with(dir, OsStr::new("git"), Limits::default())
    }

    /// [`Repository::open`] with another git program and other limits.
    ///
    /// # Errors
    /// As [`Repository::open`].
    pub fn open_with(dir: &Path, git: &OsStr, limits: Limits) -> Result<Self, TreeError> {
        let damaged = |source| TreeError::Damaged { path: dir.to_owned(), source };
        let mut options = RepositoryInitOptions::new();
        // Making it again changes nothing, and completes one that was made in part.
        options.bare(true).external_template(false).initial_head("main");
        let repository = match git2::Repository::init_opts(dir, &options) {
            Ok(repository) => repository,
            Err(_) if is_full(dir) => return Err(TreeError::DiskFull { path: dir.to_owned() }),
            Err(source) => return Err(damaged(source)),
        };
        // This repository's own settings, whatever its user's say.
        let config = repository.config().and_then(|all| all.open_level(ConfigLevel::Local));
        let mut config = config.map_err(damaged)?;
        for (name, value) in CONFIG {
            if config.get_string(name).ok().as_deref() != Some(value) {
                config.set_str(name, value).map_err(damaged)?;
            }
        }
        let inner = Inner {
            dir: dir.canonicalize().unwrap_or_else(|_| dir.to_owned()),
            git: git.to_owned(),
            limits,
            objects: Mutex::new(repository),
            authors: RwLock::new(Authors::load(dir)),
            held: Mutex::new(BTreeMap::new()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.inner.dir
    }

    /// A handle of one's own, for work that takes longer than a look-up.
    ///
    /// # Errors
    /// The repository was damaged since it was opened.
    pub fn objects(&self) -> Result<git2::Repository, TreeError> {
        git2::Repository::open_bare(self.path())
            .map_err(|source| TreeError::Damaged { path: self.path().to_owned(), source })
    }

    pub(super) fn look(&self) -> MutexGuard<'_, git2::Repository> {
        self.inner.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn held(&self) -> MutexGuard<'_, BTreeMap<String, Oid>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn authors(&self) -> &RwLock<Authors> {
        &self.inner.authors
    }

    pub(crate) fn git(&self) -> &OsStr {
        &self.inner.git
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// Removes references' locks that a killed git left behind: with them, no reference could be moved again.
    pub(crate) fn remove_stale_locks(&self) {
        remove_stale_locks(self.path());
    }

    /// Has the disk no room left, whatever git says?
    pub(crate) fn disk_is_full(&self, said: &str) -> bool {
        // The operating system's words, in the C locale.
        said.contains("No space left on device")
            || said.contains("Disk quota exceeded")
            || is_full(self.path())
    }
}

/// Removes references' locks in a repository on this machine that a killed git left behind.
pub(crate) fn remove_stale_locks(repository: &Path) {
    let mut folders = vec![repository.join("refs")];
    let mut files = vec![repository.join("packed-refs.lock"), repository.join("config.lock")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if entry.path().extension() == Some(OsStr::new("lock")) => files.push(entry.path()),
                _ => {}
            }
        }
    }
    for lock in files.into_iter().filter(|file| is_old(file)) {
        tracing::warn!(lock = %lock.display(), "removing a lock that was left behind");
        // Gone in the meantime, or still there and then named in git's error.
        let _ = std::fs::remove_file(&lock);
    }
}

fn is_old(file: &Path) -> bool {
    let age = file.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age > STALE_LOCK)
}

/// Less than this is as good as nothing for a fetch.
const FULL: u64 = 1 << 20;

fn is_full(dir: &Path) -> bool {
    let existing = dir.ancestors().find(|part| part.exists());
    let space = existing.and_then(|part| rustix::fs::statvfs(part).ok());
    space.is_some_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < FULL)
}
