//! One run: everything a stage may use, and the loop over the plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::{
    Fact, Fault, Lane, Machine, Report, RollBack, Stage, StageName, StageResult, TestResult,
};
use serde::{Deserialize, Serialize};

use crate::baseline::BaselineStore;
use crate::cancel::Cancel;
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
use crate::run_folder::{Found, RunFolder};
use crate::source::{Source, SourceError};
use crate::{ending, orphans, stages};

/// For one short command on the box.
pub const SHORT: Duration = Duration::from_secs(60);

/// The known-good system as it was found before anything was done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A file of the run can't be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The report, or what was asked for, is not the JSON that it should be.
    #[error("the run's folder holds something else than it should")]
    Json(#[source] serde_json::Error),
}

impl RunError {
    /// The error of writing to `path`.
    pub fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}

impl Run {
    /// A run in `folder`, with its console. Without the lease not even that is touched: it would be taken from the
    /// run that has the box.
    pub(crate) fn begin(
        folder: &RunFolder,
        inputs: Inputs,
        cancel: Cancel,
        progress: Progress,
        has_box: bool,
    ) -> Result<Self, RunError> {
        let bmc = Bmc::new(inputs.machine.bmc.clone());
        let log = folder.console_log();
        let console = if has_box {
            Console::start(bmc.clone(), &log).map_err(RunError::write(&log))?
        } else {
            Console::disconnected()
        };
        Ok(Self::new(inputs, cancel, progress, bmc, console, folder.path().to_owned()))
    }

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
    let folder = RunFolder::create(&inputs, Timestamp::now())?;
    let report = execute_in(&folder, inputs, cancel, progress)?;
    Ok((report, folder.path().to_owned()))
}

/// [`execute`] in a folder that is there already.
///
/// # Errors
/// Only where no report can be written: see [`RunError`].
pub fn execute_in(
    folder: &RunFolder,
    inputs: Inputs,
    cancel: Cancel,
    progress: Progress,
) -> Result<Report, RunError> {
    let started = Timestamp::now();
    let mut journal = Journal::open(&folder.journal()).map_err(RunError::write(&folder.journal()))?;
    let leases = take_leases(&inputs);
    let mut run = Run::begin(folder, inputs, cancel, progress, leases.is_ok())?;
    if leases.is_ok() {
        folder.note_box()?;
    }
    let mut refused = leases.as_ref().err().map(|error| Failure::lab(error));
    let mut done = Vec::new();
    let opening = plan::opening();
    run.progress.plan(opening.len() + plan::on_the_box(true).len());
    for planned in opening {
        let stage = one_stage(&mut run, planned, &done, &mut journal, refused.take());
        done.push(stage);
    }
    let opened = done.iter().all(|stage| stage.result == StageResult::Passed);
    if let Some(known_good) = run.known_good.clone() {
        let (machine, compiler) = (run.machine.clone(), run.compiler.clone());
        folder.save_found(&Found { known_good, machine, compiler })?;
    }
    let store = BaselineStore::new(&run);
    let known = store.read();
    // A run that ends here need not say twice what it could not do.
    let rest = plan::on_the_box(known.is_some() || !opened);
    run.progress.plan(done.len() + rest.len());
    for planned in rest {
        let stage = one_stage(&mut run, planned, &done, &mut journal, None);
        done.push(stage);
    }
    let baseline = known.or_else(|| store.learn(&run, &done));
    let lease = leases.as_ref().ok().map(|(lease, _work)| lease);
    ending::end(&run, folder, started, done, baseline, lease)
}

/// The box and the folder, both for this run alone. What an earlier, killed run left running is ended.
pub(crate) fn take_leases(inputs: &Inputs) -> Result<(Lease, std::fs::File), LeaseError> {
    let lease = Lease::take(&inputs.machine_dir, &inputs.machine.name)?;
    let work = Lease::lock_work(&inputs.work)?;
    orphans::end();
    Ok((lease, work))
}

/// Runs or skips one stage, journalled on both sides. `refused` is set where the run may not even begin.
pub(crate) fn one_stage(
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
        let stage = Stage::at_once(name, lane, StageResult::Skipped { reason }, started);
        run.progress.ended(&stage);
        let _ = journal.ended(&stage);
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
    run.progress.ended(&stage);
    // The result is in the report as well; a journal that can't be written any more changes nothing here.
    let _ = journal.ended(&stage);
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
