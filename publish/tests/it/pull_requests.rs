//! One pull request a series.

use patchlift_publish::notice::Standing;
use patchlift_publish::pull_request::{PullRequest, of_notice};
use patchlift_publish::{Change, GitHub, Notice, Published, notice_sample};
use patchlift_report::Ending;
use serde_json::json;

use crate::fake_github::{FakeGitHub, Fault, TOKEN, app, repository};

fn wanted(notice: &Notice) -> PullRequest {
    of_notice(notice, "powerpc/next").unwrap()
}

const FIRST: u64 = 1;

#[tokio::test]
async fn a_series_has_one_draft_that_follows_it_to_its_end() {
    let github = FakeGitHub::start("").await;
    let client = GitHub::new(github.api(app()));
    let mut said = Vec::new();
    for (notice, change) in [
        (notice_sample::notice(Standing::Waiting), Change::Created),
        (notice_sample::notice(Standing::Waiting), Change::None),
        (notice_sample::testing(), Change::Updated),
        (notice_sample::ended(Ending::DoesNotBoot), Change::Updated),
        (notice_sample::notice(Standing::Superseded { by: "ozlabs/4712".into() }), Change::Updated),
        (notice_sample::notice(Standing::Superseded { by: "ozlabs/4712".into() }), Change::None),
    ] {
        let published = client.propose(&repository(), &wanted(&notice)).await.unwrap();
        assert_eq!(published, Some(Published { id: FIRST, change }), "{:?}", notice.standing);
        github.memory(|memory| {
            let [pull] = &memory.pulls[..] else { panic!("{:?}", memory.pulls) };
            said.push(format!("{} {}", pull["state"].as_str().unwrap(), pull["labels"]));
        });
    }
    said.dedup();
    assert_eq!(
        said,
        [
            r#"open ["patchlift","patchlift: waiting"]"#,
            r#"open ["patchlift","patchlift: testing"]"#,
            r#"open ["patchlift","patchlift: failed"]"#,
            r#"closed ["patchlift","patchlift: superseded"]"#,
        ]
    );
    github.memory(|memory| assert_eq!(memory.pulls[0]["draft"], true));
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_pull_request() {
    for fault in [Fault::After(502), Fault::Before(502, vec![], "")] {
        let github = FakeGitHub::start("").await;
        let client = github.client(TOKEN);
        let made = matches!(fault, Fault::After(_));
        github.memory(|memory| memory.goes_wrong("POST ", fault));
        let wanted = wanted(&notice_sample::testing());
        let first = client.propose(&repository(), &wanted).await;
        assert_eq!(first.is_ok(), made, "{first:?}");
        client.propose(&repository(), &wanted).await.unwrap();
        github.memory(|memory| assert_eq!(memory.pulls.len(), 1));
    }
}

#[tokio::test]
async fn who_has_no_drafts_gets_a_plain_one() {
    let github = FakeGitHub::start("").await;
    github.memory(|memory| memory.has_no_drafts = true);
    let client = github.client(TOKEN);
    client.propose(&repository(), &wanted(&notice_sample::testing())).await.unwrap();
    github.memory(|memory| assert_eq!(memory.pulls[0]["draft"], false));
}

#[tokio::test]
async fn a_list_that_was_not_filtered_is_not_believed() {
    let github = FakeGitHub::start("").await;
    let other = r#"[{"number": 9, "state": "open", "title": "x", "body": null, "labels": [], "head": {"ref": "mine"}}]"#;
    github.memory(|memory| memory.goes_wrong("GET ", Fault::Before(200, vec![], other)));
    let wanted = wanted(&notice_sample::testing());
    let published = github.client(TOKEN).propose(&repository(), &wanted).await.unwrap();
    assert_eq!(published, Some(Published { id: FIRST, change: Change::Created }));
}

#[tokio::test]
async fn what_people_did_stays() {
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    let testing = wanted(&notice_sample::testing());
    client.propose(&repository(), &testing).await.unwrap();
    github.memory(|memory| {
        memory.pulls[0]["state"] = "closed".into();
        memory.pulls[0]["labels"] = json!(["look at this", "patchlift", "patchlift: testing"]);
    });
    let ended = wanted(&notice_sample::ended(Ending::Passed));
    client.propose(&repository(), &ended).await.unwrap();
    github.memory(|memory| {
        assert_eq!(memory.pulls.len(), 1);
        assert_eq!(memory.pulls[0]["state"], "closed");
        assert_eq!(memory.pulls[0]["labels"], json!(["look at this", "patchlift", "patchlift: passed"]));
    });
}

#[tokio::test]
async fn what_is_not_to_be_open_is_closed_and_not_begun() {
    let github = FakeGitHub::start("").await;
    let client = github.client(TOKEN);
    let open = wanted(&notice_sample::ended(Ending::Passed));
    let closed = PullRequest { open: false, ..open.clone() };
    assert_eq!(client.propose(&repository(), &closed).await.unwrap(), None);
    client.propose(&repository(), &open).await.unwrap();
    assert!(wanted(&notice_sample::testing()).open, "it is not over");
    client.propose(&repository(), &closed).await.unwrap();
    github.memory(|memory| assert_eq!(memory.pulls[0]["state"], "closed"));
}
