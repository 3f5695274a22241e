//! The console of the box, captured from before the boot until after the roll-back.
//!
//! A thread owns `ipmitool sol activate`, connects again when it ends, writes every line with its time to
//! `console.log`, and tells those who wait about what it saw. All it reads is hostile: lines are cleaned
//! and cut, the log is capped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use patchlift_report::{ConsoleEvent, EventClass, Lane, StageName};

use crate::cancel::{Cancel, Stop};
use crate::power::Bmc;
use crate::process::{self, Group, ProcessError};
use crate::{crash, text, trace};

/// The log is cut here; what comes later is still watched for crashes.
const MAX_LOG_BYTES: u64 = 64 << 20;

/// Lines kept in memory for the traces of events: the log of a boot is about 600 lines.
const MAX_LINES: usize = 20_000;

/// Events kept of each class and lane: a kernel that warns in a loop must neither fill the report nor keep a
/// crash out of it.
const MAX_EVENTS: usize = 100;

/// A line without its end is looked at after this time: prompts (`2:mon> `) have no line end.
const PROMPT_AFTER: Duration = Duration::from_millis(700);

/// Pause between two attempts to connect.
const RECONNECT: Duration = Duration::from_secs(2);

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    /// Lines, cleaned; the first one has the number `dropped` + 1.
    lines: std::collections::VecDeque<String>,
    /// Lines that were dropped from the front.
    dropped: u64,
    events: Vec<ConsoleEvent>,
    /// The release of each kernel that announced itself, with its line.
    banners: std::collections::VecDeque<(u64, String)>,
    /// When the last byte came.
    last_byte: Option<Instant>,
    connected: bool,
    /// What the run is doing, to be noted on events.
    doing: Option<(StageName, Lane)>,
}

/// A place in the console's stream: what came before it is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// A running capture.
#[derive(Debug)]
pub struct Console {
    shared: Arc<Mutex<Seen>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Console {
    /// Starts to capture through the BMC into `log`.
    ///
    /// # Errors
    /// Where the log can't be created.
    pub fn start(bmc: Bmc, log: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let shared = Arc::new(Mutex::new(Seen::default()));
        let end = Arc::new(AtomicBool::new(false));
        let mut capture = Capture {
            bmc,
            shared: Arc::clone(&shared),
            end: Arc::clone(&end),
            log: LogFile { file, written: 0 },
            line: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("console".to_owned()).spawn(move || capture.run())?;
        Ok(Self { shared, end, thread: Some(thread) })
    }

    /// A console that nobody captures, for a run that may not touch the box.
    pub fn disconnected() -> Self {
        Self { shared: Arc::default(), end: Arc::new(AtomicBool::new(true)), thread: None }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic of the capture thread leaves what it saw before in order.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what the run is doing from now on.
    pub fn doing(&self, stage: StageName, lane: Lane) {
        self.seen().doing = Some((stage, lane));
    }

    /// The present end of the stream.
    pub fn mark(&self) -> Mark {
        let seen = self.seen();
        Mark(seen.dropped + seen.lines.len() as u64)
    }

    /// Waits until the console is connected.
    pub fn wait_connected(&self, limit: Duration, stop: Stop<'_>) -> bool {
        let deadline = Instant::now() + limit;
        while !self.seen().connected {
            if Instant::now() >= deadline || stop.sleep(Duration::from_millis(50)) {
                return false;
            }
        }
        true
    }

    /// The first event behind `mark` that ends a boot or a test.
    pub fn fatal_since(&self, mark: Mark) -> Option<ConsoleEvent> {
        let seen = self.seen();
        let ends = |event: &&ConsoleEvent| {
            event.line > mark.0 && matches!(event.class, EventClass::Fatal | EventClass::BootStop)
        };
        seen.events.iter().find(ends).cloned()
    }

    /// The releases of the kernels that announced themselves behind `mark`.
    pub fn banners_since(&self, mark: Mark) -> Vec<String> {
        let seen = self.seen();
        seen.banners.iter().filter(|(line, _)| *line > mark.0).map(|(_, release)| release.clone()).collect()
    }

    /// Whether a crash behind `mark` came before any kernel had announced itself there: then it is the one that
    /// was to be left that crashed.
    pub fn crashed_before_banner(&self, mark: Mark, event: &ConsoleEvent) -> bool {
        let seen = self.seen();
        let banner = seen.banners.iter().map(|(line, _)| *line).find(|line| *line > mark.0);
        banner.is_none_or(|line| event.line < line)
    }

    /// How long no byte has come; none if none ever came.
    pub fn silent_for(&self) -> Option<Duration> {
        self.seen().last_byte.map(|at| at.elapsed())
    }

    /// Whether the console is connected now.
    pub fn is_connected(&self) -> bool {
        self.seen().connected
    }

    /// Waits until what is being printed after a crash has been printed: 2 s of quiet, but 10 s at most, for a
    /// crash may print for ever.
    pub fn let_it_finish(&self) {
        self.drain(Duration::from_secs(2), Duration::from_secs(10));
    }

    /// Waits until the console has been quiet for `quiet`, at most for `limit`: a crash prints for a while.
    fn drain(&self, quiet: Duration, limit: Duration) {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline && self.silent_for().is_some_and(|silent| silent < quiet) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last `count` lines.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let seen = self.seen();
        seen.lines.iter().skip(seen.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// All events so far, each with its trace and fingerprint.
    pub fn events(&self) -> Vec<ConsoleEvent> {
        let seen = self.seen();
        seen.events.iter().map(|event| with_trace(event, &seen)).collect()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic in there has nothing to tell here.
            let _ = thread.join();
        }
    }
}

fn with_trace(event: &ConsoleEvent, seen: &Seen) -> ConsoleEvent {
    let Some(index) = event.line.checked_sub(seen.dropped + 1).and_then(|index| usize::try_from(index).ok())
    else {
        return event.clone();
    };
    let after: Vec<&str> = seen.lines.iter().skip(index).take(200).map(String::as_str).collect();
    let lines = trace::extent(&after);
    let fingerprint = trace::fingerprint(lines.iter().copied());
    let trace = lines.iter().map(|line| text::cut(line, 400)).collect();
    ConsoleEvent { fingerprint, trace, ..event.clone() }
}

struct LogFile {
    file: File,
    written: u64,
}

impl LogFile {
    fn line(&mut self, at: Timestamp, line: &str) {
        if self.written > MAX_LOG_BYTES {
            return;
        }
        let stamped = format!("{at:.3} {line}\n");
        self.written += stamped.len() as u64;
        // A full disk must not end the watch; the run notices it where it writes its report.
        let _ = self.file.write_all(stamped.as_bytes());
        if self.written > MAX_LOG_BYTES {
            let _ = self.file.write_all(b"patchlift: the log is cut here, the console is still watched\n");
        }
    }
}

struct Capture {
    bmc: Bmc,
    shared: Arc<Mutex<Seen>>,
    end: Arc<AtomicBool>,
    log: LogFile,
    line: Vec<u8>,
}

impl Capture {
    fn run(&mut self) {
        while !self.ending() {
            // A session that somebody left open keeps the console from us.
            let _ = process::capture(
                &mut self.bmc.ipmitool(&["sol", "deactivate"]),
                Duration::from_secs(15),
                Cancel::default().at_first(),
            );
            if self.session().is_err() || !self.ending() {
                self.update(|seen| seen.connected = false);
                let deadline = Instant::now() + RECONNECT;
                while Instant::now() < deadline && !self.ending() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }

    fn ending(&self) -> bool {
        self.end.load(Ordering::SeqCst)
    }

    fn update(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One connection, from its start to its end.
    fn session(&mut self) -> Result<(), ProcessError> {
        let mut command = self.bmc.ipmitool(&["sol", "activate"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut group = Group::start(&mut command)?;
        // ipmitool ends the session when its standard input ends, so it is held open and never written to.
        let input = group.child().stdin.take();
        let Some(mut output) = group.child().stdout.take() else { return Ok(()) };
        let (sender, receiver) = mpsc::sync_channel::<Vec<u8>>(256);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0u8; 8 << 10];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer.get(..n).unwrap_or_default().to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut partial_since = None;
        // What an earlier session left unfinished is not the beginning of this one's first line.
        if !self.line.is_empty() {
            self.end_line();
        }
        while !self.ending() {
            match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => {
                    self.bytes(&bytes);
                    partial_since = (!self.line.is_empty()).then(Instant::now);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if partial_since.is_some_and(|since| since.elapsed() > PROMPT_AFTER) {
                        self.end_line();
                        partial_since = None;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        // The end of its input lets ipmitool close the session on the BMC, too; killed, it would leave it open.
        drop(input);
        let deadline = Instant::now() + Duration::from_secs(1);
        while matches!(group.child().try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        group.end();
        drop(receiver);
        let _ = reader.join();
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.update(|seen| seen.last_byte = Some(Instant::now()));
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                // Long lines are cut here: a machine that never ends its line must not fill the memory.
                _ if self.line.len() >= 16 << 10 => {}
                byte => self.line.push(*byte),
            }
        }
    }

    fn end_line(&mut self) {
        let line = text::clean(&std::mem::take(&mut self.line));
        if line.starts_with("[SOL Session operational") {
            self.update(|seen| seen.connected = true);
            return;
        }
        let at = Timestamp::now();
        self.log.line(at, &line);
        self.update(|seen| seen.take(line, at));
    }
}

impl Seen {
    fn take(&mut self, line: String, at: Timestamp) {
        let number = self.dropped + self.lines.len() as u64 + 1;
        if let Some(release) = crash::banner(&line) {
            self.banners.push_back((number, text::cut(release, 100)));
            if self.banners.len() > MAX_EVENTS {
                self.banners.pop_front();
            }
        }
        let lane = self.doing.map(|(_, lane)| lane);
        let kept =
            |class| self.events.iter().filter(|event| event.class == class && event.lane == lane).count();
        if let Some(found) = crash::classify(&line)
            && kept(found.class) < MAX_EVENTS
        {
            self.events.push(ConsoleEvent {
                line: number,
                at: Some(at),
                class: found.class,
                kind: found.kind.to_owned(),
                text: text::cut(&line, 400),
                fingerprint: None,
                trace: Vec::new(),
                stage: self.doing.map(|(stage, _)| stage),
                lane,
            });
        }
        self.lines.push_back(line);
        if self.lines.len() > MAX_LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> Seen {
        let mut seen = Seen::default();
        for line in lines {
            seen.take((*line).to_owned(), Timestamp::UNIX_EPOCH);
        }
        seen
    }

    #[test]
    fn events_carry_their_trace() {
        let seen = seen(&[
            "Linux version 6.1.0-test (x)",
            "Oops: Kernel access of bad area, sig: 11 [#1]",
            "NIP [c000000000012344] broken_init+0x14/0x80",
            "---[ end Kernel panic - not syncing: x ]---",
            "later",
        ]);
        let event = with_trace(seen.events.first().expect("one event"), &seen);
        assert_eq!((event.line, event.kind.as_str()), (2, "oops"));
        assert_eq!(event.fingerprint.as_deref(), Some("broken_init"));
        assert_eq!(event.trace.len(), 3);
        assert_eq!(seen.banners, [(1, "6.1.0-test".to_owned())]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for _ in 0..MAX_LINES + 500 {
            seen.take("Kernel panic - not syncing: again".to_owned(), Timestamp::UNIX_EPOCH);
        }
        assert_eq!((seen.lines.len(), seen.events.len(), seen.dropped), (MAX_LINES, MAX_EVENTS, 500));
        // Warnings without end keep no crash out.
        seen.take("watchdog: BUG: soft lockup".to_owned(), Timestamp::UNIX_EPOCH);
        assert_eq!(seen.events.len(), MAX_EVENTS + 1);
        // The trace of a dropped line is gone, the event is not.
        assert!(with_trace(&seen.events[0], &seen).trace.is_empty());
    }
}
