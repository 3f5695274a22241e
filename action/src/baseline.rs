//! What is known of unpatched bases, by base commit, recipe and box.

use std::path::PathBuf;

use jiff::Timestamp;
use patchlift_report::{Baseline, Ending, Lane, Stage, StageName, StageResult};

use sha2::{Digest, Sha256};

use crate::host::hex;
use crate::run::Run;
use crate::{classify, kernel};

/// One file a base, in the work folder.
#[derive(Debug)]
pub struct BaselineStore {
    path: PathBuf,
}

impl BaselineStore {
    /// The place of the base that a run tests. Everything that decides how a base fares is part of its name:
    /// how it is built, with what, how it is booted and tested, for how long, and from which system.
    pub fn new(run: &Run) -> Self {
        let inputs = &run.inputs;
        let mut hash = Sha256::new();
        let parts = [
            kernel::recipe_hash(&inputs.recipe, &run.compiler),
            format!("{:?} {:?} {:?}", inputs.machine.boot, inputs.machine.kvm, inputs.limits),
            run.known_good.as_ref().map(|known_good| known_good.build_id.clone()).unwrap_or_default(),
        ];
        for part in &parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let conditions: String = hex(&hash.finalize()).chars().take(16).collect();
        let base: String = inputs.base.commit.chars().take(16).collect();
        let name = format!("{base}-{conditions}-{}.json", inputs.machine.name);
        Self { path: inputs.work.join("baselines").join(name) }
    }

    /// What is known of it; a file that can't be read counts as nothing.
    pub fn read(&self) -> Option<Baseline> {
        let bytes = std::fs::read(&self.path).ok()?;
        let baseline: Baseline = serde_json::from_slice(&bytes).ok()?;
        Some(Baseline { made_now: false, ..baseline })
    }

    /// What this run learned of the base, kept for the next ones. None where the lab failed meanwhile.
    pub fn learn(&self, run: &Run, done: &[Stage]) -> Option<Baseline> {
        let (ending, reason) = outcome(done)?;
        let baseline = Baseline {
            commit: run.inputs.base.commit.clone(),
            ending,
            reason,
            tested: Timestamp::now(),
            made_now: true,
            tests: run.tests.get(&Lane::Base).cloned().unwrap_or_default(),
        };
        // That it can't be kept costs the next run some minutes, and this one nothing.
        let _ = self.keep(&baseline);
        Some(baseline)
    }

    fn keep(&self, baseline: &Baseline) -> std::io::Result<()> {
        let Some(parent) = self.path.parent() else { return Ok(()) };
        std::fs::create_dir_all(parent)?;
        let part = self.path.with_extension("part");
        std::fs::write(&part, serde_json::to_vec_pretty(baseline)?)?;
        std::fs::rename(&part, &self.path)
    }
}

/// How the base's lane ended, if it ended by itself: it passed, or its code failed.
fn outcome(done: &[Stage]) -> Option<(Ending, String)> {
    let base: Vec<_> = done.iter().filter(|stage| stage.lane == Lane::Base).collect();
    let failed = base.iter().find_map(|stage| Some((stage.name, stage.result.failure()?)));
    match failed {
        Some((name, (patchlift_report::Fault::Base, reason))) => {
            Some((classify::phase(name).ending(), reason.to_owned()))
        }
        Some(_) => None,
        // An interrupted or a skipped stage is no pass, even if the box was given back in order afterwards.
        None => {
            let complete = base.iter().any(|stage| stage.name == StageName::RollBack);
            let passed = complete && base.iter().all(|stage| stage.result == StageResult::Passed);
            passed.then(|| (Ending::Passed, String::new()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchlift_report::Fault;

    fn stage(name: StageName, result: StageResult) -> Stage {
        Stage::at_once(name, Lane::Base, result, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_what_the_base_did_itself_is_learned() {
        let failed = |fault| StageResult::Failed { fault, reason: "x".to_owned() };
        let passed =
            [stage(StageName::Boot, StageResult::Passed), stage(StageName::RollBack, StageResult::Passed)];
        assert_eq!(outcome(&passed), Some((Ending::Passed, String::new())));
        let broken =
            [stage(StageName::Boot, failed(Fault::Base)), stage(StageName::RollBack, StageResult::Passed)];
        assert_eq!(outcome(&broken), Some((Ending::DoesNotBoot, "x".to_owned())));
        assert_eq!(outcome(&[stage(StageName::Boot, failed(Fault::Infrastructure))]), None);
        let stopped = [
            stage(StageName::Boot, StageResult::Interrupted),
            stage(StageName::RollBack, StageResult::Passed),
        ];
        assert_eq!(outcome(&stopped), None);
        assert_eq!(outcome(&[]), None);
    }
}
