//! Why a series is held or not tested, in words for a maintainer.

use std::fmt;
use std::mem::{Discriminant, discriminant};

use patchlift_report::clean::{self, invisible};

use super::{Sender, Touched};
use crate::listing::SeriesKey;

/// One reason. As text it says which patch, which path and why; [`Reason::sentence`] adds the way to let it through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The path leads out of the tree or into git's own directory. No release lets it through.
    NotAPath(Touched),
    /// The path is guarded.
    Guarded {
        /// The path.
        touched: Touched,
        /// The glob that guards it.
        glob: String,
    },
    /// A symlink is new or changed.
    Symlink(Touched),
    /// A submodule, or the file that says where submodules are.
    Submodule(Touched),
    /// Neither file, symlink nor submodule.
    OddMode(Touched),
    /// The path holds characters that are not seen.
    HiddenCharacters(Touched),
    /// More patches than allowed.
    TooManyPatches {
        /// How many there are.
        patches: usize,
        /// How many there may be.
        most: usize,
    },
    /// Longer than allowed.
    TooManyBytes {
        /// How long all mails are.
        bytes: u64,
        /// How long they may be.
        most: u64,
    },
    /// More files than allowed.
    TooManyFiles {
        /// How many there are.
        files: usize,
        /// How many there may be.
        most: usize,
    },
    /// A word in the subject's brackets asks for a maintainer.
    Word {
        /// The word, as configured.
        word: String,
    },
    /// Series with this word are not tested.
    UnwantedWord {
        /// The word, as configured.
        word: String,
    },
    /// A sender who is neither listed nor known from the base.
    Stranger {
        /// Who.
        sender: Sender,
        /// How many commits in the base would be enough; 0: none would.
        wanted: u32,
    },
    /// Nobody knows who sent it.
    NoSender,
    /// A configured glob that cannot be read.
    BadGlob {
        /// The glob.
        glob: String,
    },
    /// More of the same.
    More {
        /// How many more reasons there are.
        more: usize,
    },
}

impl Reason {
    /// The reason, and what a maintainer can do about it: one sentence.
    pub fn sentence(&self, key: &SeriesKey) -> String {
        match self {
            Self::NotAPath(_) => {
                format!("{self}; no release lets that through, it has to be sent again without it")
            }
            Self::BadGlob { .. } => {
                format!("{self}; correct the configuration, or `patchlift release {key}`")
            }
            Self::Stranger { .. } | Self::NoSender => {
                format!("{self}; once somebody has read the patches, `patchlift release {key}` lets it run")
            }
            _ => format!("{self}; if that is wanted, `patchlift release {key}` lets it run"),
        }
    }

    /// It is about who sent the series or what he calls it, and not about what is in it: its commits may be looked at.
    pub fn is_about_the_sender(&self) -> bool {
        matches!(self, Self::Stranger { .. } | Self::NoSender | Self::Word { .. })
    }

    /// What makes two reasons about a path the same one, whichever patch it is.
    pub(super) fn kind_and_path(&self) -> (Discriminant<Self>, Vec<u8>) {
        let path = self.touched().map(|touched| touched.path.clone()).unwrap_or_default();
        (discriminant(self), path)
    }

    fn touched(&self) -> Option<&Touched> {
        match self {
            Self::NotAPath(touched)
            | Self::Guarded { touched, .. }
            | Self::Symlink(touched)
            | Self::Submodule(touched)
            | Self::OddMode(touched)
            | Self::HiddenCharacters(touched) => Some(touched),
            _ => None,
        }
    }

    /// What is wrong with a path.
    fn about_a_path(&self) -> String {
        match self {
            Self::NotAPath(_) => "which leads out of the tree or into git's own directory".to_owned(),
            Self::Guarded { glob, .. } => format!("which is guarded ({})", visible(glob.as_bytes())),
            Self::Symlink(_) => "which is a symlink and may lead anywhere".to_owned(),
            Self::Submodule(_) => "which brings in code of another repository (submodule)".to_owned(),
            Self::OddMode(touched) => format!("which gets the odd mode {:o}", touched.mode.unwrap_or(0)),
            _ => "which holds characters that cannot be seen".to_owned(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(touched) = self.touched() {
            match touched.patch {
                0 => f.write_str("the series touches ")?,
                number => write!(f, "patch {number} touches ")?,
            }
            return write!(f, "\"{}\", {}", visible(&touched.path), self.about_a_path());
        }
        match self {
            Self::TooManyPatches { patches, most } => write!(f, "it has {patches} patches, more than {most}"),
            Self::TooManyBytes { bytes, most } => write!(f, "its mails have {bytes} bytes, more than {most}"),
            Self::TooManyFiles { files, most } => write!(f, "it touches {files} files, more than {most}"),
            Self::Word { word } => write!(f, "its subject says [{word}], which is held back"),
            Self::UnwantedWord { word } => write!(f, "its subject says [{word}], which is not tested"),
            Self::Stranger { sender, wanted } => stranger(f, sender, *wanted),
            Self::NoSender => f.write_str("nothing says who sent it"),
            Self::BadGlob { glob } => {
                write!(f, "the guarded path {glob:?} in the configuration cannot be read")
            }
            Self::More { more } => write!(f, "and there are {more} reasons more"),
            // Handled above: all others are about a path.
            _ => Ok(()),
        }
    }
}

fn stranger(f: &mut fmt::Formatter<'_>, sender: &Sender, wanted: u32) -> fmt::Result {
    match visible(sender.address.as_bytes()).as_str() {
        "" => f.write_str("one of its mails does not say who sent it")?,
        address => write!(f, "{address} is not listed")?,
    }
    match (wanted, sender.commits) {
        (0, _) => Ok(()),
        (wanted, commits) => write!(f, " and has {commits} of {wanted} commits in the base"),
    }
}

/// The longest path that is shown, in characters.
const SHOWN: usize = 200;

/// A path for people: what hides in it is written out.
fn visible(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN)]);
    let mut out = String::new();
    for c in text.chars() {
        if c.is_control() || invisible(c) || c == '"' {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    clean::line(&out, SHOWN)
}
