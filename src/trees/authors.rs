//! Who wrote how many commits of a branch: counted after each fetch, so that asking costs nothing.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use git2::Oid;
use serde::{Deserialize, Serialize};

use super::{Repository, Settings};

/// So many of the newest commits are counted when a branch is new: about eight months of Linux.
const NEWEST: usize = 50_000;

/// A longer address is not counted (RFC 5321 allows 254).
const ADDRESS_MAX: usize = 254;

/// A table of 100 branches with 10 000 addresses each fits.
const FILE_MAX: u64 = 64 << 20;

const FILE: &str = "patchlift-authors.json";

/// The counts of all branches, kept beside the repository.
#[derive(Debug, Default)]
pub struct Authors {
    file: PathBuf,
    branches: Branches,
}

/// By base, `powerpc/next`.
type Branches = BTreeMap<String, Counted>;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counted {
    /// The commit up to which it is counted, in hex.
    tip: String,
    /// Commits by the author's address in lower case.
    commits: BTreeMap<String, u32>,
}

impl Authors {
    /// Reads the table of the repository in `dir`; an empty one where it is missing or damaged, so that everything
    /// is counted again at the next fetch.
    pub(super) fn load(dir: &Path) -> Self {
        let file = dir.join(FILE);
        let small = file.metadata().is_ok_and(|data| data.len() <= FILE_MAX);
        let bytes = if small { std::fs::read(&file).unwrap_or_default() } else { Vec::new() };
        Self { file, branches: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    fn of(&self, base: &str, email: &str) -> u32 {
        let counted = self.branches.get(base);
        counted.and_then(|counted| counted.commits.get(&email.to_lowercase())).copied().unwrap_or(0)
    }

    /// All or nothing: a table that was half written would be counted again from the start.
    fn save(&self) -> std::io::Result<()> {
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(folder)?;
        let mut writer = BufWriter::new(&file);
        serde_json::to_writer(&mut writer, &self.branches)?;
        writer.flush()?;
        drop(writer);
        file.persist(&self.file)?;
        Ok(())
    }
}

impl Repository {
    /// How many commits on the base `tree/branch` this address wrote, up to `enough`: of its newest 50 000 when it
    /// was fetched first, and of all since. Merges do not count. Answers at once from what was counted at the last fetch.
    pub fn commits_by(&self, email: &str, base: &str, enough: u32) -> u32 {
        self.authors().read().unwrap_or_else(PoisonError::into_inner).of(base, email).min(enough)
    }

    /// Counts what came with a fetch. A failure is noted and mended by the next fetch: nobody has fewer commits than
    /// he had before.
    pub(super) async fn count_authors(&self, tree: &Settings) {
        let (this, tree) = (self.clone(), tree.clone());
        let counted = tokio::task::spawn_blocking(move || this.count(&tree)).await;
        if let Ok(Err(error)) = counted {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "the authors of a tree could not be counted");
        }
    }

    fn count(&self, tree: &Settings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let repository = self.objects()?;
        for branch in &tree.branches {
            let base = tree.base(branch);
            let Some(tip) = self.resolve(&base) else { continue };
            let known =
                self.authors().read().unwrap_or_else(PoisonError::into_inner).branches.get(&base).cloned();
            if known.as_ref().is_some_and(|known| known.tip == tip.to_string()) {
                continue;
            }
            let counted = count_from(&repository, known, tip)?;
            let mut authors = self.authors().write().unwrap_or_else(PoisonError::into_inner);
            authors.branches.insert(base, counted);
            authors.save()?;
        }
        Ok(())
    }
}

/// Counts on from what is known; anew where upstream rewound the branch, so that no commit counts twice.
fn count_from(
    repository: &git2::Repository,
    known: Option<Counted>,
    tip: Oid,
) -> Result<Counted, git2::Error> {
    let mut walk = repository.revwalk()?;
    walk.push(tip)?;
    let known = known.and_then(|known| Some((Oid::from_str(&known.tip).ok()?, known.commits)));
    let known = known.filter(|(before, _)| repository.graph_descendant_of(tip, *before).unwrap_or(false));
    let mut commits = match known {
        Some((before, commits)) => {
            walk.hide(before)?;
            commits
        }
        None => BTreeMap::new(),
    };
    for id in walk.take(NEWEST) {
        let commit = repository.find_commit(id?)?;
        let author = commit.author();
        let email = author.email_bytes();
        if commit.parent_count() < 2 && (1..=ADDRESS_MAX).contains(&email.len()) {
            *commits.entry(String::from_utf8_lossy(email).to_lowercase()).or_default() += 1;
        }
    }
    Ok(Counted { tip: tip.to_string(), commits })
}
