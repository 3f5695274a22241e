//! `patchlift publish`: the verdict of a report, shown at GitHub by the built binary.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use patchlift_report::{Ending, sample};
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::people::marks::{APP, FakeGitHub, Fault, PERSONAL, REPOSITORY, TOKEN};

/// A folder with a report of this ending.
fn folder(ending: Ending) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("report.json"), sample::report(ending).to_json().unwrap()).unwrap();
    dir
}

/// A file that only its owner reads.
fn secret(dir: &TempDir, name: &str, content: &str) {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn command(github: &FakeGitHub, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GITHUB_")) {
        command.env_remove(name);
    }
    command.current_dir(dir).kill_on_drop(true);
    command.args([
        "publish",
        "report.json",
        "--repository",
        REPOSITORY,
        "--api",
        &github.url,
        "--pause",
        "0",
    ]);
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!format!("{out}{err}").contains("must-never-be-seen"), "{out}{err}");
    (output.status.code(), out, err)
}

#[tokio::test]
async fn the_workflows_job_shows_the_verdict_once() {
    let github = FakeGitHub::start("/api/v3").await;
    let dir = folder(Ending::DoesNotBoot);
    for change in ["created", "unchanged"] {
        let output = command(&github, dir.path())
            .env("GITHUB_TOKEN", TOKEN)
            .env("GITHUB_SERVER_URL", "https://github.example.org")
            .env("GITHUB_REPOSITORY", "octo/kvm")
            .env("GITHUB_RUN_ID", "9001")
            .output()
            .await
            .unwrap();
        let (code, out, err) = said(&output);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 7, "{out}");
        assert_eq!(
            lines[0],
            format!(
                "{change} 9f3b6c2e71d8 patchlift: failure: Does not boot: the kernel dies at boot in kvm_exit_stats_init"
            )
        );
    }
    github.memory(|memory| {
        assert_eq!(memory.check_runs.len(), 7);
        let run = "https://github.example.org/octo/kvm/actions/runs/9001";
        assert!(memory.check_runs.iter().all(|check| check["details_url"] == run));
    });
}

#[tokio::test]
async fn an_app_shows_it_with_its_key() {
    let github = FakeGitHub::start("").await;
    let dir = folder(Ending::Passed);
    secret(&dir, "key.pem", include_str!("../../publish/tests/data/app-key-pkcs1.pem"));
    let app = APP.to_string();
    let output = command(&github, dir.path())
        .args(["--app-id", &app, "--app-key-file", "key.pem", "--details-url", "https://ci.example.org/1"])
        .output()
        .await
        .unwrap();
    assert_eq!(said(&output).0, Some(0), "{output:?}");
    github.memory(|memory| {
        assert_eq!((memory.check_runs.len(), memory.app.given.len()), (7, 1));
        assert_eq!(memory.check_runs[0]["details_url"], "https://ci.example.org/1");
    });
}

#[tokio::test]
async fn a_personal_token_sets_statuses() {
    let github = FakeGitHub::start("").await;
    let dir = folder(Ending::FailsTests);
    secret(&dir, "token", &format!("{PERSONAL}\n"));
    let output = command(&github, dir.path()).args(["--token-file", "token"]).output().await.unwrap();
    let (code, out, err) = said(&output);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("patchlift: personal tokens may write no check runs: use --statuses"), "{err}");
    let output =
        command(&github, dir.path()).args(["--token-file", "token", "--statuses"]).output().await.unwrap();
    assert_eq!(said(&output).0, Some(0), "{output:?}");
    github.memory(|memory| assert_eq!((memory.statuses.len(), memory.check_runs.len()), (7, 0)));
}

#[tokio::test]
async fn a_github_out_of_order_is_waited_for() {
    let github = FakeGitHub::start("").await;
    let dir = folder(Ending::Passed);
    github.memory(|memory| {
        memory.goes_wrong("POST ", Fault::After(502));
        memory.goes_wrong_after(1, "POST ", Fault::Before(429, vec![("retry-after", "1".to_owned())], ""));
    });
    let output = command(&github, dir.path()).env("GITHUB_TOKEN", TOKEN).output().await.unwrap();
    assert_eq!(said(&output).0, Some(0), "{output:?}");
    github.memory(|memory| assert_eq!(memory.check_runs.len(), 7));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let github = FakeGitHub::start("").await;
    let dir = folder(Ending::Infrastructure);
    secret(&dir, "open", "x");
    fs::set_permissions(dir.path().join("open"), fs::Permissions::from_mode(0o644)).unwrap();
    secret(&dir, "wrong", "ghs_a-wrong-one-that-must-never-be-seen");
    secret(&dir, "token", TOKEN);
    let mut headless = sample::report(Ending::Infrastructure);
    headless.head = String::new();
    fs::write(dir.path().join("headless.json"), headless.to_json().unwrap()).unwrap();
    fs::write(dir.path().join("half.json"), "{\"format\": 1").unwrap();
    for (arguments, code, words) in [
        (&[][..], 2, "nobody to ask as: give --token-file"),
        (&["--token-file", "open"], 2, "open is open to everybody on this machine; run: chmod o= open"),
        (&["--token-file", "none"], 2, "none: No such file"),
        (&["--token-file", "wrong"], 2, "with status 401: Bad credentials"),
        (
            &["--app-id", "1", "--app-key-file", "token"],
            2,
            "token holds no private key; put the .pem file there",
        ),
        (&["--token-file", "token", "--repository", "octo"], 2, "\"octo\" is not a repository's name"),
        (&["--token-file", "token", "--api", "http://example.org"], 2, "is no address for a token"),
        (&["--token-file", "token", "--report", "half.json"], 2, "half.json: not a readable report"),
        (&["--token-file", "token", "--report", "gone.json"], 2, "gone.json: cannot be read"),
        (&["--token-file", "token", "--report", "headless.json"], 2, "headless.json: names no tested commit"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
        command.current_dir(dir.path()).env_remove("GITHUB_TOKEN").env_remove("GITHUB_API_URL");
        let mut arguments = arguments.to_vec();
        let report = match arguments.iter().position(|argument| *argument == "--report") {
            Some(at) => arguments.drain(at..at + 2).nth(1).unwrap(),
            None => "report.json",
        };
        command.args(["publish", report]);
        for (name, value) in [("--repository", REPOSITORY), ("--api", &github.url)] {
            if !arguments.contains(&name) {
                command.args([name, value]);
            }
        }
        let (seen, out, err) = said(&command.args(&arguments).output().await.unwrap());
        assert_eq!((seen, out.as_str()), (Some(code), ""), "{arguments:?}: {err}");
        assert!(err.starts_with("patchlift: ") && err.contains(words) && err.lines().count() == 1, "{err}");
    }
}
