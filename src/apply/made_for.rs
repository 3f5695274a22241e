//! What a failed series was made for: the versions its index lines name, and a known base that has them all.

use std::collections::BTreeMap;

use git2::{Oid, Repository};
use serde::Serialize;

use super::Letter;
use super::objects::Objects;
use super::tree::Tree;
use crate::bytes::shown;
use crate::mail::Content;
use crate::patch::{self, FilePatch};

/// A file version that a patch was made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeFor {
    /// The file.
    pub file: String,
    /// The id in the index line.
    pub id: String,
    /// The id that the base has; `None`: no such file.
    pub on_base: Option<String>,
    /// Is that version in the repository?
    pub known: bool,
}

/// A branch or tag on which every file is as the series expects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownBase {
    /// Its short name.
    pub name: String,
    /// The commit it points at.
    pub commit: String,
}

/// Enough for a person; the rest would be noise.
const FILES_SHOWN: usize = 20;
/// Branches and tags that are looked at, and files that are compared on each.
const REFS_LIMIT: usize = 500;
const FILES_COMPARED: usize = 200;

/// For each file of a failed patch, the version in its index line and the one on the base.
pub(super) fn versions(objects: &Objects<'_>, tree: &mut Tree, content: &Content) -> Vec<MadeFor> {
    let files = patch::outline(&content.patch).unwrap_or_default();
    let described = files.iter().filter(|file| is_change(file));
    described.take(FILES_SHOWN).filter_map(|file| version(objects, tree, file)).collect()
}

fn is_change(file: &FilePatch<'_>) -> bool {
    file.is_new != Some(true) && !file.old_id.is_empty()
}

fn version(objects: &Objects<'_>, tree: &mut Tree, file: &FilePatch<'_>) -> Option<MadeFor> {
    let name = file.old_name.as_deref()?;
    let on_base = tree.get(objects, name).ok()?.map(|entry| entry.id.to_string());
    Some(MadeFor {
        file: shown(name, 200),
        id: shown(&file.old_id, 40),
        known: objects.blob_by_prefix(&file.old_id).is_some(),
        on_base,
    })
}

/// The first branch or tag on which all files have the versions that the series begins with. Branches of series are
/// left out: they are made by ourselves.
pub(super) fn known_base(objects: &Objects<'_>, mails: &[Letter<'_>]) -> Option<KnownBase> {
    let wanted = first_versions(mails);
    if wanted.is_empty() {
        return None;
    }
    let repository = objects.repository();
    let references = repository.references().ok()?.flatten().take(REFS_LIMIT);
    for reference in references {
        let Some(name) = reference.shorthand().ok().filter(|name| !name.starts_with("series/")) else {
            continue;
        };
        let Ok(commit) = reference.peel_to_commit() else { continue };
        if has_all(objects, repository, commit.id(), &wanted) {
            return Some(KnownBase { name: shown(name.as_bytes(), 100), commit: commit.id().to_string() });
        }
    }
    None
}

/// Each file's id before the series first touches it.
fn first_versions(mails: &[Letter<'_>]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut first: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut made: Vec<Vec<u8>> = Vec::new();
    for content in mails.iter().flatten() {
        for file in patch::outline(&content.patch).unwrap_or_default() {
            let old = file.old_name.clone().filter(|old| is_change(&file) && !made.contains(old));
            if let Some(old) = old
                && first.len() < FILES_COMPARED
            {
                first.entry(old).or_insert(file.old_id);
            }
            if made.len() < FILES_COMPARED {
                made.extend(file.new_name.filter(|new| !first.contains_key(new)));
            }
        }
    }
    first
}

fn has_all(
    objects: &Objects<'_>,
    repository: &Repository,
    commit: Oid,
    wanted: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> bool {
    let Ok(root) = repository.find_commit(commit).map(|commit| commit.tree_id()) else { return false };
    let mut tree = Tree::at(root);
    wanted.iter().all(|(path, id)| {
        let entry = tree.get(objects, path).ok().flatten();
        entry.is_some_and(|entry| entry.id.to_string().as_bytes().starts_with(id))
    })
}
