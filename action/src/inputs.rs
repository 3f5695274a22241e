//! What a run is asked to do, checked before anything is touched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use patchlift_report as report;
use serde::{Deserialize, Serialize};

use crate::machine::{Machine, MachineError};

/// A `series.json` larger than this is no series.
const MAX_SERIES_BYTES: u64 = 16 << 20;

/// Time limits of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one build of a kernel.
    pub build: Duration,
    /// From the start of the kernel under test until it can be logged in to.
    pub boot: Duration,
    /// Without a byte on the console while it boots: it hangs.
    pub silence: Duration,
    /// For one guest.
    pub guest: Duration,
    /// For the way back to the known-good kernel.
    pub roll_back: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        // A full POWER8 build takes 13 minutes on the box itself, its cold IPL up to 15.
        Self {
            build: minutes(45),
            boot: minutes(5),
            silence: Duration::from_secs(90),
            guest: minutes(5),
            roll_back: minutes(60),
        }
    }
}

/// Where kernels come from and how they are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// `make` target that makes the first `.config`: `ppc64le_defconfig`, `allnoconfig`, …
    pub defconfig: String,
    /// Text of the fragments, in order; every option in them must be in the finished `.config`.
    pub fragments: Vec<String>,
    /// Prefix of the cross compiler; empty for a native build.
    pub cross_compile: String,
    /// Parallel jobs.
    pub jobs: usize,
}

/// A checked request.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The box.
    pub machine: Machine,
    /// The folder of the box's description, where its lease lies.
    pub machine_dir: PathBuf,
    /// Repository with the commits: a path or a URL without credentials.
    pub repo: String,
    /// What is tested, for people.
    pub series: report::Series,
    /// What it was applied to.
    pub base: report::Base,
    /// The commit under test.
    pub head: String,
    /// The folder for everything that is kept between runs.
    pub work: PathBuf,
    /// How kernels are built.
    pub recipe: Recipe,
    /// Time limits.
    pub limits: Limits,
}

/// What is wrong with a request.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The box's description.
    #[error("the box can't be used")]
    Machine(#[source] MachineError),
    /// A file can't be read.
    #[error("cannot read {what} {}", .path.display())]
    Read {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The series' description is not what `patchlift series --json` prints.
    #[error("{} is not the output of `patchlift series --json`", .path.display())]
    Series {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: serde_json::Error,
    },
    /// The series was not applied.
    #[error("{} says `{result}`: only an applied series can be tested", .path.display())]
    NotApplied {
        /// The file.
        path: PathBuf,
        /// Its `result`.
        result: String,
    },
    /// A value that can't work.
    #[error("{name}: {problem}")]
    Value {
        /// The flag or key.
        name: &'static str,
        /// What is wrong and what it should be.
        problem: String,
    },
}

/// What is used of `patchlift series --json`.
#[derive(Debug, Deserialize)]
struct SeriesFile {
    result: String,
    series: Option<SeriesHead>,
    base: Option<report::Base>,
    tip: Option<String>,
    #[serde(default)]
    commits: Vec<report::Patch>,
}

#[derive(Debug, Deserialize)]
struct SeriesHead {
    id: String,
    title: String,
    version: u32,
    author: String,
    url: Option<String>,
    /// Which test of the series this is; `patchlift series` does not say, the bridge does.
    attempt: Option<u32>,
}

/// The request as it was typed, before it is checked.
#[derive(Debug, Clone, clap::Args, Serialize, Deserialize)]
pub struct Request {
    /// Description of the box, box.toml
    #[arg(long = "box", value_name = "FILE", env = "PATCHLIFT_BOX")]
    pub machine: PathBuf,
    /// What `patchlift series --json` printed: the series, its base and its commits
    #[arg(long, value_name = "FILE", env = "PATCHLIFT_SERIES")]
    pub series: PathBuf,
    /// Git repository that holds the commits: a path or a URL
    #[arg(long, value_name = "REPO", env = "PATCHLIFT_REPO")]
    pub repo: String,
    /// Folder for sources, builds, baselines and the reports of all runs
    #[arg(long, value_name = "DIR", env = "PATCHLIFT_WORK")]
    pub work: PathBuf,
    /// Make target that makes the first .config
    #[arg(long, value_name = "TARGET", env = "PATCHLIFT_DEFCONFIG", default_value = "allnoconfig")]
    pub defconfig: String,
    /// Kconfig fragment; may be given several times, later ones win
    #[arg(long = "fragment", value_name = "FILE", env = "PATCHLIFT_FRAGMENTS", value_delimiter = ',')]
    pub fragments: Vec<PathBuf>,
    /// Prefix of the cross compiler; empty builds natively
    #[arg(
        long,
        value_name = "PREFIX",
        env = "PATCHLIFT_CROSS_COMPILE",
        default_value = "powerpc64le-linux-gnu-"
    )]
    pub cross_compile: String,
    /// Parallel compile jobs [default: one a processor]
    #[arg(long, value_name = "N", env = "PATCHLIFT_JOBS")]
    pub jobs: Option<usize>,
    /// Limit for one kernel build, like 45m [default: 45m]
    #[arg(long, value_name = "TIME", env = "PATCHLIFT_BUILD_LIMIT", value_parser = duration)]
    pub build_limit: Option<Duration>,
    /// Limit from the start of the kernel under test until it can be logged in to [default: 5m]
    #[arg(long, value_name = "TIME", env = "PATCHLIFT_BOOT_LIMIT", value_parser = duration)]
    pub boot_limit: Option<Duration>,
    /// Without a byte on the console for so long, a booting kernel hangs [default: 90s]
    #[arg(long, value_name = "TIME", env = "PATCHLIFT_SILENCE_LIMIT", value_parser = duration)]
    pub silence_limit: Option<Duration>,
    /// Limit for one guest [default: 5m]
    #[arg(long, value_name = "TIME", env = "PATCHLIFT_GUEST_LIMIT", value_parser = duration)]
    pub guest_limit: Option<Duration>,
    /// Limit for the way back to the known-good kernel; a third of it for a reboot, then for each of two power
    /// cycles, and for a box that was switched on [default: 60m]
    #[arg(long, value_name = "TIME", env = "PATCHLIFT_ROLL_BACK_LIMIT", value_parser = duration)]
    pub roll_back_limit: Option<Duration>,
}

/// Reads `90s`, `5m`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "write it like 90s, 5m or 1h30m".to_owned())?;
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    let sane = Duration::try_from(parsed).ok().filter(|duration| range.contains(duration));
    sane.ok_or_else(|| "must be between one second and a day".to_owned())
}

impl Request {
    /// The same request, good from any folder.
    ///
    /// # Errors
    /// Where the present folder is gone.
    pub fn made_absolute(self) -> Result<Self, InputError> {
        let fragments = self.fragments.into_iter().map(absolute).collect::<Result<_, _>>()?;
        // A repository is a path only where there is one; what is none may be `host:path` of SSH.
        let local = Path::new(&self.repo);
        let repo = match local.exists() {
            true => absolute(local.to_owned())?.to_string_lossy().into_owned(),
            false => self.repo,
        };
        let (machine, series) = (absolute(self.machine)?, absolute(self.series)?);
        Ok(Self { machine, series, repo, work: absolute(self.work)?, fragments, ..self })
    }

    /// Checks everything that can be checked without the box.
    ///
    /// # Errors
    /// The first thing that is wrong, see [`InputError`].
    pub fn check(self) -> Result<Inputs, InputError> {
        let machine = Machine::read(&self.machine).map_err(InputError::Machine)?;
        let machine_dir = self.machine.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
        let (series, base, head) = read_series(&self.series)?;
        let fragments = self.fragments.iter().map(|path| {
            std::fs::read_to_string(path).map_err(|source| InputError::Read {
                what: "the fragment",
                path: path.clone(),
                source,
            })
        });
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        if self.defconfig.is_empty() || self.defconfig.starts_with('-') || !self.defconfig.chars().all(word) {
            let problem =
                format!("`{}` is no make target like ppc64le_defconfig", self.defconfig.escape_debug());
            return Err(InputError::Value { name: "--defconfig", problem });
        }
        if self.repo.starts_with('-') || self.repo.is_empty() {
            let problem = "must be the path or the URL of a git repository".to_owned();
            return Err(InputError::Value { name: "--repo", problem });
        }
        let work = absolute(self.work)?;
        if work.to_string_lossy().contains(|c: char| c.is_whitespace() || c == ':') {
            let problem = format!(
                "{}: Linux does not build in a folder with blanks or colons in its name",
                work.display()
            );
            return Err(InputError::Value { name: "--work", problem });
        }
        if holds_credential(&self.repo) {
            let problem = "must not hold a password or a token: a URL shows up in logs".to_owned();
            return Err(InputError::Value { name: "--repo", problem });
        }
        let defaults = Limits::default();
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Inputs {
            machine,
            machine_dir,
            repo: self.repo,
            series,
            base,
            head,
            recipe: Recipe {
                defconfig: self.defconfig,
                fragments: fragments.collect::<Result<_, _>>()?,
                cross_compile: self.cross_compile,
                jobs: self.jobs.unwrap_or_else(cores).max(1),
            },
            limits: Limits {
                build: self.build_limit.unwrap_or(defaults.build),
                boot: self.boot_limit.unwrap_or(defaults.boot),
                silence: self.silence_limit.unwrap_or(defaults.silence),
                guest: self.guest_limit.unwrap_or(defaults.guest),
                roll_back: self.roll_back_limit.unwrap_or(defaults.roll_back),
            },
            work,
        })
    }
}

/// Whether a URL has a secret in it: any user part but that of SSH, where it is a name, and any password.
fn holds_credential(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.is_some_and(|user| scheme != "ssh" || user.contains(':'))
}

fn absolute(path: PathBuf) -> Result<PathBuf, InputError> {
    std::path::absolute(&path).map_err(|source| InputError::Read { what: "the folder", path, source })
}

fn read_series(path: &Path) -> Result<(report::Series, report::Base, String), InputError> {
    use std::io::Read;
    let read_error = |source| InputError::Read { what: "the series", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(read_error)?;
    file.take(MAX_SERIES_BYTES).read_to_end(&mut bytes).map_err(read_error)?;
    let series_error = |source| InputError::Series { path: path.to_owned(), source };
    let file: SeriesFile = serde_json::from_slice(&bytes).map_err(series_error)?;
    if file.result != "applied" {
        return Err(InputError::NotApplied { path: path.to_owned(), result: file.result });
    }
    let missing = |what: &str| series_error(serde::de::Error::custom(format_args!("`{what}` is missing")));
    let series = file.series.ok_or_else(|| missing("series"))?;
    let base = file.base.ok_or_else(|| missing("base"))?;
    let head = file.tip.ok_or_else(|| missing("tip"))?;
    for (name, commit) in [("tip", &head), ("base.commit", &base.commit)] {
        if commit.len() != 40 || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            let problem = format!("`{}` is no commit id of 40 hex digits", commit.escape_debug());
            return Err(InputError::Value { name, problem });
        }
    }
    let line = |text: String| crate::text::cut(&crate::text::clean(text.as_bytes()), 300);
    let patches =
        file.commits.into_iter().map(|patch| report::Patch { subject: line(patch.subject), ..patch });
    let series = report::Series {
        id: crate::text::slug(&series.id, 40),
        title: line(series.title),
        version: series.version,
        author: line(series.author),
        url: series.url.map(line),
        patches: patches.collect(),
        attempt: series.attempt.unwrap_or(1).max(1),
        ..report::Series::default()
    };
    let base = report::Base { branch: line(base.branch), ..base };
    Ok((series, base, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<(report::Series, report::Base, String), InputError> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("series.json");
        std::fs::write(&path, json).expect("it is written");
        read_series(&path)
    }

    const GOOD: &str = r#"{"result":"applied","series":{"id":"1001/x","title":"two\u001b[31m words","version":2,
        "author":"A <a@example.com>","message_id":"<m>","url":null},
        "base":{"branch":"base","commit":"0123456789012345678901234567890123456789"},"branch":"series/1001",
        "tip":"abcdefabcdefabcdefabcdefabcdefabcdefabcd","tree":"x",
        "commits":[{"commit":"abcdefabcdefabcdefabcdefabcdefabcdefabcd","patch":1,"of":1,"subject":"s"}]}"#;

    #[test]
    fn a_series_is_read_and_made_safe() {
        let (series, base, head) = read(GOOD).expect("it is good");
        assert_eq!(series.id, "1001_x");
        assert_eq!(series.title, "two words");
        assert_eq!(
            (base.branch.as_str(), head.as_str()),
            ("base", "abcdefabcdefabcdefabcdefabcdefabcdefabcd")
        );
        assert_eq!((series.patches.len(), series.attempt), (1, 1));
        let (again, ..) =
            read(&GOOD.replace("\"version\":2", "\"version\":2,\"attempt\":3")).expect("it is good");
        assert_eq!(again.attempt, 3);
    }

    #[test]
    fn what_is_no_applied_series_is_refused() {
        assert!(matches!(read("<html>"), Err(InputError::Series { .. })));
        assert!(matches!(read(r#"{"result":"conflict"}"#), Err(InputError::NotApplied { .. })));
        assert!(matches!(read(r#"{"result":"applied"}"#), Err(InputError::Series { .. })));
        let short = GOOD
            .replace("\"tip\":\"abcdefabcdefabcdefabcdefabcdefabcdefabcd\"", "\"tip\":\"--upload-pack=x\"");
        assert!(matches!(read(&short), Err(InputError::Value { name: "tip", .. })));
    }

    #[test]
    fn urls_with_secrets_are_known() {
        for url in ["https://x:t@h/r", "https://ghp_t@h/r", "ssh://u:p@h/r"] {
            assert!(holds_credential(url), "{url}");
        }
        for url in ["https://h/r", "ssh://git@h/r", "git@h:r", "/a/b@c", "https://h/u@x:y"] {
            assert!(!holds_credential(url), "{url}");
        }
    }

    #[test]
    fn durations_are_positive_times() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert!(duration("0s").is_err());
        assert!(duration("-5m").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("2562047788015215h").is_err());
    }
}
