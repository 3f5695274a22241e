//! Who may run on hardware, and what a patch may touch. Pure.

/// What policy asks of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Globs of paths that nobody but a maintainer lets through. `.github/**` and `.git*` are always among them.
    pub guarded: Vec<String>,
    /// Most patches of a series.
    pub max_patches: usize,
    /// Most bytes of all its mails.
    pub max_bytes: u64,
    /// Most files it touches.
    pub max_files: usize,
    /// Who runs without being released.
    pub senders: Senders,
    /// Series with one of these words in the subject's brackets are not tested: `RFC`.
    pub decline: Vec<String>,
    /// Series with one of these words wait for a maintainer.
    pub hold: Vec<String>,
}

/// Who runs without being released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Senders {
    /// Everybody.
    All,
    /// These only.
    Known {
        /// Addresses, or `@domain`; lower case.
        listed: Vec<String>,
        /// Also whoever has so many commits in the base; 0: nobody.
        commits: u32,
    },
}
