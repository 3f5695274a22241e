//! Which bases a series is tried on, and in which order. Pure: what a name means is for the caller to find out.

use serde::Serialize;

/// A base that may be tried, and the series that are meant for it.
///
/// As text: "next tag:powerpc/next path:arch/powerpc/".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A branch, tag or id.
    pub rev: String,
    /// Series with one of these words in their subject's brackets are meant for it.
    pub tags: Vec<String>,
    /// Series that change only files below these paths are meant for it.
    pub paths: Vec<String>,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a revision, then words like tag:NAME and path:PREFIX, not {word:?}")]
pub struct BadRule {
    /// What is wrong.
    pub word: String,
}

impl std::str::FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let mut words = text.split_ascii_whitespace();
        let rev = words.next().ok_or_else(|| BadRule { word: text.into() })?.to_owned();
        let mut rule = Self { rev, tags: Vec::new(), paths: Vec::new() };
        for word in words {
            match word.split_once(':') {
                Some(("tag", tag)) if !tag.is_empty() => rule.tags.push(tag.into()),
                Some(("path", path)) if !path.is_empty() => rule.paths.push(path.into()),
                _ => return Err(BadRule { word: word.into() }),
            }
        }
        Ok(rule)
    }
}

/// Why a base is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// The series says that it was made on this commit.
    BaseCommit,
    /// A word in the subject's brackets.
    Tag {
        /// The word.
        tag: String,
    },
    /// All files of the series are below such paths.
    Paths,
    /// The series needs this one.
    DependsOn {
        /// The series it needs.
        series: String,
    },
    /// It is in the list.
    Given,
}

impl Why {
    /// In words, a sentence fragment.
    pub fn words(&self) -> String {
        match self {
            Self::BaseCommit => "which the series names as its base".to_owned(),
            Self::Tag { tag } => format!("as its subject says [{tag}]"),
            Self::Paths => "as all its files are there".to_owned(),
            Self::DependsOn { .. } => "which it depends on".to_owned(),
            Self::Given => "as configured".to_owned(),
        }
    }
}

/// A base to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// A branch, tag or id.
    pub rev: String,
    /// Why it is tried here.
    pub why: Why,
}

/// The order in which bases are tried: the commit the series names, then what its tags say, then what its files say,
/// then the rest as given. Each base comes once.
pub fn order(
    rules: &[Rule],
    base_commit: Option<&str>,
    words: &[String],
    paths: &[Vec<u8>],
) -> Vec<Candidate> {
    let named = base_commit.map(|id| Candidate { rev: id.to_owned(), why: Why::BaseCommit });
    let tagged = rules.iter().filter_map(|rule| {
        let tag = rule.tags.iter().find(|tag| words.iter().any(|word| word.eq_ignore_ascii_case(tag)))?;
        Some(Candidate { rev: rule.rev.clone(), why: Why::Tag { tag: tag.clone() } })
    });
    let below =
        |rule: &Rule, path: &[u8]| rule.paths.iter().any(|prefix| path.starts_with(prefix.as_bytes()));
    let touched = rules
        .iter()
        .filter(|rule| !paths.is_empty() && paths.iter().all(|path| below(rule, path)))
        .map(|rule| Candidate { rev: rule.rev.clone(), why: Why::Paths });
    let given = rules.iter().map(|rule| Candidate { rev: rule.rev.clone(), why: Why::Given });
    let mut order: Vec<Candidate> = Vec::new();
    for candidate in named.into_iter().chain(tagged).chain(touched).chain(given) {
        if !order.iter().any(|earlier| earlier.rev == candidate.rev) {
            order.push(candidate);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_follows_what_the_series_says() {
        let rules: Vec<Rule> =
            ["main", "next tag:powerpc/next path:arch/powerpc/ path:drivers/ps3/", "kvm path:virt/"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        let revs = |commit: Option<&str>, words: &[&str], paths: &[&str]| -> Vec<String> {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
            order(&rules, commit, &words, &paths).into_iter().map(|candidate| candidate.rev).collect()
        };
        assert_eq!(revs(None, &[], &[]), ["main", "next", "kvm"]);
        assert_eq!(revs(Some("abc1234"), &["PATCH"], &["virt/x.c"]), ["abc1234", "kvm", "main", "next"]);
        assert_eq!(revs(None, &["POWERPC/next"], &["virt/x.c"]), ["next", "kvm", "main"]);
        assert_eq!(revs(None, &[], &["arch/powerpc/a.c", "drivers/ps3/b.c"]), ["next", "main", "kvm"]);
        assert_eq!(revs(None, &[], &["arch/powerpc/a.c", "mm/b.c"]), ["main", "next", "kvm"]);
    }

    #[test]
    fn rules_are_checked() {
        for bad in ["", "next powerpc", "next tag:", "next branch:x"] {
            assert!(bad.parse::<Rule>().is_err(), "{bad}");
        }
    }
}
