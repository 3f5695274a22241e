//! Which series belong together: versions of one work, and the same patches twice.

use super::Record;
use super::Text;
use super::state::{Same, State};

/// What another series is to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// The same patches.
    Same(Same),
    /// The other one is an older version of this one.
    Older,
    /// The other one is a newer version of this one.
    Newer,
}

/// What `other` is to `mine`; both have been read. `None`: nothing.
pub fn kin(mine: &Record, other: &Record) -> Option<Kin> {
    let (Some(text), Some(others)) = (&mine.text, &other.text) else { return None };
    if !text.patch_ids.is_empty() && text.patch_ids == others.patch_ids {
        let crossed = mine.listing.patches.iter().any(|patch| {
            let same = |theirs: &crate::listing::ListedPatch| theirs.msgid == patch.msgid;
            other.listing.patches.iter().any(same)
        });
        if crossed {
            return Some(Kin::Same(Same::CrossPost));
        }
        // Somebody else with the same change, or under another title, is told about his own series.
        if of_one_sender(mine, other) && of_one_work(text, others) {
            return Some(Kin::Same(Same::Resend));
        }
    }
    let same_list = mine.key.server == other.key.server && mine.listing.project == other.listing.project;
    if !same_list || !of_one_sender(mine, other) || !of_one_work(text, others) {
        return None;
    }
    let versions = (mine.listing.version, mine.key.id).cmp(&(other.listing.version, other.key.id));
    // The same title twice without a new version ("Fix typo") is one work only where it touches the same files.
    let one_work = same_change(text, others)
        || mine.listing.version != other.listing.version
        || text.paths.iter().any(|path| others.paths.contains(path));
    match versions {
        std::cmp::Ordering::Greater if one_work => Some(Kin::Older),
        std::cmp::Ordering::Less if one_work => Some(Kin::Newer),
        _ => None,
    }
}

fn of_one_sender(mine: &Record, other: &Record) -> bool {
    mine.listing.submitter.email == other.listing.submitter.email
}

fn same_change(text: &Text, others: &Text) -> bool {
    text.change_id.is_some() && text.change_id == others.change_id
}

fn of_one_work(text: &Text, others: &Text) -> bool {
    same_change(text, others) || plain(&text.title) == plain(&others.title)
}

/// A title as it is compared: people change its case and its blanks between versions.
fn plain(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Can what is said of this series be said of its like? Then it leads. One that was never tested, or that follows
/// another itself, does not.
pub fn can_lead(record: &Record) -> bool {
    !matches!(
        record.state,
        State::Waiting
            | State::Settling { .. }
            | State::Whole
            | State::Superseded { .. }
            | State::Follows { .. }
            | State::Declined { .. }
            | State::GivenUp { .. }
            | State::Parked { .. }
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::listing::{Listing, SeriesKey};
    use crate::record::Text;

    fn series(id: u64, version: u32, title: &str, patch_id: &str, path: &str) -> Record {
        let listing = Listing { id, version, ..Listing::sample(&[(id, "[1/1] x")]) };
        let mut record = Record::new(SeriesKey { server: "s".into(), id }, listing, Timestamp::UNIX_EPOCH);
        record.text = Some(Text {
            digest: String::new(),
            patch_ids: vec![patch_id.into()],
            title: title.into(),
            words: vec![],
            paths: vec![path.into()],
            base_commit: None,
            prerequisites: vec![],
            depends_on: vec![],
            change_id: None,
            from_json: vec![],
        });
        record
    }

    #[test]
    fn versions_resends_and_strangers_are_told_apart() {
        let v1 = series(1, 1, "KVM: fix it", "aa", "a.c");
        let v2 = series(2, 2, "KVM:  Fix it", "bb", "b.c");
        assert_eq!(kin(&v2, &v1), Some(Kin::Older));
        assert_eq!(kin(&v1, &v2), Some(Kin::Newer));
        assert_eq!(kin(&v1, &series(3, 1, "KVM: fix it", "aa", "a.c")), Some(Kin::Same(Same::Resend)));
        assert_eq!(
            kin(&series(3, 1, "KVM: fix it", "cc", "a.c"), &v1),
            Some(Kin::Older),
            "sent again, changed"
        );
        assert_eq!(kin(&series(3, 1, "KVM: fix it", "cc", "z.c"), &v1), None, "another file");
        assert_eq!(kin(&series(3, 2, "KVM: other", "cc", "a.c"), &v1), None);
        assert_eq!(kin(&series(3, 1, "KVM: other", "aa", "a.c"), &v1), None, "the same diff as another work");
        let mut stranger = series(3, 2, "KVM: fix it", "cc", "a.c");
        stranger.listing.submitter.email = "b@x".into();
        assert_eq!(kin(&stranger, &v1), None, "nobody else's series is superseded");
        let mut crossed = series(4, 1, "KVM: fix it", "aa", "a.c");
        crossed.listing.patches[0].msgid = "1@x".into();
        crossed.listing.project = "q".into();
        assert_eq!(kin(&crossed, &v1), Some(Kin::Same(Same::CrossPost)));
    }

    #[test]
    fn a_change_id_outlives_a_new_title() {
        let mut v1 = series(1, 1, "old", "aa", "a.c");
        let mut v2 = series(2, 2, "new", "bb", "a.c");
        assert_eq!(kin(&v2, &v1), None);
        for record in [&mut v1, &mut v2] {
            record.text.as_mut().unwrap().change_id = Some("20261120-x-0123".into());
        }
        assert_eq!(kin(&v2, &v1), Some(Kin::Older));
    }
}
