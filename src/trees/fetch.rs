//! A tree is brought up to date.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use git2::{Direction, Oid};

use super::{BadAddress, Limits, Repository, Settings};
use crate::git_process::{self, Address, Call, Finished, GitProcessError};

/// What a fetch came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    /// The branches that point at another commit than before.
    pub moved: Vec<Moved>,
    /// Branches that upstream does not have. What was known of them is kept.
    pub missing: Vec<String>,
}

/// A branch of the tree that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The branch, without the tree's name.
    pub branch: String,
    /// Where it was; `None` where it is new here.
    pub from: Option<Oid>,
    /// Where it is now. Not always a descendant: upstream may rewind.
    pub to: Oid,
}

/// Why a tree cannot be used. Never the fault of a series.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Its address is not one that is used.
    #[error("the tree {tree} has no usable address")]
    Address {
        /// The tree.
        tree: String,
        /// Why.
        #[source]
        source: BadAddress,
    },
    /// It cannot be read.
    #[error("the tree {tree} cannot be fetched: {said}")]
    Unreachable {
        /// The tree.
        tree: String,
        /// git's last words, cleaned.
        said: String,
    },
    /// It has none of the branches that are named for it; this is the first.
    #[error("the tree {tree} has no branch {branch}")]
    NoSuchBranch {
        /// The tree.
        tree: String,
        /// The branch.
        branch: String,
    },
    /// Fetching took too long.
    #[error("fetching the tree {tree} was stopped after {} s", after.as_secs())]
    Timeout {
        /// The tree.
        tree: String,
        /// The limit: in all, or without a sign of life.
        after: Duration,
    },
    /// No room is left.
    #[error("no room is left on the disk of {path}")]
    DiskFull {
        /// The repository.
        path: PathBuf,
    },
    /// There is no git program, and the tree is not on this machine.
    #[error("there is no git program to fetch the tree {tree} with")]
    NoGit {
        /// The tree.
        tree: String,
    },
    /// git cannot be run.
    #[error("git cannot be run")]
    Process(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The repository could not be kept fast.
    #[error("git {step} does not work: {said}")]
    Upkeep {
        /// git's arguments.
        step: String,
        /// git's last words, cleaned.
        said: String,
    },
    /// The repository is damaged.
    #[error("the repository {path} is damaged or cannot be used")]
    Damaged {
        /// The repository.
        path: PathBuf,
        /// What libgit2 says.
        #[source]
        source: git2::Error,
    },
}

type Progress<'a> = Option<&'a (dyn Fn(&str) + Send + Sync)>;

/// Where upstream's branches are.
type Tips = BTreeMap<String, Oid>;

impl Repository {
    /// Brings the tree's branches up to date, also those that upstream rewound, and counts the new commits' authors.
    /// One short connection where nothing moved. Dropping the future stops git.
    ///
    /// # Errors
    /// The tree cannot be read, or the repository cannot be written. What was fetched before stays as it is.
    pub async fn fetch(&self, tree: &Settings) -> Result<Fetched, TreeError> {
        self.fetch_showing(tree, None).await
    }

    /// [`Repository::fetch`], and each line of git's progress goes to `progress`.
    ///
    /// # Errors
    /// As [`Repository::fetch`].
    pub async fn fetch_showing(&self, tree: &Settings, progress: Progress<'_>) -> Result<Fetched, TreeError> {
        let address = Address::parse(&tree.url)
            .map_err(|source| TreeError::Address { tree: tree.name.clone(), source })?;
        self.remove_stale_locks();
        let before = self.branches_of(tree);
        let work = Work { repository: self, tree, address, before: &before };
        let upstream = match work.list_with_git().await {
            Err(TreeError::NoGit { .. }) => work.without_git().await?,
            listed => {
                let upstream = listed?;
                work.bring_with_git(&upstream, progress).await?;
                upstream
            }
        };
        let fetched = self.compare(tree, &before, &upstream)?;
        if !fetched.moved.is_empty() {
            self.held().clear();
        }
        self.count_authors(tree).await;
        Ok(fetched)
    }

    /// Where the tree's branches are. One whose commit got lost is fetched again.
    fn branches_of(&self, tree: &Settings) -> Tips {
        let tips = tree
            .branches
            .iter()
            .filter_map(|branch| Some((branch.clone(), self.resolve(&tree.base(branch))?)));
        let tips: Vec<_> = tips.collect();
        let repository = self.look();
        tips.into_iter().filter(|(_, tip)| repository.find_commit(*tip).is_ok()).collect()
    }

    fn compare(&self, tree: &Settings, before: &Tips, upstream: &Tips) -> Result<Fetched, TreeError> {
        let after = self.branches_of(tree);
        let (there, missing): (Vec<_>, Vec<_>) =
            tree.branches.iter().cloned().partition(|branch| upstream.contains_key(branch));
        if there.is_empty()
            && let Some(branch) = missing.first()
        {
            return Err(TreeError::NoSuchBranch { tree: tree.name.clone(), branch: branch.clone() });
        }
        let moved = there.into_iter().filter_map(|branch| {
            let (from, to) = (before.get(&branch).copied(), *after.get(&branch)?);
            (from != Some(to)).then_some(Moved { branch, from, to })
        });
        Ok(Fetched { moved: moved.collect(), missing })
    }
}

/// One fetch of one tree.
struct Work<'a> {
    repository: &'a Repository,
    tree: &'a Settings,
    address: Address,
    before: &'a Tips,
}

impl Work<'_> {
    async fn list_with_git(&self) -> Result<Tips, TreeError> {
        let mut args = vec!["ls-remote".into(), "--refs".into(), "--".into(), self.tree.url.clone().into()];
        args.extend(self.tree.branches.iter().map(|branch| format!("refs/heads/{branch}").into()));
        let limits = self.repository.limits().for_a_list();
        let listed = self.git(args, limits, None).await?;
        let lines = String::from_utf8_lossy(&listed.stdout);
        let tips = lines.lines().filter_map(|line| {
            let (id, name) = line.split_once('\t')?;
            // git also lists names that only end like the one that is asked for.
            let branch = self.tree.branches.iter().find(|branch| is_branch(name, branch))?;
            Some((branch.clone(), Oid::from_str(id).ok()?))
        });
        Ok(tips.collect())
    }

    async fn bring_with_git(&self, upstream: &Tips, progress: Progress<'_>) -> Result<(), TreeError> {
        let refspecs = self.refspecs(upstream);
        if refspecs.is_empty() {
            return Ok(());
        }
        let options = ["--progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--"];
        let mut args = vec!["fetch".into()];
        args.extend(options.map(Into::into));
        args.push(self.tree.url.clone().into());
        args.extend(refspecs.into_iter().map(Into::into));
        self.git(args, self.repository.limits(), progress).await?;
        Ok(())
    }

    /// One for each branch that moved. A rewound branch is forced.
    fn refspecs(&self, upstream: &Tips) -> Vec<String> {
        let moved = upstream.iter().filter(|(branch, tip)| self.before.get(*branch) != Some(*tip));
        moved
            .map(|(branch, _)| format!("+refs/heads/{branch}:refs/trees/{}/{branch}", self.tree.name))
            .collect()
    }

    async fn git(
        &self,
        args: Vec<std::ffi::OsString>,
        limits: Limits,
        progress: Progress<'_>,
    ) -> Result<Finished, TreeError> {
        let call = Call {
            git: self.repository.git(),
            git_dir: self.repository.path(),
            protocol: self.address.protocol(),
            args,
            env: Vec::new(),
            limits,
            progress,
        };
        let tree = || self.tree.name.clone();
        match git_process::run(&call).await {
            Ok(finished) if finished.success => Ok(finished),
            Ok(finished) => Err(self.why(finished.said)),
            Err(GitProcessError::NoGit) => Err(TreeError::NoGit { tree: tree() }),
            Err(GitProcessError::Timeout { after }) => Err(TreeError::Timeout { tree: tree(), after }),
            Err(source) => Err(TreeError::Process(Box::new(source))),
        }
    }

    /// git's exit code is the same for everything: what can be looked at is looked at.
    fn why(&self, said: String) -> TreeError {
        if self.repository.disk_is_full(&said) {
            return TreeError::DiskFull { path: self.repository.path().to_owned() };
        }
        match self.repository.first_damage() {
            Some(source) => TreeError::Damaged { path: self.repository.path().to_owned(), source },
            None => TreeError::Unreachable { tree: self.tree.name.clone(), said },
        }
    }

    /// With libgit2, for a tree on this machine.
    async fn without_git(&self) -> Result<Tips, TreeError> {
        let no_git = || TreeError::NoGit { tree: self.tree.name.clone() };
        let Address::Local(path) = &self.address else { return Err(no_git()) };
        let (objects, path) = (self.repository.objects()?, path.clone());
        let branches = self.tree.branches.clone();
        let name = self.tree.name.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let mut remote = objects.remote_anonymous(&path.to_string_lossy())?;
            remote.connect(Direction::Fetch)?;
            let find = |head: &git2::RemoteHead<'_>| {
                let branch = branches.iter().find(|branch| is_branch(head.name(), branch))?;
                Some((branch.clone(), head.oid()))
            };
            let tips: Tips = remote.list()?.iter().filter_map(find).collect();
            let refspecs: Vec<String> = tips
                .keys()
                .map(|branch| format!("+refs/heads/{branch}:refs/trees/{name}/{branch}"))
                .collect();
            let mut options = git2::FetchOptions::new();
            options.download_tags(git2::AutotagOption::None).update_fetchhead(false);
            remote.fetch(&refspecs, Some(&mut options), None)?;
            Ok(tips)
        });
        match fetched.await {
            Ok(Ok(tips)) => Ok(tips),
            Ok(Err(error)) => Err(self.why(patchlift_report::clean::line(git2::Error::message(&error), 300))),
            Err(_) => Err(no_git()),
        }
    }
}

fn is_branch(name: &str, branch: &str) -> bool {
    name.strip_prefix("refs/heads/") == Some(branch)
}
