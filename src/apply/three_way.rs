//! The way out when a patch does not fit: apply it to the versions its index lines name, and merge the result.
//!
//! The rules are those of `git am -3`, with one difference: a file that the base lacks is never looked for under
//! another name (see docs/git-differences.md).

use std::collections::BTreeSet;
use std::rc::Rc;

use git2::{MergeFileInput, MergeFileOptions, ObjectType, Oid};

use super::attributes::{Driver, MergeAttributes};
use super::files;
use super::objects::{ObjectError, Objects};
use super::refusal::{Reason, Refusal, Stop};
use super::structural::{self, Structural};
use super::tree::{Entry, FILE, SUBMODULE, Tree, type_bits};
use crate::bytes::shown;
use crate::patch::FilePatch;

/// How a merge ended when it worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merged {
    /// The tree holds the patch now.
    Changed,
    /// The base held it all before.
    AlreadyThere,
}

/// The three versions of the files a patch names.
pub(crate) struct Sides<'t> {
    /// What the patch was made for.
    pub(crate) ancestor: Tree,
    /// That with the patch.
    pub(crate) theirs: Tree,
    /// Where it shall go.
    pub(crate) ours: &'t mut Tree,
    /// Every path the patch names.
    pub(crate) paths: BTreeSet<Vec<u8>>,
}

/// Merges a patch that does not fit into `tree`, which began as the commit `base`; on a refusal the tree is left as
/// it was.
///
/// # Errors
/// The patch cannot be merged, or the repository cannot be read.
pub(crate) fn merge(
    objects: &Objects<'_>,
    base: Oid,
    tree: &mut Tree,
    files: &[FilePatch<'_>],
    structural: Structural,
) -> Result<Merged, Stop> {
    let ancestor = ancestor(objects, tree, files)?;
    let mut theirs = ancestor.clone();
    files::apply(objects, &mut theirs, files).map_err(hand_edited)?;
    let names = files.iter().flat_map(|file| [file.old_name.clone(), file.new_name.clone()]).flatten();
    let mut sides = Sides { ancestor, theirs, ours: tree, paths: names.collect() };
    let shape = sides.shape(objects)?;
    let changes = if shape.gone || shape.needs_more_than_paths() {
        structural::merge(objects, base, &mut sides, files, structural)?
    } else {
        sides.merge_each(objects)?
    };
    let mut merged = sides.ours.clone();
    let mut changed = false;
    for (path, entry) in &changes {
        changed |= merged.get(objects, path)? != *entry;
        if entry.is_none() {
            merged.remove(objects, path)?;
        }
    }
    for (path, entry) in &changes {
        if let Some(entry) = entry
            && merged.set(objects, path, *entry)?.is_err()
        {
            return Err(Refusal::of(path, Reason::Clash).into());
        }
    }
    *sides.ours = merged;
    Ok(if changed { Merged::Changed } else { Merged::AlreadyThere })
}

/// What a patch and the base did to files besides changing them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shape {
    /// The patch changes a file that the base does not have.
    lost: bool,
    /// The patch deletes a file that the base does not have.
    gone: bool,
    /// The patch deletes a file that the base has changed.
    taken: bool,
    /// The patch adds a file.
    added: bool,
}

impl Shape {
    /// Might a file have moved, so that paths alone do not say what belongs together? Whether a file that is gone was
    /// moved by the base is for its history to say.
    pub(crate) fn needs_more_than_paths(self) -> bool {
        self.lost || ((self.taken || self.gone) && self.added)
    }
}

/// What each path of the patch holds after the merge.
pub(crate) type Outcome = Vec<(Vec<u8>, Option<Entry>)>;

fn hand_edited(stop: Stop) -> Stop {
    match stop {
        Stop::Refused(refusal) if !refusal.is_final() => {
            Refusal { reason: Reason::HandEdited, difference: None, ..*refusal }.into()
        }
        other => other,
    }
}

/// The tree of the old versions of all files that the patch changes.
fn ancestor(objects: &Objects<'_>, head: &mut Tree, files: &[FilePatch<'_>]) -> Result<Tree, Stop> {
    let mut tree = Tree::empty();
    for file in files.iter().filter(|file| file.is_new != Some(true)) {
        let Some(name) = file.old_name.as_deref().or(file.new_name.as_deref()) else { continue };
        let entry = ancestor_entry(objects, head, file, name)?;
        if tree.set(objects, name, entry)?.is_err() {
            return Err(Refusal::of(name, Reason::Clash).into());
        }
    }
    Ok(tree)
}

fn ancestor_entry(
    objects: &Objects<'_>,
    head: &mut Tree,
    file: &FilePatch<'_>,
    name: &[u8],
) -> Result<Entry, Stop> {
    let mode = file.old_mode.unwrap_or(FILE);
    let unknown = || Refusal::of(name, Reason::NoAncestor { id: shown(&file.old_id, 40) });
    if type_bits(mode) == SUBMODULE {
        let id = submodule_before(file).ok_or_else(|| Refusal::of(name, Reason::Submodule))?;
        return Ok(Entry { mode, id });
    }
    if let Some(id) = objects.blob_by_prefix(&file.old_id) {
        return Ok(Entry { mode, id });
    }
    // A pure rename or change of mode has no ids: the base's own version is meant.
    if file.lines_added() == 0 && file.lines_deleted() == 0 {
        let entry = head.get(objects, name)?.filter(|entry| type_bits(entry.mode) != SUBMODULE);
        let entry = entry.ok_or_else(unknown)?;
        // A rename says no mode; git takes it for a file's, and then loses track of symlinks.
        return Ok(Entry { mode: file.old_mode.unwrap_or(entry.mode), id: entry.id });
    }
    Err(unknown().into())
}

/// The commit in the line "-Subproject commit …".
fn submodule_before(file: &FilePatch<'_>) -> Option<Oid> {
    let hex = file.hunks.first()?.body.strip_prefix(b"-Subproject commit ")?.get(..40)?;
    Oid::from_str(std::str::from_utf8(hex).ok()?).ok().filter(|_| hex.starts_with(&file.old_id))
}

impl Sides<'_> {
    /// Ancestor, ours, theirs.
    pub(crate) fn entries(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
    ) -> Result<[Option<Entry>; 3], ObjectError> {
        Ok([
            self.ancestor.get(objects, path)?,
            self.ours.get(objects, path)?,
            self.theirs.get(objects, path)?,
        ])
    }

    /// What happened to the files that are not simply changed on both sides.
    pub(crate) fn shape(&mut self, objects: &Objects<'_>) -> Result<Shape, ObjectError> {
        let mut shape = Shape::default();
        for path in self.paths.clone() {
            match self.entries(objects, &path)? {
                [Some(_), None, Some(_)] => shape.lost = true,
                [Some(_), None, None] => shape.gone = true,
                [Some(old), Some(ours), None] => shape.taken |= ours != old,
                [None, _, Some(_)] => shape.added = true,
                _ => {}
            }
        }
        Ok(shape)
    }

    /// Merges every path by itself.
    pub(crate) fn merge_each(&mut self, objects: &Objects<'_>) -> Result<Outcome, Stop> {
        let mut outcome = Outcome::new();
        for path in self.paths.clone() {
            let entries = self.entries(objects, &path)?;
            let merged = self.merge_one(objects, &path, entries)?;
            outcome.push((path, merged));
        }
        Ok(outcome)
    }

    /// Merges one path of which no side was renamed.
    pub(crate) fn merge_one(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
        [old, ours, theirs]: [Option<Entry>; 3],
    ) -> Result<Option<Entry>, Stop> {
        if ours == theirs || theirs == old {
            return Ok(ours);
        }
        if ours == old {
            return Ok(theirs);
        }
        let conflict = |reason| Err(Refusal::of(path, reason).into());
        match (old, ours, theirs) {
            (Some(old), Some(ours), Some(theirs)) => {
                self.merge_content(objects, path, [old, ours, theirs]).map(Some)
            }
            (Some(_), _, _) => conflict(Reason::ModifyDelete),
            // Both sides made the file: they are merged as if it had been empty before, and our mode counts. Only where
            // nothing else differs is another mode a conflict to git.
            (None, Some(ours), Some(theirs)) if ours.id != theirs.id => {
                let is_file = |entry: Entry| type_bits(entry.mode) == type_bits(FILE);
                if !is_file(ours) || !is_file(theirs) {
                    return conflict(Reason::MergeConflict);
                }
                let id = self.merge_blobs(objects, path, [None, Some(ours.id), Some(theirs.id)])?;
                Ok(Some(Entry { mode: ours.mode, id }))
            }
            (None, _, _) => conflict(Reason::MergeConflict),
        }
    }

    fn merge_content(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
        [old, ours, theirs]: [Entry; 3],
    ) -> Result<Entry, Stop> {
        let conflict = || Stop::from(Refusal::of(path, Reason::MergeConflict));
        if type_bits(ours.mode) != type_bits(theirs.mode) {
            return Err(conflict());
        }
        let mode = choose(old.mode, ours.mode, theirs.mode).ok_or_else(conflict)?;
        if let Some(id) = choose(old.id, ours.id, theirs.id) {
            return Ok(Entry { mode, id });
        }
        if [old, ours, theirs].iter().any(|entry| type_bits(entry.mode) != type_bits(FILE)) {
            return Err(conflict());
        }
        let id = self.merge_blobs(objects, path, [Some(old.id), Some(ours.id), Some(theirs.id)])?;
        Ok(Entry { mode, id })
    }

    /// Merges three versions of a file line by line; one that is missing counts as empty.
    fn merge_blobs(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
        ids: [Option<Oid>; 3],
    ) -> Result<Oid, Stop> {
        let driver = MergeAttributes::of(objects, self.ours, path)?;
        let read = |id: Option<Oid>| match id {
            Some(id) => objects.read(id, ObjectType::Blob),
            None => Ok(Rc::from([])),
        };
        let [old, ours, theirs] = [read(ids[0])?, read(ids[1])?, read(ids[2])?];
        let merged = merge_text([&old, &ours, &theirs], driver);
        let merged = merged.ok_or_else(|| Refusal::of(path, Reason::MergeConflict))?;
        objects.effort().made(path, &merged)?;
        Ok(objects.make(ObjectType::Blob, merged, ids[1])?)
    }
}

/// The side that changed; `None` where both did, differently.
fn choose<T: PartialEq>(old: T, ours: T, theirs: T) -> Option<T> {
    if ours == theirs || theirs == old {
        Some(ours)
    } else if ours == old {
        Some(theirs)
    } else {
        None
    }
}

/// Three texts to one; `None`: they conflict.
pub(crate) fn merge_text(versions: [&[u8]; 3], driver: Driver) -> Option<Vec<u8>> {
    // Git looks for a NUL in the first 8000 bytes.
    let binary = versions.iter().any(|text| text[..text.len().min(8000)].contains(&0));
    if binary || driver == Driver::Binary {
        return None;
    }
    let [old, ours, theirs] = versions.map(|text| {
        let mut input = MergeFileInput::new();
        input.content(text);
        input
    });
    let mut options = MergeFileOptions::new();
    if driver == Driver::Union {
        options.favor(git2::FileFavor::Union);
    }
    let merged = git2::merge_file(&old, &ours, &theirs, Some(&mut options)).ok()?;
    merged.is_automergeable().then(|| merged.content().to_vec())
}
