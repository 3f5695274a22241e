//! Trees that are read and changed path by path: only the directories on the way to a changed file are ever loaded.

use std::collections::BTreeMap;
use std::rc::Rc;

use git2::{ObjectType, Oid};

use super::objects::{ObjectError, Objects};

/// The mode of a directory's entry in a tree.
pub(crate) const DIRECTORY: u32 = 0o040_000;
/// The mode of a symlink.
pub(crate) const SYMLINK: u32 = 0o120_000;
/// The mode of a submodule.
pub(crate) const SUBMODULE: u32 = 0o160_000;
/// The mode of an ordinary file.
pub(crate) const FILE: u32 = 0o100_644;

/// The bits of a mode that say which type an entry is.
pub(crate) fn type_bits(mode: u32) -> u32 {
    mode & 0o170_000
}

/// What a path holds, when it is no directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) id: Oid,
}

/// A tree under change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// The tree as it was last written or read; `None`: changed since, or never written.
    id: Option<Oid>,
    /// The tree object this one began as.
    origin: Option<Oid>,
    children: Option<BTreeMap<Vec<u8>, Child>>,
}

#[derive(Debug, Clone)]
enum Child {
    Leaf(Entry),
    Directory(Tree),
}

/// A path at which a file cannot be, as a file stands where a directory must be or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clash;

impl Tree {
    /// The tree of that id, not loaded yet.
    pub(crate) fn at(id: Oid) -> Self {
        Self { id: Some(id), origin: Some(id), children: None }
    }

    /// A tree without entries.
    pub(crate) fn empty() -> Self {
        Self { children: Some(BTreeMap::new()), ..Self::default() }
    }

    fn load(&mut self, objects: &Objects<'_>) -> Result<&mut BTreeMap<Vec<u8>, Child>, ObjectError> {
        if self.children.is_none() {
            self.children = Some(match self.id {
                Some(id) => parse(id, &objects.read(id, ObjectType::Tree)?)?,
                None => BTreeMap::new(),
            });
        }
        Ok(self.children.get_or_insert_default())
    }

    /// What the path holds; `None` for a directory or nothing.
    pub(crate) fn get(&mut self, objects: &Objects<'_>, path: &[u8]) -> Result<Option<Entry>, ObjectError> {
        Ok(match self.child(objects, path)? {
            Some(Child::Leaf(entry)) => Some(*entry),
            _ => None,
        })
    }

    fn child(&mut self, objects: &Objects<'_>, path: &[u8]) -> Result<Option<&Child>, ObjectError> {
        let (part, rest) = split(path);
        match (self.load(objects)?.get_mut(part), rest) {
            (Some(Child::Directory(inner)), Some(rest)) => inner.child(objects, rest),
            (Some(child), None) => Ok(Some(child)),
            _ => Ok(None),
        }
    }

    /// Puts a file at a path. Directories are made as needed; nothing of another kind is replaced.
    pub(crate) fn set(
        &mut self,
        objects: &Objects<'_>,
        path: &[u8],
        entry: Entry,
    ) -> Result<Result<(), Clash>, ObjectError> {
        let (part, rest) = split(path);
        let children = self.load(objects)?;
        let done = match (rest, children.get_mut(part)) {
            (None, Some(Child::Directory(_))) | (Some(_), Some(Child::Leaf(_))) => return Ok(Err(Clash)),
            (None, _) => {
                children.insert(part.to_vec(), Child::Leaf(entry));
                Ok(())
            }
            (Some(rest), Some(Child::Directory(inner))) => inner.set(objects, rest, entry)?,
            (Some(rest), None) => {
                let mut inner = Self::empty();
                let done = inner.set(objects, rest, entry)?;
                children.insert(part.to_vec(), Child::Directory(inner));
                done
            }
        };
        if done.is_ok() {
            self.id = None;
        }
        Ok(done)
    }

    /// Takes the file at a path away, and the directories it leaves empty. Nothing there is no error.
    pub(crate) fn remove(&mut self, objects: &Objects<'_>, path: &[u8]) -> Result<(), ObjectError> {
        let (part, rest) = split(path);
        let children = self.load(objects)?;
        match (rest, children.get_mut(part)) {
            (None, Some(Child::Leaf(_))) => {
                children.remove(part);
                self.id = None;
            }
            (Some(rest), Some(Child::Directory(inner))) => {
                inner.remove(objects, rest)?;
                if inner.children.as_ref().is_some_and(BTreeMap::is_empty) {
                    children.remove(part);
                }
                if inner_changed(self.children.as_ref(), part) {
                    self.id = None;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes the tree objects of all changed directories and gives the root's id.
    pub(crate) fn write(&mut self, objects: &Objects<'_>) -> Result<Oid, ObjectError> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let origin = self.origin;
        let mut content = Vec::new();
        let mut order: Vec<(Vec<u8>, u32, Oid)> = Vec::new();
        for (name, child) in self.load(objects)? {
            let mut key = name.clone();
            let (mode, id) = match child {
                Child::Leaf(entry) => (entry.mode, entry.id),
                Child::Directory(inner) => {
                    // Git sorts directories as if their names ended in a slash.
                    key.push(b'/');
                    (DIRECTORY, inner.write(objects)?)
                }
            };
            order.push((key, mode, id));
        }
        order.sort_unstable();
        for (key, mode, id) in &order {
            let name = if *mode == DIRECTORY { &key[..key.len() - 1] } else { key };
            content.extend_from_slice(format!("{mode:o} ").as_bytes());
            content.extend_from_slice(name);
            content.push(0);
            content.extend_from_slice(id.as_bytes());
        }
        let id = objects.make(ObjectType::Tree, content, origin)?;
        self.id = Some(id);
        self.origin = Some(id);
        Ok(id)
    }
}

impl Tree {
    /// Every file of the tree. Only for small trees: it loads all of them.
    pub(crate) fn leaves(&mut self, objects: &Objects<'_>) -> Result<BTreeMap<Vec<u8>, Entry>, ObjectError> {
        let mut found = BTreeMap::new();
        for (name, child) in self.load(objects)? {
            match child {
                Child::Leaf(entry) => {
                    found.insert(name.clone(), *entry);
                }
                Child::Directory(inner) => {
                    for (path, entry) in inner.leaves(objects)? {
                        found.insert([name, &b"/"[..], &path].concat(), entry);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Kind and content of the tree's objects that are not on disk. The tree is written, so that all of it has ids.
    pub(crate) fn objects_in_memory(&self, objects: &Objects<'_>) -> Vec<(ObjectType, Rc<[u8]>)> {
        let mut found = Vec::new();
        let ids =
            self.id.into_iter().chain(self.children.iter().flatten().filter_map(|(_, child)| match child {
                Child::Leaf(entry) => Some(entry.id),
                Child::Directory(_) => None,
            }));
        found.extend(
            ids.filter_map(|id| objects.only_in_memory(id)).map(|object| (object.kind, object.content)),
        );
        for child in self.children.iter().flat_map(BTreeMap::values) {
            if let Child::Directory(inner) = child {
                found.extend(inner.objects_in_memory(objects));
            }
        }
        found
    }
}

fn inner_changed(children: Option<&BTreeMap<Vec<u8>, Child>>, part: &[u8]) -> bool {
    !matches!(children.and_then(|c| c.get(part)), Some(Child::Directory(inner)) if inner.id.is_some())
}

fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'/', path) {
        Some(slash) => (&path[..slash], Some(&path[slash + 1..])),
        None => (path, None),
    }
}

/// The ids of all that a tree object names.
pub(crate) fn ids_in_tree(id: Oid, content: &[u8]) -> Result<Vec<Oid>, ObjectError> {
    let id_of = |child: Child| match child {
        Child::Leaf(entry) => Some(entry.id),
        Child::Directory(inner) => inner.id,
    };
    Ok(parse(id, content)?.into_values().filter_map(id_of).collect())
}

/// Reads a tree object: "mode name NUL id", again and again.
fn parse(id: Oid, content: &[u8]) -> Result<BTreeMap<Vec<u8>, Child>, ObjectError> {
    let damaged = || ObjectError::Tree { id };
    let mut children = BTreeMap::new();
    let mut rest = content;
    while !rest.is_empty() {
        let blank = memchr::memchr(b' ', rest).ok_or_else(damaged)?;
        let mode =
            std::str::from_utf8(&rest[..blank]).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
        let mode = mode.ok_or_else(damaged)?;
        let nul = memchr::memchr(0, rest)
            .filter(|&nul| nul > blank && rest.len() >= nul + 21)
            .ok_or_else(damaged)?;
        let child_id = Oid::from_bytes(&rest[nul + 1..nul + 21]).map_err(|_| damaged())?;
        let child = match mode {
            DIRECTORY => Child::Directory(Tree::at(child_id)),
            mode => Child::Leaf(Entry { mode, id: child_id }),
        };
        children.insert(rest[blank + 1..nul].to_vec(), child);
        rest = &rest[nul + 21..];
    }
    Ok(children)
}
