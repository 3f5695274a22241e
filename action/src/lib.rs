//! The action: puts a patched kernel on a box, boots it once, tests it, rolls back, reports.
//!
//! In reading order:
//!
//! * what is asked for: [`inputs`], [`machine`];
//! * what will be done: [`plan`]; the loop that does it: [`run`], with its [`journal`] and [`lease`];
//! * its end: `ending`; a run in the background: [`run_folder`], [`start`], [`follow`], [`stop`], [`recover`];
//! * one file a stage: [`stages`];
//! * what the stages use: [`source`], [`kernel`], [`guest`], [`host`], [`power`], [`console`],
//!   [`boot_watch`], [`known_good`], [`process`], [`orphans`], [`cancel`];
//! * what decides: [`crash`], [`trace`], [`scan`], [`notes`], [`build_log`], [`baseline`], [`classify`], none of which does any I/O
//!   but the store of baselines;
//! * what people see: [`progress`], [`reproduce`], [`text`]; what a workflow's runner reads: [`workflow`].

pub mod baseline;
pub mod boot_watch;
pub mod build_log;
pub mod cancel;
pub mod classify;
pub mod console;
pub mod crash;
mod ending;
pub mod follow;
pub mod guest;
pub mod host;
pub mod inputs;
pub mod journal;
pub mod kernel;
pub mod known_good;
pub mod lease;
pub mod machine;
pub mod notes;
pub mod orphans;
pub mod plan;
pub mod power;
pub mod process;
pub mod progress;
pub mod recover;
pub mod reproduce;
pub mod run;
pub mod run_folder;
pub mod scan;
pub mod source;
pub mod stages;
pub mod start;
pub mod stop;
pub mod text;
pub mod trace;
pub mod workflow;
