//! A run in the background: it outlives the step of the workflow that starts it, and the cancelling of that step.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cancel::Cancel;
use crate::inputs::{InputError, Request};
use crate::run::RunError;
use crate::run_folder::{self, RunFolder};

/// Taking the lease is the matter of a moment; on a loaded machine it may take some.
const BEGIN_LIMIT: Duration = Duration::from_secs(60);

/// How often the new run is looked at.
const POLL: Duration = Duration::from_millis(50);

/// All that a run gets of the environment: nothing in it can be a secret. `RUNNER_TRACKING_ID` is what a runner
/// ends the processes of a job by when the job is over.
const ENVIRONMENT: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "RUNNER_TRACKING_ID"];

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was asked for can't work.
    #[error("nothing was started")]
    Input(#[source] InputError),
    /// The run that the file names is still there.
    #[error("{} names a run that is still at work in {}", .file.display(), .dir.display())]
    AtWork {
        /// The file that names the run.
        file: PathBuf,
        /// Its folder.
        dir: PathBuf,
    },
    /// Its folder or the file that names it can't be written.
    #[error("the run can't be started")]
    Folder(#[source] RunError),
    /// The program can't start itself.
    #[error("cannot start the run in the background")]
    Spawn(#[source] io::Error),
    /// It does not begin.
    #[error("the run did not begin in {} s; what it said is in {}", BEGIN_LIMIT.as_secs(), .output.display())]
    Silent {
        /// What it said.
        output: PathBuf,
    },
}

/// What `--run-file` holds.
#[derive(Debug, Serialize, Deserialize)]
struct RunFile {
    run: PathBuf,
}

/// How a run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It has the box.
    AtWork,
    /// It is over already, with this exit code; none where a signal ended it.
    Over(Option<i32>),
    /// Whoever started it does not want to wait. The run goes on.
    NotWaitedFor,
}

/// The run that `file` names; none where no run was started with it.
///
/// # Errors
/// Where the file is there and is none of ours.
pub fn find(file: &Path) -> Result<Option<RunFolder>, RunError> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let named: RunFile = serde_json::from_slice(&bytes).map_err(RunError::Json)?;
            Ok(Some(RunFolder::at(named.run)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::Read { path: file.to_owned(), source }),
    }
}

/// Starts a run in the background, names it in `file`, and waits until it has the box or has failed.
///
/// # Errors
/// See [`StartError`].
pub fn start(request: Request, file: &Path, cancel: &Cancel) -> Result<(RunFolder, Begun), StartError> {
    if let Some(folder) = find(file).map_err(StartError::Folder)?
        && folder.is_alive()
    {
        return Err(StartError::AtWork { file: file.to_owned(), dir: folder.path().to_owned() });
    }
    let mut request = request.made_absolute().map_err(StartError::Input)?;
    let inputs = request.clone().check().map_err(StartError::Input)?;
    let folder = RunFolder::create(&inputs, Timestamp::now()).map_err(StartError::Folder)?;
    let series = std::fs::read(&request.series)
        .map_err(|source| RunError::Read { path: request.series.clone(), source });
    let written = series.and_then(|bytes| {
        request.series = folder.series();
        run_folder::replace(&request.series, &bytes)?;
        folder.save_request(&request)?;
        let named = RunFile { run: folder.path().to_owned() };
        run_folder::replace(file, &serde_json::to_vec(&named).map_err(RunError::Json)?)
    });
    written.map_err(StartError::Folder)?;
    let begun = spawn(&folder, cancel)?;
    Ok((folder, begun))
}

fn spawn(folder: &RunFolder, cancel: &Cancel) -> Result<Begun, StartError> {
    let lock = folder.lock_alive().map_err(StartError::Folder)?;
    let output = std::fs::File::options().create(true).append(true).open(folder.output());
    let output = output.map_err(RunError::write(&folder.output())).map_err(StartError::Folder)?;
    let program = std::env::current_exe().map_err(StartError::Spawn)?;
    let mut command = Command::new(program);
    command.arg("continue").arg(folder.path()).env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::from(lock)).stdout(output.try_clone().map_err(StartError::Spawn)?).stderr(output);
    let mut child = command.spawn().map_err(StartError::Spawn)?;
    // The run alone holds its lock from here on.
    drop(command);
    let deadline = Instant::now() + BEGIN_LIMIT;
    loop {
        if let Some(status) = child.try_wait().map_err(StartError::Spawn)? {
            return Ok(Begun::Over(status.code()));
        }
        if folder.got_box() {
            return Ok(Begun::AtWork);
        }
        if Instant::now() >= deadline {
            return Err(StartError::Silent { output: folder.output() });
        }
        if cancel.at_first().sleep(POLL) {
            return Ok(Begun::NotWaitedFor);
        }
    }
}
