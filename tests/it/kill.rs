//! The bridge is killed at every step, and everything around it fails in turn.
