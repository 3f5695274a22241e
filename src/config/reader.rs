//! Reads tables key by key and goes on after a problem, so that all of them are told at once.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchlift_report::clean;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::{keys, units};

/// The name of a secret's table in problems.
const SECRET: &str = "token";

/// The file, and what is wrong with it so far.
pub(super) struct File<'i> {
    /// Where it lies.
    pub(super) path: &'i Path,
    text: &'i str,
    /// Secrets are read from where they lie.
    pub(super) secrets: bool,
    problems: RefCell<Vec<Problem>>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// One table of the file.
#[derive(Clone, Copy)]
pub(super) struct Table<'f, 'i> {
    pub(super) file: &'f File<'i>,
    /// Its name with those it stands in: `server.project`; empty for the top.
    name: &'static str,
    values: &'f DeTable<'i>,
    at: usize,
}

impl<'i> File<'i> {
    pub(super) fn new(path: &'i Path, text: &'i str, secrets: bool) -> Self {
        Self { path, text, secrets, problems: RefCell::default() }
    }

    /// Notes a problem at a byte of the file.
    pub(super) fn problem(&self, at: usize, key: impl Into<String>, what: impl Into<String>) {
        let line = 1 + self.text.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count();
        let (path, key) = (self.path.to_owned(), clean::line(&key.into(), 100));
        // A value may be quoted in it.
        let what = clean::line(&what.into(), 400);
        self.problems.borrow_mut().push(Problem { path, line, key, what });
    }

    /// All problems in the file's order.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    /// A path as it is meant: from the file's folder.
    pub(super) fn relative(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

impl<'f, 'i> Table<'f, 'i> {
    /// The whole file.
    pub(super) fn top(file: &'f File<'i>, values: &'f DeTable<'i>) -> Self {
        let top = Self { file, name: "", values, at: 0 };
        top.refuse_unknown(keys::of(""));
        top
    }

    /// Notes a problem with one of its keys.
    pub(super) fn problem(&self, at: &Range<usize>, key: &str, what: impl Into<String>) {
        self.file.problem(at.start, self.path_of(key), what);
    }

    /// Notes a problem with the table itself.
    pub(super) fn problem_here(&self, key: &str, what: impl Into<String>) {
        self.file.problem(self.at, self.path_of(key), what);
    }

    fn path_of(&self, key: &str) -> String {
        let names = [self.name, key];
        names.iter().filter(|name| !name.is_empty()).copied().collect::<Vec<_>>().join(".")
    }

    fn refuse_unknown(&self, known: &[&str]) {
        for key in self.values.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                self.problem(&key.span(), name, keys::unknown(self.name, known, name));
            }
        }
    }

    fn value(&self, key: &str) -> Option<&'f Spanned<DeValue<'i>>> {
        debug_assert!(self.name == SECRET || keys::of(self.name).contains(&key), "{} {key}", self.name);
        self.values.get(key)
    }

    /// Says that a value is of another kind.
    fn expected(&self, key: &str, value: &Spanned<DeValue<'i>>, what: &str) {
        let found = value.get_ref().type_str();
        self.problem(&value.span(), key, format!("expected {what}, found {found}"));
    }

    /// A string as it is read by `read`, whose error says what is wrong.
    pub(super) fn read<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<At<T>> {
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.expected(key, value, "text in quotes");
            return None;
        };
        match read(text) {
            Ok(read) => Some(At { value: read, span: value.span() }),
            Err(what) => {
                self.problem(&value.span(), key, what);
                None
            }
        }
    }

    /// A string that must be there.
    pub(super) fn required<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<At<T>> {
        if self.value(key).is_none() {
            self.problem_here(key, "missing");
        }
        self.read(key, read)
    }

    /// A list of strings; `None` where it is not given.
    pub(super) fn list<T>(&self, key: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<Vec<At<T>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(key, value, "a list: [\"…\", \"…\"]");
            return None;
        };
        let mut list = Vec::new();
        for item in items.iter() {
            let span = item.span();
            match item.get_ref() {
                DeValue::String(text) => match read(text) {
                    Ok(value) => list.push(At { value, span }),
                    Err(what) => self.problem(&span, key, what),
                },
                _ => self.expected(key, item, "text in quotes"),
            }
        }
        Some(list)
    }

    /// Notes that a list is there and has nothing in it.
    pub(super) fn refuse_empty(&self, key: &str, advice: &str) {
        if let Some(value) = self.value(key)
            && value.get_ref().as_array().is_some_and(|items| items.is_empty())
        {
            self.problem(&value.span(), key, format!("empty; {advice}"));
        }
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.value(key).map(|value| (value, value.get_ref())) {
            None => default,
            Some((_, DeValue::Boolean(flag))) => *flag,
            Some((value, _)) => {
                self.expected(key, value, "true or false");
                default
            }
        }
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        let Some(value) = self.value(key) else { return default };
        let DeValue::Integer(number) = value.get_ref() else {
            self.expected(key, value, "a whole number");
            return default;
        };
        let number = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix());
        match number {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                self.problem(&value.span(), key, format!("has to be from {least} to {most}"));
                default
            }
        }
    }

    /// As [`Table::number`], for what cannot be negative: `range` lies in `u32`.
    pub(super) fn count(&self, key: &str, range: RangeInclusive<u32>, default: u32) -> u32 {
        let (least, most) = range.into_inner();
        let number = self.number(key, i64::from(least)..=i64::from(most), i64::from(default));
        u32::try_from(number).unwrap_or(default)
    }

    /// A time in a range.
    pub(super) fn time(&self, key: &str, range: RangeInclusive<Duration>, default: Duration) -> Duration {
        let words = units::duration_words;
        let read = |text: &str| {
            let time = units::duration(text)?;
            let allowed = range.contains(&time).then_some(time);
            allowed
                .ok_or_else(|| format!("has to be from {} to {}", words(*range.start()), words(*range.end())))
        };
        self.read(key, read).map_or(default, |time| time.value)
    }

    /// A size in a range, in bytes.
    pub(super) fn size(&self, key: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let read = |text: &str| {
            let size = units::size(text)?;
            let allowed = range.contains(&size).then_some(size);
            allowed.ok_or_else(|| format!("has to be from {} to {} bytes", range.start(), range.end()))
        };
        self.read(key, read).map_or(default, |size| size.value)
    }

    /// A value whatever it is; only for what a value's kind decides.
    pub(super) fn any(&self, key: &str) -> Option<&'f Spanned<DeValue<'i>>> {
        self.value(key)
    }

    /// A table below this one. `name` is its full name.
    pub(super) fn table(&self, key: &str, name: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        self.below(key, name, value)
    }

    /// The table of a secret, which may stand anywhere; `None` where it has keys that no secret has.
    pub(super) fn secret(&self, key: &str, values: &'f DeTable<'i>, at: usize) -> Option<Self> {
        let unknown: Vec<_> =
            values.keys().filter(|key| !keys::SECRET.contains(&key.get_ref().as_ref())).collect();
        for name in &unknown {
            let what = "a secret has one of file, env and credential";
            self.problem(&name.span(), &format!("{key}.{}", name.get_ref()), what);
        }
        unknown.is_empty().then_some(Self { file: self.file, name: SECRET, values, at })
    }

    /// All tables of a list below this one. `name` is their full name.
    pub(super) fn tables(&self, key: &str, name: &'static str) -> Vec<Self> {
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.below(key, name, item)).collect(),
            // [server] instead of [[server]]: what is meant is plain.
            _ => self.below(key, name, value).into_iter().collect(),
        }
    }

    fn below(&self, key: &str, name: &'static str, value: &'f Spanned<DeValue<'i>>) -> Option<Self> {
        let DeValue::Table(values) = value.get_ref() else {
            self.expected(key, value, "a table");
            return None;
        };
        let table = Self { file: self.file, name, values, at: value.span().start };
        table.refuse_unknown(keys::of(name));
        Some(table)
    }
}
