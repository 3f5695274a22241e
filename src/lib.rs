//! The bridge of patchlift: patch series from a mailing list to branches that hardware can test.
//!
//! In reading order: [`mbox`] cuts a mailbox into mails, [`mail`] reads one mail as `git mailinfo` does, [`series`]
//! puts the mails of a series in order, [`patch`] reads a diff as `git apply` does, [`apply`] makes commits of it,
//! [`bases`] says on
//! which bases it is tried, [`mirror`] moves the branch. [`date`] reads dates. [`cli`] and [`command`] are what a person types.

pub mod apply;
pub mod backoff;
pub mod bases;
pub mod bridge;
mod bytes;
pub mod ci_commit;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod date;
pub mod exit;
mod git_process;
pub mod github;
pub mod input;
pub mod intake;
pub mod listing;
pub mod mail;
pub mod mbox;
pub mod mirror;
pub mod patch;
pub mod patchwork;
pub mod policy;
pub mod queue;
pub mod record;
pub mod series;
pub mod store;
pub mod trees;
pub mod webhook;

pub use bytes::shown;
