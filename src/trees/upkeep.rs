//! The repository is kept fast: each series and each fetch leaves a pack, and looking into a thousand packs is slow.

use super::{Repository, TreeError};
use crate::git_process::{self, Call, GitProcessError};

/// What is done, one after the other. Nothing of it drops an object, whether something refers to it or not.
const STEPS: [&[&str]; 3] = [
    // Each pack is left at least twice as big as the next smaller ones together: few packs, and the big one is
    // never written again.
    &["repack", "--geometric=2", "-d", "-q"],
    &["pack-refs", "--all"],
    &["commit-graph", "write", "--reachable", "--split", "--no-progress"],
];

impl Repository {
    /// Puts small packs together and writes git's index of commits; once a day is enough. Nothing happens where
    /// there is no git program.
    ///
    /// # Errors
    /// A step did not work. The repository is as usable as before.
    pub async fn upkeep(&self) -> Result<(), TreeError> {
        self.remove_stale_locks();
        for step in STEPS {
            let call = Call {
                git: self.git(),
                git_dir: self.path(),
                protocol: "none",
                args: step.iter().map(Into::into).collect(),
                env: Vec::new(),
                limits: self.limits(),
                progress: None,
            };
            match git_process::run(&call).await {
                Ok(finished) if finished.success => {}
                Ok(finished) if self.disk_is_full(&finished.said) => {
                    return Err(TreeError::DiskFull { path: self.path().to_owned() });
                }
                Ok(finished) => {
                    return Err(TreeError::Upkeep { step: step.join(" "), said: finished.said });
                }
                Err(GitProcessError::NoGit) => return Ok(()),
                Err(source) => return Err(TreeError::Process(Box::new(source))),
            }
        }
        Ok(())
    }
}
