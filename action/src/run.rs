//! One run: everything a stage may use, and the loop over the plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::{
    Baseline, Fact, Fault, Kernel, Lane, Machine, Report, RollBack, Stage, StageName, StageResult, TestResult,
};

use crate::baseline::BaselineStore;
use crate::cancel::Cancel;
use crate::classify::{self, Evidence};
use crate::console::{Console, Mark};
use crate::host::{HostError, SshHost};
use crate::inputs::Inputs;
use crate::journal::Journal;
use crate::kernel::Built;
use crate::lease::Lease;
use crate::plan::{self, Gate, Planned};
use crate::power::{Bmc, PowerError};
use crate::progress::Progress;
use crate::source::Source;
use crate::{reproduce, stages};

/// For one short command on the box.
pub const SHORT: Duration = Duration::from_secs(60);

/// The known-good system as it was found before anything was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownGood {
    /// `uname -r`.
    pub release: String,
    /// Its build id, hex digits.
    pub build_id: String,
    /// `sha256sum` of every file in `/boot`, as text.
    pub boot_sums: String,
}

/// Everything a stage may use.
#[derive(Debug)]
pub struct Run {
    /// What was asked for.
    pub inputs: Inputs,
    /// Told to stop?
    pub cancel: Cancel,
    /// The BMC of the box.
    pub bmc: Bmc,
    /// The console of the box.
    pub console: Console,
    /// The source tree.
    pub source: Source,
    /// Where this run writes.
    pub dir: PathBuf,
    /// What a person sees meanwhile.
    pub progress: Progress,
    /// The known-good system, once it was looked at.
    pub known_good: Option<KnownGood>,
    /// The box as it describes itself.
    pub machine: Machine,
    /// The compiler's version line.
    pub compiler: String,
    /// The kernels built so far.
    pub built: BTreeMap<Lane, Built>,
    /// The tests run so far.
    pub tests: BTreeMap<Lane, Vec<TestResult>>,
    /// Where on the console the present kernel under test began.
    pub boot_mark: Option<Mark>,
    /// Its boot id.
    pub boot_id: Option<String>,
    /// Whether the box is back.
    pub roll_back: RollBack,
}

/// A stage that did what its name says.
#[derive(Debug, Default)]
pub struct Done {
    /// What it found out.
    pub facts: Vec<Fact>,
    /// Its log in the folder of the run.
    pub log: Option<String>,
}

impl Done {
    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, label: &str, value: impl Into<String>) -> Self {
        self.facts.push(Fact { label: label.to_owned(), value: value.into() });
        self
    }

    /// Names the log.
    #[must_use]
    pub fn log(mut self, log: &str) -> Self {
        self.log = Some(log.to_owned());
        self
    }
}

/// A stage that did not.
#[derive(Debug)]
pub struct Failure {
    /// How it ended.
    pub result: StageResult,
    /// The lines that show why.
    pub excerpt: Vec<String>,
    /// Its log in the folder of the run.
    pub log: Option<String>,
}

impl Failure {
    /// A failure with its fault and its reason.
    pub fn new(fault: Fault, reason: impl Into<String>) -> Self {
        let reason = crate::text::cut(&reason.into(), 300);
        Self { result: StageResult::Failed { fault, reason }, excerpt: Vec::new(), log: None }
    }

    /// The lab's failure: network, BMC, disk, this program.
    pub fn lab(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(Fault::Infrastructure, chain(error))
    }

    /// The run was told to stop.
    pub fn stopped() -> Self {
        Self { result: StageResult::Interrupted, excerpt: Vec::new(), log: None }
    }

    /// Adds the lines that show why.
    #[must_use]
    pub fn excerpt(mut self, lines: Vec<String>) -> Self {
        self.excerpt = lines;
        self.excerpt.truncate(60);
        self
    }

    /// Names the log.
    #[must_use]
    pub fn log(mut self, log: &str) -> Self {
        self.log = Some(log.to_owned());
        self
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        if matches!(error, HostError::Stopped { .. }) { Self::stopped() } else { Self::lab(&error) }
    }
}

impl From<PowerError> for Failure {
    fn from(error: PowerError) -> Self {
        if matches!(error, PowerError::Stopped) { Self::stopped() } else { Self::lab(&error) }
    }
}

/// An error and its causes on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Who has to act when the code under test in `lane` fails.
pub fn fault_of(lane: Lane) -> Fault {
    match lane {
        Lane::Base => Fault::Base,
        Lane::Series => Fault::Series,
    }
}

/// Why a run could not even begin or end: there is no report then.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A folder or a file of the run can't be made.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The report can't be put into JSON.
    #[error("cannot write the report")]
    Json(#[source] serde_json::Error),
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Write { path, source }
}

impl Run {
    /// Logs in to the box.
    ///
    /// # Errors
    /// See [`SshHost::connect`].
    pub fn ssh(&self) -> Result<SshHost, HostError> {
        SshHost::connect(&self.inputs.machine.ssh, Duration::from_secs(20))
    }

    /// The commit of a lane.
    pub fn commit(&self, lane: Lane) -> &str {
        match lane {
            Lane::Base => &self.inputs.base.commit,
            Lane::Series => &self.inputs.head,
        }
    }
}

/// Runs the whole plan and writes the report, whatever happens on the way.
///
/// # Errors
/// Only where no report can be written: see [`RunError`].
pub fn execute(inputs: Inputs, cancel: Cancel, progress: Progress) -> Result<(Report, PathBuf), RunError> {
    let started = Timestamp::now();
    let run_id = run_id(&inputs, started);
    let dir = inputs.work.join("runs").join(&run_id);
    std::fs::create_dir_all(&dir).map_err(write_error(&dir))?;
    let journal_path = dir.join("journal.jsonl");
    let mut journal = Journal::open(&journal_path).map_err(write_error(&journal_path))?;
    let bmc = Bmc::new(inputs.machine.bmc.clone());
    let console_log = dir.join("console.log");
    // Without the lease not even the console is touched: it would be taken from the run that has the box.
    let lease = Lease::take(&inputs.machine_dir, &inputs.machine.name);
    let console = match &lease {
        Ok(_) => Console::start(bmc.clone(), &console_log).map_err(write_error(&console_log))?,
        Err(_) => Console::disconnected(&console_log),
    };
    let machine = Machine {
        name: inputs.machine.name.clone(),
        known_good: inputs.machine.boot.known_good_release.clone(),
        ..Machine::default()
    };
    let store = BaselineStore::new(&inputs);
    let known = store.read();
    let plan = plan::plan(known.is_some());
    let mut run = Run {
        source: Source::new(inputs.work.join("linux")),
        bmc,
        console,
        dir,
        progress,
        known_good: None,
        machine,
        compiler: String::new(),
        built: BTreeMap::new(),
        tests: BTreeMap::new(),
        boot_mark: None,
        boot_id: None,
        roll_back: RollBack::NotNeeded,
        cancel,
        inputs,
    };
    run.progress.plan(&plan);
    let mut done = Vec::new();
    let mut refused = lease.as_ref().err().map(|error| Failure::lab(error));
    for planned in plan {
        let stage = one_stage(&mut run, planned, &done, &mut journal, refused.take());
        run.progress.ended(&stage);
        done.push(stage);
    }
    run.progress.finish();
    let baseline = known.or_else(|| store.learn(&run, &done));
    let report = assemble(&run, run_id, started, done, baseline);
    if let Ok(lease) = &lease
        && report.verdict.box_quarantined
    {
        lease.quarantine(&report.verdict.title);
    }
    write_report(&run.dir, &report)?;
    point_latest(&run.dir);
    Ok((report, run.dir.clone()))
}

/// Unique on this controller, sorts by time, safe in file names.
fn run_id(inputs: &Inputs, started: Timestamp) -> String {
    let head: String = inputs.head.chars().take(12).collect();
    format!("{}-{}-{head}", started.strftime("%Y%m%d-%H%M%S"), inputs.series.id)
}

/// Runs or skips one stage, journalled on both sides. `refused` is set where the run may not even begin.
fn one_stage(
    run: &mut Run,
    planned: Planned,
    done: &[Stage],
    journal: &mut Journal,
    refused: Option<Failure>,
) -> Stage {
    let Planned { name, lane } = planned;
    let started = Timestamp::now();
    let ended = |result, facts, excerpt, log| Stage {
        name,
        lane,
        result,
        started,
        ended: Timestamp::now(),
        facts,
        excerpt,
        log,
    };
    if let Gate::Skip(reason) = plan::gate(planned, done, run.cancel.requested()) {
        return Stage { ended: started, ..ended(StageResult::Skipped { reason }, vec![], vec![], None) };
    }
    run.progress.started(planned);
    run.console.doing(name, lane);
    if let Err(source) = journal.note(name, lane, "started") {
        // Without a journal nothing may be done to the box, but it must be given back.
        if name != StageName::RollBack {
            let failure = Failure::lab(&RunError::Write { path: run.dir.join("journal.jsonl"), source });
            return ended(failure.result, vec![], vec![], None);
        }
    }
    let stage = match refused.map_or_else(|| stages::run(run, planned), Err) {
        Ok(finished) => ended(StageResult::Passed, finished.facts, vec![], finished.log),
        Err(failure) => ended(failure.result, vec![], failure.excerpt, failure.log),
    };
    // The result is in the report as well; a journal that can't be written any more changes nothing here.
    let _ = journal.note(name, lane, stage.result.word());
    stage
}

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
    let json = report.to_json().map_err(RunError::Json)?;
    for (name, bytes) in [("report.json", json), ("report.html", report.to_html().into_bytes())] {
        let (path, part) = (dir.join(name), dir.join(format!("{name}.part")));
        std::fs::write(&part, bytes).map_err(write_error(&part))?;
        std::fs::rename(&part, &path).map_err(write_error(&path))?;
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
