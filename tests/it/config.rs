//! `patchlift.toml`: the example, and what is refused.
