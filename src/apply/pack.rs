//! New objects to disk, in one pack, all or nothing.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid, Repository};
use sha1::{Digest, Sha1};

use super::Applied;
use super::objects::{NewObject, ObjectError, Objects};

/// Why new objects could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The new objects are not sound.
    #[error("the new objects are not sound")]
    Objects(#[source] ObjectError),
    /// The disk or the repository refuses.
    #[error("cannot write the new objects")]
    Write(#[source] std::io::Error),
    /// The pack cannot be put in its place.
    #[error("cannot add the new objects to the repository")]
    Index(#[source] git2::Error),
}

/// Writes the commits and all they need that is not on disk yet into `repository`; gives back how many objects.
///
/// # Errors
/// The repository cannot be written. Nothing of the pack is visible then.
pub fn write(repository: &Repository, objects: &Objects<'_>, applied: &Applied) -> Result<usize, PackError> {
    let commits: Vec<Oid> = applied.made.iter().map(|made| made.commit).collect();
    let new = objects.not_on_disk(&commits).map_err(PackError::Objects)?;
    if new.is_empty() {
        return Ok(0);
    }
    let bytes = build(&new).map_err(PackError::Write)?;
    let odb = repository.odb().map_err(PackError::Index)?;
    let mut writer = odb.packwriter().map_err(PackError::Index)?;
    writer.write_all(&bytes).map_err(PackError::Write)?;
    writer.commit().map_err(PackError::Index)?;
    Ok(new.len())
}

/// An object that is in the pack, and the length of its chain of deltas.
struct Placed<'a> {
    offset: usize,
    content: &'a [u8],
    kind: ObjectType,
    depth: u8,
}

/// Git's own default for the longest chain of deltas.
const DEPTH_LIMIT: u8 = 50;

/// A pack: header, one entry an object, SHA-1 of it all.
fn build(new: &[(Oid, NewObject)]) -> std::io::Result<Vec<u8>> {
    let count = u32::try_from(new.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    let mut placed: HashMap<Oid, Placed<'_>> = HashMap::new();
    for (id, object) in new {
        let offset = pack.len();
        let parent = object.like.and_then(|like| placed.get(&like));
        let parent = parent.filter(|parent| parent.kind == object.kind && parent.depth < DEPTH_LIMIT);
        let delta = parent.map(|parent| (parent, delta(parent.content, &object.content)));
        // A delta that saves little is not worth its chain.
        let delta = delta.filter(|(_, delta)| delta.len() < object.content.len() / 2);
        let depth = delta.as_ref().map_or(0, |(parent, _)| parent.depth + 1);
        match delta {
            Some((parent, delta)) => {
                entry_header(&mut pack, OFFSET_DELTA, delta.len());
                back_offset(&mut pack, offset - parent.offset);
                pack = deflate(pack, &delta)?;
            }
            None => {
                entry_header(&mut pack, type_number(object.kind), object.content.len());
                pack = deflate(pack, &object.content)?;
            }
        }
        placed.insert(*id, Placed { offset, content: &object.content, kind: object.kind, depth });
    }
    let digest = Sha1::digest(&pack);
    pack.extend_from_slice(&digest);
    Ok(pack)
}

const OFFSET_DELTA: u8 = 6;

fn type_number(kind: ObjectType) -> u8 {
    match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        _ => 3,
    }
}

/// Type and size: four bits of the size, then seven a byte.
fn entry_header(pack: &mut Vec<u8>, kind: u8, size: usize) {
    let mut rest = size >> 4;
    let mut byte = kind << 4 | (size & 15) as u8;
    while rest > 0 {
        pack.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    pack.push(byte);
}

/// How far back the parent is, in git's big-endian form without doubled encodings.
fn back_offset(pack: &mut Vec<u8>, distance: usize) {
    let mut bytes = vec![(distance & 0x7f) as u8];
    let mut rest = distance >> 7;
    while rest > 0 {
        rest -= 1;
        bytes.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    pack.extend(bytes.iter().rev());
}

/// Level 1: measured on kernel series, higher levels cost three times the time for a tenth of the bytes.
fn deflate(pack: Vec<u8>, content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(pack, Compression::fast());
    encoder.write_all(content)?;
    encoder.finish()
}

/// Instructions that make `new` from `old`: the common start, what is between, the common end.
fn delta(old: &[u8], new: &[u8]) -> Vec<u8> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut delta = Vec::new();
    varint(&mut delta, old.len());
    varint(&mut delta, new.len());
    copy(&mut delta, 0, start);
    for literal in new[start..new.len() - end].chunks(127) {
        delta.push(literal.len() as u8);
        delta.extend_from_slice(literal);
    }
    copy(&mut delta, old.len() - end, end);
    delta
}

fn varint(delta: &mut Vec<u8>, value: usize) {
    let mut rest = value;
    while rest > 0x7f {
        delta.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    delta.push(rest as u8);
}

/// Copies of at most 0xffff bytes: any of that size is written in two bytes.
fn copy(delta: &mut Vec<u8>, from: usize, length: usize) {
    let (mut from, mut left) = (from, length);
    while left > 0 {
        let now = left.min(0xffff);
        delta.push(0x80 | 0x0f | 0x30);
        delta.extend_from_slice(&(from as u32).to_le_bytes());
        delta.extend_from_slice(&(now as u16).to_le_bytes());
        from += now;
        left -= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::binary::apply_delta;

    #[test]
    fn deltas_give_the_new_content_again() {
        let long = vec![b'x'; 200_000];
        let changed = [&long[..70_000], b"inserted", &long[80_000..]].concat();
        let table: [(&[u8], &[u8]); 6] = [
            (b"", b"new"),
            (b"old", b""),
            (b"aaa", b"aaaa"),
            (b"abc", b"abc"),
            (&long, &changed),
            (&changed, &long),
        ];
        for (old, new) in table {
            assert_eq!(apply_delta(old, &delta(old, new)).unwrap(), new);
        }
    }
}
