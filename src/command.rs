//! The commands: from arguments to output. [`failure`] says whose fault an error is, [`outcome`] what is printed.

pub mod apply;
pub mod failure;
pub mod mail;
pub mod outcome;
mod screen;
pub mod series;
