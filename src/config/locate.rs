//! Which file is the configuration.

use std::path::{Path, PathBuf};

use super::ConfigError;

/// The variable that names it.
pub const VARIABLE: &str = "PATCHLIFT_CONFIG";

/// Finds the configuration: what `--config` says, then `$PATCHLIFT_CONFIG`, then the first that is there of
/// `./patchlift.toml` and `/etc/patchlift/patchlift.toml`. What was named is taken whether it is there or not.
///
/// # Errors
/// [`ConfigError::NotFound`].
pub fn locate(given: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = ["patchlift.toml", "/etc/patchlift/patchlift.toml"].map(PathBuf::from);
    first(given.map(Path::to_owned).or(named), &usual)
}

fn first(named: Option<PathBuf>, usual: &[PathBuf]) -> Result<PathBuf, ConfigError> {
    named
        .or_else(|| usual.iter().find(|path| path.exists()).cloned())
        .ok_or_else(|| ConfigError::NotFound { looked: usual.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_counts_and_then_the_first_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let usual = ["a.toml", "b.toml"].map(|name| dir.path().join(name));
        let error = first(None, &usual).unwrap_err().to_string();
        assert!(
            error.contains("a.toml") && error.contains("b.toml") && error.contains("--config"),
            "{error}"
        );
        std::fs::write(&usual[1], "").unwrap();
        assert_eq!(first(None, &usual).unwrap(), usual[1]);
        std::fs::write(&usual[0], "").unwrap();
        assert_eq!(first(None, &usual).unwrap(), usual[0]);
        assert_eq!(first(Some("c.toml".into()), &usual).unwrap(), Path::new("c.toml"));
    }
}
