//! Patchwork: an in-memory model of its state, answering over HTTP.
