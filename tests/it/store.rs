//! The store, through its own interface, on real files.

pub(crate) mod samples;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use patchlift::listing::SeriesKey;
use patchlift::record::state::Same;
use patchlift::record::{Event, Moment, Record, State, Trouble};
use patchlift::store::{Filter, Request, Save, Store, StoreError, TreeState, What};
use patchlift_report::Fault;
use samples::{at, finished, key, record, stands, states, text};

/// A store in a directory of its own.
struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
}

fn store() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    Fixture { dir, store }
}

impl Fixture {
    fn has(&mut self, records: &[Record]) {
        for record in records {
            self.store.create(&Save::new(record, &[])).unwrap();
        }
    }

    fn reopened(self) -> Self {
        drop(self.store);
        let store = Store::open(self.dir.path()).unwrap();
        Self { dir: self.dir, store }
    }

    /// Does something to the file that no patchlift does.
    fn behind_its_back(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.dir.path().join("patchlift.db")).unwrap();
        db.execute_batch(sql).unwrap();
    }
}

fn ids(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.key.id).collect()
}

#[test]
fn every_state_is_stored_as_it_always_was() {
    let mut fixture = store();
    for (place, (state, expected)) in (1_u64..).zip(states()) {
        assert_eq!(serde_json::to_value(&state).unwrap(), expected);
        let mut record = stands(place, state, Some(at(5)));
        record.text = Some(text(&["p1"]));
        record.trouble = Some(Trouble {
            whose: Fault::Infrastructure,
            what: "no answer".into(),
            times: 3,
            outages: 0,
            last: at(4),
        });
        fixture.has(std::slice::from_ref(&record));
        assert_eq!(fixture.store.get(&key(place)).unwrap().as_ref(), Some(&record));
    }
    let fixture = fixture.reopened();
    assert_eq!(fixture.store.unfinished().unwrap().len(), states().len());
}

#[test]
fn a_series_is_created_once_and_changed_only_after_that() {
    let mut fixture = store();
    let mut one = record(1);
    assert!(
        matches!(fixture.store.save(&Save::of(&one, &[])), Err(StoreError::Unknown { key }) if key.id == 1)
    );
    fixture.has(&[one.clone()]);
    one.priority = 7;
    assert!(matches!(fixture.store.create(&Save::of(&one, &[])), Err(StoreError::Exists { .. })));
    assert_eq!(fixture.store.get(&key(1)).unwrap().unwrap().priority, 0);
    fixture.store.save(&Save::of(&one, &[])).unwrap();
    assert_eq!(fixture.store.get(&key(1)).unwrap().unwrap().priority, 7);
    assert_eq!(fixture.store.get(&key(2)).unwrap(), None);
}

#[test]
fn several_series_are_written_or_none() {
    let mut fixture = store();
    fixture.has(&[record(1)]);
    let changed = Record { priority: 5, ..record(1) };
    let missing = record(2);
    let result = fixture.store.save_all(&[Save::of(&changed, &[]), Save::of(&missing, &[])]);
    assert!(matches!(result, Err(StoreError::Unknown { key }) if key.id == 2));
    assert_eq!(fixture.store.get(&key(1)).unwrap().unwrap().priority, 0);
    fixture.store.save_all(&[Save::of(&changed, &[]), Save::new(&missing, &[])]).unwrap();
    assert_eq!(fixture.store.get(&key(1)).unwrap().unwrap().priority, 5);
    assert!(fixture.store.get(&key(2)).unwrap().is_some());
}

#[test]
fn what_is_due_comes_in_the_order_of_its_time() {
    let mut fixture = store();
    assert_eq!(fixture.store.next_due().unwrap(), None);
    fixture.has(&[
        stands(1, State::Ready, Some(at(30))),
        stands(2, State::Ready, Some(at(10))),
        stands(3, State::Ready, None),
        stands(4, State::Ready, Some(at(20))),
    ]);
    assert_eq!(fixture.store.next_due().unwrap(), Some(at(10)));
    assert_eq!(ids(&fixture.store.due(at(20), 10).unwrap()), [2, 4]);
    assert_eq!(ids(&fixture.store.due(at(99), 2).unwrap()), [2, 4]);
    assert_eq!(ids(&fixture.store.due(at(9), 10).unwrap()), [0; 0]);
}

#[test]
fn series_are_found_by_what_they_are() {
    let mut fixture = store();
    let mut with_text = stands(2, finished(7), None);
    with_text.text = Some(text(&["p1", "p2"]));
    let other = SeriesKey { server: "kernel".to_owned(), id: 900 };
    fixture.has(&[
        stands(1, State::Whole, Some(at(0))),
        with_text,
        stands(3, State::Follows { leader: key(2), why: Same::Resend }, None),
        Record { key: other.clone(), ..record(4) },
    ]);
    let store = &fixture.store;
    assert_eq!(ids(&store.unfinished().unwrap()), [1, 900]);
    assert_eq!(ids(&store.in_state(&["received", "failed"]).unwrap()), [1, 2]);
    assert_eq!(store.known_ids("ozlabs", 2).unwrap().into_iter().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(store.highest("ozlabs").unwrap(), Some(3));
    assert_eq!(store.highest("nobody").unwrap(), None);
    assert_eq!(store.by_msgid("21@example.org").unwrap(), [key(2)]);
    assert_eq!(store.by_msgid("40@example.org").unwrap(), [other], "the cover letter's");
    let patch_ids = |ids: &[&str]| store.by_patch_ids(&text(ids).patch_ids).unwrap();
    assert_eq!(patch_ids(&["p1", "p2"]), [key(2)]);
    assert!(patch_ids(&["p1"]).is_empty() && patch_ids(&[]).is_empty());
    assert_eq!(ids(&store.by_submitter("ozlabs", "linuxppc-dev", "ada@example.org").unwrap()), [1, 2, 3]);
    assert_eq!(ids(&store.followers(&key(2)).unwrap()), [3]);
    assert_eq!(store.counts().unwrap().len(), 4);
    assert_eq!(store.run_times("p8", 5).unwrap(), [Duration::from_secs(600)]);
}

#[test]
fn a_mail_that_left_the_listing_is_still_found() {
    let mut fixture = store();
    let mut one = record(1);
    fixture.has(&[one.clone()]);
    one.listing.patches.remove(0);
    fixture.store.save(&Save::of(&one, &[])).unwrap();
    assert_eq!(fixture.store.by_msgid("11@example.org").unwrap(), [key(1)]);
}

#[test]
fn the_list_begins_with_the_newest_and_can_be_narrowed() {
    let mut fixture = store();
    let mut elsewhere = stands(4, State::Ready, None);
    elsewhere.listing.project = "kvm".to_owned();
    fixture.has(&[
        stands(1, State::Ready, None),
        stands(2, State::GivenUp { reason: String::new() }, None),
        stands(3, State::Waiting, None),
        elsewhere,
    ]);
    let list = |filter: &Filter| ids(&fixture.store.listed(filter).unwrap().records);
    assert_eq!(list(&Filter::default()), [4, 3, 2, 1]);
    assert_eq!(list(&Filter { limit: 2, ..Filter::default() }), [4, 3]);
    assert_eq!(list(&Filter { open: true, ..Filter::default() }), [4, 3, 1]);
    assert_eq!(list(&Filter { project: Some("kvm".into()), ..Filter::default() }), [4]);
    let states = vec!["ready".to_owned(), "given-up".to_owned()];
    assert_eq!(list(&Filter { states: states.clone(), ..Filter::default() }), [4, 2, 1]);
    assert_eq!(list(&Filter { states, project: Some("linuxppc-dev".into()), limit: 1, open: false }), [2]);
}

#[test]
fn mails_reports_and_history_are_kept_for_every_revision() {
    let mut fixture = store();
    let mut one = record(1);
    fixture.has(&[one.clone()]);
    let mails = vec![b'x'; 3 << 20];
    let seen = Moment { at: at(1), event: Event::Seen };
    let noted = Moment { at: at(2), event: Event::Noted { words: "the base moved".to_owned() } };
    fixture.store.save(&Save { mails: Some(&mails), ..Save::of(&one, std::slice::from_ref(&seen)) }).unwrap();
    one.revision = 2;
    let save =
        Save { mails: Some(b"two"), report: Some(b"{}"), ..Save::of(&one, std::slice::from_ref(&noted)) };
    fixture.store.save(&save).unwrap();
    let fixture = fixture.reopened();
    assert_eq!(fixture.store.mails(&key(1), 1).unwrap().unwrap(), mails);
    assert_eq!(fixture.store.mails(&key(1), 2).unwrap().unwrap(), b"two");
    assert_eq!(fixture.store.mails(&key(1), 3).unwrap(), None);
    assert_eq!(fixture.store.report(&key(1), 1).unwrap(), None);
    assert_eq!(fixture.store.report(&key(1), 2).unwrap().unwrap(), b"{}");
    assert_eq!(fixture.store.history(&key(1)).unwrap(), [seen, noted]);
    let size = fs::metadata(fixture.dir.path().join("patchlift.db")).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes: the mails are not compressed");
}

#[test]
fn a_step_that_was_begun_is_open_until_a_save_closes_it() {
    let mut fixture = store();
    fixture.has(&[record(1), record(2)]);
    let first = fixture.store.begin(&key(1), "push", "to c2", at(1)).unwrap();
    fixture.store.begin(&key(2), "push", "", at(2)).unwrap();
    let mut fixture = fixture.reopened();
    let second = fixture.store.begin(&key(1), "push", "to c3", at(3)).unwrap();
    assert_ne!(first, second);
    let open = fixture.store.open_intents().unwrap();
    let seen: Vec<_> = open.iter().map(|i| (i.key.id, i.step.as_str(), i.note.as_str(), i.times)).collect();
    assert_eq!(seen, [(2, "push", "", 1), (1, "push", "to c3", 2)]);
    assert_eq!((open[1].id, open[1].at), (second, at(3)));
    let one = record(1);
    fixture.store.save(&Save { closes: Some(second), ..Save::of(&one, &[]) }).unwrap();
    assert_eq!(fixture.store.open_intents().unwrap().len(), 1);
    fixture.store.begin(&key(1), "push", "", at(4)).unwrap();
    assert_eq!(fixture.store.open_intents().unwrap()[1].times, 1, "counting begins again");
    assert!(matches!(fixture.store.begin(&key(3), "push", "", at(5)), Err(StoreError::Unknown { .. })));
}

#[test]
fn requests_are_left_while_the_bridge_works_and_closed_by_what_it_does() {
    let mut fixture = store();
    fixture.has(&[record(1)]);
    let beside = Store::for_requests(fixture.dir.path()).unwrap();
    let request = |what| Request { key: key(1), what, who: "ada".to_owned(), at: at(1) };
    let asked = [
        request(What::Release),
        request(What::Refuse { reason: "no".into() }),
        request(What::Retest),
        request(What::Priority { priority: -3 }),
    ];
    for request in &asked {
        beside.ask(request).unwrap();
    }
    let found = fixture.store.requests().unwrap();
    assert_eq!(found.iter().map(|(_, request)| request.clone()).collect::<Vec<_>>(), asked);
    let one = record(1);
    fixture.store.save(&Save { answers: &[found[0].0, found[1].0], ..Save::of(&one, &[]) }).unwrap();
    fixture.store.drop_request(found[3].0).unwrap();
    fixture.behind_its_back("INSERT INTO requests (request) VALUES ('{\"what\":\"of_the_future\"}')");
    assert_eq!(beside.requests().unwrap().len(), 1, "who only looks drops nothing");
    let left = fixture.store.requests().unwrap();
    assert_eq!(left.iter().map(|(_, request)| &request.what).collect::<Vec<_>>(), [&What::Retest]);
}

#[test]
fn watermarks_never_go_back_and_troubles_keep_their_beginning() {
    let store = store().store;
    assert_eq!(store.watermark("ozlabs").unwrap(), None);
    store.set_reconciled("ozlabs", at(1)).unwrap();
    assert_eq!(store.watermark("ozlabs").unwrap(), None, "it has not been looked through yet");
    store.set_watermark("ozlabs", 500, at(2)).unwrap();
    store.set_watermark("ozlabs", 400, at(3)).unwrap();
    let mark = store.watermark("ozlabs").unwrap().unwrap();
    assert_eq!((mark.id, mark.scanned_at, mark.reconciled_at), (500, at(3), Some(at(1))));

    store.set_server_trouble("ozlabs", Some("502"), at(4)).unwrap();
    store.set_server_trouble("ozlabs", Some("no answer"), at(5)).unwrap();
    let trouble = store.server_troubles().unwrap();
    assert_eq!((trouble[0].what.as_str(), trouble[0].since), ("no answer", at(4)));
    store.set_server_trouble("ozlabs", None, at(6)).unwrap();
    assert!(store.server_troubles().unwrap().is_empty());
    assert_eq!(store.watermark("ozlabs").unwrap().unwrap().id, 500);

    let mut tree = TreeState {
        tree: "powerpc".to_owned(),
        branch: "next".to_owned(),
        commit: Some("c1".to_owned()),
        fetched_at: Some(at(1)),
        trouble: Some(("no route".to_owned(), at(2))),
    };
    store.set_tree(&tree).unwrap();
    tree.trouble = Some(("timeout".to_owned(), at(3)));
    store.set_tree(&tree).unwrap();
    assert_eq!(store.trees().unwrap()[0].trouble, Some(("timeout".to_owned(), at(2))));
    tree.trouble = None;
    store.set_tree(&tree).unwrap();
    assert_eq!(store.trees().unwrap(), [tree]);

    assert_eq!(store.heartbeat().unwrap(), None);
    store.beat(at(1)).unwrap();
    store.beat(at(2)).unwrap();
    let beat = store.heartbeat().unwrap().unwrap();
    assert_eq!((beat.pid, beat.at), (std::process::id(), at(2)));
    store.end_heartbeat().unwrap();
    assert_eq!(store.heartbeat().unwrap(), None);
}

#[test]
fn one_bad_row_hides_no_other_and_is_tried_again() {
    let mut fixture = store();
    fixture.has(&[
        stands(1, State::Ready, Some(at(0))),
        stands(2, State::Ready, Some(at(1))),
        stands(3, State::Ready, Some(at(2))),
    ]);
    fixture.behind_its_back(
        "UPDATE series SET record = json_set(record, '$.state.is', 'of_the_future') WHERE id = 1",
    );
    assert_eq!(ids(&fixture.store.due(at(9), 1).unwrap()), [2]);
    assert_eq!(fixture.store.next_due().unwrap(), Some(at(1)), "it is not asked for again and again");
    assert_eq!(ids(&fixture.store.in_state(&["ready"]).unwrap()), [2, 3]);
    assert!(matches!(fixture.store.get(&key(1)), Err(StoreError::Unreadable { key, .. }) if key.id == 1));
    for open in [false, true] {
        let found = fixture.store.listed(&Filter { open, ..Filter::default() }).unwrap();
        assert_eq!(ids(&found.records), [3, 2]);
        assert_eq!(found.unreadable.len(), 1);
        assert!(found.unreadable[0].1.contains("of_the_future"), "{:?}", found.unreadable);
    }
    let fixture = fixture.reopened();
    assert_eq!(ids(&fixture.store.due(at(9), 9).unwrap()), [2, 3]);
    fixture
        .behind_its_back("UPDATE series SET record = json_set(record, '$.state.is', 'ready') WHERE id = 1");
    let fixture = fixture.reopened();
    assert_eq!(ids(&fixture.store.due(at(9), 9).unwrap()), [1, 2, 3], "in its old place");
}

#[test]
fn a_second_bridge_is_refused_and_readers_are_not() {
    let fixture = store();
    let refused = Store::open(fixture.dir.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    Store::read_only(fixture.dir.path()).unwrap().listed(&Filter::default()).unwrap();
    fixture.reopened();
}

#[test]
fn a_store_that_is_not_there_is_not_made_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    for open in [Store::read_only, Store::for_requests] {
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn nobody_else_reads_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let old = parent.path().join("old");
    fs::create_dir(&old).unwrap();
    let new = parent.path().join("new");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for dir in [&old, &new] {
        let _store = Store::open(dir).unwrap();
        for name in ["patchlift.db", "patchlift.db-wal", "patchlift.db-shm"] {
            assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
        }
    }
    assert_eq!(mode(&new), 0o700);
}

#[test]
fn a_reader_writes_nothing() {
    let mut fixture = store();
    fixture.has(&[record(1)]);
    let mut reader = Store::read_only(fixture.dir.path()).unwrap();
    let one = record(1);
    assert!(matches!(reader.save(&Save::of(&one, &[])), Err(StoreError::ReadOnly { .. })));
    assert_eq!(reader.get(&key(1)).unwrap(), Some(one));
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let write = |bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("patchlift.db"), bytes).unwrap();
        dir
    };
    let text = write(&b"this is no database. ".repeat(100));
    assert!(matches!(Store::open(text.path()), Err(StoreError::Damaged { .. })));
    assert!(matches!(Store::read_only(text.path()), Err(StoreError::Damaged { .. })));

    let foreign = tempfile::tempdir().unwrap();
    let db = rusqlite::Connection::open(foreign.path().join("patchlift.db")).unwrap();
    db.execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1").unwrap();
    assert!(matches!(Store::open(foreign.path()), Err(StoreError::Foreign { .. })));

    let newer = store();
    newer.behind_its_back("PRAGMA user_version = 900");
    let dir = newer.dir;
    drop(newer.store);
    let error = Store::open(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 900, .. }), "{error}");
    assert!(error.to_string().contains("update patchlift"), "{error}");

    let empty = write(b"");
    assert!(matches!(Store::read_only(empty.path()), Err(StoreError::Missing { .. })));
    Store::open(empty.path()).unwrap();
}

#[test]
fn a_damaged_page_is_said_and_nothing_else_is_lost() {
    let mut fixture = store();
    for id in 1..=200 {
        fixture.has(&[stands(id, State::Ready, Some(at(0)))]);
    }
    let path = fixture.dir.path().join("patchlift.db");
    drop(fixture.store);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 20 * 4096;
    bytes[last..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let result = Store::open(fixture.dir.path()).and_then(|store| store.unfinished());
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_state_directory_that_is_a_file_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state");
    fs::write(&file, b"").unwrap();
    let error = Store::open(&file).unwrap_err();
    assert!(matches!(&error, StoreError::Io { path, .. } if path == &file), "{error}");
    fs::create_dir(dir.path().join("patchlift.db")).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Io { .. })));
    Store::read_only(dir.path()).unwrap_err();
}

const VICTIM: &str = "PATCHLIFT_STORE_VICTIM";

/// Not a test of its own: what [`a_killed_writer_leaves_a_whole_store`] kills.
#[test]
fn victim_writes_for_ever() {
    let Some(dir) = std::env::var_os(VICTIM) else { return };
    let mut store = Store::open(Path::new(&dir)).unwrap();
    for round in store.highest("ozlabs").unwrap().unwrap_or(0) + 1.. {
        let mut new = record(round);
        let seen = Moment { at: at(0), event: Event::Seen };
        store.create(&Save::new(&new, std::slice::from_ref(&seen))).unwrap();
        let intent = store.begin(&new.key, "fetch", "", at(0)).unwrap();
        new.state = State::Ready;
        new.text = Some(text(&["p"]));
        let mails = new.key.to_string().repeat(1000);
        let save = Save {
            mails: Some(mails.as_bytes()),
            closes: Some(intent),
            ..Save::of(&new, std::slice::from_ref(&seen))
        };
        store.save(&save).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_a_whole_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut written = 0;
    for _ in 0..10 {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::victim_writes_for_ever"])
            .env(VICTIM, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It has to have begun: otherwise a loaded machine would make this test nothing.
        while Store::read_only(dir.path()).ok().and_then(|store| store.highest("ozlabs").ok().flatten())
            <= Some(written)
        {
            assert!(victim.try_wait().unwrap().is_none(), "the writer ended by itself");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..20_000)));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let store = Store::open(dir.path()).unwrap();
        written = store.highest("ozlabs").unwrap().unwrap();
        check_whole(&store, written);
        // What a bridge does after a start: it closes what it finds open.
        for intent in store.open_intents().unwrap() {
            store.drop_intent(intent.id).unwrap();
        }
    }
}

/// Every series is either as it was created or as it was saved, with everything that belongs to it.
fn check_whole(store: &Store, written: u64) {
    let open: Vec<SeriesKey> = store.open_intents().unwrap().into_iter().map(|intent| intent.key).collect();
    assert!(open.len() <= 1, "{open:?}");
    for id in 1..=written {
        let record = store.get(&key(id)).unwrap().unwrap();
        let ready = record.state == State::Ready;
        let mails = store.mails(&key(id), 1).unwrap();
        assert_eq!(mails.is_some(), ready, "{id}");
        assert!(mails.is_none_or(|mails| mails == key(id).to_string().repeat(1000).into_bytes()));
        assert_eq!(store.history(&key(id)).unwrap().len(), if ready { 2 } else { 1 }, "{id}");
        assert!(!ready || !open.contains(&key(id)), "{id}: a save closes its step");
        assert_eq!(store.by_msgid(&format!("{}@example.org", 10 * id + 1)).unwrap(), [key(id)]);
    }
}
