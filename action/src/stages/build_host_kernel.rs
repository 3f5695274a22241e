//! The kernel of the commit under test is compiled.

use patchlift_report::{Fault, Lane, StageResult};

use crate::cancel::Stop;
use crate::kernel::{self, Build, BuildError, Built};
use crate::run::{Done, Failure, Run, fault_of};
use crate::text;

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let stop = cancel.at_first();
    let log = format!("build-{lane}.log");
    run.progress.note("checking the tree out");
    run.source.check_out(run.commit(lane), stop)?;
    let built = build(run, lane, &log, stop).map_err(|error| failure(run, lane, error).log(&log))?;
    let done = Done::default()
        .fact("release", built.release.clone())
        .fact("build id", built.build_id.clone())
        .fact("image", format!("{:.1} MB", built.image_bytes as f64 / 1e6))
        .log(&log);
    run.built.insert(lane, built);
    Ok(done)
}

fn build(run: &mut Run, lane: Lane, log: &str, stop: Stop<'_>) -> Result<Built, BuildError> {
    let work = &run.inputs.work;
    let recipe = run.inputs.recipe.clone();
    let out = work.join("build").join(kernel::recipe_hash(&recipe, &run.compiler));
    let local_version = local_version(lane, &run.inputs.series.id, run.commit(lane));
    let (log, ccache) = (run.dir.join(log), work.join("ccache"));
    let config_copy = run.dir.join(format!("config-{lane}"));
    let (tree, limit, compiler) =
        (run.source.dir().to_owned(), run.inputs.limits.build, run.compiler.clone());
    let build = Build {
        tree: &tree,
        out: &out,
        ccache: &ccache,
        recipe: &recipe,
        local_version: &local_version,
        log: &log,
        config_copy: &config_copy,
        limit,
    };
    let mut files = 0u32;
    build.build(&compiler, stop, &mut |line| {
        // "  CC      kernel/fork.o": one line a file.
        if let Some(file) = line.strip_prefix("  ").and_then(|rest| rest.split_whitespace().nth(1)) {
            files += 1;
            run.progress.note(&format!("{files} files, {}", text::cut(file, 50)));
        }
    })
}

/// What is appended to the kernel's version, so that `uname -r` names series and commit. The whole release
/// must stay below 64 characters (`__NEW_UTS_LEN`).
fn local_version(lane: Lane, series: &str, commit: &str) -> String {
    let commit: String = commit.chars().take(12).collect();
    match lane {
        Lane::Base => format!("-plbase-{commit}"),
        Lane::Series => format!("-pl{}-{commit}", text::slug(series, 20)),
    }
}

fn failure(run: &Run, lane: Lane, error: BuildError) -> Failure {
    match error {
        BuildError::Stopped => Failure::stopped(),
        BuildError::Compile { ref excerpt, ref errors, .. } => {
            // A base that fails without a compiler's word was more likely given the wrong tools.
            let unexplained = errors.is_empty() && lane == Lane::Base;
            let fault = if unexplained { Fault::Infrastructure } else { fault_of(lane) };
            Failure::new(fault, error.to_string()).excerpt(excerpt.clone())
        }
        // The base has all its options, or there would be no series lane: the series took one away.
        BuildError::Config { .. } if lane == Lane::Series => Failure::new(Fault::Series, error.to_string()),
        BuildError::TimedOut => {
            let limit_s = run.inputs.limits.build.as_secs();
            let reason = "the kernel did not compile in its time".to_owned();
            let result = StageResult::TimedOut { fault: Fault::Infrastructure, limit_s, reason };
            Failure { result, excerpt: Vec::new(), log: None }
        }
        error => Failure::lab(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_short_and_safe() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(local_version(Lane::Base, "1", commit), "-plbase-0123456789ab");
        assert_eq!(local_version(Lane::Series, "1001", commit), "-pl1001-0123456789ab");
        let long = local_version(Lane::Series, &"x/".repeat(100), commit);
        assert!(long.len() < 40 && !long.contains('/'), "{long}");
    }
}
