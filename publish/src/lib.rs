//! Where a verdict is written for people. Both programs use this crate, so that GitHub hears the same from both.
//!
//! [`check_run`] and [`annotation`] turn a report into what GitHub shows beside a commit; they do no I/O.
//! [`github`] sends it by way of [`api`], which the bridge uses for its own requests. [`job_summary`] appends the
//! report to the page of the workflow run.

pub mod annotation;
#[cfg(feature = "github")]
pub mod api;
pub mod check_run;
#[cfg(feature = "github")]
pub mod github;
pub mod job_summary;
pub mod notice;
pub mod notice_sample;

pub use annotation::{Annotation, AnnotationLevel};
#[cfg(feature = "github")]
pub use api::{Api, ApiError};
pub use check_run::{CheckRun, CheckRunConclusion, CheckTarget, NoCommit};
#[cfg(feature = "github")]
pub use github::{GitHub, GitHubError, Published, Repository};
pub use notice::{Commits, Links, LiveStage, Notice, NoticePatch, Standing};
