//! What the bridge costs with 10 projects on two servers, 10 000 series in its store and 1 000 new ones a day.
//!
//! The built program runs against models of Patchwork and GitHub on this machine, a tree of Linux's size and a mirror,
//! both real repositories. Three runs of it:
//!
//! 1. with the usual intervals and nothing new: requests and processor time are what they are;
//! 2. the same with polls [`FACTOR`] times as often: the difference is what a poll costs;
//! 3. with all intervals of the configuration [`FACTOR`] times as short and new series [`FACTOR`] times as often: what
//!    is above the cost of run 1's fixed ticks is work, and is spread over [`FACTOR`] times the time.
//!
//! Each takes `PATCHLIFT_BENCH_SECONDS` (120), the second one a quarter of it.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on must stop where it is")]

#[path = "bridge/filled.rs"]
mod filled;
#[path = "bridge/outside.rs"]
mod outside;
#[path = "bridge/process.rs"]
mod process;
#[path = "bridge/upstream.rs"]
mod upstream;

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use filled::BOXES;
use outside::{Counts, Outside, PATCHES, PROJECTS};
use process::{Cpu, Process};
use upstream::Upstream;

const SERVERS: [&str; 2] = ["one", "two"];

/// Series in the store of each server.
const OPEN: u64 = 5000;

const NEW_A_DAY: f64 = 1000.0;

/// How many times as fast the third run is.
const FACTOR: f64 = 60.0;

/// One new series in so many comes with a mail missing.
const LATE: u64 = 20;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seconds = std::env::var("PATCHLIFT_BENCH_SECONDS").ok().and_then(|text| text.parse().ok());
    let world = World::make(&runtime, Duration::from_secs(seconds.unwrap_or(120)));
    let results = world.measure();
    results.print(&world);
}

struct World {
    dir: tempfile::TempDir,
    servers: Vec<Outside>,
    github: Outside,
    upstream: Upstream,
    long: Duration,
}

/// What was seen in a stretch of time.
#[derive(Debug, Default)]
struct Seen {
    wall: f64,
    cpu: Cpu,
    patchwork: Counts,
    github: u64,
}

impl Seen {
    fn requests(&self) -> f64 {
        self.patchwork.values().sum::<u64>() as f64
    }
}

#[derive(Debug, Default)]
struct Results {
    first_poll: Vec<f64>,
    start_cpu: Cpu,
    peak_mb: f64,
    idle: Seen,
    often: Seen,
    busy: Seen,
    new: u64,
    checks: u64,
    moved: Seen,
    applied_anew: u64,
    warnings: Vec<String>,
}

impl World {
    fn make(runtime: &tokio::runtime::Runtime, long: Duration) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        println!("making a tree of {} files and a store of {} series …", upstream::FILES, OPEN * 2);
        let upstream = Upstream::make(&dir.path().join("upstream.git"));
        let mirror = dir.path().join("mirror.git");
        let (from, to) = (upstream.path.to_str().unwrap(), mirror.to_str().unwrap());
        upstream::git(&["clone", "-q", "--bare", from, to]);
        let mirror = Upstream { path: mirror };
        secret(&dir.path().join("token"));
        let (servers, github) = runtime.block_on(async {
            let mut servers = Vec::new();
            for name in SERVERS {
                servers.push(Outside::start(name).await);
            }
            (servers, Outside::start("github").await)
        });
        let world = Self { dir, servers, github, upstream, long };
        // The tree is fetched while there is no series yet.
        drop(world.begin("fetch", 1.0, 1.0, &mut Results::default()));
        world.fill(runtime, &mirror);
        world
    }

    /// Both servers and the store get their series, and the mirror the branches of these.
    fn fill(&self, runtime: &tokio::runtime::Runtime, mirror: &Upstream) {
        let listings = self.servers.iter().zip(SERVERS).map(|(server, name)| {
            for id in 1..=OPEN {
                server.comes(!filled::is_incomplete(id));
            }
            (name, server, runtime.block_on(filled::listings(server, name)))
        });
        let base = self.upstream.tip();
        let branches = filled::fill(&self.dir.path().join("state"), &listings.collect::<Vec<_>>(), &base);
        mirror.branches(&branches, &base);
    }

    /// The configuration with polls and with everything else so many times as often.
    fn config(&self, name: &str, polls: f64, all: f64) -> PathBuf {
        let ms =
            |seconds: f64, factor: f64| format!("\"{} ms\"", (seconds * 1000.0 / factor).max(100.0) as u64);
        let dir = self.dir.path().display();
        let mut text = "state_dir = \"state\"\n".to_owned();
        for (server, model) in SERVERS.iter().zip(&self.servers) {
            let (poll, settle) = (ms(60.0, polls), ms(60.0, all));
            write!(text, "[[server]]\nname = \"{server}\"\nurl = \"{}\"\n", model.url).unwrap();
            write!(text, "token = {{ file = \"token\" }}\npoll = {poll}\nsettle = {settle}\n").unwrap();
            for number in 0..PROJECTS {
                write!(text, "[[server.project]]\nname = \"project{number}\"\n").unwrap();
                text.push_str("[server.project.policy]\nsenders = \"all\"\n");
            }
        }
        write!(text, "[[tree]]\nname = \"linux\"\nurl = \"{dir}/upstream.git\"\n").unwrap();
        write!(text, "branches = [\"master\"]\nfetch_every = {}\n", ms(900.0, all)).unwrap();
        write!(text, "[mirror]\nurl = \"{dir}/mirror.git\"\npause = {}\n", ms(10.0, all)).unwrap();
        write!(text, "[github]\napi = \"{}\"\nrepository = \"octo/kvm\"\n", self.github.url).unwrap();
        write!(text, "workflow = \"kvm.yml\"\nbranch = \"ci\"\ntoken = {{ file = \"token\" }}\n").unwrap();
        writeln!(text, "poll = {}", ms(30.0, all)).unwrap();
        for name in BOXES {
            write!(text, "[[box]]\nname = \"{name}\"\n").unwrap();
        }
        let path = self.dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn measure(&self) -> Results {
        let mut results = Results::default();
        println!("idle, usual intervals, for {} s …", self.long.as_secs());
        let bridge = self.begin("idle", 1.0, 1.0, &mut results);
        results.start_cpu = bridge.cpu();
        results.idle = self.during(&bridge, || std::thread::sleep(self.long));
        self.end(bridge, &mut results);

        println!("idle, polls {FACTOR} times as often, for {} s …", self.long.as_secs() / 4);
        let bridge = self.begin("often", FACTOR, 1.0, &mut results);
        results.often = self.during(&bridge, || std::thread::sleep(self.long / 4));
        self.end(bridge, &mut results);

        println!("busy, all {FACTOR} times as fast, for {} s …", self.long.as_secs());
        let mut bridge = self.begin("busy", FACTOR, FACTOR, &mut results);
        let before = self.checks();
        let mut new = 0;
        results.busy = self.during(&bridge, || new = self.series_come());
        bridge.until("the checks of all new series", || self.checks() - before >= new * PATCHES * 2);
        (results.new, results.checks) = (new, self.checks() - before);

        println!("a merge of 500 files moves the base …");
        let before = self.checks();
        results.moved = self.during(&bridge, || {
            self.upstream.commit((0..500).map(|number| number * 160), "merged");
            self.until_no_more_checks(before);
        });
        results.applied_anew = (self.checks() - before) / (PATCHES * 2);
        self.end(bridge, &mut results);
        results
    }

    /// Waits until checks come, and then until none come for some seconds.
    fn until_no_more_checks(&self, before: u64) {
        let end = Instant::now() + Duration::from_secs(120);
        let mut last = before;
        while Instant::now() < end {
            std::thread::sleep(Duration::from_secs(4));
            let now = self.checks();
            if now == last && now > before {
                return;
            }
            last = now;
        }
    }

    fn checks(&self) -> u64 {
        self.servers.iter().map(Outside::checks).sum()
    }

    /// Starts the bridge and waits until it has looked at both servers, and everything else was done once.
    fn begin(&self, name: &str, polls: f64, all: f64, results: &mut Results) -> Process {
        let lists = || self.servers.iter().all(|server| server.has_first_list());
        for server in &self.servers {
            let _ = server.take_first_list();
        }
        let config = self.config(name, polls, all);
        let mut bridge = Process::start(&config, &self.dir.path().join(format!("{name}.log")));
        bridge.until("the first look", lists);
        let first = self.servers.iter().filter_map(Outside::take_first_list).min().unwrap();
        results.first_poll.push(first.duration_since(bridge.started).as_secs_f64());
        let base = self.dir.path().join("state/git/refs/trees");
        bridge.until("the first fetch", || base.exists());
        std::thread::sleep(Duration::from_secs(8));
        bridge
    }

    fn end(&self, bridge: Process, results: &mut Results) {
        results.peak_mb = results.peak_mb.max(bridge.peak_mb());
        results.warnings.extend(bridge.warnings());
    }

    fn during(&self, bridge: &Process, work: impl FnOnce()) -> Seen {
        let counts = || {
            let mut sum = Counts::default();
            for (kind, count) in self.servers.iter().flat_map(Outside::counts) {
                *sum.entry(kind).or_default() += count;
            }
            (sum, self.github.counts().values().sum::<u64>())
        };
        let (before, github, cpu, start) = (counts().0, counts().1, bridge.cpu(), Instant::now());
        work();
        let wall = start.elapsed().as_secs_f64();
        let (after, github_after) = counts();
        let since =
            |(kind, count): (&'static str, u64)| (kind, count - before.get(kind).copied().unwrap_or(0));
        Seen {
            wall,
            cpu: bridge.cpu().since(cpu),
            patchwork: after.into_iter().map(since).collect(),
            github: github_after - github,
        }
    }

    /// New series at the rate of a day, [`FACTOR`] times as fast.
    fn series_come(&self) -> u64 {
        let every = Duration::from_secs_f64(86_400.0 / NEW_A_DAY / FACTOR);
        let start = Instant::now();
        let mut new = 0;
        while start.elapsed() < self.long {
            let server = &self.servers[usize::try_from(new % 2).unwrap()];
            new += 1;
            let late = new % LATE == 0;
            let id = server.comes(!late);
            std::thread::sleep((every * u32::try_from(new).unwrap()).saturating_sub(start.elapsed()));
            if late {
                server.completes(id);
            }
        }
        new
    }

    /// How long people wait for the table.
    fn status(&self) -> f64 {
        let mut best = f64::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
            command.arg("status").arg("--config").arg(self.dir.path().join("idle.toml"));
            assert!(command.stdout(Stdio::null()).status().unwrap().success());
            best = best.min(start.elapsed().as_secs_f64());
        }
        best
    }
}

/// A token that nobody else may read.
fn secret(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::options().create_new(true).write(true).mode(0o600).open(path).unwrap();
    file.write_all(b"bench-token").unwrap();
}

impl Results {
    fn print(&self, world: &World) {
        let (idle, often, busy) = (&self.idle, &self.often, &self.busy);
        // Two unknowns, two measurements: what a second of ticks costs, and what a poll does.
        let polls = |seen: &Seen| seen.patchwork.get("list").copied().unwrap_or(0) as f64;
        let (ti, to, pi, po) = (idle.wall, often.wall, polls(idle), polls(often));
        let poll = ((often.cpu.all() - idle.cpu.all() * to / ti) / (po - pi * to / ti)).max(0.0);
        let tick = ((idle.cpu.all() - poll * pi) / ti).max(0.0);
        let hours = busy.wall * FACTOR / 3600.0;
        let work = (busy.cpu.all() - tick * busy.wall).max(0.0);
        let per_series = (work - poll * polls(busy)).max(0.0) / self.new as f64;
        let projects = (SERVERS.len() as u64 * PROJECTS) as f64;
        let per_cent = 100.0 * (tick + work / (busy.wall * FACTOR));
        println!(
            "\n{} servers, {projects} projects, {} series in the store ({}; {PATCHES} patches each), {NEW_A_DAY} new a day;\n\
             a tree of {} files; busy run {FACTOR} times as fast: {} new series in {:.0} s stand for {hours:.1} hours\n",
            SERVERS.len(),
            OPEN * 2,
            filled::mix(),
            upstream::FILES,
            self.new,
            busy.wall
        );
        let row = |what: &str, value: String, aim: &str| println!("{what:<58} {value:>14}  {aim}");
        row(
            "idle: Patchwork requests a minute and project",
            format!("{:.2}", idle.requests() / ti * 60.0 / projects),
            "aim < 1",
        );
        row(
            "idle: Patchwork requests a minute, all projects",
            format!("{:.1}", idle.requests() / ti * 60.0),
            "",
        );
        row(
            "idle: GitHub requests a minute, two runs at work",
            format!("{:.1}", idle.github as f64 / ti * 60.0),
            "",
        );
        row(
            "idle: CPU, % of a core (as measured, nothing scaled)",
            format!("{:.2}", 100.0 * idle.cpu.all() / ti),
            "",
        );
        row("  of this in git processes", format!("{:.2}", 100.0 * idle.cpu.children / ti), "");
        row("  a poll, CPU ms", format!("{:.1}", poll * 1000.0), "");
        row("busy: Patchwork requests an hour", format!("{:.0}", busy.requests() / hours), "");
        for (kind, count) in busy.patchwork.iter().filter(|(_, count)| **count > 0) {
            row(&format!("  {kind}"), format!("{:.0}", *count as f64 / hours), "");
        }
        row("busy: CPU, % of a core, scaled to real intervals", format!("{per_cent:.2}"), "aim < 5");
        row("  a new series, CPU ms, all included", format!("{:.0}", per_series * 1000.0), "");
        row(
            "  of all CPU, git processes, %",
            format!("{:.0}", 100.0 * busy.cpu.children / busy.cpu.all()),
            "",
        );
        row(
            "a merge of 500 files moves the base: CPU s",
            format!("{:.1}", (self.moved.cpu.all() - tick * self.moved.wall).max(0.0)),
            "",
        );
        row("  series applied anew for it", format!("{}", self.applied_anew), "");
        row("peak memory, MB", format!("{:.0}", self.peak_mb), "aim < 200");
        let slowest = self.first_poll.iter().copied().fold(0.0, f64::max);
        row("start to first poll, s", format!("{slowest:.2}"), "");
        row("  CPU s of the first 8 s", format!("{:.2}", self.start_cpu.all()), "");
        row("patchlift status, s", format!("{:.2}", world.status()), "");
        println!("\nas measured before, not in this run:");
        row("KPD idle, 10 series: Patchwork requests a minute", format!("{:.0}", 2192.0 / 2.0), "");
        row("KPD idle, 10 series: git processes a minute", format!("{:.1}", 261.0 / 2.0), "");
        row("KPD idle, 10 series: GitHub requests a minute", format!("{:.1}", 77.0 / 2.0), "");
        println!(
            "(one project, 39 jobs a series, 5 patches each; grows with every open series; NIPA idle: one request a cycle)"
        );
        for warning in self.warnings.iter().take(5) {
            println!("the bridge warned: {warning}");
        }
    }
}
