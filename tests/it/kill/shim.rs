//! The library that is loaded into the bridge to kill it, or to let its disk fail, at one exact moment.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::run::{arg, must};

const SOURCE: &str = include_str!("shim.c");

/// The built library.
pub(crate) struct Shim {
    dir: TempDir,
}

/// On which side of a sync the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nothing of it is on the disk for sure.
    Before,
    /// It is on the disk, and the process does not know it.
    After,
}

/// What the library does to one process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    /// At which sync it is killed, from 1.
    pub(crate) kill: Option<(u64, Side)>,
    /// What is wrong with its disk.
    pub(crate) disk: Option<Disk>,
}

/// A disk that fails.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) errno: rustix::io::Errno,
    /// From which write on, from 1.
    pub(crate) from: u64,
    pub(crate) below: PathBuf,
    /// Only while this file is there.
    pub(crate) only_while: Option<PathBuf>,
}

impl Shim {
    /// Builds it; `None`, loudly, where there is no C compiler.
    pub(crate) fn build() -> Option<Self> {
        if Command::new("cc").arg("--version").output().is_err() {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "cc is missing");
            eprintln!("SKIPPED: cc is missing, so nothing can be loaded into the bridge");
            return None;
        }
        let shim = Self { dir: tempfile::tempdir().unwrap() };
        let source = shim.dir.path().join("shim.c");
        std::fs::write(&source, SOURCE).unwrap();
        let library = shim.library();
        must(Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", arg(&library), arg(&source)]));
        Some(shim)
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("shim.so")
    }

    fn counter(&self) -> PathBuf {
        self.dir.path().join("count")
    }

    /// Loads it into the process that `command` will start, and into none of that one's children.
    pub(crate) fn load_into(&self, command: &mut Command, orders: &Orders) {
        command.env("LD_PRELOAD", self.library()).env("PATCHLIFT_SHIM_COUNT", self.counter());
        if let Some((at, side)) = orders.kill {
            let side = if side == Side::Before { "before" } else { "after" };
            command.env("PATCHLIFT_SHIM_KILL", format!("{at}:{side}"));
        }
        if let Some(disk) = &orders.disk {
            let order = format!("{}:{}:{}", disk.errno.raw_os_error(), disk.from, disk.below.display());
            command.env("PATCHLIFT_SHIM_FAIL", order);
            command.envs(disk.only_while.iter().map(|file| ("PATCHLIFT_SHIM_WHILE", file)));
        }
    }

    /// How many syncs the process it was loaded into last has done so far.
    pub(crate) fn syncs(&self) -> u64 {
        read_count(&self.counter()).unwrap_or(0)
    }
}

fn read_count(file: &Path) -> Option<u64> {
    Some(u64::from_ne_bytes(std::fs::read(file).ok()?.try_into().ok()?))
}
