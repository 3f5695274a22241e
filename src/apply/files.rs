//! One patch onto one tree, strictly: every hunk fits or nothing is changed. The rules are those of `git apply`.

use std::collections::{HashMap, HashSet};

use git2::{ObjectType, Oid};

use super::effort::COMPARISONS;
use super::image::{Image, Misfit, Steps};
use super::objects::Objects;
use super::paths;
use super::refusal::{Reason, Refusal, Stop};
use super::tree::{Entry, FILE, SUBMODULE, SYMLINK, Tree, type_bits};
use crate::bytes::shown;
use crate::patch::{Binary, FilePatch, binary};

/// What a patch does to one file of a tree.
#[derive(Debug)]
struct Change {
    /// The path it takes the file from; stays with a copy.
    remove: Option<Vec<u8>>,
    create: Option<(Vec<u8>, u32, Vec<u8>)>,
    /// The object the new content is made from.
    like: Option<Oid>,
}

/// Where a path stands after the parts of the patch before this one.
#[derive(Debug, Clone, Copy)]
enum Earlier {
    /// Made or changed by that change.
    Result(usize),
    /// Renamed or deleted.
    Gone,
    /// A later part will rename or delete it.
    WillGo,
}

/// Applies all file changes of one patch to `tree`. On a refusal the tree is left as it was.
///
/// # Errors
/// The patch does not fit, or the repository cannot be read.
pub(crate) fn apply(objects: &Objects<'_>, tree: &mut Tree, files: &[FilePatch<'_>]) -> Result<(), Stop> {
    files.iter().try_for_each(refuse_unsafe)?;
    let mut run =
        Run { objects, tree, earlier: HashMap::new(), links: Links::of(files), changes: Vec::new() };
    for file in files {
        if let Some(old) = file.old_name.as_deref()
            && (file.new_name.is_none() || file.is_rename)
        {
            run.earlier.insert(old.to_vec(), Earlier::WillGo);
        }
    }
    for file in files {
        run.file(file)?;
    }
    let mut changed = run.tree.clone();
    for path in run.changes.iter().filter_map(|change| change.remove.as_deref()) {
        changed.remove(objects, path)?;
    }
    for change in &run.changes {
        let Some((path, mode, content)) = &change.create else { continue };
        let id = store(objects, path, *mode, content, change.like)?;
        if changed.set(objects, path, Entry { mode: *mode, id })?.is_err() {
            return Err(Refusal::of(path, Reason::Clash).into());
        }
    }
    *run.tree = changed;
    Ok(())
}

fn store(
    objects: &Objects<'_>,
    path: &[u8],
    mode: u32,
    content: &[u8],
    like: Option<Oid>,
) -> Result<Oid, Stop> {
    // Linux makes no others, so no worktree could hold them.
    if type_bits(mode) == SYMLINK && !(1..=4095).contains(&content.len()) {
        return Err(Refusal::of(path, Reason::SymlinkTarget).into());
    }
    if type_bits(mode) != SUBMODULE {
        return Ok(objects.make(ObjectType::Blob, content.to_vec(), like)?);
    }
    let text = content.strip_prefix(b"Subproject commit ").unwrap_or_default();
    let id =
        text.get(..40).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| Oid::from_str(hex).ok());
    id.ok_or_else(|| Refusal::of(path, Reason::Submodule).into())
}

/// No part of a patch that names a path outside the tree is ever tried.
fn refuse_unsafe(file: &FilePatch<'_>) -> Result<(), Stop> {
    let old = file.old_name.as_deref().map(|name| (name, file.old_mode));
    let new = file.new_name.as_deref().map(|name| (name, file.new_mode));
    let unsafe_name =
        old.into_iter().chain(new).find(|(name, mode)| !paths::is_allowed(name, mode.unwrap_or(FILE)));
    unsafe_name.map_or(Ok(()), |(name, _)| Err(Refusal::of(name, Reason::UnsafePath).into()))
}

/// Paths that the patch makes a symlink, or where it takes one away.
#[derive(Debug, Default)]
struct Links {
    made: HashSet<Vec<u8>>,
    gone: HashSet<Vec<u8>>,
}

impl Links {
    fn of(files: &[FilePatch<'_>]) -> Self {
        let mut links = Self::default();
        let is_link = |mode: Option<u32>| mode.is_some_and(|mode| type_bits(mode) == SYMLINK);
        for file in files {
            if let Some(old) = &file.old_name
                && is_link(file.old_mode)
                && (file.is_rename || file.is_delete == Some(true))
            {
                links.gone.insert(old.clone());
            }
            if let Some(new) = &file.new_name
                && is_link(file.new_mode)
            {
                links.made.insert(new.clone());
            }
        }
        links
    }
}

/// What is known of a file before its change.
struct Before {
    mode: u32,
    content: Vec<u8>,
    id: Option<Oid>,
}

struct Run<'t, 'o, 'r> {
    objects: &'o Objects<'r>,
    tree: &'t mut Tree,
    earlier: HashMap<Vec<u8>, Earlier>,
    links: Links,
    changes: Vec<Change>,
}

impl Run<'_, '_, '_> {
    fn file(&mut self, file: &FilePatch<'_>) -> Result<(), Stop> {
        let before = self.before(file)?;
        // A traditional diff of a missing file makes it; only then is `before` empty for a patch that is not new.
        let is_new = file.is_new == Some(true) || before.is_none();
        let old_name = if is_new { None } else { file.old_name.as_deref() };
        let is_delete = file.is_delete == Some(true) && !(is_new && file.is_new.is_none());
        if let Some(new) = file.new_name.as_deref()
            && (is_new || file.is_rename || file.is_copy)
        {
            self.may_create(new)?;
        }
        let mode = new_mode(file, before.as_ref())?;
        if let Some(new) = file.new_name.as_deref().filter(|_| !is_delete)
            && self.is_beyond_link(new)?
        {
            return Err(Refusal::of(new, Reason::BeyondSymlink).into());
        }
        let before = before.unwrap_or(Before { mode: 0, content: Vec::new(), id: None });
        let like = before.id;
        let content = self.content(file, old_name, before)?;
        self.objects.effort().made(file.name(), &content)?;
        if is_delete && !content.is_empty() {
            return Err(Refusal::of(file.name(), Reason::LeavesContent).into());
        }
        let create = file.new_name.as_ref().filter(|_| !is_delete).map(|name| (name.clone(), mode, content));
        let remove = old_name.filter(|_| !file.is_copy).map(<[u8]>::to_vec);
        self.changes.push(Change { remove, create, like });
        self.remember(file);
        Ok(())
    }

    fn remember(&mut self, file: &FilePatch<'_>) {
        if let Some(new) = &file.new_name {
            self.earlier.insert(new.clone(), Earlier::Result(self.changes.len() - 1));
        }
        if let Some(old) = &file.old_name
            && (file.new_name.is_none() || file.is_rename)
        {
            self.earlier.insert(old.clone(), Earlier::Gone);
        }
    }

    /// The file before the change: from an earlier part of the patch, or from the tree.
    fn before(&mut self, file: &FilePatch<'_>) -> Result<Option<Before>, Stop> {
        let Some(old) = file.old_name.as_deref() else { return Ok(None) };
        // Renames and copies take the file as it was before the whole patch.
        let earlier = self.earlier.get(old).filter(|_| !file.is_rename && !file.is_copy);
        let before = match earlier {
            Some(Earlier::Gone) => return Err(Refusal::of(old, Reason::Gone).into()),
            Some(Earlier::Result(at)) => {
                let change = &self.changes[*at];
                change.create.as_ref().map(|(_, mode, content)| Before {
                    mode: *mode,
                    content: content.clone(),
                    id: change.like,
                })
            }
            Some(Earlier::WillGo) | None => self.on_tree(old)?,
        };
        let Some(before) = before else {
            return if file.is_new.is_none() {
                Ok(None)
            } else {
                Err(Refusal::of(old, Reason::Missing).into())
            };
        };
        if let Some(wanted) = file.old_mode
            && type_bits(wanted) != type_bits(before.mode)
        {
            return Err(Refusal::of(old, Reason::Type { found: before.mode, wanted }).into());
        }
        Ok(Some(before))
    }

    fn on_tree(&mut self, path: &[u8]) -> Result<Option<Before>, Stop> {
        let Some(entry) = self.tree.get(self.objects, path)? else { return Ok(None) };
        if type_bits(entry.mode) == SUBMODULE {
            let content = format!("Subproject commit {}\n", entry.id).into_bytes();
            return Ok(Some(Before { mode: entry.mode, content, id: None }));
        }
        let content = self.objects.read(entry.id, ObjectType::Blob)?.to_vec();
        Ok(Some(Before { mode: entry.mode, content, id: Some(entry.id) }))
    }

    /// A file may be created where nothing is, or where this same patch takes something away.
    fn may_create(&mut self, path: &[u8]) -> Result<(), Stop> {
        let freed = matches!(self.earlier.get(path), Some(Earlier::Gone | Earlier::WillGo));
        if !freed && self.tree.get(self.objects, path)?.is_some() {
            return Err(Refusal::of(path, Reason::Exists).into());
        }
        Ok(())
    }

    fn is_beyond_link(&mut self, path: &[u8]) -> Result<bool, Stop> {
        for slash in memchr::memrchr_iter(b'/', path) {
            let parent = &path[..slash];
            if self.links.made.contains(parent) {
                return Ok(true);
            }
            if self.links.gone.contains(parent) {
                continue;
            }
            if self.tree.get(self.objects, parent)?.is_some_and(|entry| type_bits(entry.mode) == SYMLINK) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn content(
        &mut self,
        file: &FilePatch<'_>,
        old_name: Option<&[u8]>,
        before: Before,
    ) -> Result<Vec<u8>, Stop> {
        if file.is_binary {
            return self.binary_content(file, old_name, &before);
        }
        if file.hunks.is_empty() {
            return Ok(before.content);
        }
        let effort = self.objects.effort();
        let mut steps = Steps { taken: effort.comparisons(), limit: COMPARISONS };
        let mut image = Image::new(&before.content);
        for hunk in &file.hunks {
            if let Err(misfit) = image.apply(hunk, &mut steps) {
                let reason = match misfit {
                    Misfit::NoMatch => Reason::Hunk,
                    Misfit::TooMuchSearching => Reason::TooMuchSearching,
                };
                let difference = image.nearest(hunk, &mut steps);
                effort.compared(steps.taken);
                return Err(Refusal {
                    file: Some(file.name().to_vec()),
                    hunk: Some(shown(hunk.header, 200)),
                    difference,
                    reason,
                }
                .into());
            }
        }
        effort.compared(steps.taken);
        Ok(image.content())
    }

    fn binary_content(
        &self,
        file: &FilePatch<'_>,
        old_name: Option<&[u8]>,
        before: &Before,
    ) -> Result<Vec<u8>, Stop> {
        let refuse = |reason| Stop::from(Refusal::of(file.name(), reason));
        let (Some(old), Some(new)) = (full_id(&file.old_id), full_id(&file.new_id)) else {
            return Err(refuse(Reason::BinaryIndex));
        };
        let hash = |content: &[u8]| Oid::hash_object(ObjectType::Blob, content);
        let fits = match old_name {
            Some(_) => hash(&before.content).is_ok_and(|id| id == old),
            None => before.content.is_empty(),
        };
        if !fits {
            return Err(refuse(Reason::BinaryBase));
        }
        if new.is_zero() {
            return Ok(Vec::new());
        }
        if self.objects.exists(new) {
            return Ok(self.objects.read(new, ObjectType::Blob)?.to_vec());
        }
        let content = match &file.binary {
            None => return Err(refuse(Reason::BinaryMissing)),
            Some(Binary::Literal(content)) => content.clone(),
            Some(Binary::Delta(delta)) => {
                binary::apply_delta(&before.content, delta).ok_or_else(|| refuse(Reason::BinaryResult))?
            }
        };
        if hash(&content).is_ok_and(|id| id == new) { Ok(content) } else { Err(refuse(Reason::BinaryResult)) }
    }
}

fn full_id(hex: &[u8]) -> Option<Oid> {
    std::str::from_utf8(hex).ok().filter(|hex| hex.len() == 40).and_then(|hex| Oid::from_str(hex).ok())
}

/// The mode after the change: as stated, else as it is; types never change.
fn new_mode(file: &FilePatch<'_>, before: Option<&Before>) -> Result<u32, Stop> {
    let Some(before) = before else { return Ok(file.new_mode.unwrap_or(FILE)) };
    let mode = file.new_mode.unwrap_or(before.mode);
    let old_mode = file.old_mode.unwrap_or(before.mode);
    if type_bits(mode) != type_bits(old_mode) && file.new_name.is_some() {
        return Err(Refusal::of(file.name(), Reason::Type { found: old_mode, wanted: mode }).into());
    }
    Ok(mode)
}
