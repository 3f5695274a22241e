//! Merges in which files moved: done by git's own `merge-tree` on trees that hold only the files the patch names.

use super::objects::Objects;
use super::refusal::{Reason, Refusal, Stop};
use super::three_way::{Outcome, Sides};
use crate::patch::FilePatch;

/// Whether and how git may be asked.
#[derive(Debug, Clone, Default)]
pub struct Structural {}

/// Merges the sides.
pub(crate) fn merge(
    objects: &Objects<'_>,
    sides: &mut Sides<'_>,
    _files: &[FilePatch<'_>],
    _structural: &Structural,
) -> Result<Outcome, Stop> {
    for path in sides.paths.clone() {
        if let [Some(_), None, Some(_)] = sides.entries(objects, &path)? {
            let needs = crate::bytes::shown(&path, 200);
            return Err(Refusal::of(&path, Reason::NeedsFile { needs, hint: String::new() }).into());
        }
    }
    Err(Refusal::whole(Reason::NeedsGit).into())
}
