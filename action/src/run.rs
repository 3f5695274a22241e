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
use crate::guest::GuestError;
use crate::host::{HostError, SshHost};
use crate::inputs::Inputs;
use crate::journal::Journal;
use crate::kernel::Built;
use crate::known_good::WayBackError;
use crate::lease::{Lease, LeaseError};
use crate::plan::{self, Gate, Planned};
use crate::power::{Bmc, PowerError};
use crate::progress::Progress;
use crate::source::{Source, SourceError};
use crate::{orphans, reproduce, stages};

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

impl From<WayBackError> for Failure {
    fn from(error: WayBackError) -> Self {
        if matches!(error, WayBackError::Stopped) { Self::stopped() } else { Self::lab(&error) }
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        if matches!(error, GuestError::Stopped) { Self::stopped() } else { Self::lab(&error) }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        if matches!(error, SourceError::Stopped) { Self::stopped() } else { Self::lab(&error) }
    }
}

impl From<PowerError> for Failure {
    fn from(error: PowerError) -> Self {
        if matches!(error, PowerError::Stopped) { Self::stopped() } else { Self::lab(&error) }
    }
}

/// An error and its causes on one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let text = patchlift_report::clean::with_causes(error);
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
    fn new(
        inputs: Inputs,
        cancel: Cancel,
        progress: Progress,
        bmc: Bmc,
        console: Console,
        dir: PathBuf,
    ) -> Self {
        let machine = Machine {
            name: inputs.machine.name.clone(),
            known_good: inputs.machine.boot.known_good_release.clone(),
            ..Machine::default()
        };
        Self {
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
        }
    }

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
    let (dir, run_id) = new_run_dir(&inputs, started)?;
    let journal_path = dir.join("journal.jsonl");
    let mut journal = Journal::open(&journal_path).map_err(write_error(&journal_path))?;
    let bmc = Bmc::new(inputs.machine.bmc.clone());
    let console_log = dir.join("console.log");
    // Without the lease not even the console is touched: it would be taken from the run that has the box.
    let leases = take_leases(&inputs);
    let console = match &leases {
        Ok(_) => Console::start(bmc.clone(), &console_log).map_err(write_error(&console_log))?,
        Err(_) => Console::disconnected(),
    };
    let mut run = Run::new(inputs, cancel, progress, bmc, console, dir);
    let mut refused = leases.as_ref().err().map(|error| Failure::lab(error));
    let mut done = Vec::new();
    let opening = plan::opening();
    run.progress.plan(opening.len() + plan::on_the_box(true).len());
    for planned in opening {
        let stage = one_stage(&mut run, planned, &done, &mut journal, refused.take());
        done.push(stage);
    }
    let opened = done.iter().all(|stage| stage.result == StageResult::Passed);
    let store = BaselineStore::new(&run);
    let known = store.read();
    // A run that ends here need not say twice what it could not do.
    let rest = plan::on_the_box(known.is_some() || !opened);
    run.progress.plan(done.len() + rest.len());
    for planned in rest {
        let stage = one_stage(&mut run, planned, &done, &mut journal, None);
        done.push(stage);
    }
    run.progress.finish();
    let baseline = known.or_else(|| store.learn(&run, &done));
    let mut report = assemble(&run, run_id, started, done, baseline);
    if let (Ok((lease, _work)), RollBack::Failed { reason }) = (&leases, &run.roll_back)
        && let Err(error) = lease.quarantine(reason)
    {
        let warning = format!(" The box could not be marked as quarantined: {}.", chain(&error));
        report.verdict.summary.push_str(&warning);
    }
    write_report(&run.dir, &report)?;
    point_latest(&run.dir);
    Ok((report, run.dir.clone()))
}

/// The box and the folder, both for this run alone. What an earlier, killed run left running is ended.
fn take_leases(inputs: &Inputs) -> Result<(Lease, std::fs::File), LeaseError> {
    let lease = Lease::take(&inputs.machine_dir, &inputs.machine.name)?;
    let work = Lease::lock_work(&inputs.work)?;
    orphans::end();
    Ok((lease, work))
}

/// Makes the folder of a new run; two runs that begin in the same second get two.
fn new_run_dir(inputs: &Inputs, started: Timestamp) -> Result<(PathBuf, String), RunError> {
    let runs = inputs.work.join("runs");
    std::fs::create_dir_all(&runs).map_err(write_error(&runs))?;
    let id = run_id(inputs, started);
    for count in 1..100 {
        let id = if count == 1 { id.clone() } else { format!("{id}-{count}") };
        let dir = runs.join(&id);
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok((dir, id)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(write_error(&dir)(error)),
        }
    }
    Err(write_error(&runs.join(id))(std::io::ErrorKind::AlreadyExists.into()))
}

/// Sorts by time, safe in file names.
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
        let stage = Stage { ended: started, ..ended(StageResult::Skipped { reason }, vec![], vec![], None) };
        run.progress.ended(&stage);
        return stage;
    }
    run.progress.started(planned);
    run.console.doing(name, lane);
    if let Err(source) = journal.note(name, lane, "started") {
        // Without a journal nothing may be done to the box, but it must be given back.
        if name != StageName::RollBack {
            let failure = Failure::lab(&RunError::Write { path: run.dir.join("journal.jsonl"), source });
            let stage = ended(failure.result, vec![], vec![], None);
            run.progress.ended(&stage);
            return stage;
        }
    }
    let stage = match refused.map_or_else(|| caught(run, planned), Err) {
        Ok(finished) => ended(StageResult::Passed, finished.facts, vec![], finished.log),
        Err(failure) => ended(failure.result, vec![], failure.excerpt, failure.log),
    };
    // The result is in the report as well; a journal that can't be written any more changes nothing here.
    let _ = journal.note(name, lane, stage.result.word());
    run.progress.ended(&stage);
    stage
}

/// Runs a stage; a defect of this program must not keep the box from being given back.
fn caught(run: &mut Run, planned: Planned) -> Result<Done, Failure> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stages::run(run, planned)));
    result.unwrap_or_else(|_| {
        let reason = "patchlift-action itself failed, its message is on stderr: this is a defect, report it";
        Err(Failure::new(Fault::Infrastructure, reason))
    })
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
    type Render = fn(&Report) -> Result<Vec<u8>, serde_json::Error>;
    let page: Render = |report| Ok(report.to_html().into_bytes());
    let forms: [(&str, Render); 2] = [("report.json", Report::to_json), ("report.html", page)];
    for (name, render) in forms {
        let bytes = render(report).map_err(RunError::Json)?;
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
