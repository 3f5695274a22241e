//! What people get to read, and that each of it arrives once: against a GitHub and a Slack that remember what they
//! were told and speak real HTTP, and a real SMTP server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its shared functions too")]

mod apps;
mod check_runs;
mod contract;
mod fake_github;
mod fake_slack;
mod giants;
mod github_texts;
mod limits;
mod mail;
mod odd_answers;
mod pull_requests;
mod slack;
mod slack_models;
mod smtp_sink;
mod statuses;
mod texts;
mod tools;
