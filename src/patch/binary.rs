//! "GIT binary patch": base-85 lines around deflated data, whole or as a delta.

use std::io::Read;

use super::{Cursor, FilePatch, PatchError};

/// A binary change, inflated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binary {
    /// The whole new content.
    Literal(Vec<u8>),
    /// Instructions to make the new content from the old one.
    Delta(Vec<u8>),
}

/// The most that is taken from the binary changes of one patch, in bytes, ways back included. Firmware images of some
/// megabytes were seen.
pub const CONTENT_LIMIT: u64 = 64 << 20;

/// Reads a binary change, or the note that two binary files differ, where one stands at the cursor.
pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, file: &mut FilePatch<'a>) -> Result<(), PatchError> {
    let line = cursor.peek();
    if line == b"GIT binary patch\n" {
        let start = cursor.line;
        cursor.take();
        let corrupt = PatchError::CorruptBinary { line: start };
        file.binary = Some(data(cursor).ok_or(corrupt.clone())?);
        file.is_binary = true;
        // The way back follows; it is not used, but must be whole.
        if is_data_header(cursor.peek()) {
            data(cursor).ok_or(corrupt)?;
        }
    } else if line.ends_with(b" differ\n")
        && (line.starts_with(b"Binary files ") || line.starts_with(b"Files "))
    {
        cursor.take();
        file.is_binary = true;
    }
    Ok(())
}

fn is_data_header(line: &[u8]) -> bool {
    line.starts_with(b"literal ") || line.starts_with(b"delta ")
}

/// "literal SIZE" or "delta SIZE", base-85 lines, an empty line.
fn data(cursor: &mut Cursor<'_>) -> Option<Binary> {
    let header = cursor.peek();
    if !is_data_header(header) {
        return None;
    }
    cursor.take();
    let is_delta = header.starts_with(b"delta ");
    let digits = header.split(|&b| b == b' ').nth(1)?;
    let digits = &digits[..digits.iter().take_while(|b| b.is_ascii_digit()).count()];
    let size: u64 = std::str::from_utf8(digits).ok()?.parse().unwrap_or(0);
    let mut deflated = Vec::new();
    loop {
        let line = cursor.take();
        if line == b"\n" {
            break;
        }
        base85_line(line, &mut deflated)?;
    }
    let mut content = Vec::new();
    if let Some(left) = cursor.inflatable {
        cursor.inflatable = Some(left.checked_sub(size)?);
        content = inflate(&deflated, size)?;
    }
    Some(if is_delta { Binary::Delta(content) } else { Binary::Literal(content) })
}

/// One line: a letter for its length (A-Z 1..26, a-z 27..52), groups of five characters for four bytes.
fn base85_line(line: &[u8], output: &mut Vec<u8>) -> Option<()> {
    let text = line.strip_suffix(b"\n")?;
    let (&letter, groups) = text.split_first()?;
    if groups.is_empty() || groups.len() % 5 != 0 {
        return None;
    }
    let length = match letter {
        b'A'..=b'Z' => usize::from(letter - b'A') + 1,
        b'a'..=b'z' => usize::from(letter - b'a') + 27,
        _ => return None,
    };
    let room = groups.len() / 5 * 4;
    if length > room || length <= room - 4 {
        return None;
    }
    let start = output.len();
    for group in groups.chunks_exact(5) {
        let mut value = 0_u64;
        for &character in group {
            value = value * 85 + u64::from(base85_digit(character)?);
        }
        output.extend_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
    }
    output.truncate(start + length);
    Some(())
}

fn base85_digit(character: u8) -> Option<u8> {
    const ALPHABET: &[u8; 85] =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    const DIGITS: [u8; 256] = {
        let mut digits = [u8::MAX; 256];
        let mut at = 0;
        while at < ALPHABET.len() {
            digits[ALPHABET[at] as usize] = at as u8;
            at += 1;
        }
        digits
    };
    Some(DIGITS[usize::from(character)]).filter(|&digit| digit != u8::MAX)
}

/// Inflates to exactly `size` bytes.
fn inflate(deflated: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more than stated shows a stream that goes on; the buffer grows with what comes, not with the number.
    flate2::read::ZlibDecoder::new(deflated).take(size + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 == size).then_some(content)
}

/// Makes the new content from `base` by a delta's instructions; `None`: the delta does not fit.
pub fn apply_delta(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    if varint(&mut rest)? != base.len() as u64 {
        return None;
    }
    let size = varint(&mut rest).filter(|&size| size <= CONTENT_LIMIT)?;
    let mut content = Vec::new();
    while let Some((&instruction, after)) = rest.split_first() {
        rest = after;
        if instruction & 0x80 != 0 {
            let (offset, length) = copy_range(instruction, &mut rest)?;
            content.extend_from_slice(base.get(offset..offset.checked_add(length)?)?);
        } else if instruction != 0 {
            let (literal, after) = rest.split_at_checked(usize::from(instruction))?;
            content.extend_from_slice(literal);
            rest = after;
        } else {
            return None;
        }
        if content.len() as u64 > size {
            return None;
        }
    }
    (content.len() as u64 == size).then_some(content)
}

/// The instruction's low bits say which bytes of offset and length follow.
fn copy_range(instruction: u8, rest: &mut &[u8]) -> Option<(usize, usize)> {
    let mut field = |first_bit: u8, bytes: u8| -> Option<usize> {
        let mut value = 0_usize;
        for at in 0..bytes {
            if instruction & (1 << (first_bit + at)) != 0 {
                let (&byte, after) = rest.split_first()?;
                *rest = after;
                value |= usize::from(byte) << (8 * at);
            }
        }
        Some(value)
    };
    let offset = field(0, 4)?;
    let length = field(4, 3)?;
    Some((offset, if length == 0 { 0x1_0000 } else { length }))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_inflates_so_much_and_an_outline_nothing() {
        let deflated = |size: usize| {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, &vec![0; size]).unwrap();
            encoder.finish().unwrap()
        };
        let content = deflated(CONTENT_LIMIT as usize);
        assert_eq!(inflate(&content, CONTENT_LIMIT).unwrap().len() as u64, CONTENT_LIMIT);
        assert!(inflate(&content, CONTENT_LIMIT - 1).is_none());
        // "literal 0", twice in one patch; then more than one patch may have.
        let change = |size: u64| {
            format!("diff --git a/f b/f\nindex 1..2\nGIT binary patch\nliteral {size}\nHcmV?d00001\n\n")
        };
        let whole = change(0).repeat(2);
        assert_eq!(
            crate::patch::parse(whole.as_bytes(), None).unwrap()[1].binary,
            Some(Binary::Literal(vec![]))
        );
        let large = change(CONTENT_LIMIT + 1);
        assert!(crate::patch::parse(large.as_bytes(), None).is_err());
        assert_eq!(crate::patch::outline(large.as_bytes()).unwrap()[0].name(), b"f");
    }

    #[test]
    fn base85_lines_state_their_length() {
        let mut output = Vec::new();
        assert!(base85_line(b"D00000\n", &mut output).is_some());
        assert_eq!(output, [0, 0, 0, 0]);
        for bad in [&b"D0000\n"[..], b"E00000\n", b"300000\n", b"D0\"000\n", b"D~~~~~\n", b"\n"] {
            assert!(base85_line(bad, &mut Vec::new()).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn deltas_copy_and_insert_within_bounds() {
        // "hello world" -> "hello there": copy 6 bytes from 0, insert 5.
        let delta = [11, 11, 0x90, 6, 5, b't', b'h', b'e', b'r', b'e'];
        assert_eq!(apply_delta(b"hello world", &delta).unwrap(), b"hello there");
        assert!(apply_delta(b"hello", &delta).is_none());
        assert!(apply_delta(b"hello world", &[11, 11, 0x90, 60]).is_none());
        assert!(apply_delta(b"hello world", &[11, 11, 0]).is_none());
        assert!(apply_delta(b"", &[]).is_none());
    }
}
