//! Files that one side renamed and the other left alone.
//!
//! There is nothing to merge in them, so git's newer merge ("ort") does not look where they went. The new file is then
//! free to be taken for another one that both sides deleted, and that is a conflict. The older merge, which `git am`
//! used up to 2.49, looks at all files and takes the most similar one. Hence such pairs are found and taken out first.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use git2::Repository;

use super::objects::{ObjectError, Objects};
use super::structural::{run, store_tree};
use super::three_way::Outcome;
use super::tree::Tree;

/// Takes such renames out of the three small trees (ancestor, ours, theirs) and gives what they come to.
pub(super) fn take_out(
    dir: &Path,
    store: &Repository,
    objects: &Objects<'_>,
    trees: &mut [Tree; 3],
) -> io::Result<Outcome> {
    let mut outcome = Outcome::new();
    if !may_be_mistaken(objects, trees).map_err(io::Error::other)? {
        return Ok(outcome);
    }
    for (old, new) in renames(dir, store, objects, trees)? {
        let [ancestor, ours, theirs] = &mut *trees;
        let take = || -> Result<Option<_>, ObjectError> {
            let left_alone = ours.get(objects, &old)? == ancestor.get(objects, &old)?;
            if !left_alone || ours.get(objects, &new)?.is_some() {
                return Ok(None);
            }
            let entry = theirs.get(objects, &new)?;
            for (tree, path) in [(ancestor, &old), (ours, &old), (theirs, &new)] {
                tree.remove(objects, path)?;
            }
            Ok(Some(entry))
        };
        if let Some(entry) = take().map_err(io::Error::other)? {
            outcome.push((old, None));
            outcome.push((new, entry));
        }
    }
    Ok(outcome)
}

/// Did the patch add a file, and delete one that the base left alone and one that the base did not?
fn may_be_mistaken(
    objects: &Objects<'_>,
    [ancestor, ours, theirs]: &mut [Tree; 3],
) -> Result<bool, ObjectError> {
    let (before, here, there) = (ancestor.leaves(objects)?, ours.leaves(objects)?, theirs.leaves(objects)?);
    let added = there.keys().any(|path| !before.contains_key(path));
    let deleted = before.iter().filter(|(path, _)| !there.contains_key(*path));
    let left_alone: BTreeSet<bool> = deleted.map(|(path, entry)| here.get(path) == Some(entry)).collect();
    Ok(added && left_alone.len() == 2)
}

/// The renames between the first tree and the last as git finds them, with the limits of its merges.
fn renames(
    dir: &Path,
    store: &Repository,
    objects: &Objects<'_>,
    [ancestor, _, theirs]: &mut [Tree; 3],
) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let before = store_tree(store, objects, ancestor)?.to_string();
    let after = store_tree(store, objects, theirs)?.to_string();
    let options = ["diff-tree", "-r", "-z", "--name-status", "-M", "-l7000", "--no-rename-empty"];
    let output = run(objects.effort(), dir, &[&options[..], &["--diff-filter=R", &before, &after]].concat())?;
    if output.code != Some(0) {
        return Err(io::Error::other("git diff-tree failed"));
    }
    let fields: Vec<&[u8]> = output.stdout.split(|&b| b == 0).collect();
    let (triples, _) = fields.as_chunks::<3>();
    Ok(triples.iter().map(|[_, old, new]| (old.to_vec(), new.to_vec())).collect())
}
