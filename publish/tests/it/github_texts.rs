//! What people read, word for word.

use patchlift_publish::{CommitStatus, checks, notice_sample};
use std::fmt::Write as _;

use insta::assert_snapshot;
use patchlift_publish::pull_request;

/// All check runs of all notices, a line each: the mark, the name, the title.
#[test]
fn every_check_run_in_a_line() {
    let mut all = String::new();
    for (name, notice) in notice_sample::all() {
        writeln!(all, "{name}").unwrap();
        for run in checks::of_notice(&notice) {
            let mark = run.status.conclusion().map_or(run.status.word(), |mark| mark.word());
            let buttons: Vec<_> = run.actions.iter().map(|action| format!(" [{}]", action.label)).collect();
            let own = if run.external_id.contains(":1111") { " (first patch)" } else { "" };
            writeln!(all, "  {mark}: {}{own}: {}{}", run.name, run.title, buttons.concat()).unwrap();
        }
    }
    assert_snapshot!(all, @"");
}
