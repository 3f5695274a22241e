//! All that is around a bridge while it works on a scenario, and what can be seen of its work from outside.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use patchlift::listing::SeriesKey;
use patchlift::record::Record;
use patchlift::store::{Filter, Store};
use tempfile::TempDir;

use super::proxy::Proxy;
use super::runners::Runners;
use super::scenario::{EITHER, End, LIST, OTHER_LIST, Scenario, Sent};
use super::shim::{Orders, Shim};
use crate::run::{arg, must};
use crate::world::github::{FakeGitHub, REPOSITORY, TOKEN as GITHUB_TOKEN};
use crate::world::patchwork::FakePatchwork;
use crate::world::process::{Bridge, within};

/// The server's name in the configuration.
const SERVER: &str = "fake";

const PATCHWORK_TOKEN: &str = "0123456789012345678901234567890123456789";

/// A scenario takes seconds. On a loaded machine, after a fault that has to be waited out, it takes this long at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything around a bridge.
pub(crate) struct Lab {
    dir: TempDir,
    pub(crate) patchwork: FakePatchwork,
    /// Between the bridge and Patchwork.
    pub(crate) patchwork_door: Proxy,
    pub(crate) github: FakeGitHub,
    /// Between the bridge and GitHub.
    pub(crate) github_door: Proxy,
    runners: Runners,
    ends: Vec<End>,
}

/// What is left of a scenario when it is over: what has to be equal, however often the bridge was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Result {
    /// The word of each series' state, and the bases that were tried.
    pub(crate) states: Vec<(&'static str, String)>,
    /// The branches of the mirror and their commits.
    pub(crate) branches: String,
    /// The newest check of each patch and context: state and description.
    pub(crate) checks: BTreeMap<(u64, String), (String, String)>,
    /// How each run of a series ended, in their order.
    pub(crate) runs: BTreeMap<String, Vec<Option<String>>>,
}

impl Result {
    /// What is not as expected.
    pub(crate) fn differences(&self, expected: &Self) -> String {
        let (mine, theirs) = (format!("{self:#?}"), format!("{expected:#?}"));
        let missing = theirs.lines().filter(|line| !mine.lines().any(|other| other == *line));
        let extra = mine.lines().filter(|line| !theirs.lines().any(|other| other == *line));
        let missing = missing.map(|line| format!("- {line}"));
        let runs = format!("runs {:?}, expected {:?}", self.runs, expected.runs);
        let runs = (self.runs != expected.runs).then_some(runs);
        missing.chain(extra.map(|line| format!("+ {line}"))).chain(runs).collect::<Vec<_>>().join("\n")
    }
}

impl Lab {
    /// Servers, a mirror and a configuration; the first mails are in the lists' archives.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let patchwork = FakePatchwork::start();
        for list in [LIST, OTHER_LIST] {
            patchwork.has_project(list);
        }
        patchwork.has_user("bot", "bot@example.com", PATCHWORK_TOKEN);
        for list in [LIST, OTHER_LIST] {
            patchwork.lets_maintain("bot", list);
        }
        let patchwork_door = Proxy::before(address_of(&patchwork.url()));
        let github = FakeGitHub::start();
        let github_door = Proxy::before(address_of(&github.url));
        let runners = Runners::of(&github);
        let ends = scenario.ends.clone();
        let lab = Self { dir, patchwork, patchwork_door, github, github_door, runners, ends };
        must(std::process::Command::new("git").args(["init", "-q", "--bare", arg(&lab.mirror())]));
        lab.keep_secret("patchwork-token", PATCHWORK_TOKEN);
        lab.keep_secret("github-token", GITHUB_TOKEN);
        std::fs::write(lab.config(), lab.configuration(scenario.upstream.path())).unwrap();
        lab.receives(&scenario.first);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the bridge keeps its memory.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.path("mirror.git")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("patchlift.toml")
    }

    fn configuration(&self, upstream: &Path) -> String {
        let (address, github) = (self.patchwork_door.address(), self.github_door.address());
        let upstream = upstream.display();
        let projects = [LIST, OTHER_LIST].map(|list| {
            format!("[[server.project]]\nname = \"{list}\"\nlabels = [\"power8\"]\n[server.project.policy]\nlisted = [\"known@example.com\"]\ncommits = 0\n")
        });
        let boxes =
            ["p8a", "p8b", "p8c"].map(|name| format!("[[box]]\nname = \"{name}\"\nlabels = [\"power8\"]\n"));
        format!(
            "state_dir = \"state\"\ncommitter = \"Bot <bot@example.com>\"\n\
             [[server]]\nname = \"{SERVER}\"\nurl = \"http://{address}/\"\ntoken = {{ file = \"patchwork-token\" }}\n\
             poll = \"200 ms\"\nsettle = \"100 ms\"\nanswer_limit = \"2 s\"\nwhole_limit = \"5 s\"\n\
             {}\n\
             [[tree]]\nname = \"powerpc\"\nurl = \"{upstream}\"\nbranches = [\"main\"]\nfetch_every = \"1 min\"\n\
             [mirror]\nurl = \"mirror.git\"\npause = \"100 ms\"\n\
             [github]\napi = \"http://{github}/\"\nrepository = \"{REPOSITORY}\"\ntoken = {{ file = \"github-token\" }}\n\
             poll = \"100 ms\"\npause = \"0 s\"\n\
             {}",
            projects.join(""),
            boxes.join("")
        )
    }

    /// No runner takes a run any more: the test says what becomes of each.
    pub(crate) fn has_no_runners(&self) {
        self.runners.stop();
    }

    /// A file that nobody else reads.
    pub(crate) fn keep_secret(&self, name: &str, secret: &str) {
        std::fs::write(self.path(name), secret).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The lists get mails.
    pub(crate) fn receives(&self, mails: &[Sent]) {
        for sent in mails {
            self.patchwork.receives(sent.project, &sent.mail);
        }
    }

    /// A bridge is started; with orders, a library is loaded into it.
    pub(crate) fn start(&self, orders: Option<(&Shim, &Orders)>) -> Bridge {
        let mut command = Bridge::command(&self.config());
        if let Some((shim, orders)) = orders {
            shim.load_into(&mut command, orders);
        }
        Bridge::start(command, &self.path("log"))
    }

    /// As [`Lab::start`], by way of a program that runs the bridge: `taskset -c 0`.
    pub(crate) fn start_under(&self, program: &[&str]) -> Bridge {
        let bridge = Bridge::command(&self.config());
        let mut command = std::process::Command::new(program[0]);
        command.args(&program[1..]).arg(bridge.get_program()).args(bridge.get_args());
        Bridge::start(command, &self.path("log"))
    }

    /// What the store says of every series, in the order of their numbers. Empty until there is a store.
    pub(crate) fn records(&self) -> Vec<Record> {
        let Ok(store) = Store::read_only(&self.state()) else { return Vec::new() };
        let Ok(found) = store.listed(&Filter::default()) else { return Vec::new() };
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        let mut records = found.records;
        records.sort_by(|a, b| a.key.cmp(&b.key));
        records
    }

    /// What differs from where the series have to be; nothing: they are there, and all is said.
    fn differs(&self, when: impl Fn(&End) -> Option<&'static str>) -> Vec<String> {
        let records = self.records();
        let mut differs = Vec::new();
        for (id, end) in (1..).zip(&self.ends) {
            let Some(expected) = when(end) else { continue };
            let key = SeriesKey { server: SERVER.to_owned(), id };
            let Some(record) = records.iter().find(|record| record.key == key) else {
                differs.push(format!("{id} {}: expected {expected}, not there", end.name));
                continue;
            };
            let is = record.state.word();
            if !expected.split('|').any(|expected| expected == is) || record.publish_at.is_some() {
                let trouble = record.trouble.as_ref().map_or("", |trouble| trouble.what.as_str());
                let unsaid = record.unposted.as_ref().map_or("", |trouble| trouble.what.as_str());
                differs.push(format!(
                    "{id} {}: expected {expected}, is {is} {trouble}; to be said: {:?} {unsaid}",
                    end.name, record.publish_at
                ));
            }
        }
        differs
    }

    /// Series that are not yet where they end, by their numbers.
    pub(crate) fn undone(&self) -> Vec<u64> {
        let differs = self.differs(|end| Some(end.last));
        differs.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
    }

    fn reached(&self, when: impl Fn(&End) -> Option<&'static str> + Copy) -> bool {
        self.differs(when).is_empty()
    }

    /// Has this bridge, and not the one before it, given a sign of life?
    pub(crate) fn is_up(&self, bridge: &Bridge) -> bool {
        let heartbeat = Store::read_only(&self.state()).and_then(|store| store.heartbeat());
        heartbeat.is_ok_and(|heartbeat| heartbeat.is_some_and(|heartbeat| heartbeat.pid == bridge.pid()))
    }

    /// Waits until the first mails are worked off, or the bridge has ended.
    pub(crate) fn first_done(&self, bridge: &mut Bridge) -> bool {
        self.done(bridge, |end| end.first)
    }

    /// Waits until everything is worked off, or the bridge has ended.
    pub(crate) fn all_done(&self, bridge: &mut Bridge) -> bool {
        self.done(bridge, |end| Some(end.last))
    }

    fn done(&self, bridge: &mut Bridge, when: impl Fn(&End) -> Option<&'static str> + Copy) -> bool {
        let done = within(PATIENCE, || {
            if bridge.ended().is_some() {
                return Some(false);
            }
            (self.is_up(bridge) && self.reached(when)).then_some(true)
        });
        done.unwrap_or_else(|| {
            panic!("it does not get there:\n{}\n\n{}", self.differs(when).join("\n"), tail(&bridge.said()))
        })
    }

    /// Runs the scenario to its end with one bridge after the other, each with the orders that `next` gives it, until
    /// one gets through. Gives how many there were.
    pub(crate) fn run(&self, scenario: &Scenario, shim: &Shim, mut next: impl FnMut(usize) -> Life) -> usize {
        let mut later = false;
        let began = Instant::now();
        for life in 0.. {
            let Life { orders, killed_after } = next(life);
            let mut bridge = self.start(Some((shim, &orders)));
            if let Some(after) = killed_after {
                std::thread::sleep(after);
                if !self.reached(|end| Some(end.last)) {
                    bridge.kill();
                }
            }
            if !later && self.first_done(&mut bridge) {
                self.receives(&scenario.later);
                later = true;
            }
            if later && self.all_done(&mut bridge) {
                let (status, took) = bridge.terminate();
                // The moment it is to be killed at may be one of its last.
                if status.signal().is_none() || orders.kill.is_none() {
                    assert!(status.success(), "{status}\n{}", tail(&bridge.said()));
                    assert!(took < Duration::from_secs(1), "SIGTERM took {took:?}");
                    return life + 1;
                }
            }
            let said = || tail(&bridge.said());
            assert!(began.elapsed() < PATIENCE * 4, "{life} lives and no end\n{}", said());
        }
        unreachable!()
    }

    /// What there is to be seen now.
    pub(crate) fn result(&self) -> Result {
        let records = self.records();
        let states = self.ends.iter().zip(&records).map(|(end, record)| {
            let base = record.state.applied().map(|applied| applied.base.name.clone()).unwrap_or_default();
            (
                end.name,
                if end.last == EITHER {
                    EITHER.to_owned()
                } else {
                    format!("{} {base}", record.state.word())
                },
            )
        });
        let mirror = self.mirror();
        let refs = ["-C", arg(&mirror), "for-each-ref", "--format=%(objectname) %(refname)"];
        let mut branches = String::from_utf8(must(std::process::Command::new("git").args(refs))).unwrap();
        for (id, _) in (1..).zip(&self.ends).filter(|(_, end)| end.last == EITHER) {
            branches = branches.replace(&format!("/{SERVER}/{id}\n"), &format!("/{SERVER}/either\n"));
        }
        let mut checks = BTreeMap::new();
        for patch in self.all_patches() {
            for check in self.patchwork.checks_of(patch) {
                // What follows says which of the two is the other one.
                let description = check.description.split(" (the same mails").next().unwrap().to_owned();
                checks.insert((patch, check.context), (check.state, description));
            }
        }
        Result { states: states.collect(), branches, checks, runs: self.runs() }
    }

    fn runs(&self) -> BTreeMap<String, Vec<Option<String>>> {
        let mut runs: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for run in &self.github.model().runs {
            // `fake-12-0123456789ab-1700000000000`: the commit and the time tell nothing here.
            let id: usize = run.inputs["run_key"].split('-').nth(1).unwrap().parse().unwrap();
            let either = self.ends.get(id - 1).is_some_and(|end| end.last == EITHER);
            let series = if either { "either".to_owned() } else { id.to_string() };
            runs.entry(series).or_default().push(run.conclusion.clone());
        }
        runs
    }

    /// Of two series with the same mails exactly one has to follow the other.
    pub(crate) fn followers_of_either(&self) -> usize {
        let either = self.ends.iter().zip(self.records()).filter(|(end, _)| end.last == EITHER);
        either.filter(|(_, record)| record.state.word() == "follows").count()
    }

    fn all_patches(&self) -> Vec<u64> {
        (1..=self.ends.len() as u64).flat_map(|series| self.patchwork.patches_of(series)).collect()
    }

    /// Checks that were said twice in a row on a patch, word for word.
    pub(crate) fn said_twice(&self) -> Vec<String> {
        let mut twice = Vec::new();
        for patch in self.all_patches() {
            let mut newest = BTreeMap::new();
            for check in self.patchwork.checks_of(patch) {
                let said = (check.state, check.description, check.url);
                if newest.get(&check.context) == Some(&said) {
                    twice.push(format!("patch {patch} {}: {said:?}", check.context));
                }
                newest.insert(check.context, said);
            }
        }
        twice
    }
}

/// How one bridge of many lives and dies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    pub(crate) orders: Orders,
    /// It is killed from outside after this time.
    pub(crate) killed_after: Option<Duration>,
}

fn address_of(url: &str) -> SocketAddr {
    let host = url.strip_prefix("http://").unwrap();
    host.split('/').next().unwrap().parse().unwrap()
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
