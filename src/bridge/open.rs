//! Everything a bridge needs, opened and checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use patchlift_publish::{Api, Credential, Permissions};

use super::decisions::Decisions;
use super::gate::Gate;
use super::ledger::Ledger;
use super::sinks::{SinkError, Sinks};
use super::site::{Outside, Site, chain};
use crate::clock::Clock;
use crate::config::{Config, Server};
use crate::github::{GitHub, GitHubError};
use crate::mirror::{Mirror, PushError};
use crate::patchwork::{Client, PatchworkError, Recording, SetupError};
use crate::store::{Store, StoreError};
use crate::trees::{Repository, TreeError};

/// How a bridge is opened.
#[derive(Debug, Default)]
pub struct Options {
    /// Every exchange with a Patchwork server is kept in this folder.
    pub record: Option<PathBuf>,
    /// Nothing is written and nothing outside is changed: what would be done is said.
    pub dry: bool,
    /// No server is asked: this is played.
    pub replay: Option<Recording>,
}

/// Why a bridge cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository.
    #[error(transparent)]
    Trees(#[from] TreeError),
    /// The mirror's settings.
    #[error(transparent)]
    Mirror(#[from] PushError),
    /// A server's settings.
    #[error("the server {server} cannot be used")]
    Server {
        /// Its name.
        server: String,
        /// Why.
        #[source]
        source: SetupError,
    },
    /// GitHub's settings.
    #[error("GitHub cannot be used")]
    GitHub(#[from] GitHubError),
    /// Where people are told.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A folder for a dry run.
    #[error("a temporary folder cannot be made")]
    Temporary(#[source] std::io::Error),
    /// The file beside a recording.
    #[error("the decisions cannot be kept beside the recording")]
    Decisions(#[source] std::io::Error),
    /// A project that its server does not know. Its filters would give empty lists for ever.
    #[error("the server {server} has no project {project:?}: correct its name in {}", config.display())]
    NoProject {
        /// The server's name.
        server: String,
        /// The project.
        project: String,
        /// The configuration.
        config: PathBuf,
    },
}

/// An open bridge, and the folder that goes away with it.
#[derive(Debug)]
pub struct Opened {
    /// What tasks share.
    pub site: Arc<Site>,
    temporary: Option<tempfile::TempDir>,
}

impl Opened {
    /// The folder of a dry run or a replay, gone when this is dropped.
    pub fn temporary(&self) -> Option<&Path> {
        self.temporary.as_ref().map(tempfile::TempDir::path)
    }
}

/// Opens the store, the repository and the clients.
///
/// # Errors
/// One of them cannot be used.
pub fn open(config: Config, clock: Clock, options: Options) -> Result<Opened, OpenError> {
    let temporary = if options.dry || options.replay.is_some() {
        Some(tempfile::tempdir().map_err(OpenError::Temporary)?)
    } else {
        None
    };
    let store = match &temporary {
        Some(folder) if options.dry => copy(&config.state_dir, folder.path())?,
        Some(folder) => Store::open(folder.path())?,
        None => Store::open(&config.state_dir)?,
    };
    let servers = clients(&config, &clock, &options)?;
    let decisions = match (&options.record, &temporary) {
        (Some(dir), _) => Some(Decisions::in_folder(dir)),
        (None, Some(folder)) if options.replay.is_some() => Some(Decisions::in_folder(folder.path())),
        _ => None,
    };
    let decisions = decisions.transpose().map_err(OpenError::Decisions)?;
    let outside = !options.dry && options.replay.is_none();
    let trees = Repository::open(&git_dir(&config, temporary.as_ref().filter(|_| !outside)))?;
    // A replay tells what would be decided; runs are no part of it, nor is what people are told.
    let settings = config.github.as_ref().filter(|_| options.replay.is_none());
    let api = settings.map(api_of).transpose()?;
    let github = settings.zip(api.as_ref());
    let github = github.map(|(settings, api)| GitHub::reached(api, settings)).transpose()?;
    let sinks = if options.replay.is_some() {
        Sinks::default()
    } else {
        Sinks::new(api.as_ref(), config.on_github.as_ref(), config.slack.as_ref(), config.mail.as_ref())?
    };
    if outside && config.github.is_some() && config.on_github.is_none() {
        tracing::warn!("the mirror is no repository of this GitHub: its commits are not marked there");
    }
    let mirror = config.mirror.clone().filter(|_| outside);
    let mirror = mirror.map(|settings| to_mirror(&config, settings, &trees, &clock, api.as_ref()));
    let mirror = mirror.transpose()?;
    let site = Site {
        ledger: Ledger::new(store.with_sinks(sinks.any()), clock.clone(), decisions),
        mirror,
        trees,
        github,
        sinks,
        github_gate: Gate::default(),
        mirror_gate: Gate::default(),
        refused_bases: Mutex::default(),
        dry: (!outside).then(|| Arc::new(Mutex::new(Vec::new()))),
        servers,
        clock,
        config,
    };
    Ok(Opened { site: Arc::new(site), temporary })
}

/// One for all that is asked of GitHub: it keeps one pace, and an App's tokens.
fn api_of(settings: &crate::github::Settings) -> Result<Api, GitHubError> {
    Ok(Api::new(settings.api.as_str(), settings.credential.clone())?.with_gap(settings.pause))
}

/// What branches take. Never workflows: a series that changes them is refused by GitHub itself.
const CONTENTS: Permissions = Permissions(&[("contents", "write"), ("metadata", "read")]);

/// The mirror; without a password of its own it gets the App's tokens where it is on the App's GitHub.
fn to_mirror(
    config: &Config,
    settings: crate::mirror::Settings,
    trees: &Repository,
    clock: &Clock,
    api: Option<&Api>,
) -> Result<Mirror, OpenError> {
    let needs_token = settings.token.is_none();
    let mirror = Mirror::new(trees.clone(), settings, clock.clone())?;
    let is_app = config.github.as_ref().is_some_and(|github| matches!(github.credential, Credential::App(_)));
    match (api, &config.on_github) {
        (Some(api), Some(on)) if needs_token && is_app => {
            let repository =
                patchlift_publish::Repository::parse(&on.repository).map_err(GitHubError::from)?;
            Ok(mirror.with_app(api.for_repository(&repository, CONTENTS))?)
        }
        _ => Ok(mirror),
    }
}

/// Where the repository lies; where nothing is to be written and there is none yet, in the folder that goes away.
fn git_dir(config: &Config, temporary: Option<&tempfile::TempDir>) -> PathBuf {
    let usual = config.state_dir.join("git");
    match temporary {
        Some(folder) if !usual.is_dir() => folder.path().join("git"),
        _ => usual,
    }
}

/// The store as it is now, in another folder; an empty one where there is none yet.
fn copy(from: &Path, to: &Path) -> Result<Store, StoreError> {
    match Store::read_only(from) {
        Ok(store) => {
            store.copy_to(to)?;
            drop(store);
            Store::open(to)
        }
        Err(StoreError::Missing { .. }) => Store::open(to),
        Err(error) => Err(error),
    }
}

fn clients(
    config: &Config,
    clock: &Clock,
    options: &Options,
) -> Result<BTreeMap<String, Outside>, OpenError> {
    let mut servers = BTreeMap::new();
    for server in &config.servers {
        let settings = server.client.clone();
        let name = settings.name.clone();
        let client = match (&options.replay, &options.record) {
            (Some(recording), _) => Client::replayed(settings, clock.clone(), recording.clone()),
            (None, Some(dir)) => Client::recording(settings, clock.clone(), dir),
            (None, None) => Client::new(settings, clock.clone()),
        };
        let client = client.map_err(|source| OpenError::Server { server: name.clone(), source })?;
        servers.insert(name, Outside { client, gate: Gate::default() });
    }
    Ok(servers)
}

/// Asks every server for the projects that are watched: a wrong name would never show otherwise, as a server answers a
/// filter it does not know with an empty list. A server that does not answer is asked again when it is looked at.
///
/// # Errors
/// A server answers that it has no such project.
pub async fn check_projects(site: &Site) -> Result<(), OpenError> {
    for server in &site.config.servers {
        let Some(outside) = site.servers.get(&server.client.name) else { continue };
        for project in &server.projects {
            match outside.client.project(&project.name).await {
                Ok(known) => check_rights(site, server, &known),
                Err(PatchworkError::NotFound { .. }) => {
                    return Err(OpenError::NoProject {
                        server: server.client.name.clone(),
                        project: project.name.clone(),
                        config: site.config.path.clone(),
                    });
                }
                Err(error) => {
                    tracing::warn!(server = server.client.name, "{}", chain(&error));
                    break;
                }
            }
        }
    }
    Ok(())
}

fn check_rights(site: &Site, server: &Server, project: &crate::patchwork::Project) {
    let name = &server.client.name;
    if server.client.token.is_none() && site.dry.is_none() {
        tracing::warn!(server = name, project = project.link_name, "there is no token: no checks are posted");
    }
    if project.maintainers.is_empty() {
        tracing::warn!(
            server = name,
            project = project.link_name,
            "it has no maintainers: checks may be refused"
        );
    }
}
