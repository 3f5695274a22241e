//! Merges of renamed files without git: only the renames that the patch states or the base's history shows.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::Objects;
use super::refusal::{Reason, Refusal, Stop};
use super::three_way::{Outcome, Sides};
use crate::patch::FilePatch;

/// Merges every file under the names it has on each side.
pub(crate) fn merge(
    objects: &Objects<'_>,
    sides: &mut Sides<'_>,
    files: &[FilePatch<'_>],
    moved: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::new();
    let stated: BTreeMap<&[u8], &[u8]> = files
        .iter()
        .filter(|file| file.is_rename)
        .filter_map(|file| Some((file.old_name.as_deref()?, file.new_name.as_deref()?)))
        .collect();
    let targets: BTreeSet<&[u8]> =
        stated.values().copied().chain(moved.values().map(Vec::as_slice)).collect();
    for path in sides.paths.clone() {
        let (theirs_at, ours_at) =
            (stated.get(path.as_slice()).copied(), moved.get(&path).map(Vec::as_slice));
        if theirs_at.is_none() && ours_at.is_none() {
            // New names are merged with the file they came from.
            if !targets.contains(path.as_slice()) {
                let entries = sides.entries(objects, &path)?;
                outcome.push((path.clone(), sides.merge_one(objects, &path, entries)?));
            }
            continue;
        }
        let final_path = match (ours_at, theirs_at) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                return Err(Refusal::of(&path, Reason::NeedsGit).into());
            }
            (ours, theirs) => ours.or(theirs).unwrap_or(&path).to_vec(),
        };
        let ours = sides.ours.get(objects, ours_at.unwrap_or(&path))?;
        let theirs = sides.theirs.get(objects, theirs_at.unwrap_or(&path))?;
        let occupied = ours_at.is_none() && sides.ours.get(objects, &final_path)?.is_some();
        if occupied || ours.is_none() {
            return Err(Refusal::of(&final_path, Reason::NeedsGit).into());
        }
        let old = sides.ancestor.get(objects, &path)?;
        let merged = sides.merge_one(objects, &final_path, [old, ours, theirs])?;
        outcome.push((path, None));
        outcome.push((final_path, merged));
    }
    Ok(outcome)
}
