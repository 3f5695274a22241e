//! What is published, against a GitHub that remembers what it was told and speaks real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its shared functions too")]

mod apps;
mod check_runs;
mod contract;
mod fake_github;
mod limits;
mod pull_requests;
mod statuses;
mod texts;
