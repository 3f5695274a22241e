//! Dates of mails to what a commit holds: seconds since 1970 and minutes east of UTC, read as git reads them.

/// A moment with its zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub zone: i32,
}

impl std::fmt::Display for Moment {
    /// As in a commit: "1700000000 +0530".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, zone) = if self.zone < 0 { ('-', -self.zone) } else { ('+', self.zone) };
        write!(f, "{} {sign}{:02}{:02}", self.seconds, zone / 60, zone % 60)
    }
}

/// Reads a date; `None`: no date can be made of it. A date without a zone is taken as UTC, so that the same mail
/// gives the same commit everywhere.
pub fn parse(text: &[u8]) -> Option<Moment> {
    if let Some(stamp) = text.strip_prefix(b"@").and_then(raw_stamp) {
        return Some(stamp);
    }
    let mut reading = Reading::default();
    let mut rest = &text[..text.iter().position(|&b| b == b'\n' || b == 0).unwrap_or(text.len())];
    while let Some(&byte) = rest.first() {
        let taken = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => reading.word(rest),
            b'0'..=b'9' => reading.number(rest),
            b'+' | b'-' if rest.get(1).is_some_and(u8::is_ascii_digit) => reading.zone(rest),
            _ => 1,
        };
        rest = &rest[taken.max(1)..];
    }
    reading.finish()
}

/// "1700000000 +0100", as commits and `git log --format=%ad --date=raw` have it.
fn raw_stamp(text: &[u8]) -> Option<Moment> {
    let text = std::str::from_utf8(text).ok()?.trim_end_matches('\n');
    let (seconds, zone) = text.split_once(' ')?;
    let digits = zone.strip_prefix(['+', '-'])?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i32 = digits.parse().ok()?;
    let minutes = value / 100 * 60 + value % 100;
    let seconds = seconds.parse().ok().filter(|_| seconds.bytes().all(|b| b.is_ascii_digit()))?;
    Some(Moment { seconds, zone: if zone.starts_with('-') { -minutes } else { minutes } })
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Zone names with their hours east of UTC, summer time included.
const ZONES: [(&str, i32); 46] = [
    ("IDLW", -12),
    ("NT", -11),
    ("CAT", -10),
    ("HST", -10),
    ("HDT", -9),
    ("YST", -9),
    ("YDT", -8),
    ("PST", -8),
    ("PDT", -7),
    ("MST", -7),
    ("MDT", -6),
    ("CST", -6),
    ("CDT", -5),
    ("EST", -5),
    ("EDT", -4),
    ("AST", -3),
    ("ADT", -2),
    ("WAT", -1),
    ("GMT", 0),
    ("UTC", 0),
    ("Z", 0),
    ("WET", 0),
    ("BST", 1),
    ("CET", 1),
    ("MET", 1),
    ("MEWT", 1),
    ("MEST", 2),
    ("CEST", 2),
    ("MESZ", 2),
    ("FWT", 1),
    ("FST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("WAST", 7),
    ("WADT", 8),
    ("CCT", 8),
    ("JST", 9),
    ("EAST", 10),
    ("EADT", 11),
    ("GST", 10),
    ("NZT", 12),
    ("NZST", 12),
    ("NZDT", 13),
    ("IDLE", 12),
    ("SST", 8),
    ("ZP4", 4),
];

/// What has been understood so far.
#[derive(Debug, Default)]
struct Reading {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time: Option<(i64, i64, i64)>,
    /// Minutes east of UTC.
    zone: Option<i32>,
    /// A plain number of seconds, which needs no zone.
    stamp: Option<i64>,
    /// A "T" stood before digits, so that these are a time of day.
    after_t: bool,
}

impl Reading {
    /// A run of letters; gives back how many bytes it took.
    fn word(&mut self, text: &[u8]) -> usize {
        let length = text.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        let word = &text[..length];
        let begins =
            |name: &str| length <= name.len() && word.eq_ignore_ascii_case(&name.as_bytes()[..length]);
        if let Some(month) =
            (0_i64..).zip(MONTHS).find_map(|(at, name)| (length >= 3 && begins(name)).then_some(at))
        {
            self.month = Some(month);
            return length;
        }
        let zone = ZONES.iter().find(|(name, _)| begins(name) && (length >= 3 || length == name.len()));
        if let Some((_, hours)) = zone {
            self.zone.get_or_insert(hours * 60);
            return length;
        }
        let half = if word.eq_ignore_ascii_case(b"PM") {
            Some(12)
        } else if word.eq_ignore_ascii_case(b"AM") {
            Some(0)
        } else {
            None
        };
        if let Some(half) = half {
            self.time = self.time.map(|(hour, minute, second)| (hour % 12 + half, minute, second));
            return length;
        }
        // "T" between date and time is followed by digits; other words are passed over as letters only.
        if text[0] == b'T' && text.get(1).is_some_and(u8::is_ascii_digit) && self.time.is_none() {
            self.after_t = true;
            return 1;
        }
        text.iter().take_while(|b| b.is_ascii_alphabetic()).count()
    }

    /// A run of digits and what belongs to it; gives back how many bytes it took.
    fn number(&mut self, text: &[u8]) -> usize {
        let (number, digits) = leading_number(text);
        let nothing_yet =
            self.year.is_none() && self.month.is_none() && self.day.is_none() && self.time.is_none();
        // Nine digits and more are seconds; eight may be 20240131.
        if number >= 100_000_000 && nothing_yet && self.stamp.is_none() {
            self.stamp = Some(number);
            return digits;
        }
        if let Some(&mark @ (b':' | b'/' | b'-' | b'.')) = text.get(digits)
            && text.get(digits + 1).is_some_and(u8::is_ascii_digit)
            && let Some(taken) = self.group(number, mark, text, digits)
        {
            return taken;
        }
        if std::mem::take(&mut self.after_t) && self.hours_only(number, digits) {
            return digits;
        }
        match digits {
            8 => {
                self.date(number / 10_000, number % 10_000 / 100, number % 100);
            }
            6 => {
                self.clock(number / 10_000, number % 10_000 / 100, number % 100);
            }
            4 if number <= 1400 && self.zone.is_none() => {
                self.zone = Some((number / 100 * 60 + number % 100) as i32);
            }
            4 if (1901..2100).contains(&number) => self.year = Some(number - 1900),
            1 | 2 => self.small(number, digits),
            _ => {}
        }
        digits
    }

    /// "07" or "0720" after a "T".
    fn hours_only(&mut self, number: i64, digits: usize) -> bool {
        let dated = self.year.is_some() || self.month.is_some() || self.day.is_some();
        match digits {
            2 if dated => self.clock(number, 0, 0),
            4 if dated => self.clock(number / 100, number % 100, 0),
            _ => false,
        }
    }

    /// One or two digits: a day first, then a year, then a month.
    fn small(&mut self, number: i64, digits: usize) {
        if (1..32).contains(&number) && self.day.is_none() {
            self.day = Some(number);
        } else if digits == 2 && self.year.is_none() && number < 10 && self.day.is_some() {
            self.year = Some(number + 100);
        } else if digits == 2 && self.year.is_none() && number >= 70 {
            self.year = Some(number);
        } else if (1..13).contains(&number) && self.month.is_none() {
            self.month = Some(number - 1);
        }
    }

    /// "10:20:30", "2024-01-31", "31.1.2024", "1/31/24".
    fn group(&mut self, first: i64, mark: u8, text: &[u8], digits: usize) -> Option<usize> {
        let (second, length) = leading_number(&text[digits + 1..]);
        let mut taken = digits + 1 + length;
        let mut third = -1;
        if text.get(taken) == Some(&mark) && text.get(taken + 1).is_some_and(u8::is_ascii_digit) {
            let (value, length) = leading_number(&text[taken + 1..]);
            third = value;
            taken += 1 + length;
        }
        let understood = if mark == b':' {
            let clock = self.clock(first, second, third.max(0));
            let dated = self.year.is_some() && self.month.is_some() && self.day.is_some();
            if clock && dated && text.get(taken) == Some(&b'.') {
                // Fractions of a second are dropped.
                taken += 1 + leading_number(&text[taken + 1..]).1;
            }
            clock
        } else {
            (first > 70 && (self.date(first, second, third) || self.date(first, third, second)))
                || (mark != b'.' && self.date(third, first, second))
                || self.date(third, second, first)
                || (mark == b'.' && self.date(third, first, second))
        };
        understood.then_some(taken)
    }

    fn date(&mut self, year: i64, month: i64, day: i64) -> bool {
        if !(1..13).contains(&month) || !(1..32).contains(&day) {
            return false;
        }
        let year = match year {
            1970..2100 => year - 1900,
            71..100 => year,
            0..38 => year + 100,
            _ => return false,
        };
        (self.year, self.month, self.day) = (Some(year), Some(month - 1), Some(day));
        true
    }

    fn clock(&mut self, hour: i64, minute: i64, second: i64) -> bool {
        let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
        if valid {
            self.time = Some((hour, minute, second));
            self.after_t = false;
        }
        valid
    }

    /// "+0530", "+05:30" or "+05"; gives back how many bytes it took.
    fn zone(&mut self, text: &[u8]) -> usize {
        let (number, digits) = leading_number(&text[1..]);
        let mut taken = 1 + digits;
        let (hours, minutes) = if digits == 4 {
            (number / 100, number % 100)
        } else if text.get(taken) == Some(&b':') {
            let (minutes, length) = leading_number(&text[taken + 1..]);
            taken += 1 + length;
            (number, if taken == 6 { minutes } else { 99 })
        } else {
            (number, if digits == 2 { 0 } else { 99 })
        };
        if minutes < 60 && hours < 24 {
            let east = (hours * 60 + minutes) as i32;
            self.zone = Some(if text[0] == b'-' { -east } else { east });
        }
        taken
    }

    fn finish(self) -> Option<Moment> {
        let zone = self.zone.unwrap_or(0);
        if let Some(seconds) = self.stamp {
            return Some(Moment { seconds, zone });
        }
        let year = self.year.map(|year| year - 70).filter(|year| (0..130).contains(year))?;
        let month = self.month?;
        // Git counts from the day before the last of the month before, where no day is given.
        let mut day = self.day.unwrap_or(-1);
        let (hour, minute, second) = self.time?;
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        if month < 2 || (year + 2) % 4 != 0 {
            day -= 1;
        }
        let days = year * 365 + (year + 1) / 4 + BEFORE[month as usize] + day;
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second - i64::from(zone) * 60;
        (seconds >= 0).then_some(Moment { seconds, zone })
    }
}

/// The number at the start of `text` and its digits; numbers too large to mean anything are cut short.
fn leading_number(text: &[u8]) -> (i64, usize) {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let value =
        text[..digits].iter().fold(0_i64, |n, d| n.saturating_mul(10).saturating_add(i64::from(d - b'0')));
    (value, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_mails_write_them() {
        let table: [(&str, Option<&str>); 14] = [
            ("Fri, 20 Nov 2026 13:00:02 +1100", Some("1795140002 +1100")),
            ("Thu, 7 Apr 2005 15:14:13 -0700", Some("1112912053 -0700")),
            ("Thu Apr  7 15:14:13 2005 PDT", Some("1112912053 -0700")),
            ("2005-04-07 22:14:13 +0000", Some("1112912053 +0000")),
            ("2005-04-07T22:14:13Z", Some("1112912053 +0000")),
            ("1112912053 +0530", Some("1112912053 +0530")),
            ("@1112912053 -0130", Some("1112912053 -0130")),
            ("7.4.2005 22:14:13 +00:00", Some("1112912053 +0000")),
            ("Thu, 7 Apr 2005 10:14:13 PM GMT", Some("1112912053 +0000")),
            ("7 Apr 2005", None),
            ("yesterday", None),
            ("", None),
            ("Fri, 20 Nov 1969 13:00:02 +0000", None),
            ("Fri, 99 Nov 2005 13:00:02 +0000", Some("1130677202 +0000")),
        ];
        for (text, expected) in table {
            assert_eq!(
                parse(text.as_bytes()).map(|moment| moment.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
