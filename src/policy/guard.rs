//! The paths that only a maintainer lets through.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Reason, Touched, path};

/// The bits of a mode that say what it is.
const TYPE: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// The guarded paths, ready to be asked.
#[derive(Debug, Clone)]
pub struct Guard {
    set: GlobSet,
    /// The globs in the order of `set`.
    globs: Vec<String>,
}

/// A glob that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{glob:?} is no glob for paths")]
pub struct BadGlob {
    /// The glob as it is configured.
    pub glob: String,
    /// What is wrong with it.
    #[source]
    pub source: globset::Error,
}

impl Guard {
    /// Reads configured globs. `*` stays within a directory, `**` does not; case is ignored; a glob that names a
    /// directory guards all below it.
    ///
    /// # Errors
    /// The first glob that cannot be read.
    pub fn new(globs: &[String]) -> Result<Self, BadGlob> {
        let mut builder = GlobSetBuilder::new();
        let mut names = Vec::new();
        for glob in globs {
            let failed = |source| BadGlob { glob: glob.clone(), source };
            let plain = glob.trim_matches('/');
            for pattern in [plain.to_owned(), format!("{plain}/**")] {
                let mut pattern = GlobBuilder::new(&pattern);
                let pattern = pattern.literal_separator(true).case_insensitive(true).build();
                builder.add(pattern.map_err(failed)?);
                names.push(glob.clone());
            }
        }
        let failed = |source| BadGlob { glob: globs.join(" "), source };
        Ok(Self { set: builder.build().map_err(failed)?, globs: names })
    }

    /// Why a maintainer has to look at this path; the weightiest reason only.
    pub fn objection(&self, touched: &Touched) -> Option<Reason> {
        let kind = touched.mode.map_or(FILE, |mode| mode & TYPE);
        let parts: Vec<String> = path::plain_parts(&touched.path).collect();
        let modules = |part: &String| part.starts_with(".gitmodules") || part.starts_with("gitmod~");
        if kind == SUBMODULE || parts.last().is_some_and(modules) {
            return Some(Reason::Submodule(touched.clone()));
        }
        if let Some(glob) = self.guarded_by(touched, &parts) {
            return Some(Reason::Guarded { touched: touched.clone(), glob });
        }
        if touched.gone {
            return None;
        }
        if path::hides_something(&touched.path) {
            return Some(Reason::HiddenCharacters(touched.clone()));
        }
        match kind {
            FILE => None,
            SYMLINK => Some(Reason::Symlink(touched.clone())),
            _ => Some(Reason::OddMode(touched.clone())),
        }
    }

    fn guarded_by(&self, touched: &Touched, plain_parts: &[String]) -> Option<String> {
        if plain_parts.first().is_some_and(|part| part == ".github") {
            return Some(".github/**".to_owned());
        }
        if plain_parts.iter().any(|part| path::is_gits(part)) {
            return Some(".git*".to_owned());
        }
        let plain = plain_parts.join("/");
        let found = self.set.matches(OsStr::from_bytes(&touched.path));
        let found = found.into_iter().chain(self.set.matches(&plain)).min();
        found.map(|at| self.globs[at].clone())
    }
}
