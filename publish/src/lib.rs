//! Where a verdict is written for people.
