//! A report shown again.

use crate::{action, stderr};

#[test]
fn what_is_no_report_is_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("report.json");
    let shown = path.to_string_lossy().into_owned();
    for (content, expected) in [
        (&b""[..], "not a readable report"),
        (b"{\"format\": 999}", "format 999, this program reads up to"),
        (b"{\"format\": 1}", "missing field"),
        (b"\x00\xff\xfe", "not a readable report"),
    ] {
        std::fs::write(&path, content).expect("it is written");
        let output = action(&["report", &shown]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected) && said.trim().lines().count() == 1, "{said}");
    }
    let output = action(&["report", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot read /no/such/file"));
}
