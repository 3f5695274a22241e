//! Real console lines of POWER machines: every event is seen, no harmless line is taken for one.

use std::io::Write;
use std::path::PathBuf;

use patchlift_action::{crash, trace};
use patchlift_report::EventClass;

/// The folder of the test data; says so, and fails under `CI=true`, where it is missing.
fn data() -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let dir = std::env::var_os("PATCHLIFT_TEST_DATA").map_or_else(default, PathBuf::from).join("crash");
    if dir.is_dir() {
        return Some(dir);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", dir.display());
    writeln!(std::io::stderr(), "SKIPPED: {} is missing; set PATCHLIFT_TEST_DATA", dir.display())
        .expect("stderr is open");
    None
}

#[test]
fn every_event_and_no_harmless_line() {
    let Some(dir) = data() else { return };
    let corpus = std::fs::read_to_string(dir.join("crash-corpus.tsv")).expect("it is there");
    let (mut events, mut harmless) = (0, 0);
    for row in corpus.lines().filter(|row| !row.starts_with('#')) {
        let [kind, _source, line] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let found = crash::classify(line);
        match kind {
            "B" => {
                assert_eq!(found, None, "{line}");
                harmless += 1;
            }
            kind => {
                let found = found.unwrap_or_else(|| panic!("not seen: {line}"));
                let hardware = found.class == EventClass::Hardware;
                assert_eq!(hardware, kind == "H", "{line} is {found:?}");
                events += 1;
            }
        }
    }
    assert_eq!((events, harmless), (28, 8));
}

#[test]
fn fingerprints_of_real_traces() {
    let Some(dir) = data() else { return };
    let cases = [
        ("trace-cki-softlockup.txt", "hvc_write:n_tty_write:tty_write:do_iter_write:vfs_writev"),
        (
            "trace-skiboot194.txt",
            "dbs_update_util_handler:propagate_entity_cfs_rq:wake_up_new_task:_do_fork:ppc_clone",
        ),
        (
            "trace-syzkaller-431.txt",
            "partition_sched_domains_locked:partition_and_rebuild_sched_domains:rebuild_sched_domains_locked:update_flag:cpuset_css_offline",
        ),
    ];
    for (file, expected) in cases {
        let text = std::fs::read_to_string(dir.join(file)).expect("it is there");
        assert_eq!(trace::fingerprint(text.lines()).as_deref(), Some(expected), "{file}");
    }
}
