//! The folder of one run: what lies in it, whether its run is at work, and how it is asked to stop.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use patchlift_report::Machine;
use serde::{Deserialize, Serialize};

use crate::inputs::{Inputs, Request};
use crate::run::{KnownGood, RunError};

/// The folder of one run, `WORK/runs/<run id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    dir: PathBuf,
}

/// What a run found before it did anything: whoever brings the box back in its place needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The known-good system.
    pub known_good: KnownGood,
    /// The box as it describes itself.
    pub machine: Machine,
    /// The compiler's version line.
    pub compiler: String,
}

impl RunFolder {
    /// Makes the folder of a new run; two runs that begin in the same second get two.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn create(inputs: &Inputs, started: Timestamp) -> Result<Self, RunError> {
        let runs = inputs.work.join("runs");
        std::fs::create_dir_all(&runs).map_err(RunError::write(&runs))?;
        let id = run_id(inputs, started);
        for count in 1..100 {
            let id = if count == 1 { id.clone() } else { format!("{id}-{count}") };
            let dir = runs.join(&id);
            match std::fs::create_dir(&dir) {
                Ok(()) => return Ok(Self { dir }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RunError::write(&dir)(error)),
            }
        }
        Err(RunError::write(&runs.join(id))(io::ErrorKind::AlreadyExists.into()))
    }

    /// The folder of a run that was begun earlier.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Names the run; its folder's name.
    pub fn id(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What began and what ended, see [`crate::journal`].
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal.jsonl")
    }

    /// What the box said on its console.
    pub fn console_log(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// What a run in the background prints.
    pub fn output(&self) -> PathBuf {
        self.dir.join("output.log")
    }

    /// The report, once there is one.
    pub fn report(&self) -> PathBuf {
        self.dir.join("report.json")
    }

    /// The series as it was when the run was started: the file that was given may be gone by the end.
    pub fn series(&self) -> PathBuf {
        self.dir.join("series.json")
    }

    fn alive(&self) -> PathBuf {
        self.dir.join("alive")
    }

    fn has_box(&self) -> PathBuf {
        self.dir.join("has-box")
    }

    fn request(&self) -> PathBuf {
        self.dir.join("request.json")
    }

    fn found(&self) -> PathBuf {
        self.dir.join("found.json")
    }

    /// A lock that lives as long as any process has it open: it is handed to the run as its standard input, so
    /// that there is no moment in which the run lives and nobody can tell.
    ///
    /// # Errors
    /// Where the file can't be made or is locked.
    pub fn lock_alive(&self) -> Result<File, RunError> {
        let path = self.alive();
        let file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
        let file = file.map_err(RunError::write(&path))?;
        file.try_lock().map_err(|error| RunError::write(&path)(error.into()))?;
        Ok(file)
    }

    /// Whether the run's process is there. An id alone would not tell: another process may have it by now.
    pub fn is_alive(&self) -> bool {
        let Ok(file) = File::open(self.alive()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Notes this process as the run's.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn note_process(&self) -> Result<(), RunError> {
        let path = self.alive();
        std::fs::write(&path, std::process::id().to_string()).map_err(RunError::write(&path))
    }

    /// Asks the run to stop: its box is rolled back. Asking again changes nothing. False where it is gone.
    pub fn ask_to_stop(&self) -> bool {
        let text = std::fs::read_to_string(self.alive()).unwrap_or_default();
        let Some(pid) = text.trim().parse().ok().and_then(rustix::process::Pid::from_raw) else {
            return false;
        };
        // A second SIGINT would give up the way back; SIGTERM may be sent again and again.
        self.is_alive() && rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
    }

    /// Notes that the run has the box and its work folder.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn note_box(&self) -> Result<(), RunError> {
        let path = self.has_box();
        std::fs::write(&path, "").map_err(RunError::write(&path))
    }

    /// Whether the run got the box and its work folder.
    pub fn got_box(&self) -> bool {
        self.has_box().exists()
    }

    /// Keeps what was asked for. It holds paths, and no secret.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn save_request(&self, request: &Request) -> Result<(), RunError> {
        self.save(&self.request(), request)
    }

    /// What was asked for.
    ///
    /// # Errors
    /// Where it is missing or cut.
    pub fn load_request(&self) -> Result<Request, RunError> {
        let path = self.request();
        let bytes = std::fs::read(&path).map_err(|source| RunError::Read { path, source })?;
        serde_json::from_slice(&bytes).map_err(RunError::Json)
    }

    /// Keeps what was found before anything was done.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn save_found(&self, found: &Found) -> Result<(), RunError> {
        self.save(&self.found(), found)
    }

    /// What was found before anything was done, where the run got so far.
    pub fn load_found(&self) -> Option<Found> {
        serde_json::from_slice(&std::fs::read(self.found()).ok()?).ok()
    }

    /// By way of a temporary file: a reader never sees half of it.
    fn save(&self, path: &Path, value: &impl Serialize) -> Result<(), RunError> {
        let bytes = serde_json::to_vec(value).map_err(RunError::Json)?;
        replace(path, &bytes)
    }
}

/// Writes a file beside its place and renames it into it.
///
/// # Errors
/// Where it can't be written.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    std::fs::write(&part, bytes).map_err(RunError::write(&part))?;
    std::fs::rename(&part, path).map_err(RunError::write(path))
}

/// Sorts by time, safe in file names.
fn run_id(inputs: &Inputs, started: Timestamp) -> String {
    let head: String = inputs.head.chars().take(12).collect();
    format!("{}-{}-{head}", started.strftime("%Y%m%d-%H%M%S"), inputs.series.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_run_is_alive_as_long_as_its_process() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolder::at(dir.path().to_owned());
        assert!(!folder.is_alive(), "nothing was started");
        assert!(!folder.ask_to_stop());
        let lock = folder.lock_alive().expect("it is free");
        let mut child =
            Command::new("sleep").arg("60").stdin(Stdio::from(lock)).spawn().expect("it is started");
        assert!(folder.is_alive());
        folder.lock_alive().expect_err("there is one run a folder");
        std::fs::write(folder.alive(), child.id().to_string()).expect("it is written");
        assert!(folder.ask_to_stop());
        child.wait().expect("it ends");
        assert!(!folder.is_alive());
        assert!(!folder.ask_to_stop(), "whoever has the id now is left alone");
    }
}
