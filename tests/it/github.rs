//! The client of GitHub against the model of GitHub.
