//! Where a verdict is written for people. Both programs use this crate, so that GitHub hears the same from both.
//!
//! A [`notice`] says where a series stands. [`checks`] makes check runs of it or of a report, [`status`] commit statuses
//! of those, [`pull_request`] a pull request; they do no I/O. [`github`] sends them by way of [`api`], which the bridge
//! uses for its own requests, as whoever [`auth`] says. [`job_summary`] appends a report to the page of the workflow run.
//! [`notice_words`] puts a notice into words, and [`gist`] takes them apart for [`slack`] and [`mail`].

#[cfg(any(feature = "github", feature = "slack"))]
mod address;
pub mod annotation;
#[cfg(feature = "github")]
pub mod api;
#[cfg(feature = "github")]
pub mod auth;
pub mod check_run;
pub mod checks;
pub mod gist;
#[cfg(feature = "github")]
pub mod github;
pub mod job_summary;
#[cfg(feature = "mail")]
pub mod mail;
pub mod notice;
pub mod notice_sample;
pub mod notice_words;
pub mod pull_request;
#[cfg(feature = "slack")]
pub mod slack;
pub mod status;

pub use annotation::{Annotation, AnnotationLevel};
#[cfg(feature = "github")]
pub use api::{Api, ApiError};
#[cfg(feature = "github")]
pub use auth::{App, Credential, Permissions};
pub use check_run::{CheckAction, CheckRun, CheckRunConclusion, CheckStatus};
#[cfg(feature = "github")]
pub use github::{Change, GitHub, GitHubError, Published, Repository};
pub use notice::{Commits, Links, LiveStage, Notice, NoticePatch, Standing};
pub use pull_request::PullRequest;
pub use status::CommitStatus;
