//! Whatever GitHub's description allows an answer to be is read.

use jiff::Timestamp;
use serde_json::Value;

use super::{client, inputs};
use crate::world::github::contract::allowed_answers;
use crate::world::github::{FakeGitHub, Fault, When};

const RUN: &str = "/repos/{owner}/{repo}/actions/runs/{run_id}";
const WORKFLOW: &str = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}";

fn answers(github: &FakeGitHub, what: &str, status: u16, body: &Value) {
    github.goes_wrong(what, When::Before, Fault::Answer(status, vec![], body.to_string().leak()));
}

#[tokio::test]
async fn contract_runs_are_read_whatever_is_null_or_new_in_them() {
    let github = FakeGitHub::start();
    let client = client(&github);
    for (what, body) in allowed_answers("get", RUN, 200) {
        answers(&github, "/actions/runs/", 200, &body);
        let run = client.run(1).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(run.id, body["id"], "{what}");
    }
    for (what, body) in allowed_answers("get", &format!("{WORKFLOW}/runs"), 200) {
        answers(&github, "/runs?", 200, &body);
        let found = client.find_run("k-1", Timestamp::now()).await;
        assert_eq!(found.unwrap_or_else(|error| panic!("{what}: {error:?}")), None);
    }
    for (what, body) in allowed_answers("post", &format!("{WORKFLOW}/dispatches"), 200) {
        answers(&github, "/dispatches", 200, &body);
        let id = client.dispatch(&inputs("k-1")).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(id, body["workflow_run_id"].as_u64(), "{what}");
    }
}

#[tokio::test]
async fn contract_jobs_and_artifacts_are_read_whatever_is_null_or_new_in_them() {
    let github = FakeGitHub::start();
    let client = client(&github);
    for (what, body) in allowed_answers("get", &format!("{RUN}/jobs"), 200) {
        answers(&github, "/jobs", 200, &body);
        let jobs = client.jobs(1).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(jobs.len(), body["jobs"].as_array().unwrap().len(), "{what}");
    }
    for (what, body) in allowed_answers("get", &format!("{RUN}/artifacts"), 200) {
        answers(&github, "/artifacts", 200, &body);
        let report = client.report(1).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(report, None, "{what}");
    }
}
