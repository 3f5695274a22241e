//! A series onto the Linux tree: `patchlift apply`, `git am -3` in a ready worktree, and the whole way of a bridge
//! that resets a worktree before it runs `git am`. Side by side, for 1, 10 and 50 patches, warm and cold: wall clock,
//! CPU, peak memory, bytes written; then how many series a second go through on all cores.
//!
//! `PATCHLIFT_BENCH_REPO` and `PATCHLIFT_BENCH_BASE` name the repository and the base (default: the demo's Linux
//! repository, branch "base"; `make demo` makes it). `PATCHLIFT_BENCH_WORKTREE=0` leaves git out, whose worktree takes
//! 1.5 GB and minutes to make. Cold runs drop the system's caches, which only root may do.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on must stop where it is")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Warm runs of each row; the median is shown.
const RUNS: usize = 5;

/// $0: where the seconds go, wall, user and system. Only what the command takes counts, not bash's own start.
const TIMED: &str = r#"TIMEFORMAT="%3R %3U %3S"; { time "$@" >/dev/null 2>&1; } 2>"$0""#;

fn main() {
    let Some((repo, base)) = linux() else {
        println!(
            "no Linux repository: run `make demo` once, or set PATCHLIFT_BENCH_REPO and PATCHLIFT_BENCH_BASE"
        );
        return;
    };
    if !Path::new("/usr/bin/time").exists() {
        println!("GNU time is missing: apt-get install time");
        return;
    }
    let scratch = tempfile::tempdir_in(repo.parent().unwrap()).unwrap();
    let bench = Bench { base: commit(&repo, &base), repo, scratch: scratch.path().to_owned() };
    let worktree =
        (std::env::var("PATCHLIFT_BENCH_WORKTREE").as_deref() != Ok("0")).then(|| bench.worktree());
    println!(
        "{:<34} {:>3} {:>5} {:>9} {:>9} {:>8} {:>9}",
        "way", "n", "cache", "wall s", "CPU s", "MB peak", "MB written"
    );
    for patches in [1, 10, 50] {
        let mails = bench.mailbox(patches);
        for cold in [false, true] {
            if cold && !drop_caches() {
                println!("cold runs need root to drop the caches");
                continue;
            }
            let runs = if cold { 1 } else { RUNS };
            let ours = bench.measure(runs, cold, || bench.patchlift(&mails));
            print_row("patchlift apply", patches, cold, &ours);
            let Some(worktree) = &worktree else { continue };
            let am = bench.measure(runs, cold, || bench.git_am(worktree, &mails));
            print_row("git am -3, worktree ready", patches, cold, &am);
            let whole = bench.measure(runs, cold, || bench.reset_and_am(worktree, &mails));
            print_row("reset --hard, checkout, git am -3", patches, cold, &whole);
            println!(
                "{:<34} {patches:>3} {:>5} {:>8.0}× {:>8.0}×",
                "  the whole way against patchlift",
                "",
                whole.wall / ours.wall,
                whole.cpu / ours.cpu.max(0.001)
            );
        }
    }
    bench.throughput();
}

/// The repository and the name of the base.
fn linux() -> Option<(PathBuf, String)> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/patchlift"));
    let repo = match std::env::var_os("PATCHLIFT_BENCH_REPO") {
        Some(repo) => PathBuf::from(repo),
        None => std::env::var_os("PATCHLIFT_CACHE").map(PathBuf::from).or_else(home)?.join("demo/linux.git"),
    };
    let base = std::env::var("PATCHLIFT_BENCH_BASE").unwrap_or_else(|_| "base".into());
    repo.is_dir().then(|| (repo.canonicalize().unwrap(), base))
}

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Bench").env(format!("GIT_{who}_EMAIL"), "bench@example.com");
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn must(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    output.stdout
}

fn commit(repo: &Path, base: &str) -> String {
    let id = must(git(repo).args(["rev-parse", &format!("{base}^{{commit}}")]));
    String::from_utf8(id).unwrap().trim().to_owned()
}

/// Empties the system's caches; only root may.
fn drop_caches() -> bool {
    let _ = Command::new("sync").status();
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// What one run took.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak_mb: f64,
    written_mb: f64,
}

fn print_row(way: &str, patches: usize, cold: bool, cost: &Cost) {
    let cache = if cold { "cold" } else { "warm" };
    let Cost { wall, cpu, peak_mb, written_mb } = cost;
    println!("{way:<34} {patches:>3} {cache:>5} {wall:>9.3} {cpu:>9.3} {peak_mb:>8.0} {written_mb:>9.2}");
}

struct Bench {
    repo: PathBuf,
    base: String,
    scratch: PathBuf,
}

impl Bench {
    /// The median of some runs, by wall clock.
    fn measure(&self, runs: usize, cold: bool, mut run: impl FnMut() -> Vec<Command>) -> Cost {
        let mut costs: Vec<Cost> = (0..runs)
            .map(|_| {
                let commands = run();
                if cold {
                    drop_caches();
                }
                let costs = commands.into_iter().map(|command| self.time(command));
                let zero = Cost { wall: 0.0, cpu: 0.0, peak_mb: 0.0, written_mb: 0.0 };
                costs.fold(zero, |sum, cost| Cost {
                    wall: sum.wall + cost.wall,
                    cpu: sum.cpu + cost.cpu,
                    peak_mb: sum.peak_mb.max(cost.peak_mb),
                    written_mb: sum.written_mb + cost.written_mb,
                })
            })
            .collect();
        costs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        costs[costs.len() / 2]
    }

    /// Runs one command: seconds by bash, which says thousandths where GNU time says hundredths; peak kilobytes and
    /// blocks of 512 bytes written by GNU time. Bash itself is smaller than all that is measured, and writes nothing.
    fn time(&self, command: Command) -> Cost {
        let (seconds, report) = (self.scratch.join("seconds"), self.scratch.join("report"));
        let mut timed = Command::new("/usr/bin/time");
        timed.args(["-f", "%M %O", "-o"]).arg(&report).args(["bash", "-c", TIMED]).arg(&seconds);
        timed.arg(command.get_program()).args(command.get_args());
        timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = command.get_current_dir() {
            timed.current_dir(dir);
        }
        timed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(timed.status().unwrap().success(), "{timed:?}");
        let text = std::fs::read_to_string(&seconds).unwrap() + &std::fs::read_to_string(&report).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [wall, user, system, peak, blocks] = numbers[..] else { panic!("{text}") };
        Cost { wall, cpu: user + system, peak_mb: peak / 1024.0, written_mb: blocks / 2048.0 }
    }

    /// A new repository that borrows the base's objects and has none of its own.
    fn empty_store(&self, name: &str) -> PathBuf {
        let store = self.scratch.join(name);
        let _ = std::fs::remove_dir_all(&store);
        must(git(&self.scratch).args(["init", "-q", "--bare"]).arg(&store));
        let objects = must(git(&self.repo).args(["rev-parse", "--git-path", "objects"]));
        let objects = self.repo.join(String::from_utf8(objects).unwrap().trim());
        std::fs::write(store.join("objects/info/alternates"), format!("{}\n", objects.display())).unwrap();
        store
    }

    /// A series of so many patches, each changing one or two files of arch/powerpc, as format-patch mails it.
    fn mailbox(&self, patches: usize) -> PathBuf {
        let store = self.empty_store("topic.git");
        let list =
            must(git(&store).args(["ls-tree", "-r", "--name-only", &self.base, "arch/powerpc/kernel/"]));
        let files: Vec<String> = String::from_utf8(list)
            .unwrap()
            .lines()
            .filter(|f| f.ends_with(".c"))
            .map(str::to_owned)
            .collect();
        let mut contents = std::collections::HashMap::new();
        let mut stream = Vec::new();
        for number in 0..patches {
            stream.extend_from_slice(
                format!(
                    "commit refs/heads/topic\ncommitter Bench <bench@example.com> {} +0000\n",
                    1_700_000_000 + number
                )
                .as_bytes(),
            );
            stream.extend_from_slice(b"data 14\npowerpc: bench\n".as_slice());
            if number == 0 {
                stream.extend_from_slice(format!("from {}\n", self.base).as_bytes());
            }
            for file in [&files[number % 40], &files[(number * 7 + 3) % 40]] {
                let text = contents.entry(file.clone()).or_insert_with(|| {
                    must(git(&store).args(["cat-file", "blob", &format!("{}:{file}", self.base)]))
                });
                let line = format!("/* bench {number} */\n");
                let middle = text.len() / 2 + number * 31 % 200;
                let at =
                    text[..middle.min(text.len())].iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
                text.splice(at..at, line.bytes());
                stream.extend_from_slice(format!("M 100644 inline {file}\ndata {}\n", text.len()).as_bytes());
                stream.extend_from_slice(text);
                stream.push(b'\n');
            }
        }
        let mut import = git(&store).args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().unwrap();
        import.stdin.take().unwrap().write_all(&stream).unwrap();
        assert!(import.wait().unwrap().success());
        let mails = must(git(&store).args(["format-patch", "--stdout", &format!("{}..topic", self.base)]));
        let path = self.scratch.join(format!("{patches}.mbox"));
        std::fs::write(&path, mails).unwrap();
        path
    }

    fn patchlift(&self, mails: &Path) -> Vec<Command> {
        vec![self.patchlift_into(&self.empty_store("ours.git"), mails)]
    }

    fn patchlift_into(&self, store: &Path, mails: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
        command.arg("apply").arg(mails).arg("--repo").arg(store).args(["--base", &self.base]);
        command
    }

    /// A worktree of the base in a repository that borrows its objects.
    fn worktree(&self) -> PathBuf {
        println!("making git's worktree of the base ...");
        let store = self.empty_store("git.git");
        let worktree = self.scratch.join("worktree");
        must(git(&store).args(["worktree", "add", "-q", "--detach"]).arg(&worktree).arg(&self.base));
        worktree
    }

    fn git_am(&self, worktree: &Path, mails: &Path) -> Vec<Command> {
        must(git(worktree).args(["reset", "-q", "--hard", &self.base]));
        self.forget(worktree);
        vec![am(worktree, mails)]
    }

    fn reset_and_am(&self, worktree: &Path, mails: &Path) -> Vec<Command> {
        self.forget(worktree);
        let mut reset = git(worktree);
        reset.args(["reset", "-q", "--hard", &self.base]);
        let mut checkout = git(worktree);
        checkout.args(["checkout", "-q", "--force", "--detach", &self.base]);
        vec![reset, checkout, am(worktree, mails)]
    }

    /// Git does not write objects that it has: those of the run before must go.
    fn forget(&self, worktree: &Path) {
        must(git(worktree).args(["update-ref", "--no-deref", "HEAD", &self.base]));
        let _ = std::fs::remove_dir_all(self.scratch.join("git.git/worktrees/worktree/logs"));
        must(git(worktree).args(["prune", "--expire=now"]));
    }

    /// Independent series of three patches on all cores for some seconds.
    fn throughput(&self) {
        let mails = self.mailbox(3);
        let done = AtomicUsize::new(0);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for core in 0..cores {
                let (done, mails) = (&done, &mails);
                let store = self.empty_store(&format!("core{core}.git"));
                scope.spawn(move || {
                    while start.elapsed() < Duration::from_secs(5) {
                        let mut command = self.patchlift_into(&store, mails);
                        assert!(command.stdout(Stdio::null()).status().unwrap().success());
                        done.fetch_add(1, Ordering::Relaxed);
                        // The next one finds nothing of it.
                        std::fs::remove_dir_all(store.join("objects/pack")).unwrap();
                        std::fs::create_dir(store.join("objects/pack")).unwrap();
                    }
                });
            }
        });
        let series = done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        println!("{series:.0} series of 3 patches a second on {cores} cores, a new process for each");
    }
}

fn am(worktree: &Path, mails: &Path) -> Command {
    let mut command = git(worktree);
    command.args(["-c", "gc.auto=0", "am", "-q", "-3"]).arg(mails);
    command
}
