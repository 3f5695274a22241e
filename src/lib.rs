//! The bridge of patchlift.
