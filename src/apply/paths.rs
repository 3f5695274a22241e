//! Which paths a patch may name.

use super::tree::SYMLINK;

/// Longer paths are refused; Linux itself takes no more than 4096 bytes.
const PATH_LIMIT: usize = 4096;
/// Deeper paths are refused: the Linux tree has 12 levels.
const DEPTH_LIMIT: usize = 100;

/// May a tree hold this path? Not: empty parts, ".", "..", an absolute path, ".git" in any spelling that some
/// file system takes for it, or a symlink that git itself would read.
pub(crate) fn is_allowed(path: &[u8], mode: u32) -> bool {
    path.len() <= PATH_LIMIT
        && !path.contains(&0)
        && path.split(|&b| b == b'/').count() <= DEPTH_LIMIT
        && path.split(|&b| b == b'/').all(|part| part_is_allowed(part, mode))
}

fn part_is_allowed(part: &[u8], mode: u32) -> bool {
    if part.is_empty() || part == b"." || part == b".." {
        return false;
    }
    // NTFS reads a backslash as a separator.
    part.split(|&b| b == b'\\').all(|piece| {
        let name = ntfs_name(piece);
        let git = name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1");
        let modules = mode == SYMLINK && name.eq_ignore_ascii_case(b".gitmodules");
        !git && !modules
    })
}

/// The name NTFS sees: blanks and dots at the end do not count, nor what follows a colon.
fn ntfs_name(piece: &[u8]) -> &[u8] {
    let piece = &piece[..memchr::memchr(b':', piece).unwrap_or(piece.len())];
    let end = piece.iter().rposition(|b| !matches!(b, b' ' | b'.')).map_or(0, |at| at + 1);
    &piece[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a/",
            ".git/config",
            "a/.GIT/x",
            ".git ./x",
            "git~1/x",
            ".git::$INDEX_ALLOCATION/x",
            "a\\.git\\x",
        ] {
            assert!(!is_allowed(bad.as_bytes(), 0o100_644), "{bad}");
        }
        for good in ["a", ".gitignore", ".gitmodules", "a/.github/x", "..a/b..", "git/x", "a b/ü"] {
            assert!(is_allowed(good.as_bytes(), 0o100_644), "{good}");
        }
        assert!(!is_allowed(b".gitmodules", SYMLINK));
        assert!(!is_allowed("a/".repeat(200).as_bytes(), 0o100_644));
    }
}
