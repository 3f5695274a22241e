//! Times and sizes as people write them: `"60 s"`, `"2 h"`, `"10 MiB"`.

use std::time::Duration;

/// Units of time and how many milliseconds each has.
const TIMES: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("sec", 1000),
    ("seconds", 1000),
    ("second", 1000),
    ("min", 60_000),
    ("minutes", 60_000),
    ("minute", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("hours", 3_600_000),
    ("hour", 3_600_000),
    ("d", 86_400_000),
    ("days", 86_400_000),
    ("day", 86_400_000),
    ("weeks", 7 * 86_400_000),
    ("week", 7 * 86_400_000),
];

/// Units of size and how many bytes each has.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Reads a time: a whole number and a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    number_and_unit(text, TIMES).map(Duration::from_millis).ok_or_else(|| {
        format!("{text:?} is no time; write a number and ms, s, min, h, days or weeks: \"60 s\"")
    })
}

/// Reads a size: a whole number and a unit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    number_and_unit(text, SIZES).ok_or_else(|| {
        format!("{text:?} is no size; write a number and B, kB, KiB, MB, MiB, GB or GiB: \"10 MiB\"")
    })
}

fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start_matches(' '))?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A time as it would be written: the largest unit that divides it.
pub(super) fn duration_words(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let units = [("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)];
    let unit = units.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor));
    let (unit, factor) = unit.unwrap_or(&("ms", 1));
    format!("{} {unit}", millis / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, millis) in [
            ("200 ms", 200),
            ("60s", 60_000),
            ("60 s", 60_000),
            ("2 h", 7_200_000),
            ("15min", 900_000),
            ("1 day", 86_400_000),
            ("7 days", 604_800_000),
            ("2 weeks", 1_209_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "60", "s", "-1 s", "1.5 h", "1 fortnight", "1 s ", "1\ts", "99999999999999999999 s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("18446744073709551615 days").is_err());
    }

    #[test]
    fn sizes_have_a_unit() {
        for (text, bytes) in [("512 B", 512), ("10 MiB", 10 << 20), ("10MB", 10_000_000), ("1 GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["10", "10 M", "10 mib", "MiB", "1e3 B"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_written_time_reads_as_itself() {
        for millis in [1, 999, 1000, 90_000, 3_600_000, 86_400_000, 90_061_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(duration(&duration_words(time)), Ok(time));
        }
    }
}
