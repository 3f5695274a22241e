//! A console log read again: what in it matters. For logs of this program and of any other.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};

use jiff::Timestamp;
use patchlift_report::EventClass;
use serde::Serialize;

use crate::{crash, text, trace};

/// Bytes of a line that are looked at; the rest of a longer one is skipped.
const LINE_MAX: u64 = 16 << 10;

/// Lines behind an event in which its trace is looked for.
const AHEAD: usize = 200;

/// Longest text of an event, in characters.
const TEXT_MAX: usize = 400;

/// One event of a log, as `patchlift-action console --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scanned {
    /// Line number, from 1.
    pub line: u64,
    /// When the line was captured, where the log says so.
    pub at: Option<Timestamp>,
    /// The kernel's or the firmware's own time stamp: seconds since it began.
    pub seconds: Option<f64>,
    /// How bad it is.
    pub class: EventClass,
    /// What it is, as a slug.
    pub kind: &'static str,
    /// The line, cleaned, without the time of its capture.
    pub text: String,
    /// The first five frames of the trace that follows, joined by `:`.
    pub fingerprint: Option<String>,
}

/// Reads a log to its end and gives each event to `found`, in order. Takes little memory, however long the log is.
///
/// # Errors
/// The log cannot be read, or `found` fails.
pub fn scan(mut log: impl BufRead, mut found: impl FnMut(Scanned) -> io::Result<()>) -> io::Result<()> {
    let mut ahead: VecDeque<(Option<Timestamp>, String)> = VecDeque::new();
    let (mut number, mut ended) = (0, false);
    loop {
        while !ended && ahead.len() < AHEAD {
            match next_line(&mut log)? {
                Some(line) => ahead.push_back(captured(text::clean(&line))),
                None => ended = true,
            }
        }
        let Some((at, line)) = ahead.pop_front() else { return Ok(()) };
        number += 1;
        let Some(event) = crash::classify(&line) else { continue };
        let after: Vec<&str> =
            std::iter::once(line.as_str()).chain(ahead.iter().map(|(_, line)| line.as_str())).collect();
        found(Scanned {
            line: number,
            at,
            seconds: stamp(&line),
            class: event.class,
            kind: event.kind,
            fingerprint: trace::fingerprint(trace::extent(&after)),
            text: text::cut(&line, TEXT_MAX),
        })?;
    }
}

/// The next line without its end; what is too long of it is skipped.
fn next_line(log: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if log.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        log.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

/// The time of the capture in front of a line of `console.log`, and the line without it.
fn captured(line: String) -> (Option<Timestamp>, String) {
    let stamp = line.split_once(' ').and_then(|(stamp, rest)| {
        // `2026-11-22T10:00:00.123Z`: nothing shorter is a time with its date.
        let at: Timestamp = (stamp.len() >= 20).then(|| stamp.parse().ok())??;
        Some((at, rest.to_owned()))
    });
    stamp.map_or((None, line), |(at, rest)| (Some(at), rest))
}

/// `55.271533` of `[   55.271533] …` and `[   34.458079299,0] …`.
fn stamp(line: &str) -> Option<f64> {
    let inside = line.trim_start().strip_prefix('[')?.split_once(']')?.0;
    let seconds = inside.split(',').next()?.trim();
    seconds.contains('.').then(|| seconds.parse().ok())?.filter(|seconds: &f64| seconds.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(log: &[u8]) -> Vec<Scanned> {
        let mut events = Vec::new();
        scan(log, |event| {
            events.push(event);
            Ok(())
        })
        .unwrap();
        events
    }

    #[test]
    fn events_come_with_their_place_their_times_and_their_trace() {
        let log = "\
2026-11-22T10:00:00.000Z OPAL v6
2026-11-22T10:00:01.500Z [    1.5] Oops: Kernel access of bad area, sig: 11 [#1]
2026-11-22T10:00:01.501Z [    1.5] NIP [c000000000012344] broken_init+0x14/0x80
3:mon> 
[   34.458079299,0] OPAL: Reboot requested due to Platform error.";
        let events = all(log.as_bytes());
        let short: Vec<_> = events.iter().map(|event| (event.line, event.kind, event.seconds)).collect();
        assert_eq!(
            short,
            [(2, "oops", Some(1.5)), (4, "xmon", None), (5, "opal-assert", Some(34.458_079_299))]
        );
        assert_eq!(events[0].fingerprint.as_deref(), Some("broken_init"));
        assert_eq!(events[0].at.unwrap().to_string(), "2026-11-22T10:00:01.5Z");
        assert_eq!(events[0].text, "[    1.5] Oops: Kernel access of bad area, sig: 11 [#1]");
    }

    #[test]
    fn long_lines_and_odd_bytes_end_nothing() {
        let mut log = vec![b'x'; 1 << 20];
        log.extend(b"\n\xff\xfe\x1b[31m\x00[    1.0] Kernel panic - not syncing: a\x1b[0m\r\n\n\n");
        let events = all(&log);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].line, events[0].kind), (2, "panic"));
        assert_eq!(all(b""), []);
    }
}
