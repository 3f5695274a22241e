//! Messages to a series: the cover letter apart, the patches by their numbers, everything odd named.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::{Kind, Message};
use crate::bytes::hex;

/// A whole series, ready to be applied.
#[derive(Debug)]
pub struct Series {
    /// The name of its branch, after "series/".
    pub id: String,
    /// The cover letter's title, else the first patch's.
    pub title: String,
    /// 2 for "[PATCH v2]".
    pub version: u32,
    /// The sender: `Name <address>`.
    pub author: String,
    /// The Message-ID of the cover letter, else of the first patch.
    pub message_id: Option<String>,
    /// The letter before the patches.
    pub cover: Option<Message>,
    /// The patches in order.
    pub patches: Vec<Message>,
}

/// Why mails do not make a series.
#[derive(Debug, thiserror::Error)]
#[error("the mails do not make a whole series")]
pub struct Refused {
    /// What is wrong, in order of weight.
    pub problems: Vec<Problem>,
}

/// What is wrong with the mails of a series.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No mail with a patch.
    #[error("no patch in it")]
    NoPatch,
    /// A pull request: its commits are in a repository, not in the mail.
    #[error("{title:?} is a pull request, which holds no patches: fetch the branch it names instead")]
    PullRequest {
        /// Its title.
        title: String,
    },
    /// Patches that the numbering promises and that are not there.
    #[error("{} of {total} missing: wait for the rest, or fetch the whole series again", numbers(missing))]
    Missing {
        /// Their numbers.
        missing: Vec<u32>,
        /// How many there should be.
        total: u32,
    },
    /// Two different patches with one number.
    #[error("patch {number}/{total} is there {times} times: remove the wrong one")]
    Doubled {
        /// The number.
        number: u32,
        /// How many patches there should be.
        total: u32,
        /// How often it is there.
        times: usize,
    },
    /// A number beyond the total.
    #[error("patch {number} is more than the {total} the series has")]
    Extra {
        /// The number.
        number: u32,
        /// How many patches there should be.
        total: u32,
    },
    /// Patches that disagree on how many there are.
    #[error("the patches disagree on their count: {} and {}", .totals[0], .totals[1])]
    Totals {
        /// Two of the counts.
        totals: [u32; 2],
    },
    /// Some patches are numbered and some are not.
    #[error("{title:?} has no number, but other patches have")]
    Unnumbered {
        /// Its title.
        title: String,
    },
    /// A numbered mail without a diff.
    #[error("patch {number}/{total} has no diff in it")]
    NoDiff {
        /// The number.
        number: u32,
        /// How many patches there should be.
        total: u32,
    },
    /// A mail that cannot be read.
    #[error("mail {position} cannot be read: {reason}")]
    Unreadable {
        /// Which mail of the file, from 1.
        position: usize,
        /// Why.
        reason: String,
    },
    /// A mail that Patchwork did not put there: a body that imitates the next mail.
    #[error("mail {position} is not one of Patchwork's: a message body imitates a new mail")]
    Smuggled {
        /// Which mail of the file, from 1.
        position: usize,
    },
    /// An id that cannot name a branch.
    #[error("{id:?} cannot name a branch: use letters, digits, '.', '_' and '-'")]
    Id {
        /// The id.
        id: String,
    },
}

/// "patch 2", "patches 2, 4 and 5".
pub(crate) fn numbers(list: &[u32]) -> String {
    // More than ten numbers tell nobody more.
    let shown: Vec<String> = list.iter().take(10).map(ToString::to_string).collect();
    match shown.as_slice() {
        [] => "patches".into(),
        [one] => format!("patch {one}"),
        many if list.len() > many.len() => {
            format!("patches {} and {} more", many.join(", "), list.len() - many.len())
        }
        [head @ .., last] => format!("patches {} and {last}", head.join(", ")),
    }
}

/// The patches of a mailbox as `git am` would take them, by their numbers where those are sound, else in the order of
/// the file. Cover letters, answers and pull requests without a diff are passed over; a mail that is nothing of the
/// kind is taken for a patch, as it may be one that was cut off.
pub fn in_file_order(messages: &[Message]) -> Vec<&Message> {
    let is_candidate = |m: &&Message| match m.kind {
        Kind::Patch | Kind::Other => true,
        Kind::Reply | Kind::PullRequest => m.has_diff(),
        Kind::Cover => false,
    };
    let mut patches: Vec<&Message> = messages.iter().filter(is_candidate).collect();
    let mut seen = BTreeMap::new();
    for patch in &patches {
        if let Some((number, total)) = patch.prefix.counter {
            *seen.entry((number, total, patch.prefix.version)).or_insert(0) += 1;
        }
    }
    let one_total =
        seen.keys().map(|(_, total, version)| (total, version)).collect::<std::collections::BTreeSet<_>>();
    if seen.len() == patches.len() && one_total.len() == 1 {
        patches.sort_by_key(|patch| patch.prefix.counter);
    }
    patches
}

/// Puts a whole series together. `id`: the name to give it; else one is derived from the mails.
///
/// # Errors
/// Something is missing, doubled or odd; all of it is named.
pub fn assemble(messages: Vec<Message>, id: Option<String>) -> Result<Series, Refused> {
    let mut problems = unreadable(&messages);
    problems.extend(smuggled(&messages));
    let pulls = messages.iter().filter(|m| m.kind == Kind::PullRequest);
    let pulls: Vec<Problem> = pulls.map(|m| Problem::PullRequest { title: m.title() }).collect();
    let (mut cover, mut patches) = (None, Vec::new());
    // The newest version in the file is meant: older ones are the thread it was sent into.
    let version =
        messages.iter().filter(|m| m.kind == Kind::Patch).map(|m| m.prefix.version).max().unwrap_or(1);
    for message in messages.into_iter().filter(|message| message.prefix.version == version) {
        match message.kind {
            Kind::Patch => patches.push(message),
            Kind::Cover if cover.is_none() && !message.prefix.reply => cover = Some(message),
            _ => {}
        }
    }
    if patches.is_empty() {
        problems.extend(pulls.into_iter().next().or(Some(Problem::NoPatch)));
    } else {
        problems.extend(numbering(&patches, cover.as_ref()));
    }
    let id = id.unwrap_or_else(|| derived_id(cover.as_ref(), &patches));
    if !names_a_branch(&id) {
        problems.push(Problem::Id { id: crate::bytes::shown(id.as_bytes(), 80) });
    }
    patches.sort_by_key(|patch| patch.prefix.counter);
    match cover.as_ref().or(patches.first()).filter(|_| problems.is_empty()) {
        None => Err(Refused { problems }),
        Some(head) => Ok(Series {
            id,
            title: head.title(),
            version,
            author: head.author(),
            message_id: head.overview.message_id.clone(),
            cover,
            patches,
        }),
    }
}

fn unreadable(messages: &[Message]) -> Vec<Problem> {
    let failed =
        messages.iter().enumerate().filter_map(|(at, message)| Some((at, message.content.as_ref().err()?)));
    let describe = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    failed.map(|(at, error)| Problem::Unreadable { position: at + 1, reason: describe(error) }).collect()
}

/// In Patchwork's own mailbox every mail has its number once; a mail without one was made by a message body.
fn smuggled(messages: &[Message]) -> Option<Problem> {
    messages.first()?.overview.patchwork_id?;
    let mut seen = std::collections::BTreeSet::new();
    let position = messages.iter().position(|m| m.overview.patchwork_id.is_none_or(|id| !seen.insert(id)))?;
    Some(Problem::Smuggled { position: position + 1 })
}

fn numbering(patches: &[Message], cover: Option<&Message>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut counted: BTreeMap<u32, usize> = BTreeMap::new();
    let mut total = None;
    for patch in patches {
        let Some((number, of)) = patch.prefix.counter else {
            if patches.len() > 1 || cover.is_some() {
                problems.push(Problem::Unnumbered { title: patch.title() });
            }
            continue;
        };
        if *total.get_or_insert(of) != of {
            return vec![Problem::Totals { totals: [total.unwrap_or(of), of] }];
        }
        *counted.entry(number).or_default() += 1;
        if number > of {
            problems.push(Problem::Extra { number, total: of });
        } else if patch.content.is_ok() && !patch.has_diff() {
            problems.push(Problem::NoDiff { number, total: of });
        }
    }
    let Some(total) = total else { return problems };
    let doubled = counted.iter().filter(|(_, times)| **times > 1);
    problems.extend(doubled.map(|(&number, &times)| Problem::Doubled { number, total, times }));
    // The total is a number from the mail: only as many are looked for as could be named.
    let missing: Vec<u32> = (1..=total).filter(|number| !counted.contains_key(number)).take(1000).collect();
    if !missing.is_empty() {
        problems.insert(0, Problem::Missing { missing, total });
    }
    problems
}

/// The same mails give the same id: Patchwork's number of the first patch, else a hash of the Message-IDs.
fn derived_id(cover: Option<&Message>, patches: &[Message]) -> String {
    let first = patches.iter().min_by_key(|patch| patch.prefix.counter);
    if let Some(id) = first.and_then(|patch| patch.overview.patchwork_id) {
        return format!("patch-{id}");
    }
    let mut ids = String::new();
    for message in cover.into_iter().chain(patches) {
        // Mails without an id are told apart by what they say.
        match (&message.overview.message_id, &message.content) {
            (Some(id), _) => ids.push_str(id),
            (None, Ok(content)) => ids.push_str(&format!("{}{:?}", message.title(), content.date)),
            (None, Err(_)) => {}
        }
        ids.push('\n');
    }
    // Twelve digits: a billion series share none by chance.
    let digest = Sha1::digest(ids.as_bytes());
    hex(&digest[..6])
}

fn names_a_branch(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !id.starts_with(['.', '-'])
        && !id.ends_with('.')
        && !id.ends_with(".lock")
        && !id.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Options;
    use crate::series::read_mailbox;

    const DIFF: &str = "---\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";

    fn mailbox(mails: &[(&str, &str)]) -> Vec<Message> {
        let text: String = mails
            .iter()
            .map(|(subject, body)| {
                format!(
                    "From x Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: {subject}\n\nWhy.\n{body}\n"
                )
            })
            .collect();
        read_mailbox(text.as_bytes(), Options::default())
    }

    fn problems(mails: &[(&str, &str)]) -> Vec<String> {
        assemble(mailbox(mails), None).unwrap_err().problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn patches_come_by_number_and_the_cover_gives_the_title() {
        let mails = [("[PATCH v2 2/2] two", DIFF), ("[PATCH v2 0/2] all", ""), ("[PATCH v2 1/2] one", DIFF)];
        let series = assemble(mailbox(&mails), None).unwrap();
        assert_eq!((series.title.as_str(), series.version), ("all", 2));
        assert_eq!(series.patches.iter().map(Message::title).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(series.id.len(), 12);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table: [(&[(&str, &str)], &str); 8] = [
            (&[("[PATCH 1/3] a", DIFF), ("[PATCH 3/3] c", DIFF)], "patch 2 of 3 missing"),
            (&[("[PATCH 2/5] a", DIFF)], "patches 1, 3, 4 and 5 of 5 missing"),
            (&[("[PATCH 1/1] a", DIFF), ("[PATCH 1/1] b", DIFF)], "patch 1/1 is there 2 times"),
            (&[("[PATCH 1/1] a", DIFF), ("[PATCH 2/1] b", DIFF)], "patch 2 is more than the 1"),
            (&[("[PATCH 1/2] a", DIFF), ("[PATCH 2/3] b", DIFF)], "disagree on their count: 2 and 3"),
            (&[("[PATCH 1/1] a", "no diff")], "patch 1/1 has no diff"),
            (&[("hello", "x")], "no patch in it"),
            (
                &[(
                    "[GIT PULL] x",
                    "The following changes since commit abc:\n\nare available in the Git repository at:\n",
                )],
                "is a pull request",
            ),
        ];
        for (mails, expected) in table {
            let found = problems(mails);
            assert!(found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn a_newer_version_in_the_thread_is_meant() {
        let mails = [
            ("[PATCH 0/1] v1", ""),
            ("[PATCH 1/1] one", DIFF),
            ("Re: [PATCH 1/1] one", "> diff --git a/f b/f\n"),
            ("[PATCH v2 1/1] better", DIFF),
        ];
        let series = assemble(mailbox(&mails), None).unwrap();
        assert_eq!((series.title.as_str(), series.version, series.patches.len()), ("better", 2, 1));
        let partial = [("[PATCH 1/2] one", DIFF), ("[PATCH 2/2] two", DIFF), ("[PATCH v2 2/2] two", DIFF)];
        assert!(problems(&partial)[0].contains("patch 1 of 2 missing"));
    }

    #[test]
    fn ids_are_safe_branch_names() {
        let series = |id: &str| assemble(mailbox(&[("[PATCH] a", DIFF)]), Some(id.into()));
        for good in ["42", "patch-7", "a.b_c"] {
            assert_eq!(series(good).unwrap().id, good);
        }
        for bad in ["", "../x", "a/b", "-x", "a..b", "x.lock", "a b", &"x".repeat(65)] {
            assert!(series(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_smuggled_mail_is_refused() {
        let text = format!(
            "From patchwork Mon Sep 17 00:00:00 2001\nX-Patchwork-Id: 1\nFrom: A <a@b.c>\nSubject: [PATCH] a\n\nx\nFrom patchwork Mon Sep 17 00:00:00 2001\nX-Patchwork-Id: 1\nFrom: A <a@b.c>\nSubject: [PATCH] b\n\n{DIFF}"
        );
        let refused = assemble(read_mailbox(text.as_bytes(), Options::default()), None).unwrap_err();
        assert!(refused.problems.contains(&Problem::Smuggled { position: 2 }));
    }
}
