//! Upstream trees: fetched, and what is known of them.
//!
//! One bare repository holds all of them, and the commits that are made of series: [`Repository`]. [`fetch`] brings a
//! tree up to date; [`authors`] counts who wrote how much of it. Branches are `refs/trees/<tree>/<branch>`.

pub mod authors;
pub mod fetch;
mod look_up;
mod repository;
mod upkeep;

use std::time::Duration;

pub use crate::git_process::{BadAddress, Limits};
pub use fetch::{Fetched, Moved, TreeError};
pub use repository::Repository;
pub(crate) use repository::remove_stale_locks;

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

impl Settings {
    /// The base's name, `powerpc/next`.
    pub fn base(&self, branch: &str) -> String {
        format!("{}/{branch}", self.name)
    }
}
