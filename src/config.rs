//! `patchlift.toml`: what is written, checked.
//!
//! `patchlift.example.toml` explains every key. In reading order: `keys` has all their names, `reader` reads tables
//! and goes on after a problem, `sections` and `project` say what each table means, `units`, `address` and
//! `secret` what values mean, [`locate`] which file it is.

mod address;
mod error;
mod github;
mod keys;
mod locate;
mod project;
mod reader;
pub(crate) mod secret;
mod sections;
mod sinks;
mod units;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

pub use error::{ConfigError, Problem};
pub use locate::{VARIABLE, locate};

use patchlift_publish::{mail, slack};

use crate::bridge::sinks::OnGitHub;
use crate::ci_commit::CiFiles;
use crate::queue::Waiting;
use crate::record::Record;
use crate::{bases, mirror, patchwork, policy, queue, trees, webhook};

/// A checked configuration: every name in it refers to something, every number is in its range.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Where the store and the repository lie.
    pub state_dir: PathBuf,
    /// Who commits: name and address.
    pub committer: (String, String),
    /// The Patchwork servers; at least one.
    pub servers: Vec<Server>,
    /// The upstream trees; at least one.
    pub trees: Vec<trees::Settings>,
    /// Where branches are pushed to; without one they stay in the bridge's own repository.
    pub mirror: Option<mirror::Settings>,
    /// How the workflow is run; without it nothing is run.
    pub github: Option<crate::github::Settings>,
    /// What is said on the mirror's commits at GitHub.
    pub on_github: Option<OnGitHub>,
    /// Where messages go.
    pub slack: Option<slack::Settings>,
    /// Where mails go, and what they say.
    pub mail: Option<(mail::Settings, mail::ReplySettings)>,
    /// Where GitHub's deliveries come in; without it runs are only polled, and buttons do nothing.
    pub webhook: Option<webhook::Settings>,
    /// The boxes.
    pub boxes: Vec<queue::TestBox>,
    /// Steps at the same time.
    pub at_once: usize,
}

/// One Patchwork server and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Server {
    /// How it is talked to.
    pub client: patchwork::Settings,
    /// How often it is asked for new series.
    pub poll: Duration,
    /// How long a series has to look the same before it is taken.
    pub settle: Duration,
    /// An incomplete series is given up after this time.
    pub give_up_after: Duration,
    /// How many of the newest series are taken at the very first look.
    pub backlog: u32,
    /// So many known series in a row end a look.
    pub overlap: u32,
    /// How often everything that is open is compared with the server.
    pub reconcile_every: Duration,
    /// The projects that are watched; at least one.
    pub projects: Vec<Project>,
}

/// One project of a server.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its `link_name`.
    pub name: String,
    /// What its series are tried on, in order; each rule's `rev` is `tree/branch`.
    pub bases: Vec<bases::Rule>,
    /// The commit a series names as its base is tried first.
    pub use_base_commit: bool,
    /// Which patches get checks.
    pub checks: ChecksOn,
    /// Checks are called `<context>-apply` and `<context>-kvm`.
    pub check_context: String,
    /// Where the list's mails can be read; a Message-ID is added.
    pub archive: Option<String>,
    /// Who may ask for something by an answer on the list: addresses, or `@domain`.
    pub commanders: Vec<String>,
    /// Who may run, and what.
    pub rules: policy::Rules,
    /// What a box must be for its series.
    pub labels: Vec<String>,
    /// The priority its series begin with.
    pub priority: i32,
}

impl Config {
    /// The configuration of a series' server and project; `None`: one of them is not in it any more.
    pub fn of(&self, record: &Record) -> Option<(&Server, &Project)> {
        let server = self.servers.iter().find(|server| server.client.name == record.key.server)?;
        let project = server.projects.iter().find(|project| project.name == record.listing.project)?;
        Some((server, project))
    }

    /// The files of the commit under every series, where a push starts the tests.
    pub fn ci_files(&self) -> Option<&CiFiles> {
        self.github.as_ref().and_then(|settings| settings.trigger.ci_files())
    }

    /// A series that waits for a box, as the queue sees it.
    pub fn waiting(&self, record: &Record) -> Waiting {
        let project = self.of(record).map(|(_, project)| project);
        let labels = project.map_or(&[][..], |project| &project.labels);
        Waiting::of(record, project.map_or(0, |project| project.priority), labels)
    }
}

/// Which patches of a series get checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksOn {
    /// Every patch.
    All,
    /// The last one, by number.
    Last,
    /// None: nothing is posted.
    None,
}

/// A longer file is no configuration.
const MAX_BYTES: u64 = 1 << 20;

impl Config {
    /// Reads a configuration and checks all of it. Relative paths in it begin at its folder.
    ///
    /// # Errors
    /// The file cannot be read, or all that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::open(path, true)
    }

    /// As [`Config::load`], but opens no secret: who only looks need not be allowed to read any. Tokens are empty.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn look(path: &Path) -> Result<Self, ConfigError> {
        Self::open(path, false)
    }

    fn open(path: &Path, secrets: bool) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(failed)?;
        let mut bytes = Vec::new();
        let opened = File::open(&path).map_err(failed)?;
        opened.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ConfigError::TooLarge { path, limit: MAX_BYTES });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::read(&path, &text, secrets),
            Err(error) => {
                let good = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
                let file = reader::File::new(&path, &text, secrets);
                file.problem(good, "", "not UTF-8; write it anew in UTF-8");
                Err(ConfigError::Wrong { problems: file.into_problems() })
            }
        }
    }

    /// Checks a configuration's text. `path` is absolute.
    fn read(path: &Path, text: &str, secrets: bool) -> Result<Self, ConfigError> {
        let file = reader::File::new(path, text, secrets);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            file.problem(error.span().map_or(0, |span| span.start), "", error.message());
        }
        // What stands behind broken syntax is not what was meant.
        let config = errors.is_empty().then(|| sections::all(&reader::Table::top(&file, table.get_ref())));
        let problems = file.into_problems();
        match config.flatten() {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(ConfigError::Wrong { problems }),
        }
    }
}
