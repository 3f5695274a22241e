//! `patchlift.toml`: what is written, checked.
