//! One file a stage, by the stage's name.

mod boot;
mod build_host_kernel;
mod fetch_source;
mod install_host_kernel;
mod kvm_smoke;
mod preflight;
mod roll_back;
mod verify;
mod watched;

use patchlift_report::StageName;

use crate::plan::Planned;
use crate::run::{Done, Failure, Run};

/// Where kernels under test lie on the box: not in `/boot`, which belongs to the known-good system.
pub const ON_BOX: &str = "/var/lib/patchlift";

/// Runs one stage.
///
/// # Errors
/// How it ended where it did not do what its name says.
pub fn run(run: &mut Run, planned: Planned) -> Result<Done, Failure> {
    match planned.name {
        StageName::Preflight => preflight::run(run),
        StageName::FetchSource => fetch_source::run(run),
        StageName::BuildHostKernel => build_host_kernel::run(run, planned.lane),
        StageName::InstallHostKernel => install_host_kernel::run(run, planned.lane),
        StageName::Boot => boot::run(run, planned.lane),
        StageName::Verify => verify::run(run, planned.lane),
        StageName::KvmSmoke => kvm_smoke::run(run, planned.lane),
        StageName::RollBack => roll_back::run(run, planned.lane),
    }
}
