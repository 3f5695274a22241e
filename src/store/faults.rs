//! Faults that only the connection itself can bring about.

use super::*;
use crate::listing::{Listing, SeriesKey};
use crate::record::Record;

fn record(id: u64) -> Record {
    let listing = Listing { id, ..Listing::sample(&[]) };
    Record::new(SeriesKey { server: "s".to_owned(), id }, listing, time(0))
}

#[test]
fn a_full_disk_is_said_changes_nothing_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.create(&Save::new(&record(1), &[])).unwrap();
    let pages: i64 = store.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let limit = |store: &Store, pages: i64| {
        store.db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit(&store, pages);
    let mails: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(100_000).collect();
    let mut changed = record(1);
    changed.priority = 9;
    let save = Save { mails: Some(&mails), ..Save::of(&changed, &[]) };
    let error = store.save(&save).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }) && error.may_pass(), "{error:?}");
    assert_eq!(store.get(&changed.key).unwrap().unwrap().priority, 0);
    assert_eq!(store.mails(&changed.key, 1).unwrap(), None);
    limit(&store, 1_000_000);
    store.save(&save).unwrap();
    assert_eq!(store.mails(&changed.key, 1).unwrap().unwrap(), mails);
}

#[test]
fn a_store_that_may_not_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap();
    store.db.pragma_update(None, "query_only", true).unwrap();
    let error = store.create(&Save::new(&record(1), &[])).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(matches!(store.beat(time(0)), Err(StoreError::ReadOnly { .. })));
}

#[test]
fn what_is_written_is_synced_before_it_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let pragma = |name: &str| -> String {
        store
            .db
            .query_row(&format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"), [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("foreign_keys"), "1");
}
