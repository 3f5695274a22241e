//! The action of patchlift.

fn main() {}
