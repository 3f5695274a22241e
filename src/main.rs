//! The bridge of patchlift.

fn main() {}
