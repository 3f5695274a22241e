//! Children: each in its own process group, with a time limit, its output streamed to a file, and none
//! left behind.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::cancel::Stop;
use crate::{orphans, text};

/// How long a child may take to end after SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How long the output may stay open after its program has ended: what the program started may hold it, and
/// may do so for ever.
const AFTER_END: Duration = Duration::from_secs(1);

/// A log larger than this is cut: a patch can make the compiler print without end.
const MAX_LOG_BYTES: u64 = 64 << 20;

/// A longer line is cut before it is looked at.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Why a child could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is missing or can't be executed.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its log can't be written.
    #[error("cannot write {}", .path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It can't be waited for.
    #[error("lost track of {program}")]
    Wait {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal, which is no code and never a success.
    Signal(i32),
    /// It was killed at its time limit.
    TimedOut,
    /// It was killed because the run was told to stop.
    Stopped,
}

impl Exit {
    /// Whether it ended by itself with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // Neither is not possible on Linux; it is not a success either.
            (None, None) => Self::Code(-1),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::TimedOut => f.write_str("time limit"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// A command with an empty environment but for PATH, HOME and the locale, so that no token reaches a
/// child that runs code from a mailing list.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).env_clear().env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
    command.env("HOME", std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    command.env(orphans::VARIABLE, orphans::identity());
    command
}

/// A child that is killed, with all it started, when this value is dropped.
#[derive(Debug)]
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(command: &mut Command) -> Result<Self, ProcessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.process_group(0).spawn();
        child.map(|child| Self { child }).map_err(|source| ProcessError::Start { program, source })
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // The group may be gone already; that is what was wanted.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
    }

    /// Ends the whole group: SIGTERM, a grace time, SIGKILL.
    pub fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(rustix::process::Signal::TERM);
            let deadline = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Also when the leader is gone: what it started may live on in the group.
        self.signal(rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `command` to its end, its output (both streams) appended to `log`, each line also given to `seen`.
///
/// # Errors
/// Where the child can't be started or its log can't be written; never for the way in which it ended.
pub fn run_logged(
    command: &mut Command,
    log: &Path,
    limit: Duration,
    stop: Stop<'_>,
    mut seen: impl FnMut(&str),
) -> Result<Exit, ProcessError> {
    let log_error = |source| ProcessError::Log { path: log.to_owned(), source };
    let program = command.get_program().to_string_lossy().into_owned();
    let mut file = File::options().create(true).append(true).open(log).map_err(log_error)?;
    let (reader, writer) = io::pipe().map_err(log_error)?;
    command.stdout(writer.try_clone().map_err(log_error)?).stderr(writer);
    let mut group = Group::start(command)?;
    // The command holds the write ends; as long as they are open here, the reader never sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (lines, received) = mpsc::sync_channel::<Vec<u8>>(1024);
    std::thread::spawn(move || pump_lines(reader, &lines));
    let deadline = Instant::now() + limit;
    let mut written = 0u64;
    let mut ended: Option<(Exit, Instant)> = None;
    let mut closed = false;
    let exit = loop {
        match received.recv_timeout(Duration::from_millis(20)) {
            Ok(line) => {
                let line = text::clean(&line);
                written += line.len() as u64 + 1;
                if written <= MAX_LOG_BYTES {
                    writeln!(file, "{line}").map_err(log_error)?;
                }
                seen(&line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // What is left is to wait for the end.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                closed = true;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if ended.is_none() {
            let status = group.child().try_wait();
            let status = status.map_err(|source| ProcessError::Wait { program: program.clone(), source })?;
            ended = status.map(|status| (Exit::of(status), Instant::now()));
        }
        if let Some((exit, at)) = ended
            && (closed || at.elapsed() >= AFTER_END)
        {
            break exit;
        }
        if stop.requested() {
            break Exit::Stopped;
        }
        if Instant::now() >= deadline {
            break Exit::TimedOut;
        }
    };
    // The pump ends with the pipe, or at its next line; it is not waited for.
    group.end();
    Ok(exit)
}

fn pump_lines(reader: impl Read, lines: &mpsc::SyncSender<Vec<u8>>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if lines.send(line).is_err() => return,
            Ok(_) => {}
        }
    }
}

/// What a short command printed.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Both streams, control characters removed, at most 64 KiB.
    pub text: String,
}

/// Runs a short command and keeps what it prints.
///
/// # Errors
/// Where it can't be started or waited for.
pub fn capture(command: &mut Command, limit: Duration, stop: Stop<'_>) -> Result<Output, ProcessError> {
    let mut text = String::new();
    let exit = run_logged(command, Path::new("/dev/null"), limit, stop, |line| {
        if text.len() < 64 << 10 {
            text.push_str(line);
            text.push('\n');
        }
    })?;
    Ok(Output { exit, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::Cancel;

    fn run(script: &str, limit: Duration, cancel: &Cancel) -> Output {
        capture(&mut command("sh", &["-c", script]), limit, cancel.at_first()).expect("sh starts")
    }

    #[test]
    fn exit_codes_signals_and_limits_are_told_apart() {
        let cancel = Cancel::default();
        let minute = Duration::from_secs(60);
        assert_eq!(run("exit 0", minute, &cancel).exit, Exit::Code(0));
        assert_eq!(run("exit 7", minute, &cancel).exit, Exit::Code(7));
        assert_eq!(run("kill -9 $$", minute, &cancel).exit, Exit::Signal(9));
        assert_eq!(run("sleep 60", Duration::from_millis(200), &cancel).exit, Exit::TimedOut);
        cancel.request();
        assert_eq!(run("sleep 60", minute, &cancel).exit, Exit::Stopped);
    }

    #[test]
    fn both_streams_are_kept_in_order_and_cleaned() {
        let out = run(
            "echo one; echo two >&2; printf 'th\\033[31mree\\007'",
            Duration::from_secs(60),
            &Cancel::default(),
        );
        assert_eq!(out.text, "one\ntwo\nthree\n");
    }

    #[test]
    fn no_line_of_the_output_is_lost() {
        let out = run("seq 1 5000", Duration::from_secs(60), &Cancel::default());
        let expected: String = (1..=5000).map(|n| format!("{n}\n")).collect();
        assert!(out.text == expected, "{} bytes of {}", out.text.len(), expected.len());
    }

    #[test]
    fn output_that_stays_open_is_not_waited_for() {
        let began = Instant::now();
        let out = run("setsid sleep 30 & echo done", Duration::from_secs(60), &Cancel::default());
        assert_eq!((out.exit, out.text.as_str()), (Exit::Code(0), "done\n"));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }

    #[test]
    fn grandchildren_die_with_the_group() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", pid_file.display());
        let out = run(&script, Duration::from_millis(500), &Cancel::default());
        assert_eq!(out.exit, Exit::TimedOut);
        let pid = std::fs::read_to_string(&pid_file).expect("the pid was written");
        // Gone, or a zombie that init has not yet collected; the kernel may take a moment for it.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !gone() {
            assert!(Instant::now() < deadline, "the grandchild lives on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn no_variable_of_ours_reaches_a_child() {
        let out = run("env", Duration::from_secs(60), &Cancel::default());
        for line in out.text.lines() {
            let name = line.split('=').next().unwrap_or_default();
            assert!(
                ["PATH", "HOME", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD", orphans::VARIABLE].contains(&name),
                "leaked: {line}"
            );
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = capture(
            &mut command("no-such-program", &[]),
            Duration::from_secs(1),
            Cancel::default().at_first(),
        )
        .expect_err("it does not exist");
        assert_eq!(error.to_string(), "cannot start no-such-program");
    }
}
