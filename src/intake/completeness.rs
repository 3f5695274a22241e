//! Is a listed series whole? The server's own word is not enough: it counts patches and does not look at their numbers.

use std::collections::BTreeSet;

use crate::bytes::shown;
use crate::listing::{ListedPatch, Listing};
use crate::mail::subject::Prefix;
use crate::series::assembly::numbers;

/// A series that promises more patches is none. The longest ones on kernel lists have some hundred.
const SANE_TOTAL: u32 = 2000;

/// People send one more, or two; a larger number is a mistake.
const LATER_LIMIT: u32 = 9;

/// What is missing is counted, but not more of it is listed.
const LISTED_LIMIT: usize = 100;

/// Is a series whole?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Every number from 1 to the total is there once, of one version.
    Whole,
    /// Something may still come.
    Missing {
        /// The missing numbers, at most a hundred of them; none where the server just does not call it whole.
        numbers: Vec<u32>,
        /// How many patches there should be.
        total: u32,
    },
    /// The numbers make no sense, and no further patch changes that.
    Broken {
        /// Why, a sentence fragment.
        reason: String,
    },
}

impl Completeness {
    /// In words, a sentence fragment.
    pub fn words(&self) -> String {
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Missing { numbers: missing, total } if missing.is_empty() => {
                format!("the server does not call it whole yet, though {total} of {total} are there")
            }
            Self::Missing { numbers: missing, total } => {
                let verb = if missing.len() == 1 { "is" } else { "are" };
                format!("{} of {total} {verb} missing", numbers(missing))
            }
            Self::Broken { reason } => reason.clone(),
        }
    }
}

/// Looks at the names and counts of a series.
pub fn completeness(listing: &Listing) -> Completeness {
    match check(listing) {
        Ok(missing) if missing.numbers.is_empty() && listing.received_all => Completeness::Whole,
        Ok(missing) => Completeness::Missing { numbers: missing.numbers, total: missing.total },
        Err(reason) => Completeness::Broken { reason },
    }
}

/// The patches by their numbers, where each has its own; else as they stand.
pub fn in_order(mut patches: Vec<ListedPatch>) -> Vec<ListedPatch> {
    let numbers: Option<Vec<u32>> = patches.iter().map(|patch| Some(counter(&patch.name)?.0)).collect();
    let distinct =
        numbers.is_some_and(|numbers| numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len());
    if distinct {
        patches.sort_by_key(|patch| counter(&patch.name));
    }
    patches
}

struct Missing {
    numbers: Vec<u32>,
    total: u32,
}

fn prefix(patch: &ListedPatch) -> Prefix {
    Prefix::parse(patch.name.as_bytes())
}

fn check(listing: &Listing) -> Result<Missing, String> {
    let named: Vec<(&ListedPatch, Prefix)> =
        listing.patches.iter().map(|patch| (patch, prefix(patch))).collect();
    versions(listing, &named)?;
    let total = total(listing, &named)?;
    if total > SANE_TOTAL {
        return Err(format!("it says that it has {total} patches"));
    }
    let mut seen = BTreeSet::new();
    for (patch, _) in &named {
        let number = match counter(&patch.name) {
            Some((number, _)) => number,
            None if named.len() == 1 => 1,
            None => return Err(format!("{} has no number, but other patches have", quoted(patch))),
        };
        if number == 0 || number > total + LATER_LIMIT {
            return Err(format!("it has a patch {number} of {total}"));
        }
        if !seen.insert(number) {
            return Err(format!("it has patch {number} of {total} more than once"));
        }
    }
    // "[PATCH 3/2]" is how people send one more after the fact: it counts where it goes on from the others.
    if let Some(last) = seen.last().filter(|last| **last > total)
        && let Some(gap) = (total + 1..*last).find(|number| !seen.contains(number))
    {
        return Err(format!("it has a patch {last} of {total}, but no patch {gap}"));
    }
    if named.len() < listing.received_total as usize && seen.len() >= total as usize {
        return Err(format!("the server has {} patches and lists {}", listing.received_total, named.len()));
    }
    let missing = (1..=total).filter(|number| !seen.contains(number)).take(LISTED_LIMIT);
    Ok(Missing { numbers: missing.collect(), total })
}

/// A patch of another version that fills a gap makes the server call the series whole.
fn versions(listing: &Listing, named: &[(&ListedPatch, Prefix)]) -> Result<(), String> {
    if let Some((patch, _)) = named.iter().find(|(patch, _)| servers_version(&patch.name) != listing.version)
    {
        let of = servers_version(&patch.name);
        return Err(format!(
            "{} is of version {of}, but the series of version {}",
            quoted(patch),
            listing.version
        ));
    }
    // People see a version also where the server sees none: "[PATCHv2 1/2]".
    let first = named.first().map(|(_, prefix)| prefix.version);
    match named.iter().find(|(_, prefix)| Some(prefix.version) != first) {
        Some((patch, prefix)) => {
            Err(format!("{} is of version {}, but others are not", quoted(patch), prefix.version))
        }
        None => Ok(()),
    }
}

/// The number and the total as Patchwork reads them: `2/3` or `2 of 3` at the end of a word in brackets, so also in
/// `PATCH2/3`. Numbers that no series has are too large for every use of them.
fn counter(name: &str) -> Option<(u32, u32)> {
    words(name).find_map(|word| {
        let (before, total) = word.split_once('/').or_else(|| word.split_once(" of "))?;
        let number = &before[before.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = |text: &str| text.parse().unwrap_or(u32::MAX);
        (is_number(number) && is_number(total)).then(|| (parsed(number), parsed(total)))
    })
}

/// The words in brackets at the head of a name, which the server parts by commas.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let brackets = name.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    brackets.map_or("", |(words, _)| words).split(',')
}

/// The version as Patchwork reads it: the first `v2` among the words in brackets, else the first `(v2)` anywhere.
fn servers_version(name: &str) -> u32 {
    let version = |word: &str| {
        let digits = word.strip_prefix(['v', 'V'])?;
        let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let behind = || name.split('(').skip(1).find_map(|piece| version(piece.split_once(')')?.0));
    words(name).find_map(version).or_else(behind).unwrap_or(1)
}

/// What the patches say themselves; what the server says where they say nothing.
fn total(listing: &Listing, named: &[(&ListedPatch, Prefix)]) -> Result<u32, String> {
    let totals: BTreeSet<u32> = named.iter().filter_map(|(patch, _)| Some(counter(&patch.name)?.1)).collect();
    let mut totals = totals.into_iter();
    match (totals.next(), totals.next()) {
        (Some(one), Some(other)) => Err(format!("its patches disagree on their count: {one} and {other}")),
        (Some(total), None) => Ok(total),
        (None, _) => Ok(listing.total.max(1)),
    }
}

fn quoted(patch: &ListedPatch) -> String {
    format!("{:?}", shown(patch.name.as_bytes(), 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(version: u32, total: u32, names: &[&str]) -> Listing {
        let named: Vec<_> = (1..).zip(names.iter().copied()).collect();
        let all = Listing::sample(&named);
        let received_all = all.received_total >= total;
        Listing { version, total, received_all, patches: in_order(all.patches.clone()), ..all }
    }

    #[test]
    fn numbers_and_versions_say_whether_it_is_whole() {
        let table: [(u32, u32, &[&str], &str); 26] = [
            (1, 3, &["[3/3] c", "[1/3] a", "[2/3] b"], "whole"),
            (2, 2, &["[v2,1/2] a", "[v2,2/2] b"], "whole"),
            (1, 1, &["a"], "whole"),
            (1, 1, &["[RFC] a"], "whole"),
            (2, 1, &["[v2] a"], "whole"),
            (3, 1, &["a (v3)"], "whole"),
            (1, 2, &["[PATCHv2,1/2] a", "[PATCHv2,2/2] b"], "whole"),
            (
                1,
                2,
                &["[1/2] a", "[PATCHv2,2/2] b"],
                "\"[PATCHv2,2/2] b\" is of version 2, but others are not",
            ),
            (1, 3, &["[1/3] a", "[3/3] c"], "patch 2 of 3 is missing"),
            (1, 4, &["[1/4] a"], "patches 2, 3 and 4 of 4 are missing"),
            (1, 2, &[], "patches 1 and 2 of 2 are missing"),
            (1, 0, &[], "patch 1 of 1 is missing"),
            // The cover said 3 and the patches say 4: the server counts to 3.
            (1, 3, &["[1/4] a", "[2/4] b", "[3/4] c"], "patch 4 of 4 is missing"),
            (1, 2, &["[1/2] a", "[2/2] b", "[3/2] c"], "whole"),
            (1, 2, &["[1/2] a", "[3/2] c"], "patch 2 of 2 is missing"),
            (1, 2, &["[1/2] a", "[2/2] b", "[4/2] c"], "it has a patch 4 of 2, but no patch 3"),
            (1, 3, &["[99/3] a"], "it has a patch 99 of 3"),
            (1, 2, &["[PATCH1/2] a", "[PATCH2/2] b"], "whole"),
            (1, 2, &["[2 of 2] b", "[1 of 2] a"], "whole"),
            (1, 1, &["[1/0] a"], "whole"),
            (1, 40_000, &["[1/40000] a"], "it says that it has 40000 patches"),
            (1, 1, &["[1/99999999999] a"], "it says that it has 4294967295 patches"),
            (1, 2, &["[1/2] a", "[1/2] b"], "it has patch 1 of 2 more than once"),
            (1, 2, &["[1/2] a", "b"], "\"b\" has no number, but other patches have"),
            (1, 2, &["[1/2] a", "[2/3] b"], "its patches disagree on their count: 2 and 3"),
            (
                1,
                3,
                &["[1/3] a", "[v2,2/3] b", "[3/3] c"],
                "\"[v2,2/3] b\" is of version 2, but the series of version 1",
            ),
        ];
        for (version, total, names, expected) in table {
            assert_eq!(completeness(&listing(version, total, names)).words(), expected, "{names:?}");
        }
    }

    #[test]
    fn the_servers_word_is_needed_too() {
        let mut incomplete = listing(1, 2, &["[1/2] a", "[2/2] b"]);
        incomplete.received_all = false;
        assert_eq!(completeness(&incomplete), Completeness::Missing { numbers: vec![], total: 2 });
        let mut cut = listing(1, 1, &["[1/1] a"]);
        cut.received_total = 5000;
        assert_eq!(completeness(&cut).words(), "the server has 5000 patches and lists 1");
    }

    #[test]
    fn patches_stand_by_their_numbers_where_they_have_some() {
        let names =
            |listing: Listing| listing.patches.into_iter().map(|patch| patch.name).collect::<Vec<_>>();
        assert_eq!(names(listing(1, 2, &["[2/2] b", "[1/2] a"])), ["[1/2] a", "[2/2] b"]);
        assert_eq!(names(listing(1, 2, &["b", "[1/2] a"])), ["b", "[1/2] a"]);
        assert_eq!(names(listing(1, 2, &["[2/2] b", "[2/2] a"])), ["[2/2] b", "[2/2] a"]);
    }
}
