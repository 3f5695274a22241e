//! What a delivery is about. No I/O. The delivery is GitHub's, but names, titles and external ids in it may be anybody's.

use patchlift_report::clean::line;
use serde::Deserialize;
use serde_json::Value;

use crate::listing::SeriesKey;
use crate::store::What;

/// What a delivery asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// Nothing that concerns the bridge.
    Nothing,
    /// The hook was just set up.
    Ping,
    /// This run went on, whatever the delivery says of it.
    Run(u64),
    /// Somebody pressed a button of a series.
    Pressed(Pressed),
}

/// A button that somebody pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pressed {
    /// The series.
    pub(super) key: SeriesKey,
    /// The commit beside which the button stands, 40 hex digits.
    pub(super) head: String,
    /// What it asks for.
    pub(super) what: What,
    /// Who pressed it, for people.
    pub(super) who: String,
}

#[derive(Deserialize)]
struct Wire {
    action: Option<String>,
    sender: Option<Sender>,
    check_run: Option<CheckRun>,
    check_suite: Option<CheckSuite>,
    requested_action: Option<RequestedAction>,
    workflow_run: Option<Run>,
    workflow_job: Option<Job>,
}

#[derive(Deserialize)]
struct Sender {
    login: Option<String>,
}

#[derive(Deserialize)]
struct App {
    id: Option<u64>,
}

#[derive(Deserialize)]
struct CheckRun {
    external_id: Option<String>,
    head_sha: Option<String>,
    app: Option<App>,
}

#[derive(Deserialize)]
struct CheckSuite {
    head_branch: Option<String>,
    head_sha: Option<String>,
    app: Option<App>,
}

#[derive(Deserialize)]
struct RequestedAction {
    identifier: Option<String>,
}

#[derive(Deserialize)]
struct Run {
    id: Option<u64>,
}

#[derive(Deserialize)]
struct Job {
    run_id: Option<u64>,
}

/// The deepest JSON that is read is `serde_json`'s own limit; GitHub's is a few levels deep.
///
/// # Errors
/// It is no JSON object.
pub(super) fn read(event: &str, body: &[u8], app: Option<u64>) -> Result<Meant, serde_json::Error> {
    if event == "ping" {
        // It has to be JSON all the same.
        return serde_json::from_slice::<Value>(body).map(|_| Meant::Ping);
    }
    if !["check_run", "check_suite", "workflow_run", "workflow_job"].contains(&event) {
        return Ok(Meant::Nothing);
    }
    let wire: Wire = serde_json::from_slice(body)?;
    let run = match event {
        "workflow_run" => wire.workflow_run.as_ref().and_then(|run| run.id),
        "workflow_job" => wire.workflow_job.as_ref().and_then(|job| job.run_id),
        _ => return Ok(pressed(event, &wire, app).map_or(Meant::Nothing, Meant::Pressed)),
    };
    Ok(run.map_or(Meant::Nothing, Meant::Run))
}

fn pressed(event: &str, wire: &Wire, own: Option<u64>) -> Option<Pressed> {
    let who = who(wire.sender.as_ref());
    let is_ours = |app: &Option<App>| own.is_none_or(|own| app.as_ref().and_then(|app| app.id) == Some(own));
    if event == "check_run" {
        let run = wire.check_run.as_ref().filter(|run| is_ours(&run.app))?;
        let what = match (wire.action.as_deref()?, wire.requested_action.as_ref()) {
            ("rerequested", _) => What::Retest,
            ("requested_action", Some(action)) => action_of(action.identifier.as_deref()?)?,
            _ => return None,
        };
        let (key, head) = series_of(run.external_id.as_deref()?)?;
        return (run.head_sha.as_deref() == Some(&head)).then_some(Pressed { key, head, what, who });
    }
    let suite = wire.check_suite.as_ref().filter(|suite| is_ours(&suite.app))?;
    let again = wire.action.as_deref() == Some("rerequested");
    let key = suite.head_branch.as_deref()?.strip_prefix("series/")?.parse().ok()?;
    let head = suite.head_sha.clone().filter(|head| is_commit(head))?;
    again.then_some(Pressed { key, head, what: What::Retest, who })
}

/// The buttons of a check run.
fn action_of(identifier: &str) -> Option<What> {
    match identifier {
        "retest" => Some(What::Retest),
        "run-tests" => Some(What::Release),
        _ => None,
    }
}

/// The series and the commit of a check run: `patchlift:ozlabs_4711:v2:<commit>:a1:boot`, where a run's report names
/// the series in that way, too.
fn series_of(external_id: &str) -> Option<(SeriesKey, String)> {
    let mut parts = external_id.strip_prefix("patchlift:")?.split(':');
    let (server, number) = parts.next()?.rsplit_once(['/', '_'])?;
    let key = format!("{server}/{number}").parse().ok()?;
    let version = parts.next()?.strip_prefix('v')?;
    let head = parts.next().filter(|head| is_commit(head))?;
    version.parse::<u32>().ok()?;
    Some((key, head.to_owned()))
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// `@octocat on GitHub`.
fn who(sender: Option<&Sender>) -> String {
    // GitHub's own limit for a name is 39.
    match sender.and_then(|sender| sender.login.as_deref()).map(|login| line(login, 60)) {
        Some(login) if !login.is_empty() => format!("@{login} on GitHub"),
        _ => "somebody on GitHub".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HEAD: &str = "9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60";

    fn meant(event: &str, body: &Value) -> Meant {
        read(event, body.to_string().as_bytes(), Some(7)).unwrap()
    }

    fn check_run(action: &str, external_id: &str, head: &str) -> Value {
        json!({"action": action, "sender": {"login": "octo\u{1b}cat"},
            "check_run": {"external_id": external_id, "head_sha": head, "app": {"id": 7}}})
    }

    #[test]
    fn a_button_is_read_with_its_series_its_commit_and_who_pressed_it() {
        let id = format!("patchlift:ozlabs/4711:v2:{HEAD}:a1:boot");
        let Meant::Pressed(pressed) = meant("check_run", &check_run("rerequested", &id, HEAD)) else {
            panic!()
        };
        assert_eq!((pressed.key.to_string().as_str(), pressed.head.as_str()), ("ozlabs/4711", HEAD));
        assert_eq!(pressed.what, What::Retest);
        assert!(pressed.who.starts_with("@octo") && !pressed.who.contains('\u{1b}'), "{}", pressed.who);
        for (identifier, what) in [("retest", What::Retest), ("run-tests", What::Release)] {
            let mut body = check_run("requested_action", &id, HEAD);
            body["requested_action"] = json!({"identifier": identifier});
            assert!(matches!(meant("check_run", &body), Meant::Pressed(pressed) if pressed.what == what));
        }
        let suite = json!({"action": "rerequested", "sender": {"login": "octocat"},
            "check_suite": {"head_branch": "series/ozlabs/4711", "head_sha": HEAD, "app": {"id": 7}}});
        assert!(matches!(meant("check_suite", &suite), Meant::Pressed(pressed) if pressed.key.id == 4711));
    }

    #[test]
    fn every_check_run_that_is_made_leads_back_to_its_series() {
        use patchlift_publish::{checks, notice_sample};
        for server in ["ozlabs", "my_own-list.2"] {
            for (name, mut notice) in notice_sample::all() {
                notice.key = format!("{server}/4711");
                for run in checks::of_notice(&notice) {
                    let (key, head) = series_of(&run.external_id).unwrap_or_else(|| panic!("{name}"));
                    assert_eq!((key.to_string(), head), (notice.key.clone(), run.head_sha), "{name}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        let id = format!("patchlift:ozlabs/4711:v2:{HEAD}:a1:boot");
        let other = "1111111111111111111111111111111111111111";
        for (action, external_id, head) in [
            ("created", id.as_str(), HEAD),
            ("completed", &id, HEAD),
            ("requested_action", &id, HEAD),
            ("rerequested", &id, other),
            ("rerequested", "patchlift:ozlabs/4711:v2:main", "main"),
            ("rerequested", "patchlift:../4711:v2:x", HEAD),
            ("rerequested", "somebody else's", HEAD),
            ("rerequested", "", HEAD),
        ] {
            let body = check_run(action, external_id, head);
            assert_eq!(meant("check_run", &body), Meant::Nothing, "{action} {external_id} {head}");
        }
        let mut foreign = check_run("rerequested", &id, HEAD);
        foreign["check_run"]["app"]["id"] = json!(8);
        assert_eq!(meant("check_run", &foreign), Meant::Nothing, "another App's");
        foreign["check_run"]["app"] = Value::Null;
        assert_eq!(meant("check_run", &foreign), Meant::Nothing);
        assert_eq!(meant("push", &json!([])), Meant::Nothing);
        assert_eq!(meant("workflow_run", &json!({"workflow_run": null})), Meant::Nothing);
        let suite = json!({"action": "rerequested", "check_suite": {"head_branch": null, "head_sha": HEAD, "app": {"id": 7}}});
        assert_eq!(meant("check_suite", &suite), Meant::Nothing);
    }

    #[test]
    fn runs_are_named_and_nothing_of_them_is_believed() {
        let run = json!({"action": "completed", "workflow_run": {"id": 9001, "conclusion": "success"}});
        assert_eq!(meant("workflow_run", &run), Meant::Run(9001));
        assert_eq!(
            meant("workflow_job", &json!({"workflow_job": {"id": 3, "run_id": 9001}})),
            Meant::Run(9001)
        );
        assert_eq!(meant("ping", &json!({"zen": "x"})), Meant::Ping);
        assert!(read("check_run", b"payload=%7B%7D", None).is_err());
        assert!(read("check_run", "[".repeat(100_000).as_bytes(), None).is_err(), "too deep");
    }
}
