//! Which series gets which box. Pure.

/// A box that tests series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestBox {
    /// Its name. [`crate::listing::is_name`] holds.
    pub name: String,
    /// What it is: `power8`, `kvm-hv`. A project's series run on boxes that have all labels the project asks for.
    pub labels: Vec<String>,
}
