//! A verdict as a reply in its thread, in plain text.
//!
//! [`reply()`] renders a notice and does no I/O: it says whether there is anything to mail and to whom.
//! [`Mailer`] hands the reply to an SMTP server. [`address`] holds who may be written to.

pub mod address;
mod error;
mod mailer;
mod reply;
mod text;

pub use address::Person;
pub use error::{MailError, Step};
pub use mailer::{Delivery, Mailer, Settings, Tls};
pub use reply::{Reply, ReplySettings, reply};
