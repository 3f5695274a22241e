//! What is made of a GitHub that goes wrong.

use std::error::Error as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use patchlift::github::report::ReportError;
use patchlift::github::{GitHub, GitHubError, Settings};
use patchlift_publish::ApiError;
use secrecy::SecretString;

use super::{client, hasty_client, inputs, settings};
use crate::world::github::{FakeGitHub, Fault, TOKEN, When};

const UNICORN: &str = "<html>Unicorn!</html>";

fn with_status(status: u16) -> Fault {
    Fault::Answer(status, vec![("content-type", "text/html".into())], UNICORN)
}

#[tokio::test]
async fn contract_05_a_start_whose_answer_got_lost_is_found_and_not_repeated() {
    for fault in [with_status(502), Fault::Reset, Fault::HalfBody, Fault::Silence] {
        let github = FakeGitHub::start();
        let client = client(&github);
        let silent = matches!(fault, Fault::Silence);
        let starter = if silent { hasty_client(&github) } else { self::client(&github) };
        let asked = Timestamp::now();
        github.goes_wrong("/dispatches", When::After, fault.clone());
        let error = starter.dispatch(&inputs("k-1")).await.unwrap_err();
        assert!(error.may_have_happened(), "{fault:?}: {error:?}");
        assert_eq!(client.find_run("k-1", asked).await.unwrap().unwrap().id, 9001);
        assert_eq!(github.model().runs.len(), 1);
        assert_eq!(github.model().writes().len(), 1, "{fault:?}: nothing is sent twice");

        github.goes_wrong("/dispatches", When::Before, fault.clone());
        let error = starter.dispatch(&inputs("k-2")).await.unwrap_err();
        assert!(error.may_have_happened(), "{fault:?}: {error:?}");
        assert_eq!(client.find_run("k-2", asked).await.unwrap(), None);
    }
}

#[tokio::test]
async fn each_way_to_go_wrong_has_its_name() {
    let github = FakeGitHub::start();
    let id = client(&github).dispatch(&inputs("k-1")).await.unwrap().unwrap();
    let reset = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 900;
    let limited = |status, headers: &[(&'static str, String)]| {
        Fault::Answer(status, headers.to_vec(), r#"{"message": "API rate limit exceeded"}"#)
    };
    let minute = Duration::from_secs(60);
    let table = [
        (with_status(500), "OutOfOrder", None),
        (with_status(502), "OutOfOrder", None),
        (with_status(404), "by_github: false", None),
        (Fault::Answer(404, vec![], r#"{"message": "Not Found"}"#), "NotFound", None),
        (Fault::Answer(401, vec![], r#"{"message": "Bad credentials"}"#), "by_github: true", None),
        (Fault::Answer(200, vec![], UNICORN), "Unreadable", None),
        (limited(429, &[("retry-after", "7".into())]), "RateLimited", Some(Duration::from_secs(7))),
        (limited(429, &[]), "RateLimited", Some(minute)),
        (limited(403, &[]), "RateLimited", Some(minute)),
        (Fault::Reset, "Unreachable", None),
        (Fault::HalfBody, "Unreachable", None),
        (Fault::Silence, "Unreachable", None),
    ];
    for (fault, name, wait) in table {
        github.goes_wrong("/actions/runs/", When::Before, fault.clone());
        // One that was asked to wait asks nothing for a while.
        let client = if matches!(fault, Fault::Silence) { hasty_client(&github) } else { client(&github) };
        let error = client.run(id).await.unwrap_err();
        assert!(format!("{error:?}").contains(name), "{fault:?}: {error:?}");
        assert_eq!(error.retry_after(), wait, "{fault:?}");
        let asked = github.model().requests.len();
        let again = client.run(id).await;
        assert_eq!(again.is_err(), wait.is_some(), "{fault:?}: {again:?}");
        assert_eq!(github.model().requests.len() == asked, wait.is_some(), "{fault:?}");
        let fault_is_ours = ["NotFound", "by_github: true"].contains(&name);
        assert_eq!(error.is_final(), fault_is_ours, "{fault:?}: {error:?}");
        assert!(error.source().is_none_or(|source| !error.to_string().contains(&source.to_string())));
    }
    let exhausted = [("x-ratelimit-remaining", "0".into()), ("x-ratelimit-reset", reset.to_string())];
    github.goes_wrong("", When::Before, limited(403, &exhausted));
    let wait = client(&github).run(id).await.unwrap_err().retry_after().unwrap();
    assert!((800..=901).contains(&wait.as_secs()), "{wait:?}");
    assert_eq!(client(&github).run(id).await.unwrap().id, id, "and then all is well again");
}

#[tokio::test]
async fn contract_a_download_that_goes_wrong_is_never_a_report() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let id = client.dispatch(&inputs("k-1")).await.unwrap().unwrap();
    github.run_ends(id, "success", Some(&serde_json::json!({"format": 1})));
    let elsewhere = |place: &str| Fault::Answer(302, vec![("location", place.into())], "");
    let table = [
        ("/storage/", with_status(500), "OutOfOrder"),
        ("/storage/", with_status(404), "Answer"),
        ("/storage/", with_status(410), "Answer"),
        ("/storage/", with_status(200), "Answer"),
        ("/storage/", elsewhere("http://127.0.0.1:1/"), "Answer"),
        ("/storage/", Fault::HalfBody, "Unreachable"),
        ("/storage/", Fault::Reset, "Unreachable"),
        ("/zip", elsewhere("http://169.254.169.254/"), "Place"),
        ("/zip", elsewhere("/storage/1"), "Place"),
        ("/zip", with_status(503), "OutOfOrder"),
    ];
    for (what, fault, name) in table {
        github.goes_wrong(what, When::After, fault.clone());
        let error = client.report(id).await.unwrap_err();
        assert!(format!("{error:?}").contains(name), "{fault:?}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("sig=secret"), "{error:?}");
    }
    github.goes_wrong_after(1, "/artifacts", When::Before, with_status(502));
    client.report(id).await.unwrap_err();
    assert!(client.report(id).await.unwrap().is_some());
    assert!(ReportError::Missing.is_final());
}

#[tokio::test]
async fn the_token_is_in_no_error_and_no_debug_output() {
    let github = FakeGitHub::start();
    let wrong = "ghs_another-token-that-must-never-be-seen";
    let refused =
        GitHub::new(&Settings { credential: SecretString::from(wrong).into(), ..settings(&github) }).unwrap();
    let nobody = Settings { api: "http://127.0.0.1:9".parse().unwrap(), ..settings(&github) };
    let nobody = GitHub::new(&nobody).unwrap();
    let mut said = format!("{refused:?} {nobody:?} {:?}", settings(&github));
    for error in [refused.run(1).await.unwrap_err(), nobody.run(1).await.unwrap_err()] {
        said += &format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            said += &format!(" {cause}");
            source = cause.source();
        }
    }
    assert!(said.contains("status 401: Bad credentials"), "{said}");
    assert!(!said.contains("must-never-be-seen") && !said.contains(TOKEN), "{said}");
    let open = Settings { api: "http://api.example.org".parse().unwrap(), ..settings(&github) };
    let error = GitHub::new(&open).unwrap_err();
    assert!(matches!(error, GitHubError::Api(ApiError::BadUrl { .. })), "{error:?}");
}

/// The fake's own check is part of the test.
#[tokio::test]
async fn a_request_that_github_would_not_take_fails_the_test() {
    let github = FakeGitHub::start();
    let client = client(&github);
    let too_many = (0..26).map(|n| (n.to_string(), String::new())).collect();
    client.dispatch(&too_many).await.unwrap_err();
    if crate::test_data::folder("github").is_some() {
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| github.model().runs.len()));
        assert!(looked.is_err());
        std::mem::forget(github);
    }
}
