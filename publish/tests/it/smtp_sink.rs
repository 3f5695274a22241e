//! A real SMTP server, and what it was given.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use patchlift_publish::mail::{Mailer, Settings, Tls};
use serde_json::Value;

use crate::tools::{beside, python};

/// The only user.
pub(crate) const USER: &str = "patchlift";
/// The password.
pub(crate) const PASSWORD: &str = "a-password-that-must-never-be-seen";

/// Longer than any mail takes on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// The server, ended when it is dropped: its input ends then.
pub(crate) struct Sink {
    child: Child,
    lines: Receiver<String>,
    pub(crate) port: u16,
}

impl Sink {
    /// Starts it; `None` where it is not installed. `files` are a certificate and its key.
    pub(crate) fn start(mode: &str, files: Option<(&Path, &Path)>, login: bool) -> Option<Self> {
        let mut command = Command::new(python()?);
        command.arg(beside("smtp_sink.py")).arg(mode);
        if let Some((certificate, key)) = files {
            command.args([certificate, key]);
        }
        if login {
            command.args([USER, PASSWORD]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // A long mail fills the pipe: the server could not go on before somebody reads.
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut sink = Self { child, lines, port: 0 };
        sink.port = sink.line().parse().unwrap();
        Some(sink)
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    /// The next mail.
    pub(crate) fn mail(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// How many mails there are that nobody asked for. Ends the server.
    pub(crate) fn left(mut self) -> usize {
        drop(self.child.stdin.take());
        std::iter::from_fn(|| self.lines.recv_timeout(LIMIT).ok()).count()
    }

    /// A client for it without encryption.
    pub(crate) fn mailer(&self) -> Mailer {
        Mailer::new(self.settings(Tls::None)).unwrap()
    }

    pub(crate) fn settings(&self, tls: Tls) -> Settings {
        let host = if tls == Tls::None { "127.0.0.1" } else { "localhost" };
        Settings { host: host.to_owned(), port: self.port, tls, trusted: None, login: None }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
