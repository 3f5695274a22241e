//! Who may run on hardware, and what a patch may touch. Pure, but for [`commits`].
//!
//! In reading order: [`judge`] weighs a series against [`Rules`]; [`path`] knows what a path really names, [`guard`] the
//! paths that only a maintainer lets through, [`sender`] who sent it, [`reason`] says all of it in words.
//!
//! A patch's text does not say everything: the mode of a file it changes may stand on the base only, so a diff without
//! modes can change a symlink. Hence [`judge`] is asked twice: before a series is applied with [`Touched::of`] its
//! patches, and after it with what its [`commits`] really changed.

pub mod commits;
pub mod guard;
pub mod path;
pub mod reason;
pub mod sender;

use std::collections::{BTreeSet, HashSet};

pub use guard::{BadGlob, Guard};
pub use reason::Reason;
pub use sender::{Sender, is_listed};

use crate::patch::FilePatch;

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

/// What is weighed: all that policy needs to know of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// How many patches it has.
    pub patches: usize,
    /// How many bytes its mails have together.
    pub bytes: u64,
    /// What its patches touch, in their order.
    pub touched: Vec<Touched>,
    /// Words in the brackets of its subjects: `PATCH`, `RFC`.
    pub words: Vec<String>,
    /// Everybody who sent a mail of it, each once: the submitter and the From header of every mail. Servers put a
    /// stranger's "[PATCH 2/3]" into the series he answers to, so one known sender does not speak for the others.
    pub senders: Vec<Sender>,
    /// A maintainer lets it run.
    pub released: bool,
}

/// One path that a patch touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// The patch's place in the series, from 1; 0 for the series as a whole.
    pub patch: usize,
    /// The path, as the patch says it.
    pub path: Vec<u8>,
    /// Its mode as in a tree, 0o100644: the one it gets, else the one it has. `None`: the patch does not say.
    pub mode: Option<u32>,
    /// It is not there any more afterwards: deleted, or renamed away.
    pub gone: bool,
}

impl Touched {
    /// What the files of patch `number` touch; a renamed file gives both of its names.
    pub fn of(number: usize, files: &[FilePatch<'_>]) -> Vec<Self> {
        let mut touched = Vec::new();
        for file in files {
            let mode = file.new_mode.or(file.old_mode);
            let of = |path: &[u8], gone| Self { patch: number, path: path.to_vec(), mode, gone };
            if let Some(new) = &file.new_name {
                touched.push(of(new, false));
            }
            if let Some(old) = file.old_name.as_ref().filter(|old| Some(*old) != file.new_name.as_ref()) {
                // A copied file stays, but it is only read.
                touched.extend((!file.is_copy).then(|| of(old, true)));
            }
        }
        touched
    }
}

/// What policy says of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It may run.
    Run,
    /// A maintainer has to look at it first. Never empty.
    Hold(Vec<Reason>),
    /// It is not tested.
    Decline(Reason),
}

/// More reasons than this tell a maintainer nothing.
const REASON_LIMIT: usize = 20;

/// Weighs a series. A release outweighs everything but a path that git itself would refuse.
pub fn judge(rules: &Rules, subject: &Subject) -> Judgement {
    let never = subject.touched.iter().find(|touched| !path::can_be_in_a_tree(&touched.path, touched.mode));
    if let Some(touched) = never {
        return Judgement::Decline(Reason::NotAPath(touched.clone()));
    }
    if subject.released {
        return Judgement::Run;
    }
    if let Some(word) = shared(&rules.decline, &subject.words) {
        return Judgement::Decline(Reason::UnwantedWord { word });
    }
    let mut reasons = sizes(rules, subject);
    reasons.extend(shared(&rules.hold, &subject.words).map(|word| Reason::Word { word }));
    reasons.extend(sender::strangers(&rules.senders, &subject.senders));
    reasons.extend(paths(rules, &subject.touched));
    if reasons.len() > REASON_LIMIT {
        let more = reasons.len() - (REASON_LIMIT - 1);
        reasons.truncate(REASON_LIMIT - 1);
        reasons.push(Reason::More { more });
    }
    if reasons.is_empty() { Judgement::Run } else { Judgement::Hold(reasons) }
}

fn sizes(rules: &Rules, subject: &Subject) -> Vec<Reason> {
    let files = subject.touched.iter().map(|touched| &touched.path).collect::<BTreeSet<_>>().len();
    let patches = (subject.patches > rules.max_patches)
        .then_some(Reason::TooManyPatches { patches: subject.patches, most: rules.max_patches });
    let bytes = (subject.bytes > rules.max_bytes)
        .then_some(Reason::TooManyBytes { bytes: subject.bytes, most: rules.max_bytes });
    let files = (files > rules.max_files).then_some(Reason::TooManyFiles { files, most: rules.max_files });
    patches.into_iter().chain(bytes).chain(files).collect()
}

/// The first of `wanted` that is among `words`, case ignored.
fn shared(wanted: &[String], words: &[String]) -> Option<String> {
    wanted.iter().find(|wanted| words.iter().any(|word| word.eq_ignore_ascii_case(wanted))).cloned()
}

fn paths(rules: &Rules, touched: &[Touched]) -> Vec<Reason> {
    let guard = match Guard::new(&rules.guarded) {
        Ok(guard) => guard,
        // Nobody can say any more what is guarded, so everything is.
        Err(BadGlob { glob, .. }) => return vec![Reason::BadGlob { glob }],
    };
    let mut seen = HashSet::new();
    let reasons = touched.iter().filter_map(|touched| guard.objection(touched));
    // Twenty patches to one guarded file are one reason.
    reasons.filter(|reason| seen.insert(reason.kind_and_path())).collect()
}
