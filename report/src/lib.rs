//! The contract between the action and everything that reads what it did: one [`Report`] a run.
//!
//! In reading order: [`report`] is the document, [`stage`] one step of the run, [`console`] what the
//! machine said, [`verdict`] what it all means and whose fault it is. [`comparison`] puts the series' tests
//! beside the base's, [`decisive`] finds what a reader should see first, [`outline`] what was tested on what.
//! [`words`] are the fixed sentences, [`clean`] makes foreign text safe to show, and [`text`], [`markdown`] and
//! [`html`] are the renderings. [`sample`] has a made-up report for every ending.
//!
//! This crate does no network and no file access: it turns values into bytes and back.

pub mod clean;
pub mod comparison;
pub mod console;
pub mod decisive;
pub mod html;
pub mod markdown;
pub mod outline;
pub mod report;
pub mod sample;
pub mod stage;
pub mod text;
pub mod verdict;
pub mod words;

pub use console::{ConsoleEvent, EventClass};
pub use report::{
    Base, Baseline, FORMAT, Kernel, Machine, Patch, ReadError, Report, RollBack, Series, TestResult,
    TestStatus,
};
pub use stage::{Fact, Lane, Stage, StageName, StageResult};
pub use verdict::{Ending, Fault, Verdict};
