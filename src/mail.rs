//! One mail to author, date, subject, commit message and patch, byte for byte as `git mailinfo` reads it.
//!
//! In reading order: [`reader`] walks the mail, [`header`] unfolds and decodes header lines, [`structure`] knows what
//! a Content-Type says, [`transfer`] undoes base64 and quoted-printable, [`charset`] turns text into UTF-8,
//! [`address`] and [`subject`] clean what the headers say. [`overview`] is what people and threads need: it is read
//! with mail-parser, which is right for those and wrong for the bytes that get applied.

pub mod address;
pub mod charset;
pub mod header;
mod marks;
pub mod overview;
pub mod reader;
pub mod structure;
pub mod subject;
pub mod trailers;
pub mod transfer;

pub use overview::Overview;
pub use reader::{Content, MailError, Options, read};
