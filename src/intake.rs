//! A listed series and what the server holds of it, to the frozen text. Pure: what has to be fetched is given.
//!
//! In reading order: [`completeness`] looks at the numbers in the names, [`match_mailbox`] gives each patch its mail,
//! [`mail_from_json`] makes one where the mailbox cannot be trusted, [`freeze`] puts them together for good. Review
//! tags that the server had already put into the mailbox stay as they were then.

mod completeness;
mod frozen;
mod json_mail;
mod mailbox;

pub use completeness::{Completeness, completeness, in_order};
pub use frozen::{FreezeError, Frozen, Mails, MailsError, freeze};
pub use json_mail::mail_from_json;
pub use mailbox::{MailOf, Matched, Reason, match_mailbox};
