//! What a workflow's runner reads from a step: commands in its log, and entries of its files.
//!
//! Both have to be told apart from what is only to be shown. The escaping is that of GitHub's own `@actions/core`;
//! `tests/it/workflow_commands.rs` compares the two.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::text;

/// A runner cuts a message at 4096 characters (`ExecutionContext.cs` of actions/runner).
const MAX_MESSAGE: usize = 4000;

/// One command: `::error title=Boot::it hangs`.
pub fn command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let mut out = format!("::{name}");
    let given = properties.iter().filter(|(_, value)| !value.is_empty());
    for (index, (key, value)) in given.enumerate() {
        let between = if index == 0 { ' ' } else { ',' };
        // Writing to a string does not fail.
        let _ = write!(out, "{between}{key}={}", escape_property(value));
    }
    format!("{out}::{}", escape_message(message))
}

fn escape_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_message(text).replace(':', "%3A").replace(',', "%2C")
}

/// One entry of the file of outputs: the value stands between two lines with a word that is not in it.
///
/// # Errors
/// Where the name or the value holds the delimiter, which nobody can guess.
pub fn output_entry(name: &str, value: &str, delimiter: &str) -> io::Result<String> {
    if delimiter.is_empty() || name.contains(delimiter) || value.contains(delimiter) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the delimiter is part of what it delimits"));
    }
    Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"))
}

/// Appends outputs of the step to the file that the runner names in `GITHUB_OUTPUT`.
///
/// # Errors
/// Where it can't be written.
pub fn write_outputs(path: &Path, outputs: &[(&str, &str)]) -> io::Result<()> {
    let delimiter = format!("ghadelimiter_{}", random_word()?);
    let entries = outputs.iter().map(|(name, value)| output_entry(name, value, &delimiter));
    let text = entries.collect::<io::Result<String>>()?;
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// A word that nobody can guess.
fn random_word() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

/// The log of a workflow's step, or a terminal. What is shown is data: between the tokens no line of it is a
/// command, whatever it begins with.
#[derive(Debug)]
pub struct StepLog<W: Write> {
    out: W,
    /// Whether a runner reads it.
    commands: bool,
    token: Option<String>,
}

impl<W: Write> StepLog<W> {
    /// A log on `out`; `commands` where a runner reads it.
    pub fn new(out: W, commands: bool) -> Self {
        Self { out, commands, token: None }
    }

    /// Begins a group of lines that are only to be shown.
    ///
    /// # Errors
    /// Where it can't be written, or there is no randomness to be had.
    pub fn open(&mut self, title: &str) -> io::Result<()> {
        self.close()?;
        if self.commands {
            let token = random_word()?;
            writeln!(self.out, "{}", command("group", &[], title))?;
            writeln!(self.out, "::stop-commands::{token}")?;
            self.token = Some(token);
        }
        self.out.flush()
    }

    /// Shows one line; of what is in it, only what can be seen.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text::clean(line.as_bytes()))?;
        self.out.flush()
    }

    /// Ends the group.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn close(&mut self) -> io::Result<()> {
        if let Some(token) = self.token.take() {
            writeln!(self.out, "::{token}::")?;
            writeln!(self.out, "::endgroup::")?;
        }
        self.out.flush()
    }

    /// Ends the group and says what went wrong where people look first: on the page of the run.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn error(&mut self, title: &str, message: &str) -> io::Result<()> {
        self.close()?;
        let message = text::cut(&text::clean(message.as_bytes()), MAX_MESSAGE);
        if self.commands {
            writeln!(self.out, "{}", command("error", &[("title", title)], &message))?;
        } else {
            writeln!(self.out, "{title}: {message}")?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let properties = [("title", "t:1,2"), ("file", ""), ("line", "3")];
        let line = command("error", &properties, "a%b\r\nline2: c, d");
        assert_eq!(line, "::error title=t%3A1%2C2,line=3::a%25b%0D%0Aline2: c, d");
    }

    #[test]
    fn a_value_may_hold_anything_but_its_delimiter() {
        let entry = output_entry("report", "a\nEOF\n::error::x", "word").expect("it is good");
        assert_eq!(entry, "report<<word\na\nEOF\n::error::x\nword\n");
        output_entry("report", "a word b", "word").expect_err("the value would end too early");
        output_entry("word", "a", "word").expect_err("the name would be the delimiter");
    }

    #[test]
    fn hostile_lines_stand_between_the_tokens() {
        let mut out = Vec::new();
        let mut log = StepLog::new(&mut out, true);
        log.open("Boot: 100%\n::error::x").expect("it is written");
        log.line("::error::bad\u{1b}[31m\rred\n::set-output name=x::y").expect("it is written");
        log.error("Boot", "it hangs\n::error::x").expect("it is written");
        let text = String::from_utf8(out).expect("it is text");
        let lines: Vec<_> = text.lines().collect();
        let token = lines[1].strip_prefix("::stop-commands::").expect("the token");
        assert_eq!(token.len(), 36);
        assert_eq!(
            lines,
            [
                "::group::Boot: 100%25%0A::error::x",
                &format!("::stop-commands::{token}"),
                "::error::badred::set-output name=x::y",
                &format!("::{token}::"),
                "::endgroup::",
                "::error title=Boot::it hangs::error::x",
            ]
        );
    }

    #[test]
    fn a_terminal_gets_no_commands() {
        let mut out = Vec::new();
        let mut log = StepLog::new(&mut out, false);
        log.open("Boot").expect("it is written");
        log.line("text").expect("it is written");
        log.error("Boot", "it hangs").expect("it is written");
        assert_eq!(String::from_utf8(out).expect("it is text"), "text\nBoot: it hangs\n");
    }
}
