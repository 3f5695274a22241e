//! Which branches nobody needs any more. Pure.

use jiff::Timestamp;

use super::Settings;

/// A series' branch that is on the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its name: `series/ozlabs/503389`.
    pub name: String,
    /// Something is still to be done with it: it waits, or it is being tested.
    pub needed: bool,
    /// Since when its series stands where it stands.
    pub since: Timestamp,
}

/// The branches to be removed, by name: those that nobody has needed for longer than `expire_after`, and the longest
/// unneeded ones of what is too many. Never one that is needed, however many there are.
pub fn expiry(now: Timestamp, branches: &[Branch], settings: &Settings) -> Vec<String> {
    let mut unneeded: Vec<&Branch> = branches.iter().filter(|branch| !branch.needed).collect();
    unneeded.sort_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
    let old = |branch: &Branch| {
        let end = branch.since.checked_add(settings.expire_after);
        end.is_ok_and(|end| end < now)
    };
    let expired = unneeded.iter().take_while(|branch| old(branch)).count();
    let too_many = branches.len().saturating_sub(settings.max_branches);
    let mut names: Vec<String> =
        unneeded.into_iter().take(expired.max(too_many)).map(|branch| branch.name.clone()).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn expired(max_branches: usize, branches: &[(&str, bool, i64)]) -> Vec<String> {
        let settings = Settings {
            url: "/srv/mirror.git".into(),
            token: None,
            expire_after: Duration::from_secs(100),
            max_branches,
            pause: Duration::ZERO,
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        let branches: Vec<Branch> = branches
            .iter()
            .map(|(name, needed, since)| Branch { name: (*name).into(), needed: *needed, since: at(*since) })
            .collect();
        expiry(at(1000), &branches, &settings)
    }

    #[test]
    fn old_ones_go_and_needed_ones_stay() {
        let branches =
            [("a", false, 899), ("b", true, 1), ("c", false, 900), ("d", false, 990), ("e", false, 10)];
        assert_eq!(expired(9, &branches), ["a", "e"]);
        assert_eq!(expired(3, &branches), ["a", "e"]);
        assert_eq!(expired(2, &branches), ["a", "c", "e"]);
        assert_eq!(expired(0, &branches), ["a", "c", "d", "e"]);
        assert_eq!(expired(0, &[("a", true, 1), ("b", true, 2)]), [""; 0]);
        assert_eq!(expired(0, &[]), [""; 0]);
    }
}
