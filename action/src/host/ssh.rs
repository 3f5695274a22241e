//! One SSH connection to the box: its host key pinned, every wait bounded.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use ssh2::{Channel, CheckResult, KnownHostFileKind, Session};

use crate::cancel::Stop;
use crate::machine::SshAccess;
use crate::text;

/// How long one blocking call into libssh2 may take before the stop request and the deadline are looked at.
const SLICE: Duration = Duration::from_millis(500);

/// What one command may print into memory; longer output goes to a file.
const MAX_OUTPUT: usize = 4 << 20;

/// What is kept of a command's complaints.
const MAX_SAID: usize = 16 << 10;

/// Why the box could not be used over SSH. All of these are the lab's fault or the sign of a dead kernel,
/// as the caller knows: never an exit code of a command.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Nobody answers, or not in time.
    #[error("cannot connect to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It answers, but SSH can't be spoken with it.
    #[error("no SSH session with {address} while {doing}")]
    Session {
        /// Host and port.
        address: String,
        /// What was being done.
        doing: &'static str,
        /// What libssh2 said.
        #[source]
        source: ssh2::Error,
    },
    /// The host key is not the pinned one. Nothing was sent.
    #[error("the host key of {address} is {found}: check the machine, then the known_hosts file")]
    HostKey {
        /// Host and port.
        address: String,
        /// "not the pinned one" or "not pinned".
        found: &'static str,
    },
    /// The connection broke, or a command did not end in time.
    #[error("lost {address} while running `{command}`")]
    Lost {
        /// Host and port.
        address: String,
        /// The command.
        command: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A command ended with something else than 0.
    #[error("`{command}` on {address} ended with {exit}: {said}")]
    Failed {
        /// Host and port.
        address: String,
        /// The command.
        command: String,
        /// How it ended.
        exit: RemoteExit,
        /// The last line it printed.
        said: String,
    },
    /// A file arrived changed.
    #[error("{path} on {address} differs from what was sent")]
    Checksum {
        /// Host and port.
        address: String,
        /// The file on the box.
        path: String,
    },
    /// The run was told to stop.
    #[error("stopped while talking to {address}")]
    Stopped {
        /// Host and port.
        address: String,
    },
}

/// How a command on the box ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteExit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(String),
}

impl std::fmt::Display for RemoteExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A connection to the box. It does not survive a boot: connect anew.
pub struct SshHost {
    session: Session,
    address: String,
}

impl std::fmt::Debug for SshHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshHost").field("address", &self.address).finish_non_exhaustive()
    }
}

impl SshHost {
    /// Connects, checks the host key and logs in, all within `limit`.
    ///
    /// # Errors
    /// [`HostError::Connect`] while the box is down, [`HostError::HostKey`] for a foreign machine.
    pub fn connect(access: &SshAccess, limit: Duration) -> Result<Self, HostError> {
        let address = format!("{}:{}", access.host, access.port);
        let connect_error = |source| HostError::Connect { address: address.clone(), source };
        let target =
            (access.host.as_str(), access.port).to_socket_addrs().map_err(connect_error)?.next().ok_or_else(
                || connect_error(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            )?;
        let stream = TcpStream::connect_timeout(&target, limit).map_err(connect_error)?;
        let failed = |doing| {
            let address = address.clone();
            move |source| HostError::Session { address, doing, source }
        };
        let mut session = Session::new().map_err(failed("starting"))?;
        session.set_tcp_stream(stream);
        session.set_timeout(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        session.handshake().map_err(failed("shaking hands"))?;
        check_host_key(&session, access, &address)?;
        session
            .userauth_pubkey_file(&access.user, None, &access.key_file, None)
            .map_err(failed("logging in"))?;
        session.set_timeout(u32::try_from(SLICE.as_millis()).unwrap_or(500));
        session.set_keepalive(true, 10);
        Ok(Self { session, address })
    }

    /// Runs a command; its output goes to `sink` as it comes, stderr too where `merge` is set; otherwise the
    /// beginning of stderr is given back.
    fn exec(
        &self,
        argv: &[&str],
        input: &[u8],
        merge: bool,
        wait: Wait<'_>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<(RemoteExit, Vec<u8>), HostError> {
        let ended = |why| self.ended(argv, why);
        let command = shlex::try_join(argv.iter().copied()).map_err(|_| self.lost(argv, bad_argument()))?;
        let mut channel = wait.retry(|| Ok(self.session.channel_session()?)).map_err(ended)?;
        if merge {
            wait.retry(|| Ok(channel.handle_extended_data(ssh2::ExtendedData::Merge)?)).map_err(ended)?;
        }
        wait.retry(|| Ok(channel.exec(&command)?)).map_err(ended)?;
        write_all(&mut channel, input, wait).map_err(ended)?;
        wait.retry(|| Ok(channel.send_eof()?)).map_err(ended)?;
        read_all(&mut channel, wait, sink).map_err(ended)?;
        let mut said = Vec::new();
        if !merge {
            read_all(&mut channel.stderr(), wait, &mut |bytes| keep(&mut said, bytes, MAX_SAID))
                .map_err(ended)?;
        }
        wait.retry(|| Ok(channel.close()?)).map_err(ended)?;
        wait.retry(|| Ok(channel.wait_close()?)).map_err(ended)?;
        let signal = channel.exit_signal().ok().and_then(|signal| signal.exit_signal);
        let code = channel.exit_status().map_err(|error| ended(Ended::Io(error.into())))?;
        Ok((signal.map_or(RemoteExit::Code(code), RemoteExit::Signal), said))
    }

    /// Runs a command and streams what it prints, both streams, to `sink`.
    ///
    /// # Errors
    /// Where the connection breaks or `limit` passes; a code other than 0 is an `Ok`.
    pub fn stream(
        &self,
        argv: &[&str],
        limit: Duration,
        stop: Stop<'_>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<RemoteExit, HostError> {
        self.exec(argv, &[], true, Wait::new(limit, stop), &mut sink).map(|(exit, _)| exit)
    }

    /// Runs a command that must succeed, and gives what it wrote to stdout, at most 4 MiB.
    ///
    /// # Errors
    /// As [`SshHost::stream`], and [`HostError::Failed`] for a code other than 0.
    pub fn read(&self, argv: &[&str], limit: Duration, stop: Stop<'_>) -> Result<Vec<u8>, HostError> {
        let mut out = Vec::new();
        let (exit, said) = self
            .exec(argv, &[], false, Wait::new(limit, stop), &mut |bytes| keep(&mut out, bytes, MAX_OUTPUT))?;
        self.succeeded(argv, exit, if said.is_empty() { &out } else { &said })?;
        Ok(out)
    }

    /// As [`SshHost::read`], as trimmed text with control characters removed.
    ///
    /// # Errors
    /// As [`SshHost::read`].
    pub fn read_text(&self, argv: &[&str], limit: Duration, stop: Stop<'_>) -> Result<String, HostError> {
        let bytes = self.read(argv, limit, stop)?;
        let lines: Vec<_> = bytes.split(|b| *b == b'\n').map(text::clean).collect();
        Ok(lines.join("\n").trim().to_owned())
    }

    /// Puts `bytes` into `path` on the box by way of a temporary file beside it, and compares checksums.
    ///
    /// # Errors
    /// As [`SshHost::read`], and [`HostError::Checksum`].
    pub fn put(&self, bytes: &[u8], path: &str, limit: Duration, stop: Stop<'_>) -> Result<(), HostError> {
        let wait = Wait::new(limit, stop);
        // The path is an argument of the script, never a part of it.
        let argv = ["sh", "-c", "mkdir -p \"${1%/*}\" && cat > \"$1.part\" && sync \"$1.part\"", "sh", path];
        let mut said = Vec::new();
        let (exit, _) = self.exec(&argv, bytes, true, wait, &mut |bytes| keep(&mut said, bytes, MAX_SAID))?;
        self.succeeded(&argv, exit, &said)?;
        let sum = self.read_text(&["sha256sum", &format!("{path}.part")], limit, stop)?;
        if sum.split_whitespace().next() != Some(&hex(&Sha256::digest(bytes))) {
            return Err(HostError::Checksum { address: self.address.clone(), path: path.to_owned() });
        }
        self.read(&["mv", "-f", &format!("{path}.part"), path], limit, stop).map(|_| ())
    }

    fn succeeded(&self, argv: &[&str], exit: RemoteExit, out: &[u8]) -> Result<(), HostError> {
        if exit == RemoteExit::Code(0) {
            return Ok(());
        }
        let last = out.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).map(text::clean);
        let (address, command) = (self.address.clone(), shown(argv));
        let said = last.map_or_else(|| "nothing".to_owned(), |line| text::cut(&line, 200));
        Err(HostError::Failed { address, command, exit, said })
    }

    fn ended(&self, argv: &[&str], ended: Ended) -> HostError {
        match ended {
            Ended::Stopped => HostError::Stopped { address: self.address.clone() },
            Ended::Io(source) => self.lost(argv, source),
        }
    }

    fn lost(&self, argv: &[&str], source: io::Error) -> HostError {
        HostError::Lost { address: self.address.clone(), command: shown(argv), source }
    }
}

fn check_host_key(session: &Session, access: &SshAccess, address: &str) -> Result<(), HostError> {
    let failed =
        |source| HostError::Session { address: address.to_owned(), doing: "reading known_hosts", source };
    let mut known = session.known_hosts().map_err(failed)?;
    known.read_file(&access.known_hosts_file, KnownHostFileKind::OpenSSH).map_err(failed)?;
    let (key, _) = session
        .host_key()
        .ok_or_else(|| HostError::HostKey { address: address.to_owned(), found: "missing" })?;
    let found = match known.check_port(&access.host, access.port, key) {
        CheckResult::Match => return Ok(()),
        CheckResult::Mismatch => "not the pinned one",
        CheckResult::NotFound => "not pinned",
        CheckResult::Failure => "unreadable",
    };
    Err(HostError::HostKey { address: address.to_owned(), found })
}

fn write_all(channel: &mut Channel, mut input: &[u8], wait: Wait<'_>) -> Result<(), Ended> {
    while !input.is_empty() {
        let n = wait.retry(|| channel.write(input))?;
        input = input.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// Gives all that comes to `sink`, to the end.
fn read_all(stream: &mut impl Read, wait: Wait<'_>, sink: &mut dyn FnMut(&[u8])) -> Result<(), Ended> {
    let mut buffer = [0u8; 32 << 10];
    loop {
        match wait.retry(|| stream.read(&mut buffer))? {
            0 => return Ok(()),
            n => sink(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Adds as much of `bytes` as there is room for.
fn keep(kept: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let room = max.saturating_sub(kept.len());
    kept.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
}

/// What a command is called in errors: not longer than a line.
fn shown(argv: &[&str]) -> String {
    text::cut(&argv.join(" "), 120)
}

fn bad_argument() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "an argument holds a NUL byte")
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a wait ended early.
enum Ended {
    Stopped,
    Io(io::Error),
}

/// A deadline and a stop request, looked at between slices of a blocking call.
#[derive(Clone, Copy)]
struct Wait<'a> {
    deadline: Instant,
    stop: Stop<'a>,
}

impl<'a> Wait<'a> {
    fn new(limit: Duration, stop: Stop<'a>) -> Self {
        Self { deadline: Instant::now() + limit, stop }
    }

    /// Repeats `call` while it only runs out of its slice.
    fn retry<T>(self, mut call: impl FnMut() -> io::Result<T>) -> Result<T, Ended> {
        loop {
            // Also where data come without end: a box may print for ever.
            if self.stop.requested() {
                return Err(Ended::Stopped);
            }
            if Instant::now() >= self.deadline {
                let kind = io::ErrorKind::TimedOut;
                return Err(Ended::Io(io::Error::new(kind, "it did not end in its time")));
            }
            match call() {
                Ok(value) => return Ok(value),
                Err(error) if ran_out_of_slice(&error) => {}
                Err(error) => return Err(Ended::Io(error)),
            }
        }
    }
}

fn ran_out_of_slice(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
