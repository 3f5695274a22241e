//! The GNU build id: which binary a kernel is. Pure.

/// `NT_GNU_BUILD_ID` (elf.h).
const NT_GNU_BUILD_ID: u32 = 3;

/// The build id, in hex digits, among the ELF notes of a little-endian kernel: the bytes of
/// `/sys/kernel/notes`, or of a section `.notes`. None where there is none or the bytes are no notes.
pub fn build_id(mut notes: &[u8]) -> Option<String> {
    while notes.len() >= 12 {
        let name_len = word(notes, 0)?;
        let desc_len = word(notes, 4)?;
        let kind = word(notes, 8)?;
        let name = notes.get(12..)?.get(..name_len)?;
        let desc_at = 12 + padded(name_len)?;
        let desc = notes.get(desc_at..)?.get(..desc_len)?;
        if kind == usize::try_from(NT_GNU_BUILD_ID).ok()? && name == b"GNU\0" {
            return Some(crate::host::hex(desc)).filter(|id| !id.is_empty());
        }
        let next = desc_at.checked_add(padded(desc_len)?)?;
        notes = notes.get(next.min(notes.len())..)?;
    }
    None
}

/// The build id of an ELF image of a kernel.
pub fn build_id_of_image(image: &[u8]) -> Option<String> {
    use object::{Object, ObjectSection};
    let elf = object::File::parse(image).ok()?;
    elf.section_by_name(".notes").and_then(|section| build_id(section.data().ok()?)).or_else(|| {
        let section = elf.section_by_name(".note.gnu.build-id")?;
        build_id(section.data().ok()?)
    })
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// Names and descriptions are padded to four bytes.
fn padded(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [name.len(), desc.len()] {
            out.extend(u32::try_from(word).expect("it is small").to_le_bytes());
        }
        out.extend(kind.to_le_bytes());
        for part in [name, desc] {
            out.extend(part);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn the_build_id_is_found_among_other_notes() {
        let mut notes = note(b"Linux\0", 1, b"x");
        notes.extend(note(b"GNU\0", 1, b"abi"));
        notes.extend(note(b"GNU\0", 3, &[0xab, 0x01, 0xff]));
        assert_eq!(build_id(&notes).as_deref(), Some("ab01ff"));
    }

    #[test]
    fn damaged_notes_have_none() {
        let good = note(b"GNU\0", 3, &[1; 20]);
        for len in 0..good.len() {
            assert_eq!(build_id(&good[..len]), None, "cut at {len}");
        }
        let mut huge = good;
        huge[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(build_id(&huge), None);
        assert_eq!(build_id(&note(b"GNU\0", 3, b"")), None);
        assert_eq!(build_id_of_image(b"not an image"), None);
    }
}
