//! What was frozen of a series' mails. Later review tags and edits at the server never change it.

use serde::{Deserialize, Serialize};

/// The summary of a frozen text; the mails themselves are beside it in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// SHA-256 of the mails, in hex.
    pub digest: String,
    /// git's stable patch-id of each patch in order, in hex: equal for a resend.
    pub patch_ids: Vec<String>,
    /// The title without its prefix, of the cover letter or else of the first patch; one line.
    pub title: String,
    /// Words in the subjects' brackets: `PATCH`, `RFC`, the name of a tree.
    pub words: Vec<String>,
    /// All paths the patches touch, sorted, each once; bytes that are not UTF-8 replaced.
    pub paths: Vec<String>,
    /// `base-commit:` as the series says it.
    pub base_commit: Option<String>,
    /// `prerequisite-patch-id:` lines.
    pub prerequisites: Vec<String>,
    /// Message-IDs of `Depends-on:` and `Based-on:` lines.
    pub depends_on: Vec<String>,
    /// `change-id:` of the cover letter (b4).
    pub change_id: Option<String>,
    /// Names of the patches that were taken from the server's JSON instead of its mailbox, with the reason.
    pub from_json: Vec<String>,
}
