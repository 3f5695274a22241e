//! The contract between the action and everything that reads what it did: one [`Report`] a run.
//!
//! In reading order: [`report`] is the document, [`stage`] one step of the run, [`console`] what the
//! machine said, [`verdict`] what it all means and whose fault it is.
//!
//! This crate does no network and no file access: it turns values into bytes and back.

pub mod console;
pub mod report;
pub mod stage;
pub mod verdict;

pub use console::{ConsoleEvent, EventClass};
pub use report::{
    Base, Baseline, FORMAT, Kernel, Machine, Patch, ReadError, Report, RollBack, Series, TestResult, TestStatus,
};
pub use stage::{Fact, Lane, Stage, StageName, StageResult};
pub use verdict::{Ending, Fault, Verdict};
