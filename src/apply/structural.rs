//! Merges in which files moved: done by git's own `merge-tree`, on trees that hold only the files the patch names.
//!
//! Git finds out by itself which files belong together, and its answer is the one that counts. Where there is no git,
//! or one older than 2.40, the renames that the patch states and the base's history shows are merged in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use git2::{ObjectType, Oid, Repository, Signature, Time};

use super::attributes::MergeAttributes;
use super::effort::Effort;
use super::objects::{ObjectError, Objects};
use super::refusal::{Reason, Refusal, Stop};
use super::three_way::{Outcome, Sides};
use super::tree::{Entry, FILE, Tree, type_bits};
use super::{lone_renames, renames};
use crate::bytes::shown;
use crate::patch::FilePatch;

/// Whether git may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Structural {
    /// The git in the PATH, where it is new enough.
    #[default]
    Git,
    /// Never: merge in memory what can be.
    InMemory,
}

/// Merges sides of which files were renamed, deleted or added.
pub(crate) fn merge(
    objects: &Objects<'_>,
    base: Oid,
    sides: &mut Sides<'_>,
    files: &[FilePatch<'_>],
    structural: Structural,
) -> Result<Outcome, Stop> {
    let moves = moves(objects, base, sides)?;
    if moves.candidates.is_empty() && !sides.shape(objects)?.needs_more_than_paths() {
        // All that the base lacks is what the patch deletes anyway.
        return sides.merge_each(objects);
    }
    if structural == Structural::InMemory || !git_can_merge() {
        sides.paths.extend(moves.certain.values().cloned());
        return renames::merge(objects, sides, files, &moves.certain);
    }
    let named = sides.paths.clone();
    sides.paths.extend(moves.candidates);
    match ask_git(objects, sides) {
        Ok(answer) => answer,
        // Git not starting is no reason to give up what can be merged without it.
        Err(_) => {
            sides.paths = named;
            sides.paths.extend(moves.certain.values().cloned());
            renames::merge(objects, sides, files, &moves.certain)
        }
    }
}

/// Where files may have gone that the patch names and the base does not have.
#[derive(Debug, Default)]
struct Moves {
    /// Files that came when a named one went: git says whether they are the same.
    candidates: BTreeSet<Vec<u8>>,
    /// New names that the base's history leaves no doubt about.
    certain: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Looks the lost files up in the base's history, and refuses the patch where a lost one is nowhere.
fn moves(objects: &Objects<'_>, base: Oid, sides: &mut Sides<'_>) -> Result<Moves, Stop> {
    let mut moves = Moves::default();
    let mut lost = None;
    let mut may_hold_lost = false;
    for path in sides.paths.clone() {
        let theirs = match sides.entries(objects, &path)? {
            [Some(_), None, theirs] => theirs,
            [None, Some(_), Some(_)] => {
                may_hold_lost = true;
                continue;
            }
            _ => continue,
        };
        let removal = objects.lookups().removal_of(objects.repository(), base, &path).unwrap_or_default();
        let known = moves.candidates.len();
        for new in removal.added {
            if sides.ours.get(objects, &new)?.is_some() {
                moves.candidates.insert(new);
            }
        }
        if let Some(new) = removal.renamed_to.filter(|new| moves.candidates.contains(new)) {
            moves.certain.insert(path, new);
        } else if theirs.is_some() && moves.candidates.len() == known {
            lost = Some(path);
        }
    }
    // A file that the patch itself names may be the lost one under its new name; any other is a stranger.
    match lost {
        Some(path) if !may_hold_lost => {
            let needs = shown(&path, 200);
            Err(Refusal::of(&path, Reason::NeedsFile { needs }).into())
        }
        _ => Ok(moves),
    }
}

/// Is there a git with `merge-tree --write-tree --merge-base`?
fn git_can_merge() -> bool {
    static NEW_ENOUGH: OnceLock<bool> = OnceLock::new();
    *NEW_ENOUGH.get_or_init(|| {
        let output = Command::new("git").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
        output.is_ok_and(|output| version(&output.stdout) >= Some((2, 40)))
    })
}

/// (2, 47) from "git version 2.47.3".
fn version(text: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(text).ok()?.strip_prefix("git version ")?;
    let mut numbers = text.split('.').map(|part| part.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Lets git merge the three small trees in a repository of its own that borrows our objects.
fn ask_git(objects: &Objects<'_>, sides: &mut Sides<'_>) -> io::Result<Result<Outcome, Stop>> {
    let dir = tempfile::tempdir()?;
    let store = borrowing_repository(dir.path(), objects.repository()).map_err(io::Error::other)?;
    let ours = small_ours(objects, sides).map_err(io::Error::other)?;
    let attributes = attributes(objects, sides).map_err(io::Error::other)?;
    std::fs::create_dir_all(dir.path().join("info"))?;
    std::fs::write(dir.path().join("info/attributes"), attributes)?;
    let mut trees = [sides.ancestor.clone(), ours, sides.theirs.clone()];
    let lone = lone_renames::take_out(dir.path(), &store, objects, &mut trees)?;
    let mut commits = Vec::new();
    for tree in &mut trees {
        commits.push(commit(&store, objects, tree)?);
    }
    let output = merge_tree(objects.effort(), dir.path(), &commits)?;
    let fields: Vec<&[u8]> = output.stdout.split(|&b| b == 0).collect();
    match output.code {
        Some(0) => {
            if let Some(file) = hidden_conflict(&fields) {
                return Ok(Err(Refusal::of(file, Reason::Collision).into()));
            }
            let id = std::str::from_utf8(fields[0]).ok().and_then(|hex| Oid::from_str(hex).ok());
            let id = id.ok_or_else(|| io::Error::other("git merge-tree gave no tree"))?;
            let [_, ours, _] = &mut trees;
            let mut outcome = take_over(objects, &store, id, ours)?;
            outcome.extend(lone);
            Ok(Ok(outcome))
        }
        Some(1) => Ok(Err(conflict(&fields).into())),
        _ => Err(io::Error::other("git merge-tree failed")),
    }
}

/// What says how to merge: the root's file, and a line for each path of which a file in its own directories says more.
fn attributes(objects: &Objects<'_>, sides: &mut Sides<'_>) -> Result<Vec<u8>, ObjectError> {
    let mut text = match sides.ours.get(objects, b".gitattributes")?.filter(|entry| entry.mode == FILE) {
        Some(entry) => objects.read(entry.id, ObjectType::Blob)?.to_vec(),
        None => Vec::new(),
    };
    text.push(b'\n');
    for path in &sides.paths {
        if let Some(driver) = MergeAttributes::below_root(objects, sides.ours, path)? {
            text.extend(driver.line_for(path));
        }
    }
    Ok(text)
}

/// What git says about the conflict: after the tree come the files, an empty field, and messages of several fields.
fn conflict(fields: &[&[u8]]) -> Refusal {
    let file = fields.get(1).copied().unwrap_or_default();
    let says = |word: &[u8]| {
        fields.iter().any(|field| field.starts_with(b"CONFLICT (") && field[10..].starts_with(word))
    };
    let reason = if says(b"modify/delete") || says(b"rename/delete") {
        Reason::ModifyDelete
    } else if says(b"file/directory") || says(b"directory/file") {
        Reason::Clash
    } else if says(b"rename involved in collision") {
        Reason::Collision
    } else {
        Reason::MergeConflict
    };
    Refusal::of(file, reason)
}

/// The file that git calls merged although its lines conflict: git merges a renamed file first, and the result,
/// conflict markers and all, with the file that stands at the new name.
///
/// After the tree and an empty field come messages: how many paths, the paths, the kind, the text.
fn hidden_conflict<'a>(fields: &[&'a [u8]]) -> Option<&'a [u8]> {
    let mut rest = fields.get(2..)?;
    loop {
        let (count, after) = rest.split_first()?;
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        let (paths, after) = after.split_at_checked(count)?;
        if after.first()?.starts_with(b"CONFLICT (") {
            return Some(paths.first().copied().unwrap_or_default());
        }
        rest = after.get(2..)?;
    }
}

fn borrowing_repository(dir: &Path, from: &Repository) -> Result<Repository, git2::Error> {
    let store = Repository::init_bare(dir)?;
    let objects = from.commondir().join("objects");
    let objects = std::path::absolute(&objects).unwrap_or(objects);
    let alternates = dir.join("objects/info/alternates");
    let written = std::fs::create_dir_all(dir.join("objects/info"))
        .and_then(|()| std::fs::write(alternates, format!("{}\n", objects.display())));
    written.map_err(|error| git2::Error::from_str(&error.to_string()))?;
    // Opened again, as the list of borrowed stores is read once.
    drop(store);
    Repository::open_bare(dir)
}

/// Our side cut down to what the patch names and what stands in its way.
fn small_ours(objects: &Objects<'_>, sides: &mut Sides<'_>) -> Result<Tree, Stop> {
    let mut wanted: BTreeSet<Vec<u8>> = BTreeSet::new();
    for path in &sides.paths {
        wanted.insert(path.clone());
        wanted.extend(memchr::memchr_iter(b'/', path).map(|slash| path[..slash].to_vec()));
    }
    let mut small = Tree::empty();
    for path in wanted {
        if let Some(entry) = sides.ours.get(objects, &path)? {
            // Paths come from one tree, so they cannot clash.
            let _ = small.set(objects, &path, entry)?;
        }
    }
    Ok(small)
}

/// Writes a small tree with what only memory has of it.
pub(super) fn store_tree(store: &Repository, objects: &Objects<'_>, tree: &mut Tree) -> io::Result<Oid> {
    let id = tree.write(objects).map_err(io::Error::other)?;
    let odb = store.odb().map_err(io::Error::other)?;
    for (kind, content) in tree.objects_in_memory(objects) {
        odb.write(kind, &content).map_err(io::Error::other)?;
    }
    Ok(id)
}

/// Writes a small tree and a commit that holds it.
fn commit(store: &Repository, objects: &Objects<'_>, tree: &mut Tree) -> io::Result<Oid> {
    let id = store_tree(store, objects, tree)?;
    let write = || -> Result<Oid, git2::Error> {
        let who = Signature::new("patchlift", "patchlift@localhost", &Time::new(0, 0))?;
        store.commit(None, &who, &who, "side", &store.find_tree(id)?, &[])
    };
    write().map_err(io::Error::other)
}

/// How a git process ended, and what it said.
pub(super) struct Output {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
}

fn merge_tree(effort: &Effort, dir: &Path, commits: &[Oid]) -> io::Result<Output> {
    let merge_base = format!("--merge-base={}", commits[0]);
    let (ours, theirs) = (commits[1].to_string(), commits[2].to_string());
    run(
        effort,
        dir,
        &["merge-tree", "--write-tree", "--messages", "--name-only", "-z", &merge_base, &ours, &theirs],
    )
}

/// Runs git in the repository `dir`, with nothing of the user's configuration.
pub(super) fn run(effort: &Effort, dir: &Path, args: &[&str]) -> io::Result<Output> {
    let (began, end) = (Instant::now(), effort.git_deadline());
    let mut command = Command::new("git");
    command.arg("--git-dir").arg(dir);
    // As `git am` merges: renames yes, directory renames no.
    for setting in ["merge.renames=true", "merge.directoryRenames=false", "merge.renameLimit=7000"] {
        command.args(["-c", setting]);
    }
    command.args(args);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    ] {
        command.env_remove(name);
    }
    let out = tempfile::tempfile()?;
    let mut child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(Stdio::null()).spawn()?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            effort.git_ended(began);
            return Err(io::Error::other("git took too long"));
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    effort.git_ended(began);
    let mut stdout = Vec::new();
    let mut out = out;
    io::Seek::rewind(&mut out)?;
    io::Read::read_to_end(&mut out, &mut stdout)?;
    Ok(Output { code: status.code(), stdout })
}

/// Takes the merged tree's files over into our own objects.
fn take_over(objects: &Objects<'_>, store: &Repository, tree: Oid, ours: &mut Tree) -> io::Result<Outcome> {
    let odb = store.odb().map_err(io::Error::other)?;
    let mut merged = BTreeMap::new();
    let tree = store.find_tree(tree).map_err(io::Error::other)?;
    leaves(store, &tree, b"", &mut merged).map_err(io::Error::other)?;
    let before = ours.leaves(objects).map_err(io::Error::other)?;
    let mut outcome = Outcome::new();
    for path in before.keys().filter(|path| !merged.contains_key(*path)) {
        outcome.push((path.clone(), None));
    }
    for (path, entry) in merged {
        if before.get(&path) == Some(&entry) {
            continue;
        }
        if type_bits(entry.mode) == type_bits(FILE) && !objects.exists(entry.id) {
            let blob = odb.read(entry.id).map_err(io::Error::other)?;
            let like = before.get(&path).map(|entry| entry.id);
            objects.make(ObjectType::Blob, blob.data().to_vec(), like).map_err(io::Error::other)?;
        }
        outcome.push((path, Some(entry)));
    }
    Ok(outcome)
}

fn leaves(
    store: &Repository,
    tree: &git2::Tree<'_>,
    prefix: &[u8],
    found: &mut BTreeMap<Vec<u8>, Entry>,
) -> Result<(), git2::Error> {
    for entry in tree {
        let path = [prefix, entry.name_bytes()].concat();
        if entry.kind() == Some(ObjectType::Tree) {
            leaves(store, &store.find_tree(entry.id())?, &[&path[..], b"/"].concat(), found)?;
        } else {
            let mode = u32::try_from(entry.filemode_raw()).unwrap_or(FILE);
            found.insert(path, Entry { mode, id: entry.id() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version(b"git version 2.39.5\n"), Some((2, 39)));
        assert!(version(b"git version 2.100.1") > Some((2, 40)));
        assert_eq!(version(b"git version 2.50 (Apple)"), None);
        assert_eq!(version(b"what"), None);
    }
}
