//! What is wrong is said in one line, with exit code 2, and nothing is written.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{action, stderr};

/// A folder with a box and a series that are good as long as nobody connects.
pub(crate) struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        for secret in ["key", "password", "known_hosts"] {
            let path = desk.write(secret, "x");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("its mode is set");
        }
        let dir = desk.dir.path().display();
        desk.write(
            "box.toml",
            &format!(
                "format = 1\nname = \"p8\"\n[ssh]\nhost = \"127.0.0.1\"\nport = 1\nuser = \"root\"\n\
                 key_file = \"{dir}/key\"\nknown_hosts_file = \"{dir}/known_hosts\"\n[bmc]\nkind = \"ipmi\"\n\
                 host = \"127.0.0.1\"\nport = 1\nuser = \"u\"\npassword_file = \"{dir}/password\"\n[boot]\n\
                 command_line = \"x\"\nknown_good_release = \"6.1\"\n[kvm]\n"
            ),
        );
        let commit = "0123456789abcdef0123456789abcdef01234567";
        desk.write(
            "series.json",
            &format!(
                r#"{{"result":"applied","series":{{"id":"1","title":"t","version":1,"author":"a","url":null}},
                "base":{{"branch":"base","commit":"{commit}"}},"tip":"{commit}","commits":[]}}"#
            ),
        );
        desk.write("fragment", "CONFIG_A=y\n");
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("it is written");
        path
    }

    /// The report of the run that there was.
    pub(crate) fn report(&self) -> patchlift_report::Report {
        let json = std::fs::read(self.path("work/runs/latest/report.json")).expect("a report was written");
        patchlift_report::Report::from_json(&json).expect("it is readable")
    }

    /// Runs it and gives its exit code and what it said, and checks that it said one line and wrote nothing.
    fn refused(&self, extra: &[&str]) -> String {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let (machine, series, work) =
            (text(self.path("box.toml")), text(self.path("series.json")), text(self.path("work")));
        let mut args = vec!["run", "--box", &machine, "--series", &series, "--work", &work];
        if !extra.contains(&"--repo") {
            args.extend(["--repo", "/nowhere"]);
        }
        args.extend(extra);
        let output = action(&args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!self.path("work").exists(), "something was written");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        assert!(output.stdout.is_empty());
        said
    }
}

#[test]
fn a_series_that_was_not_applied() {
    let desk = Desk::new();
    desk.write("series.json", r#"{"result":"conflict","patch":2}"#);
    let said = desk.refused(&[]);
    assert!(said.contains("says `conflict`: only an applied series can be tested"), "{said}");
}

#[test]
fn a_page_instead_of_a_series() {
    let desk = Desk::new();
    desk.write("series.json", "<!DOCTYPE html><html>502 Bad Gateway</html>");
    let said = desk.refused(&[]);
    assert!(said.contains("series.json is not the output of `patchlift series --json`"), "{said}");
}

#[test]
fn a_commit_that_is_an_option() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("series.json")).expect("it is there");
    let tip = r#""tip":"0123456789abcdef0123456789abcdef01234567""#;
    desk.write("series.json", &text.replace(tip, r#""tip":"--output=/etc/passwd""#));
    assert!(desk.refused(&[]).contains("tip: `--output=/etc/passwd` is no commit id"));
}

#[test]
fn a_box_with_a_key_that_does_not_exist() {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("box.toml")).expect("it is there");
    desk.write("box.toml", &text.replacen("port = 1\nuser", "prot = 1\nuser", 1));
    let said = desk.refused(&[]);
    assert!(
        said.contains("box.toml") && said.contains("line 5") && said.contains("unknown field `prot`"),
        "{said}"
    );
}

#[test]
fn a_password_that_everybody_can_read() {
    let desk = Desk::new();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("password"), mode).expect("its mode is set");
    assert!(desk.refused(&[]).contains("chmod 600"));
}

#[test]
fn a_fragment_that_is_not_there() {
    let desk = Desk::new();
    let missing = desk.path("missing").to_string_lossy().into_owned();
    let said = desk.refused(&["--fragment", &missing]);
    assert!(said.contains("cannot read the fragment") && said.contains("missing"), "{said}");
}

#[test]
fn a_token_in_the_url_is_refused_and_not_repeated() {
    let said = Desk::new().refused(&["--repo", "https://x:ghp_s3cret@example.org/linux.git"]);
    assert!(said.contains("--repo: must not hold a password or a token"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_make_target_that_is_a_variable() {
    assert!(Desk::new().refused(&["--defconfig", "CC=evil"]).contains("is no make target"));
}

#[test]
fn a_box_that_is_in_use() {
    let desk = Desk::new();
    let lock = std::fs::File::create(desk.path("lease")).expect("it is made");
    lock.lock().expect("it is locked");
    let arg = |name: &str| desk.path(name).to_string_lossy().into_owned();
    let (machine, series, work) = (arg("box.toml"), arg("series.json"), arg("work"));
    let output =
        action(&["run", "--box", &machine, "--series", &series, "--work", &work, "--repo", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = desk.report();
    assert!(report.verdict.summary.contains("box p8 is in use"), "{}", report.verdict.summary);
    assert_eq!(report.verdict.ending, patchlift_report::Ending::Infrastructure);
}

/// A BMC that nobody answers for: the lab's fault, said in a report, and never the series'.
#[test]
fn a_box_that_is_not_there_is_the_labs_fault() {
    let desk = Desk::new();
    let arg = |name: &str| desk.path(name).to_string_lossy().into_owned();
    let (machine, series, work) = (arg("box.toml"), arg("series.json"), arg("work"));
    let args = [
        "run",
        "--box",
        &machine,
        "--series",
        &series,
        "--work",
        &work,
        "--repo",
        "/nowhere",
        "--cross-compile",
        "",
    ];
    let summary = arg("summary.md");
    let output = action(&[&args[..], &["--job-summary", &summary]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report = desk.report();
    assert_eq!(report.verdict.ending, patchlift_report::Ending::Infrastructure);
    assert_eq!(report.roll_back, patchlift_report::RollBack::NotNeeded);
    assert!(
        report.verdict.summary.contains("Nothing can be said of the series"),
        "{}",
        report.verdict.summary
    );
    assert!(desk.path("work/runs/latest/report.html").exists());
    let markdown = std::fs::read_to_string(summary).expect("the job summary was written");
    assert!(markdown.contains("Nothing can be said of the series"), "{markdown}");
}
