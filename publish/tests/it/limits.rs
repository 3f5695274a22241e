//! GitHub's pace is kept, and where it asks to wait nobody asks on.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use patchlift_publish::api::Doing;
use patchlift_publish::{ApiError, GitHub, GitHubError, checks, notice_sample};
use patchlift_report::{Ending, sample};
use secrecy::SecretString;

use crate::fake_github::{FakeGitHub, Fault, TOKEN, repository};

#[tokio::test]
async fn contract_being_asked_to_wait_is_told_apart_from_being_refused() {
    let in_a_quarter = (Timestamp::now().as_second() + 900).to_string();
    let next_week = (Timestamp::now().as_second() + 700_000).to_string();
    let remaining = |reset: &str| {
        vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.to_owned())]
    };
    let after = |seconds: &str| vec![("retry-after", seconds.to_owned())];
    let secondary = r#"{"message": "You have exceeded a secondary rate limit"}"#;
    let primary = r#"{"message": "API rate limit exceeded for installation ID 77."}"#;
    let integration = r#"{"message": "Resource not accessible by integration"}"#;
    for (status, headers, body, seconds) in [
        (403, after("90"), secondary, Some(90..=90)),
        (403, after("7"), secondary, Some(60..=60)),
        (403, after("7"), primary, Some(7..=7)),
        (429, after("7"), integration, Some(7..=7)),
        (429, after("999999"), "", Some(3660..=3660)),
        (403, remaining(&in_a_quarter), primary, Some(899..=901)),
        (403, remaining(&next_week), primary, Some(3660..=3660)),
        (403, remaining("1"), primary, Some(1..=1)),
        (403, vec![("x-ratelimit-remaining", "0".to_owned())], primary, Some(60..=60)),
        (403, vec![], secondary, Some(60..=60)),
        (403, vec![], primary, Some(60..=60)),
        (403, vec![], "", Some(60..=60)),
        (429, vec![], "", Some(60..=60)),
        (429, vec![], "<html>slow down</html>", Some(60..=60)),
        (403, vec![], integration, None),
        (403, vec![], "<html>a proxy</html>", None),
        (422, vec![], secondary, None),
    ] {
        let github = FakeGitHub::start("").await;
        let what = format!("{status} {headers:?} {body}");
        github.memory(|memory| memory.goes_wrong("POST ", Fault::Before(status, headers, body)));
        let client = github.client(TOKEN);
        let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
        let error = client.publish(&repository(), &run).await.unwrap_err();
        match (error, seconds) {
            (GitHubError::Api(ApiError::RateLimited { wait, .. }), Some(expected)) => {
                assert!(expected.contains(&wait.as_secs()), "{what}: {wait:?}");
                let error = client.publish(&repository(), &run).await.unwrap_err();
                assert!(error.to_string().starts_with("GitHub asks to wait before the look-up"), "{error}");
            }
            (GitHubError::Api(ApiError::Refused { status: told, .. }), None) => assert_eq!(told, status),
            (error, _) => panic!("{what}: {error:?}"),
        }
        assert_eq!(github.methods(), ["GET", "POST"], "nothing is asked again: {what}");
    }
}

#[tokio::test]
async fn contract_after_the_wait_all_is_well_for_all_who_share_it() {
    let github = FakeGitHub::start("").await;
    let api = github.api(SecretString::from(TOKEN));
    let run = checks::of_report(&sample::report(Ending::Passed), None).remove(0);
    let short = vec![("retry-after", "1".to_owned())];
    github.memory(|memory| memory.goes_wrong("GET ", Fault::Before(429, short, "")));
    let began = Instant::now();
    let (one, other) = (GitHub::new(api.clone()), GitHub::new(api));
    one.publish(&repository(), &run).await.unwrap_err();
    let Err(GitHubError::Api(ApiError::RateLimited { wait, .. })) = other.publish(&repository(), &run).await
    else {
        panic!("it asked on")
    };
    tokio::time::sleep(wait).await;
    other.publish(&repository(), &run).await.unwrap();
    one.publish(&repository(), &run).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(github.methods(), ["GET", "GET", "POST", "GET"]);
}

#[tokio::test]
async fn writes_of_all_keep_their_distance_and_reads_do_not() {
    let github = FakeGitHub::start("").await;
    let gap = Duration::from_millis(50);
    let api = github.api(SecretString::from(TOKEN)).with_gap(gap);
    let runs = checks::of_notice(&notice_sample::testing());
    let began = Instant::now();
    let publishing = runs.iter().take(4).cloned().map(|run| {
        let client = GitHub::new(api.clone());
        tokio::spawn(async move { client.publish(&repository(), &run).await })
    });
    for published in publishing.collect::<Vec<_>>() {
        published.await.unwrap().unwrap();
    }
    assert!(began.elapsed() >= 3 * gap, "{:?}", began.elapsed());
    let writes = github.methods().iter().filter(|method| *method == "POST").count();
    assert_eq!(writes, 4);
    let began = Instant::now();
    let slow = api.with_gap(Duration::from_secs(60));
    slow.get(Doing("a list"), repository().route("pulls?head=x&state=all&per_page=1&page=1")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30));
}
