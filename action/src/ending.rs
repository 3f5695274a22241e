//! The end of a run: its report, and the mark on a box that did not come back.

use std::path::Path;

use jiff::Timestamp;
use patchlift_report::{Baseline, Kernel, Lane, Report, RollBack, Stage};

use crate::classify::{self, Evidence};
use crate::lease::Lease;
use crate::reproduce;
use crate::run::{Run, RunError, chain};
use crate::run_folder::{self, RunFolder};

/// Makes the report of a run whose stages are `done`, writes it into its folder, and quarantines a box that is not
/// back.
///
/// # Errors
/// Where the report can't be written.
pub(crate) fn end(
    run: &Run,
    folder: &RunFolder,
    started: Timestamp,
    done: Vec<Stage>,
    baseline: Option<Baseline>,
    lease: Option<&Lease>,
) -> Result<Report, RunError> {
    run.progress.finish();
    let mut report = assemble(run, folder.id(), started, done, baseline);
    if let (Some(lease), RollBack::Failed { reason }) = (lease, &run.roll_back)
        && let Err(error) = lease.quarantine(reason)
    {
        let warning = format!(" The box could not be marked as quarantined: {}.", chain(&error));
        report.verdict.summary.push_str(&warning);
    }
    write_report(&run.dir, &report)?;
    point_latest(&run.dir);
    Ok(report)
}

/// The report of a run whose stages are `done`.
fn assemble(
    run: &Run,
    run_id: String,
    started: Timestamp,
    mut stages: Vec<Stage>,
    baseline: Option<Baseline>,
) -> Report {
    let events = run.console.events();
    let verdict = classify::verdict(&Evidence {
        stages: &stages,
        baseline: baseline.as_ref(),
        events: &events,
        roll_back: &run.roll_back,
        series: &run.inputs.series,
        base: &run.inputs.base,
        machine: &run.machine,
    });
    classify::settle_faults(&mut stages, verdict.ending);
    let kernel = run.built.get(&Lane::Series).map(|built| Kernel {
        release: built.release.clone(),
        build_id: built.build_id.clone(),
        compiler: built.compiler.clone(),
        config_sha256: built.config_sha256.clone(),
        image_bytes: built.image_bytes,
    });
    Report {
        format: patchlift_report::FORMAT,
        generator: concat!("patchlift-action ", env!("CARGO_PKG_VERSION")).to_owned(),
        run_id,
        series: run.inputs.series.clone(),
        base: run.inputs.base.clone(),
        head: run.inputs.head.clone(),
        machine: run.machine.clone(),
        kernel,
        baseline,
        tests: run.tests.get(&Lane::Series).cloned().unwrap_or_default(),
        events,
        roll_back: run.roll_back.clone(),
        reproduce: reproduce::commands(run, verdict.ending),
        verdict,
        stages,
        started,
        ended: Timestamp::now(),
    }
}

/// Writes `report.json` and `report.html`, each by way of a temporary file: a reader never sees half of one.
fn write_report(dir: &Path, report: &Report) -> Result<(), RunError> {
    type Render = fn(&Report) -> Result<Vec<u8>, serde_json::Error>;
    let page: Render = |report| Ok(report.to_html().into_bytes());
    // Where there is a report.json, the run has said all.
    let forms: [(&str, Render); 2] = [("report.html", page), ("report.json", Report::to_json)];
    for (name, render) in forms {
        let bytes = render(report).map_err(RunError::Json)?;
        run_folder::replace(&dir.join(name), &bytes)?;
    }
    Ok(())
}

/// `runs/latest` points to the newest run. A convenience: that it fails changes nothing.
fn point_latest(dir: &Path) {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return };
    let part = parent.join(".latest.part");
    let _ = std::fs::remove_file(&part);
    if std::os::unix::fs::symlink(name, &part).is_ok() {
        let _ = std::fs::rename(&part, parent.join("latest"));
    }
}
