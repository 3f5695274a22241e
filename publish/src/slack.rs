//! A series as one message in Slack, with the details in its thread.
//!
//! [`message()`] and [`details()`] render a notice and do no I/O. [`Slack`] brings them into a channel: with a bot's
//! token one message a series, changed in place; with an incoming webhook one message when the series is over.
//! [`block`] is the little of Slack's Block Kit that is needed, with its limits; [`markup`] makes foreign text safe.

pub mod block;
mod bot;
mod call;
mod client;
mod details;
mod error;
pub mod markup;
mod message;

pub use block::Message;
pub use client::{PUBLIC_API, Place, Settings, Slack};
pub use details::details;
pub use error::SlackError;
pub use message::message;
