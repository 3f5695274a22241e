//! The commits under test are in a source tree on the controller.

use crate::run::{Done, Failure, Run};

pub(super) fn run(run: &mut Run) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let (inputs, count) = (&run.inputs, run.inputs.series.patches.len());
    run.progress.note(&inputs.repo);
    let patches =
        run.source.fetch(&inputs.repo, &inputs.base.commit, &inputs.head, count, cancel.at_first())?;
    let done = Done::default()
        .fact("base", run.inputs.base.commit.clone())
        .fact("head", run.inputs.head.clone())
        .fact("patches", patches.len().to_string());
    run.inputs.series.patches = patches;
    Ok(done)
}
