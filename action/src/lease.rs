//! One run a box: a lock that dies with the process that holds it, and the mark of a box that must not be
//! used.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Why the box can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Another run has it.
    #[error("box {name} is in use by {holder}: wait for it to end")]
    Taken {
        /// The box.
        name: String,
        /// Process and start of the other run.
        holder: String,
    },
    /// It did not come back from an earlier run.
    #[error("box {name} is quarantined ({reason}): check it, then remove {}", .file.display())]
    Quarantined {
        /// The box.
        name: String,
        /// Why.
        reason: String,
        /// The mark.
        file: PathBuf,
    },
    /// Another run works in the folder.
    #[error("another run works in {}: wait for it to end, or give this one its own folder", .dir.display())]
    Work {
        /// The folder.
        dir: PathBuf,
    },
    /// The lock file can't be used.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The right to use a box, given back when this value is dropped or its process dies.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
    mark: PathBuf,
}

impl Lease {
    /// Takes the box whose description lies in `dir`.
    ///
    /// # Errors
    /// Where another run has it, or it is quarantined.
    pub fn take(dir: &Path, name: &str) -> Result<Self, LeaseError> {
        let path = dir.join("lease");
        let file_error = |source| LeaseError::File { path: path.clone(), source };
        let mut lock = File::options()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(file_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = Read::by_ref(&mut lock).take(200).read_to_string(&mut holder);
                return Err(LeaseError::Taken { name: name.to_owned(), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(file_error(source)),
        }
        let mark = dir.join("quarantine");
        match std::fs::read_to_string(&mark) {
            Ok(reason) => {
                let reason = crate::text::cut(&crate::text::clean(reason.as_bytes()), 200);
                return Err(LeaseError::Quarantined { name: name.to_owned(), reason, file: mark });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(LeaseError::File { path: mark, source }),
        }
        let holder = format!("process {} since {:.0}\n", std::process::id(), Timestamp::now());
        lock.rewind()
            .and_then(|()| lock.set_len(0))
            .and_then(|()| lock.write_all(holder.as_bytes()))
            .map_err(file_error)?;
        Ok(Self { _lock: lock, mark })
    }

    /// Takes the folder that a run works in: its tree and its builds belong to one run at a time.
    ///
    /// # Errors
    /// Where another run works in it.
    pub fn lock_work(dir: &Path) -> Result<File, LeaseError> {
        let path = dir.join("lock");
        let file_error = |source| LeaseError::File { path: path.clone(), source };
        let lock = File::options().create(true).read(true).write(true).truncate(false).open(&path);
        let lock = lock.map_err(file_error)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(LeaseError::Work { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(file_error(source)),
        }
    }

    /// Marks the box as not to be used until a person has looked at it.
    ///
    /// # Errors
    /// Where the mark can't be written: then nothing but the report keeps the next run away.
    pub fn quarantine(&self, reason: &str) -> Result<(), LeaseError> {
        let file_error = |source| LeaseError::File { path: self.mark.clone(), source };
        let mut mark = File::create(&self.mark).map_err(file_error)?;
        writeln!(mark, "{:.0} {reason}", Timestamp::now()).and_then(|()| mark.sync_all()).map_err(file_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_a_box() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let lease = Lease::take(dir.path(), "p8").expect("it is free");
        let refused = Lease::take(dir.path(), "p8").expect_err("it is taken").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lease);
        Lease::take(dir.path(), "p8").expect("it is free again");
    }

    #[test]
    fn a_quarantined_box_is_refused_with_its_reason() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        Lease::take(dir.path(), "p8").expect("it is free").quarantine("no way back").expect("it is marked");
        let refused = Lease::take(dir.path(), "p8").expect_err("it is quarantined").to_string();
        assert!(refused.contains("no way back") && refused.contains("quarantine"), "{refused}");
    }
}
