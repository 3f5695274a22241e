//! The bridge of patchlift: patch series from a mailing list to branches that hardware can test.
//!
//! In reading order: [`mbox`] cuts a mailbox into mails, [`mail`] reads one mail as `git mailinfo` does, [`series`]
//! puts the mails of a series in order, [`patch`] reads a diff as `git apply` does, [`apply`] makes commits of it,
//! [`bases`] says on
//! which bases it is tried, [`mirror`] moves the branch. [`date`] reads dates. [`cli`] and [`command`] are what a person types.

pub mod apply;
pub mod bases;
mod bytes;
pub mod cli;
pub mod command;
pub mod date;
pub mod exit;
pub mod input;
pub mod mail;
pub mod mbox;
pub mod mirror;
pub mod patch;
pub mod series;

pub use bytes::shown;
