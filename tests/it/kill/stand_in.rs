//! The harness itself, tested on a program that does nothing but save: this test binary, started once more.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rustix::io::Errno;

use super::shim::{Disk, Orders, Shim, Side};
use crate::world::process::Bridge;

const FOLDER: &str = "PATCHLIFT_STAND_IN_FOLDER";
const ROWS: u64 = 20;

/// Not a test by itself: the program that the tests below start.
#[test]
fn saves_rows() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    assert_eq!(std::env::var_os("LD_PRELOAD"), None, "its children would have the library, too");
    let db = open(Path::new(&folder));
    for row in 0..ROWS {
        db.execute("INSERT INTO saved VALUES (?1)", [row]).unwrap();
    }
}

fn open(folder: &Path) -> Connection {
    let db = Connection::open(folder.join("db")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "synchronous", "full").unwrap();
    db
}

/// Runs it and gives whether it ended well, how many rows are there, and what it said.
fn run(shim: &Shim, orders: &Orders) -> (bool, u64, String) {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).execute_batch("CREATE TABLE saved (row INTEGER)").unwrap();
    let mut orders = orders.clone();
    if let Some(disk) = &mut orders.disk {
        disk.below = folder.path().to_owned();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::stand_in::saves_rows", "--nocapture"]).env(FOLDER, folder.path());
    shim.load_into(&mut command, &orders);
    // Not on the disk that fails.
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut program = Bridge::start(command, log.path());
    let status = program.wait(Duration::from_secs(30)).expect("it does not end");
    let rows = open(folder.path()).query_row("SELECT count(*) FROM saved", [], |row| row.get(0)).unwrap();
    (status.success(), rows, program.said())
}

#[test]
fn kill_the_stand_in_at_each_sync() {
    let Some(shim) = Shim::build() else { return };
    let (ended_well, rows, said) = run(&shim, &Orders::default());
    assert!(ended_well, "{said}");
    assert_eq!(rows, ROWS);
    let syncs = shim.syncs();
    assert!(syncs >= ROWS, "{syncs} syncs: SQLite's do not pass the library");
    let mut before = 0;
    for at in 1..=syncs {
        for side in [Side::Before, Side::After] {
            let (ended_well, rows, _) = run(&shim, &Orders { kill: Some((at, side)), disk: None });
            assert!(!ended_well, "{at} {side:?}: it lives");
            assert_eq!(shim.syncs(), at);
            // Once a row is there it stays there; a process that dies loses nothing the kernel has.
            assert!((before..=before + 1).contains(&rows), "{at} {side:?}: {before} then {rows}");
            before = rows;
        }
    }
    assert_eq!(before, ROWS);
}

#[test]
fn fault_of_the_disk_reaches_sqlite() {
    let Some(shim) = Shim::build() else { return };
    for errno in [Errno::NOSPC, Errno::ROFS, Errno::IO] {
        for from in [1, 2, 7, 30] {
            let disk = Disk { errno, from, below: "/".into(), only_while: None };
            let (ended_well, rows, said) = run(&shim, &Orders { kill: None, disk: Some(disk) });
            assert!(!ended_well && rows < ROWS, "{errno:?} from {from}: {rows} rows");
            assert!(said.contains("SqliteFailure"), "{errno:?} from {from}: {said}");
        }
    }
}

#[test]
fn fault_of_the_disk_ends_when_its_file_is_gone() {
    let Some(shim) = Shim::build() else { return };
    let only_while = Some("/nonexistent/full".into());
    let disk = Disk { errno: Errno::NOSPC, from: 1, below: "/".into(), only_while };
    let (ended_well, rows, said) = run(&shim, &Orders { kill: None, disk: Some(disk) });
    assert!(ended_well && rows == ROWS, "{said}");
}
