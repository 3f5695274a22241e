//! What a path names, on every file system that may ever hold the tree.

use patchlift_report::clean::invisible;

use crate::apply::paths;

/// A regular file.
const FILE: u32 = 0o100_644;

/// May a tree hold this path? Not where git refuses it, and not where HFS+ would take a part of it for `.git`, which
/// git looks at on such machines only.
pub fn can_be_in_a_tree(path: &[u8], mode: Option<u32>) -> bool {
    paths::is_allowed(path, mode.unwrap_or(FILE)) && plain_parts(path).all(|part| part != ".git")
}

/// The parts of a path as the most forgiving file systems see them: lower case, nothing invisible (HFS+, and ext4
/// with casefold), no blanks and dots at the end, no stream after a colon, a backslash as a separator (NTFS).
pub fn plain_parts(path: &[u8]) -> impl Iterator<Item = String> {
    path.split(|byte| b"/\\".contains(byte)).map(plain)
}

fn plain(part: &[u8]) -> String {
    let text = String::from_utf8_lossy(part);
    let seen: String = text.chars().filter(|c| !invisible(*c)).flat_map(char::to_lowercase).collect();
    let name = seen.split_once(':').map_or(seen.as_str(), |(name, _)| name);
    name.trim_end_matches([' ', '.']).to_owned()
}

/// Is it one of git's own names (`.git…`), or the short name that NTFS gives one (`GITHUB~1`, `GI7EBA~2`)?
pub fn is_gits(plain_part: &str) -> bool {
    let short = plain_part.split_once('~').is_some_and(|(stem, number)| {
        stem.starts_with("gi") && number.starts_with(|c: char| c.is_ascii_digit())
    });
    plain_part.starts_with(".git") || short
}

/// Does it hold characters that are not seen, or that move the cursor?
pub fn hides_something(path: &[u8]) -> bool {
    String::from_utf8_lossy(path).chars().any(|c| c.is_control() || invisible(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_gits_directory_can_be_in_a_tree() {
        let bad: [&[u8]; 16] = [
            b"",
            b"/etc/passwd",
            b"../x",
            b"a/../../x",
            b"./x",
            b"a//x",
            b"a\0b",
            b".git/hooks/post-checkout",
            b"sub/.GiT/config",
            b".git./config",
            b".git  /config",
            b"git~1/config",
            b".git::$INDEX_ALLOCATION/config",
            b"sub\\.git\\config",
            ".g\u{200c}it/config".as_bytes(),
            "a/\u{feff}.GIT\u{2064}/config".as_bytes(),
        ];
        for path in bad {
            assert!(!can_be_in_a_tree(path, None), "{}", path.escape_ascii());
        }
        for path in ["Makefile", ".gitignore", "a/..b/c", "digit/x", ".gi/t", "a:b", "ü/ß"] {
            assert!(can_be_in_a_tree(path.as_bytes(), None), "{path}");
        }
        assert!(!can_be_in_a_tree(b".gitmodules", Some(0o120_000)));
    }

    #[test]
    fn gits_names_are_known_in_any_spelling() {
        let is = |path: &str| plain_parts(path.as_bytes()).any(|part| is_gits(&part));
        for path in [
            ".github/workflows/a.yml",
            ".GITHUB/x",
            "a/.gitattributes",
            ".gitmodules .",
            ".github:x/y",
            "GITHUB~1/workflows/x",
            "gi7eba~1",
            "x\\.github\\y",
            ".g\u{200d}ithub/workflows/x",
        ] {
            assert!(is(path), "{path}");
        }
        for path in ["github/x", "git.c", "a.git", "drivers/gpio/gi~x", "~1"] {
            assert!(!is(path), "{path}");
        }
    }
}
