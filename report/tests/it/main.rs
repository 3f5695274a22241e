//! What a reader gets: the format stays readable, the renderings say what they should, and nothing that a patch,
//! a console or a compiler wrote gets out of its place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, in its shared functions too")]

mod decisive;
mod format;
mod hostile;
mod page;
mod poison;
mod summary;
mod terminal;
