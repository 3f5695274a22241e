//! Everything that can stop a command, with its kind, its fault and one line for people.

use git2::Oid;

use crate::apply::objects::ObjectError;
use crate::apply::pack::PackError;
use crate::exit::Ending;
use crate::input::InputError;
use crate::mirror::MirrorError;
use crate::series::Refused;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The mailbox cannot be read.
    #[error(transparent)]
    Input(InputError),
    /// The mails make no whole series.
    #[error(transparent)]
    Series(#[from] RefusedSeries),
    /// The repository of --repo or --mirror is not one.
    #[error("{path}: no git repository there")]
    Repository {
        /// As given.
        path: String,
        /// What libgit2 says.
        #[source]
        source: git2::Error,
    },
    /// The base is not in the repository.
    #[error("no commit {base:?} in {path}: fetch it, or name another with --base")]
    Base {
        /// As given.
        base: String,
        /// The repository.
        path: String,
    },
    /// A patch that names a path outside the tree.
    #[error("patch {patch}/{of} is refused: {file}: {reason}")]
    Unsafe {
        /// Its number.
        patch: usize,
        /// How many there are.
        of: usize,
        /// The path.
        file: String,
        /// Why.
        reason: String,
    },
    /// The object database failed.
    #[error("the repository is damaged or cannot be read")]
    Objects(#[from] ObjectError),
    /// The new objects could not be written.
    #[error("the commits cannot be written")]
    Pack(#[from] PackError),
    /// The branch could not be moved.
    #[error("the branch cannot be written")]
    Mirror(#[from] MirrorError),
    /// The output could not be written.
    #[error("the output cannot be written")]
    Output(#[from] std::io::Error),
}

/// The problems of a series in one line.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {}", .refused.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct RefusedSeries {
    /// The mailbox, as given.
    pub path: String,
    /// What is wrong.
    pub refused: Refused,
}

impl Failure {
    /// The word for it in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input(InputError::NotFound { .. }) => "no_such_file",
            Self::Input(InputError::Folder { .. }) => "folder",
            Self::Input(InputError::Read { .. }) => "unreadable",
            Self::Input(InputError::Empty { .. }) => "empty",
            Self::Input(InputError::TooLarge { .. } | InputError::TooMany { .. }) => "too_large",
            Self::Input(InputError::Html { .. }) => "html",
            Self::Input(InputError::NotMail { .. }) => "not_a_mailbox",
            Self::Series(_) => "bad_series",
            Self::Repository { .. } => "no_repository",
            Self::Base { .. } => "no_base",
            Self::Unsafe { .. } => "unsafe_path",
            Self::Objects(_) => "repository",
            Self::Pack(_) => "write",
            Self::Mirror(_) => "mirror",
            Self::Output(_) => "output",
        }
    }

    /// Whose fault it is, as an exit code.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Input(InputError::Read { .. })
            | Self::Objects(_)
            | Self::Pack(_)
            | Self::Mirror(_)
            | Self::Output(_) => Ending::OurFault,
            Self::Input(_)
            | Self::Series(_)
            | Self::Repository { .. }
            | Self::Base { .. }
            | Self::Unsafe { .. } => Ending::BadInput,
        }
    }

    /// The error and everything below it, in one line without control characters.
    pub fn line(&self) -> String {
        let text = patchlift_report::clean::with_causes(self);
        crate::bytes::shown(text.replace('\n', " ").as_bytes(), 1000)
    }
}

/// Opens a repository: a git directory, or a worktree that has one.
///
/// # Errors
/// There is none.
pub(crate) fn open(path: &std::path::Path) -> Result<git2::Repository, Failure> {
    // Ids are checked when objects are made; hashing each one again on reading doubles the time of large files.
    git2::opts::strict_hash_verification(false);
    let flags = git2::RepositoryOpenFlags::NO_SEARCH;
    git2::Repository::open_ext(path, flags, std::iter::empty::<&std::path::Path>())
        .map_err(|source| Failure::Repository { path: path.display().to_string(), source })
}

/// The commit a base names.
///
/// # Errors
/// There is none of that name.
pub(crate) fn resolve(repository: &git2::Repository, base: &str) -> Result<Oid, Failure> {
    let commit = repository.revparse_single(base).and_then(|object| object.peel_to_commit());
    commit.map(|commit| commit.id()).map_err(|_| Failure::Base {
        base: crate::bytes::shown(base.as_bytes(), 100),
        path: repository.path().display().to_string(),
    })
}
