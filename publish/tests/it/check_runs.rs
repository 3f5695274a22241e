//! One check run a run, whatever goes wrong on the way.

use std::error::Error as _;
use std::time::{Duration, Instant};

use patchlift_publish::{
    Annotation, AnnotationLevel, Api, ApiError, Change, CheckRun, CheckRunConclusion, CheckStatus, GitHub,
    GitHubError, Published, Repository, checks, notice_sample,
};
use patchlift_report::{Ending, sample};
use secrecy::SecretString;
use serde_json::Value;

use crate::fake_github::{FakeGitHub, Fault, TOKEN, repository};

/// The check run of the whole.
fn check_run(ending: Ending, annotations: u32) -> CheckRun {
    let mut run = checks::of_report(&sample::report(ending), None).remove(0);
    run.annotations = (1..=annotations)
        .map(|line| Annotation {
            path: "arch/powerpc/kvm/book3s_hv.c".to_owned(),
            start_line: line,
            end_line: line,
            annotation_level: AnnotationLevel::Failure,
            message: format!("error {line}"),
        })
        .collect();
    run
}

async fn publish(github: &FakeGitHub, run: &CheckRun) -> Result<Published, GitHubError> {
    github.client(TOKEN).publish(&repository(), run).await
}

fn client(url: &str, token: &str) -> GitHub {
    GitHub::new(Api::new(url, SecretString::from(token)).unwrap().with_gap(Duration::ZERO))
}

/// Made now, as the first one.
const MADE: Published = Published { id: 101, change: Change::Created };

/// The lines of the annotations that one check run has; fails if there is not exactly one.
fn noted(github: &FakeGitHub) -> Vec<u64> {
    github.memory(|memory| {
        let [run] = &memory.check_runs[..] else { panic!("{} check runs", memory.check_runs.len()) };
        let annotations = run["annotations"].as_array().unwrap();
        annotations.iter().map(|annotation| annotation["start_line"].as_u64().unwrap()).collect()
    })
}

#[tokio::test]
async fn contract_every_check_run_of_every_ending_is_taken_by_github() {
    for ending in sample::ENDINGS {
        let github = FakeGitHub::start("").await;
        let report = sample::report(ending);
        let client = github.client(TOKEN);
        let runs = checks::of_report(&report, Some("https://ci.example.org/4711/"));
        for run in &runs {
            assert_eq!(client.publish(&repository(), run).await.unwrap().change, Change::Created);
        }
        github.memory(|memory| {
            for (kept, run) in memory.check_runs.iter().zip(&runs) {
                assert_eq!(kept["head_sha"], run.head_sha.as_str());
                assert_eq!(kept["title"], run.title.as_str());
                assert_eq!(kept["status"], "completed");
            }
            assert_eq!(memory.check_runs.len(), runs.len());
        });
    }
}

#[tokio::test]
async fn contract_every_check_run_of_every_notice_is_taken_by_github() {
    for (name, notice) in notice_sample::all() {
        let github = FakeGitHub::start("").await;
        let client = github.client(TOKEN);
        for run in checks::of_notice(&notice) {
            client.publish(&repository(), &run).await.unwrap();
        }
        let there = github.memory(|memory| memory.check_runs.len());
        assert_eq!(there == 0, notice.commits.is_none(), "{name}");
    }
}

/// What the bridge announces the workflow completes, and the other way round: nobody makes a second one.
#[tokio::test]
async fn a_run_that_was_announced_is_completed_by_its_report() {
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    let mut report = sample::report(Ending::DoesNotBoot);
    report.series.id = "ozlabs_4711".to_owned();
    let mut notice = notice_sample::testing();
    notice.patches.truncate(1);
    notice.patches[0].commit = Some(report.head.clone());
    report.series.patches.drain(..2);
    for run in checks::of_notice(&notice) {
        client.publish(&repository(), &run).await.unwrap();
    }
    let announced = github.memory(|memory| memory.check_runs.len());
    assert_eq!(announced, 5);
    for run in checks::of_report(&report, None) {
        assert_eq!(
            client.publish(&repository(), &run).await.unwrap().change,
            Change::Updated,
            "{}",
            run.name
        );
    }
    let marks: Vec<_> = github.memory(|memory| {
        memory.check_runs.iter().map(|run| (run["name"].clone(), run["conclusion"].clone())).collect()
    });
    assert_eq!(
        marks,
        [
            ("patchlift", "failure"),
            ("patchlift / apply", "success"),
            ("patchlift / host-kernel", "success"),
            ("patchlift / boot", "failure"),
            ("patchlift / kvm-tests", "skipped"),
        ]
        .map(|(name, mark)| (Value::from(name), Value::from(mark)))
    );
}

#[tokio::test]
async fn what_is_the_same_is_not_sent_again() {
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    let runs = checks::of_notice(&notice_sample::testing());
    for change in [Change::Created, Change::None, Change::None] {
        for run in &runs {
            assert_eq!(client.publish(&repository(), run).await.unwrap().change, change, "{}", run.name);
        }
    }
    assert_eq!(github.methods().iter().filter(|method| *method != "GET").count(), runs.len());
}

#[tokio::test]
async fn what_comes_late_opens_no_verdict_again() {
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    let mut run = check_run(Ending::Passed, 0);
    client.publish(&repository(), &run).await.unwrap();
    run.status = CheckStatus::InProgress;
    assert_eq!(client.publish(&repository(), &run).await.unwrap().change, Change::None);
    // A series that was held is tested once it is let go.
    run.external_id += "-held";
    run.status = CheckStatus::Completed(CheckRunConclusion::ActionRequired);
    client.publish(&repository(), &run).await.unwrap();
    run.status = CheckStatus::Queued;
    run.completed_at = None;
    assert_eq!(client.publish(&repository(), &run).await.unwrap().change, Change::Updated);
    github.memory(|memory| {
        assert_eq!(memory.check_runs[0]["conclusion"], "success");
        assert_eq!(memory.check_runs[1]["status"], "queued");
        assert_eq!(memory.check_runs[1]["conclusion"], Value::Null);
    });
}

#[tokio::test]
async fn contract_annotations_are_sent_fifty_at_a_time() {
    for (count, methods) in [
        (0, &["GET", "POST"][..]),
        (1, &["GET", "POST"]),
        (50, &["GET", "POST"]),
        (51, &["GET", "POST", "PATCH"]),
        (120, &["GET", "POST", "PATCH", "PATCH"]),
    ] {
        let github = FakeGitHub::start("").await;
        publish(&github, &check_run(Ending::DoesNotBuild, count)).await.unwrap();
        assert_eq!(github.methods(), methods, "{count}");
        assert_eq!(noted(&github), (1..=u64::from(count)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn contract_a_summary_at_the_limit_is_taken() {
    let github = FakeGitHub::start("").await;
    for length in [65_534, 65_535] {
        let mut run = check_run(Ending::Passed, 0);
        run.summary = "é".repeat(length / 2) + &"x".repeat(length % 2);
        publish(&github, &run).await.unwrap();
    }
}

#[tokio::test]
async fn contract_publishing_twice_leaves_one_check_run() {
    let github = FakeGitHub::start("").await;
    let run = check_run(Ending::DoesNotBuild, 70);
    assert_eq!(publish(&github, &run).await.unwrap(), MADE);
    let again = publish(&github, &run).await.unwrap();
    assert_eq!(again, Published { id: 101, change: Change::None });
    assert_eq!(noted(&github), (1..=70).collect::<Vec<_>>());
}

#[tokio::test]
async fn contract_a_check_run_that_was_announced_is_completed() {
    let github = FakeGitHub::start("").await;
    let run = check_run(Ending::DoesNotBoot, 0);
    github.memory(|memory| {
        let announced = serde_json::json!({
            "id": 7, "head_sha": run.head_sha, "name": run.name, "external_id": run.external_id,
            "status": "in_progress", "conclusion": null, "annotations": [],
        });
        let mut other = announced.clone();
        other["id"] = 8.into();
        other["external_id"] = Value::Null;
        memory.check_runs = vec![announced, other];
    });
    let published = publish(&github, &run).await.unwrap();
    assert_eq!(published, Published { id: 7, change: Change::Updated });
    github.memory(|memory| {
        assert_eq!(memory.check_runs.len(), 2);
        assert_eq!(memory.check_runs[0]["conclusion"], "failure");
        assert_eq!(memory.check_runs[1]["status"], "in_progress");
    });
}

#[tokio::test]
async fn contract_an_answer_that_is_lost_makes_no_second_check_run() {
    for fault in [Fault::After(500), Fault::After(502), Fault::After(504), Fault::SilenceAfter] {
        let github = FakeGitHub::start("").await;
        let silent = matches!(fault, Fault::SilenceAfter);
        github.memory(|memory| memory.goes_wrong("POST ", fault));
        // Nobody waits for an answer that will not come; for others the machine may take its time.
        let limit = if silent { Duration::from_secs(1) } else { Duration::from_secs(30) };
        let api = github.api(SecretString::from(TOKEN)).with_answer_limit(limit);
        GitHub::new(api).publish(&repository(), &check_run(Ending::DoesNotBuild, 60)).await.unwrap();
        assert_eq!(github.methods(), ["GET", "POST", "GET", "PATCH"]);
        assert_eq!(noted(&github), (1..=60).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn contract_a_post_is_never_sent_again_by_itself() {
    let github = FakeGitHub::start("").await;
    for _ in 0..4 {
        github.memory(|memory| memory.goes_wrong("POST ", Fault::Before(502, vec![], "<html>")));
    }
    let error = publish(&github, &check_run(Ending::Passed, 0)).await.unwrap_err();
    assert_eq!(error.to_string(), "GitHub answers a new check run with status 502");
    assert_eq!(github.methods(), ["GET", "POST", "GET"]);
}

#[tokio::test]
async fn contract_a_failure_in_the_middle_is_made_good_by_publishing_again() {
    for fault in [Fault::Before(503, vec![], ""), Fault::After(502)] {
        let github = FakeGitHub::start("").await;
        github.memory(|memory| memory.goes_wrong_after(1, "PATCH ", fault));
        let run = check_run(Ending::DoesNotBuild, 170);
        let error = publish(&github, &run).await.unwrap_err();
        assert!(matches!(error, GitHubError::Api(ApiError::OutOfOrder { .. })), "{error}");
        publish(&github, &run).await.unwrap();
        assert_eq!(noted(&github), (1..=170).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn contract_the_look_up_reads_every_page() {
    let github = FakeGitHub::start("").await;
    let run = check_run(Ending::Passed, 0);
    github.memory(|memory| {
        memory.check_runs = (1..=250)
            .map(|id| {
                serde_json::json!({
                    "id": id, "head_sha": run.head_sha, "name": run.name, "status": "completed",
                    "external_id": if id == 230 { run.external_id.clone() } else { format!("other {id}") },
                    "conclusion": "success", "annotations": [],
                })
            })
            .collect();
    });
    assert_eq!(publish(&github, &run).await.unwrap(), Published { id: 230, change: Change::Updated });
    assert_eq!(github.methods(), ["GET", "GET", "GET", "PATCH"]);
}

#[tokio::test]
async fn contract_an_answer_that_is_no_json_is_not_believed() {
    let github = FakeGitHub::start("").await;
    github.memory(|memory| memory.goes_wrong("GET ", Fault::Before(200, vec![], "<html>login</html>")));
    let error = publish(&github, &check_run(Ending::Passed, 0)).await.unwrap_err();
    assert!(matches!(error, GitHubError::Api(ApiError::Unreadable { .. })), "{error}");
    assert_eq!(github.methods(), ["GET"], "nothing is written after a look-up that says nothing");
}

#[tokio::test]
async fn contract_17_a_server_with_its_api_below_a_path_is_reached() {
    let github = FakeGitHub::start("/api/v3").await;
    publish(&github, &check_run(Ending::DoesNotBuild, 51)).await.unwrap();
    assert_eq!(noted(&github).len(), 51);
}

#[tokio::test]
async fn a_github_that_says_nothing_is_given_up() {
    let github = FakeGitHub::start("").await;
    github.memory(|memory| {
        memory.goes_wrong("GET ", Fault::Silence);
        memory.goes_wrong_after(2, "GET ", Fault::Silence);
        memory.goes_wrong("POST ", Fault::Silence);
    });
    let api = github.api(SecretString::from(TOKEN)).with_answer_limit(Duration::from_millis(200));
    let client = GitHub::new(api);
    let repository = repository();
    let run = check_run(Ending::Passed, 0);
    let began = Instant::now();
    let error = client.publish(&repository, &run).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer from GitHub to the look-up of check runs");
    assert_eq!(github.methods(), ["GET"]);
    let error = client.publish(&repository, &run).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer from GitHub to the look-up of check runs");
    assert_eq!(github.methods(), ["GET", "GET", "POST", "GET"]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_token_is_in_no_error_and_no_debug_output() {
    let github = FakeGitHub::start("").await;
    let repository = repository();
    let wrong = "ghs_another-token-that-must-never-be-seen";
    let refused = client(&github.url, wrong);
    let nobody = client("http://127.0.0.1:9", TOKEN);
    let run = check_run(Ending::Passed, 0);
    let mut said = format!("{refused:?} {nobody:?}");
    for error in [
        refused.publish(&repository, &run).await.unwrap_err(),
        nobody.publish(&repository, &run).await.unwrap_err(),
    ] {
        said += &format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            said += &format!(" {cause}");
            source = cause.source();
        }
    }
    assert!(said.contains("status 401: Bad credentials"), "{said}");
    assert!(!said.contains("must-never-be-seen"), "{said}");
    github.memory(|memory| assert!(!memory.requests.concat().contains("must-never-be-seen")));
}

#[test]
fn addresses_that_would_show_the_token_are_refused() {
    for (url, taken) in [
        ("https://api.github.com", true),
        ("https://ghe.example.org/api/v3/", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost/api/v3", true),
        ("http://[::1]:80", true),
        ("http://api.github.com", false),
        ("http://127.0.0.1.example.org", false),
        ("http://localhost.example.org", false),
        ("https://user:word@ghe.example.org", false),
        ("https://ghe.example.org/?x=1", false),
        ("ftp://ghe.example.org", false),
        ("", false),
    ] {
        assert_eq!(Api::new(url, SecretString::from(TOKEN)).is_ok(), taken, "{url}");
    }
    for (name, taken) in [
        ("octo/mirror", true),
        ("octo-org/linux.ppc_64", true),
        ("octo", false),
        ("octo/", false),
        ("/mirror", false),
        ("octo/mirror/x", false),
        ("octo/..", false),
        ("octo/mir ror", false),
        ("octo/mirror?x", false),
        ("octo/m%2e", false),
    ] {
        assert_eq!(Repository::parse(name).is_ok(), taken, "{name}");
    }
}
