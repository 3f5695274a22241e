//! One git program at work: no terminal, no hooks, nobody's configuration, a limit on its time, and no child of it
//! left behind.

mod address;
mod group;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use patchlift_report::clean::line;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, sleep_until};

pub(crate) use address::Address;
pub use address::BadAddress;
use group::Group;

/// How long git may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub whole: Duration,
    /// Without a sign of life. It reports its progress all the time, except while the other side thinks.
    pub silence: Duration,
}

impl Default for Limits {
    /// Two hours are enough for the whole Linux tree (3 GB) at 4 Mbit/s. Ten minutes: a server that has to pack a
    /// big tree first says nothing, but git's own servers send a sign of life more often.
    fn default() -> Self {
        Self { whole: Duration::from_secs(2 * 3600), silence: Duration::from_secs(600) }
    }
}

impl Limits {
    /// For a list of branches: nothing is packed for it.
    pub(crate) fn for_a_list(self) -> Self {
        let short = Duration::from_secs(120);
        Self { whole: self.whole.min(short), silence: self.silence.min(short) }
    }
}

/// Why git did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitProcessError {
    /// There is no such program.
    #[error("there is no git program")]
    NoGit,
    /// It cannot be started.
    #[error("git cannot be started")]
    Start(#[source] std::io::Error),
    /// It took too long, or said nothing for too long.
    #[error("git was stopped after {} s", after.as_secs())]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// Its output cannot be read.
    #[error("git's output cannot be read")]
    Read(#[source] std::io::Error),
    /// It wrote more than anybody needs.
    #[error("git wrote more than {STDOUT_MAX} bytes")]
    TooMuch,
}

/// What git is asked to do.
pub(crate) struct Call<'a> {
    /// The program.
    pub(crate) git: &'a OsStr,
    /// The repository.
    pub(crate) git_dir: &'a Path,
    /// The protocol that may be spoken, as git names it; a redirect to another one is refused.
    pub(crate) protocol: &'static str,
    /// The subcommand and its arguments.
    pub(crate) args: Vec<OsString>,
    /// More variables of the environment.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// How long it may take.
    pub(crate) limits: Limits,
    /// Gets each line of progress as it comes, cleaned.
    pub(crate) progress: Option<&'a (dyn Fn(&str) + Send + Sync)>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) stdout: Vec<u8>,
    /// The last lines it said, cleaned, without its progress.
    pub(crate) said: String,
}

/// A listing of 5000 branches is half a megabyte.
const STDOUT_MAX: usize = 16 << 20;

/// Lines of git's words that are kept, and characters of each.
const SAID_MAX: usize = 12;
const LINE_MAX: usize = 300;

/// How long a child of git may hold its output open when git itself is over.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// What git and ssh need of the environment. Everything else, above all every `GIT_…`, stays out.
const PASSED_ON: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "LD_LIBRARY_PATH",
];

/// A key that is not there, an unknown host: an error, never a question. A dead connection is noticed in a minute.
const SSH: &str = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20 \
                   -oServerAliveInterval=15 -oServerAliveCountMax=4";

/// Settings for every call: no hooks, no helpers, nothing that runs on after the call.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=300",
];

fn command(call: &Call<'_>) -> Command {
    let mut command = Command::new(call.git);
    command.env_clear();
    let passed = PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(passed);
    command
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "/bin/false")
        .env("GIT_SSH_COMMAND", SSH)
        .env("GIT_ALLOW_PROTOCOL", call.protocol)
        .envs(call.env.iter().map(|(name, value)| (name, value)));
    command.arg("--git-dir").arg(call.git_dir);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.args(&call.args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).current_dir("/");
    command
}

/// Runs git to its end. Dropping the future ends git and all its children.
///
/// # Errors
/// It did not come to an end of its own. An end with an exit code other than 0 is no error here.
pub(crate) async fn run(call: &Call<'_>) -> Result<Finished, GitProcessError> {
    let mut child = command(call).spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitProcessError::NoGit,
        _ => GitProcessError::Start(error),
    })?;
    let mut group = Group::of(&child);
    let finished = follow(&mut child, call).await;
    if finished.is_ok() {
        group.is_over();
    }
    finished
}

async fn follow(child: &mut Child, call: &Call<'_>) -> Result<Finished, GitProcessError> {
    let deadline = Instant::now() + call.limits.whole;
    let mut out = child.stdout.take();
    let mut err = child.stderr.take();
    let (mut stdout, mut chunk) = (Vec::new(), Vec::new());
    let mut words = Words::default();
    let mut status: Option<ExitStatus> = None;
    loop {
        let patience = if status.is_some() { STRAGGLERS } else { call.limits.silence };
        tokio::select! {
            read = read(&mut out, &mut stdout), if out.is_some() => {
                if read? == 0 {
                    out = None;
                }
                if stdout.len() > STDOUT_MAX {
                    return Err(GitProcessError::TooMuch);
                }
            }
            read = read(&mut err, &mut chunk), if err.is_some() => {
                if read? == 0 {
                    err = None;
                }
                words.take(&chunk, call.progress);
                chunk.clear();
            }
            ended = child.wait(), if status.is_none() => status = Some(ended.map_err(GitProcessError::Read)?),
            () = sleep(patience) => match status {
                Some(_) => break,
                None => return Err(GitProcessError::Timeout { after: call.limits.silence }),
            },
            () = sleep_until(deadline) => return Err(GitProcessError::Timeout { after: call.limits.whole }),
        }
        if status.is_some() && out.is_none() && err.is_none() {
            break;
        }
    }
    let success = status.is_some_and(|status| status.success());
    Ok(Finished { success, stdout, said: words.end() })
}

async fn read(
    from: &mut Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
) -> Result<usize, GitProcessError> {
    match from {
        Some(from) => from.read_buf(into).await.map_err(GitProcessError::Read),
        None => Ok(0),
    }
}

/// What git says, line by line. A line that ends in a carriage return is progress and is not kept.
#[derive(Default)]
struct Words {
    begun: Vec<u8>,
    kept: VecDeque<String>,
}

impl Words {
    fn take(&mut self, bytes: &[u8], progress: Option<&(dyn Fn(&str) + Send + Sync)>) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => self.line_ends(*byte == b'\n', progress),
                // What is longer than any line is cut, not gathered.
                _ if self.begun.len() < 4 * LINE_MAX => self.begun.push(*byte),
                _ => {}
            }
        }
    }

    fn line_ends(&mut self, keep: bool, progress: Option<&(dyn Fn(&str) + Send + Sync)>) {
        let text = line(&String::from_utf8_lossy(&self.begun), LINE_MAX);
        self.begun.clear();
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(progress) = progress {
            progress(text);
        }
        if keep {
            self.kept.push_back(text.to_owned());
            if self.kept.len() > SAID_MAX {
                self.kept.pop_front();
            }
        }
    }

    fn end(mut self) -> String {
        self.line_ends(true, None);
        Vec::from(self.kept).join("; ")
    }
}
