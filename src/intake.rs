//! A listed series and what the server holds of it, to the frozen text.

mod completeness;

pub use completeness::{Completeness, completeness, in_order};
