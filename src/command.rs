//! The commands: from arguments to output. [`failure`] says whose fault an error is, [`outcome`] what is printed.

pub mod apply;
pub mod ask;
pub mod bridge;
pub mod failure;
pub mod find;
mod looking;
pub mod mail;
mod one_series;
pub mod outcome;
mod paper;
pub mod publish;
pub mod replay;
pub mod report;
mod screen;
pub mod series;
pub mod show;
mod state_words;
pub mod status;
mod which;
