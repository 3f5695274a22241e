//! What a mail says about its base: `base-commit:`, `prerequisite-patch-id:`, `Depends-on:`, `change-id:`.

use crate::bytes::{Lines, shown, strip_prefix_ignoring_case, trim};

/// The hints of one mail, each as written, bounded in length and number.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct BaseHints {
    /// The commit the series was made on.
    pub base_commit: Option<String>,
    /// Patches that must be there first, by `git patch-id`.
    pub prerequisites: Vec<String>,
    /// Series or messages this one builds on.
    pub depends_on: Vec<String>,
    /// b4's name for the series through all its versions.
    pub change_id: Option<String>,
}

/// More hints than this are noise; format-patch writes one prerequisite a patch of the topic below.
const HINT_LIMIT: usize = 256;

/// A message id or an address of a series is shorter than this.
const VALUE_LIMIT: usize = 300;

impl BaseHints {
    /// Collects hints from a message and from the lines around its patch; diff lines are never hints,
    /// as they begin with "+", "-" or a blank.
    pub fn collect(texts: &[&[u8]]) -> Self {
        let mut hints = Self::default();
        for line in texts.iter().flat_map(|text| Lines::new(text)) {
            hints.line(line);
        }
        hints
    }

    fn line(&mut self, line: &[u8]) {
        // Cheap test first: this runs over every line of every patch.
        if !matches!(line.first(), Some(b'b' | b'B' | b'p' | b'P' | b'd' | b'D' | b'c' | b'C')) {
            return;
        }
        let value = |name: &str| {
            let rest = strip_prefix_ignoring_case(line, name.as_bytes())?;
            Some(trim(rest)).filter(|value| !value.is_empty())
        };
        if let Some(commit) = value("base-commit:").and_then(hex_id) {
            self.base_commit.get_or_insert(commit);
        } else if let Some(id) = value("prerequisite-patch-id:").and_then(hex_id) {
            push_bounded(&mut self.prerequisites, id);
        } else if let Some(on) = value("Depends-on:").or_else(|| value("Based-on:")) {
            push_bounded(&mut self.depends_on, shown(on, VALUE_LIMIT));
        } else if let Some(id) = value("change-id:") {
            self.change_id.get_or_insert_with(|| shown(id, VALUE_LIMIT));
        }
    }
}

fn hex_id(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(value.len());
    (7..=64).contains(&end).then(|| String::from_utf8_lossy(&value[..end]).to_ascii_lowercase())
}

fn push_bounded(list: &mut Vec<String>, value: String) {
    if list.len() < HINT_LIMIT && !list.contains(&value) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_found_around_the_patch() {
        let text = b"+base-commit: 1111111111111111111111111111111111111111\nbase-commit: 4cff88D49a61b7a2a4f0ce9fbae0f1c4f1c3bd35\nprerequisite-patch-id: 0123456789abcdef\nDepends-on: <x@y>\nBased-on: <z@y>\nchange-id: 20240101-topic-1\nbase-commit: junk\n";
        let hints = BaseHints::collect(&[b"", text]);
        assert_eq!(hints.base_commit.as_deref(), Some("4cff88d49a61b7a2a4f0ce9fbae0f1c4f1c3bd35"));
        assert_eq!(hints.prerequisites, ["0123456789abcdef"]);
        assert_eq!(hints.depends_on, ["<x@y>", "<z@y>"]);
        assert_eq!(hints.change_id.as_deref(), Some("20240101-topic-1"));
    }
}
