//! The one state of the faked Patchwork, and the rules by which mails change it.

use std::collections::{HashMap, HashSet};

use jiff::civil::DateTime;

use super::mail::Mail;

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) projects: Vec<Project>,
    pub(super) users: Vec<User>,
    pub(super) people: Vec<Person>,
    pub(super) series: Vec<Series>,
    pub(super) patches: Vec<Patch>,
    pub(super) covers: Vec<Patch>,
    pub(super) checks: Vec<Check>,
    pub(super) comments: Vec<Comment>,
    /// Which series a Message-ID leads to, by project.
    threads: HashMap<(u64, String), u64>,
    /// The Message-IDs that are there, by project.
    known: HashSet<(u64, String)>,
    /// Numbers of the patches of each series: large models are asked often.
    in_series: HashMap<u64, Vec<u64>>,
}

#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) id: u64,
    pub(super) link_name: String,
    pub(super) list_email: String,
    /// Numbers of users.
    pub(super) maintainers: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) token: String,
}

#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) email: String,
}

#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) name: Option<String>,
    pub(super) date: DateTime,
    pub(super) submitter: u64,
    pub(super) version: u32,
    pub(super) total: u32,
    pub(super) cover: Option<u64>,
}

/// A patch, or a cover letter.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    pub(super) id: u64,
    pub(super) project: u64,
    pub(super) series: Option<u64>,
    pub(super) number: u32,
    pub(super) submitter: u64,
    pub(super) mail: Mail,
    /// A slug.
    pub(super) state: String,
    /// The texts of answers to it.
    pub(super) comments: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Check {
    /// Counts from 1 over all patches.
    pub(super) id: u64,
    pub(super) patch: u64,
    pub(super) user: u64,
    /// Naive, in the server's own zone.
    pub(super) date: DateTime,
    pub(super) state: &'static str,
    pub(super) target_url: Option<String>,
    pub(super) context: String,
    pub(super) description: Option<String>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) id: u64,
    /// It answers a cover letter, not a patch.
    pub(super) on_cover: bool,
    /// The number of what it answers.
    pub(super) answered: u64,
    pub(super) project: u64,
    pub(super) submitter: u64,
    pub(super) mail: Mail,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// A patch, its number, and that of its series.
    Patch { patch: u64, series: u64 },
    /// A cover letter, its number, and that of its series.
    Cover { cover: u64, series: u64 },
    /// An answer to something.
    Comment,
    /// Nothing: it was there already, or belongs nowhere.
    Dropped,
}

/// Mails of one author with the same counts within these minutes are one series, though no thread joins them.
const MINUTES_TOGETHER: i64 = 20;

impl Model {
    pub(super) fn project(&self, name_or_id: &str) -> Option<&Project> {
        self.projects.iter().find(|p| p.link_name == name_or_id || p.id.to_string() == name_or_id)
    }

    pub(super) fn deliver(&mut self, project: u64, raw: &[u8]) -> Delivered {
        let drop_prefix = self.projects.iter().find(|p| p.id == project).map(|p| p.link_name.clone());
        let Some(mail) = Mail::read(raw, &drop_prefix.unwrap_or_default()) else { return Delivered::Dropped };
        if self.known.contains(&(project, mail.msgid.clone())) {
            return Delivered::Dropped;
        }
        if !mail.is_reply && (mail.diff.is_some() || mail.pull_url.is_some()) {
            self.patch(project, mail)
        } else if !mail.is_reply && mail.marker.is_some_and(|(number, _)| number == 0) {
            self.cover(project, mail)
        } else {
            self.comment(project, mail)
        }
    }

    fn person(&mut self, (name, email): &(Option<String>, String)) -> u64 {
        if let Some(person) = self.people.iter_mut().find(|person| person.email.eq_ignore_ascii_case(email)) {
            person.name = name.clone().or(person.name.take());
            return person.id;
        }
        let id = self.people.len() as u64 + 1;
        self.people.push(Person { id, name: name.clone(), email: email.clone() });
        id
    }

    fn patch(&mut self, project: u64, mail: Mail) -> Delivered {
        let submitter = self.person(&mail.sender);
        let (number, total) = mail.marker.unwrap_or((1, 1));
        let found = mail.marker.and_then(|_| self.series_of(project, submitter, &mail, total));
        let taken = |id| self.patches_of(id).iter().any(|patch| patch.number == number);
        let series = match found.filter(|id| !taken(*id)) {
            Some(id) => id,
            None => {
                let id = self.new_series(project, submitter, &mail, total);
                for above in mail.above.iter().chain([&mail.msgid]) {
                    self.threads.entry((project, above.clone())).or_insert(id);
                }
                id
            }
        };
        let id = self.patches.len() as u64 + 1;
        if let Some(series) = self.series.iter_mut().find(|s| s.id == series)
            && series.name.is_none()
            && number == 1
        {
            series.name = Some(mail.name.clone());
        }
        let state = mail.headers.iter().find(|(name, _)| name == "X-Patchwork-State");
        let state = state.map_or("new".to_owned(), |(_, state)| state.to_ascii_lowercase());
        let in_series = (number > 0).then_some(series);
        if number > 0 {
            self.in_series.entry(series).or_default().push(id);
        }
        self.known.insert((project, mail.msgid.clone()));
        self.patches.push(Patch {
            id,
            project,
            series: in_series,
            number,
            submitter,
            mail,
            state,
            comments: Vec::new(),
        });
        Delivered::Patch { patch: id, series }
    }

    fn cover(&mut self, project: u64, mail: Mail) -> Delivered {
        let submitter = self.person(&mail.sender);
        let total = mail.marker.map_or(1, |(_, total)| total);
        let key = (project, mail.msgid.clone());
        let series = match self.threads.get(&key) {
            Some(series) => *series,
            None => {
                let id = self.new_series(project, submitter, &mail, total);
                self.threads.insert(key, id);
                id
            }
        };
        let cover = self.covers.len() as u64 + 1;
        let patches = self.patches_of(series);
        let first = patches.iter().find(|patch| patch.number == 1).map(|patch| patch.mail.name.clone());
        self.known.insert((project, mail.msgid.clone()));
        if let Some(series) = self.series.iter_mut().find(|s| s.id == series && s.cover.is_none()) {
            series.cover = Some(cover);
            if series.name.is_none() || series.name == first {
                series.name = Some(mail.title.clone());
            }
        }
        self.covers.push(Patch {
            id: cover,
            project,
            series: Some(series),
            number: 0,
            submitter,
            mail,
            state: String::new(),
            comments: Vec::new(),
        });
        Delivered::Cover { cover, series }
    }

    fn comment(&mut self, project: u64, mail: Mail) -> Delivered {
        for above in &mail.above {
            let list = self.patches.iter_mut().chain(&mut self.covers);
            let there = |patch: &&mut Patch| patch.project == project && patch.mail.msgid == *above;
            if let Some(patch) = list.into_iter().find(there) {
                patch.comments.push(mail.content.clone());
                let (answered, on_cover) = (patch.id, patch.number == 0);
                let (id, submitter) = (self.comments.len() as u64 + 1, self.person(&mail.sender));
                self.known.insert((project, mail.msgid.clone()));
                self.comments.push(Comment { id, on_cover, answered, project, submitter, mail });
                return Delivered::Comment;
            }
        }
        Delivered::Dropped
    }

    /// By the thread; else by author, counts and time. The version plays no part in a thread: so a v2 patch fills a
    /// gap of v1.
    fn series_of(&self, project: u64, submitter: u64, mail: &Mail, total: u32) -> Option<u64> {
        let threads = [&mail.msgid].into_iter().chain(&mail.above);
        let by_thread = threads.filter_map(|id| self.threads.get(&(project, id.clone()))).next();
        by_thread.copied().or_else(|| {
            let near = |date: DateTime| {
                let seconds = mail.date.duration_since(date).as_secs();
                seconds.abs() <= MINUTES_TOGETHER * 60
            };
            let same = |series: &&Series| {
                (series.project, series.submitter, series.version, series.total)
                    == (project, submitter, mail.version, total)
                    && near(series.date)
            };
            self.series.iter().find(same).map(|series| series.id)
        })
    }

    fn new_series(&mut self, project: u64, submitter: u64, mail: &Mail, total: u32) -> u64 {
        let id = self.series.len() as u64 + 1;
        self.series.push(Series {
            id,
            project,
            name: None,
            date: mail.date,
            submitter,
            version: mail.version,
            total,
            cover: None,
        });
        id
    }

    /// The newest check of each user and context counts; the worst of those is the patch's.
    pub(super) fn combined(&self, patch: u64) -> &'static str {
        let mut newest = HashMap::new();
        for check in self.checks.iter().filter(|check| check.patch == patch) {
            newest.insert((check.user, &check.context), check.state);
        }
        let order = ["fail", "warning", "pending", "success"];
        order.into_iter().find(|state| newest.values().any(|other| other == state)).unwrap_or("pending")
    }

    /// A series' patches: the server orders them by the mails' dates, not by their numbers.
    pub(super) fn patches_of(&self, series: u64) -> Vec<&Patch> {
        let numbers = self.in_series.get(&series).map(Vec::as_slice).unwrap_or_default();
        // Patches are numbered from 1 and never go away.
        let mut patches: Vec<&Patch> = numbers.iter().map(|id| &self.patches[*id as usize - 1]).collect();
        patches.sort_by_key(|patch| (patch.mail.date, patch.id));
        patches
    }
}
