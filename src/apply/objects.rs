//! Git objects: read from the repository, made in memory, written only when everything has worked.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::effort::Effort;
use super::history::Lookups;
use git2::{ObjectType, Odb, OdbLookupFlags, Oid, Repository};

/// The object database of a repository with new objects on top that are not on disk yet.
pub struct Objects<'r> {
    repository: &'r Repository,
    odb: Odb<'r>,
    made: RefCell<Made>,
    effort: Effort,
    lookups: Lookups,
}

#[derive(Default)]
struct Made {
    objects: BTreeMap<Oid, NewObject>,
    /// In the order they were made: parents of a delta before what is made from them.
    order: Vec<Oid>,
}

/// An object that may not be on disk yet.
#[derive(Debug, Clone)]
pub(crate) struct NewObject {
    pub(crate) kind: ObjectType,
    pub(crate) content: Rc<[u8]>,
    /// The object this one was made from and is likely to resemble.
    pub(crate) like: Option<Oid>,
}

/// Reading or writing the object database failed: our fault, or the repository is damaged.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// An object that must be there is not, or cannot be read.
    #[error("cannot read object {id}")]
    Read {
        /// The object.
        id: Oid,
        /// What libgit2 says.
        #[source]
        source: git2::Error,
    },
    /// The object database cannot be opened.
    #[error("cannot open the object database")]
    Open(#[source] git2::Error),
    /// The object's id cannot be computed.
    #[error("cannot hash an object")]
    Hash(#[source] git2::Error),
    /// An object is not what its place needs.
    #[error("object {id} is not a {wanted}")]
    Kind {
        /// The object.
        id: Oid,
        /// What it should be.
        wanted: &'static str,
    },
    /// A tree object is damaged.
    #[error("tree {id} is damaged")]
    Tree {
        /// The tree.
        id: Oid,
    },
}

impl<'r> Objects<'r> {
    /// Opens the object database of a repository.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub fn open(repository: &'r Repository) -> Result<Self, ObjectError> {
        let odb = repository.odb().map_err(ObjectError::Open)?;
        Ok(Self {
            repository,
            odb,
            made: RefCell::default(),
            effort: Effort::default(),
            lookups: Lookups::default(),
        })
    }

    /// What the series at hand has cost.
    pub(crate) fn effort(&self) -> &Effort {
        &self.effort
    }

    /// What the base's history has said of lost files.
    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// The repository they are read from.
    pub(crate) fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// An object that was made and is not on disk.
    pub(crate) fn only_in_memory(&self, id: Oid) -> Option<NewObject> {
        self.made.borrow().objects.get(&id).filter(|_| !self.on_disk(id)).cloned()
    }

    /// The content of an object of that kind.
    pub(crate) fn read(&self, id: Oid, kind: ObjectType) -> Result<Rc<[u8]>, ObjectError> {
        if let Some(made) = self.made.borrow().objects.get(&id) {
            return if made.kind == kind { Ok(Rc::clone(&made.content)) } else { Err(wrong_kind(id, kind)) };
        }
        let object = self.odb.read(id).map_err(|source| ObjectError::Read { id, source })?;
        if object.kind() == kind { Ok(Rc::from(object.data())) } else { Err(wrong_kind(id, kind)) }
    }

    /// Is this object there, on disk or in memory?
    pub(crate) fn exists(&self, id: Oid) -> bool {
        self.made.borrow().objects.contains_key(&id) || self.on_disk(id)
    }

    /// Not looking for packs that others may have added since: an object too many on disk does no harm.
    fn on_disk(&self, id: Oid) -> bool {
        self.odb.exists_ext(id, OdbLookupFlags::NO_REFRESH)
    }

    /// Makes an object in memory. `like`: an object it resembles, which saves bytes on disk.
    pub(crate) fn make(
        &self,
        kind: ObjectType,
        content: Vec<u8>,
        like: Option<Oid>,
    ) -> Result<Oid, ObjectError> {
        let id = Oid::hash_object(kind, &content).map_err(ObjectError::Hash)?;
        let made = &mut *self.made.borrow_mut();
        if let Entry::Vacant(place) = made.objects.entry(id) {
            place.insert(NewObject { kind, content: content.into(), like });
            made.order.push(id);
        }
        Ok(id)
    }

    /// The objects that these commits need and that are not on disk, in the order they were made. What was only
    /// made on the way, such as the other sides of a merge, is not among them.
    ///
    /// # Errors
    /// A tree in memory is damaged, which would be our own mistake.
    pub(crate) fn not_on_disk(&self, commits: &[Oid]) -> Result<Vec<(Oid, NewObject)>, ObjectError> {
        let made = self.made.borrow();
        let mut needed = BTreeSet::new();
        let mut open: Vec<Oid> = commits.to_vec();
        while let Some(id) = open.pop() {
            let Some(object) = made.objects.get(&id).filter(|_| !needed.contains(&id)) else { continue };
            needed.insert(id);
            match object.kind {
                ObjectType::Commit => open.push(tree_in_commit(id, &object.content)?),
                ObjectType::Tree => open.extend(super::tree::ids_in_tree(id, &object.content)?),
                _ => {}
            }
        }
        let missing = made.order.iter().filter(|id| needed.contains(id) && !self.on_disk(**id));
        Ok(missing.filter_map(|id| made.objects.get(id).map(|object| (*id, object.clone()))).collect())
    }

    /// The one blob whose id begins with these hex digits (4 to 40).
    pub(crate) fn blob_by_prefix(&self, prefix: &[u8]) -> Option<Oid> {
        let text = std::str::from_utf8(prefix).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
        if !(4..=40).contains(&text.len()) {
            return None;
        }
        let mut found = Vec::new();
        self.made_blobs(text, &mut found);
        self.blobs_on_disk(text.to_ascii_lowercase(), &mut found);
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    fn made_blobs(&self, prefix: &str, found: &mut Vec<Oid>) {
        let Ok(low) = Oid::from_str(&format!("{prefix:0<40}")) else { return };
        let Ok(high) = Oid::from_str(&format!("{prefix:f<40}")) else { return };
        let made = self.made.borrow();
        found.extend(
            made.objects.range(low..=high).filter(|(_, o)| o.kind == ObjectType::Blob).map(|(id, _)| *id),
        );
    }

    /// Two objects with the same short id are told apart by one digit more at a time.
    fn blobs_on_disk(&self, prefix: String, found: &mut Vec<Oid>) {
        let Ok(short) = Oid::from_str(&format!("{prefix:0<40}")) else { return };
        match self.odb.exists_prefix(short, prefix.len()) {
            Ok(id) => {
                if self.odb.read_header(id).is_ok_and(|(_, kind)| kind == ObjectType::Blob) {
                    found.push(id);
                }
            }
            Err(error) if error.code() == git2::ErrorCode::Ambiguous && prefix.len() < 40 => {
                for digit in "0123456789abcdef".chars() {
                    self.blobs_on_disk(format!("{prefix}{digit}"), found);
                }
            }
            Err(_) => {}
        }
    }
}

/// The tree of a commit object.
pub(crate) fn tree_in_commit(id: Oid, content: &[u8]) -> Result<Oid, ObjectError> {
    let hex = content.strip_prefix(b"tree ").and_then(|rest| rest.get(..40));
    let tree = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| Oid::from_str(hex).ok());
    tree.ok_or(ObjectError::Kind { id, wanted: "whole commit" })
}

fn wrong_kind(id: Oid, kind: ObjectType) -> ObjectError {
    let wanted = match kind {
        ObjectType::Blob => "file",
        ObjectType::Tree => "tree",
        ObjectType::Commit => "commit",
        _ => "known object",
    };
    ObjectError::Kind { id, wanted }
}
