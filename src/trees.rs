//! Upstream trees: fetched, and what is known of them.

use std::time::Duration;

/// One upstream repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name: `powerpc` in the base `powerpc/next`. [`crate::listing::is_name`] holds.
    pub name: String,
    /// Where it is fetched from: https, ssh, git or a path.
    pub url: String,
    /// The branches that serve as bases.
    pub branches: Vec<String>,
    /// How often it is fetched.
    pub fetch_every: Duration,
}
