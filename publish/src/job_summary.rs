//! The page of the workflow run: the file that GitHub names in `GITHUB_STEP_SUMMARY`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use patchlift_report::Report;

/// The runner drops a summary file of more than 1 MiB with an error, all of it
/// (`FileCommandManager.cs` of actions/runner).
const FILE_MAX: u64 = 1 << 20;

/// Less room than this is not worth a cut summary: the verdict and its reasons need about as much.
const ROOM_MIN: u64 = 4096;

/// Why no summary was appended. The file is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum JobSummaryError {
    /// What earlier steps wrote leaves no room.
    #[error("the job summary {} has {bytes} bytes already, GitHub takes {FILE_MAX}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file cannot be written.
    #[error("cannot append to the job summary {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Appends the report to the job summary at `path`, in the room that is left there. Nothing of it goes to the
/// workflow's log, where a line of it could be taken for a command.
pub fn append(path: &Path, report: &Report) -> Result<(), JobSummaryError> {
    let failed = |source| JobSummaryError::Write { path: path.to_owned(), source };
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    // One byte for the line break before, one to stay below the limit.
    let room = FILE_MAX.saturating_sub(bytes + 2);
    if room < ROOM_MIN {
        return Err(JobSummaryError::Full { path: path.to_owned(), bytes });
    }
    let mut text = String::from(if bytes == 0 { "" } else { "\n" });
    text.push_str(&report.to_markdown_within(usize::try_from(room).unwrap_or(usize::MAX)));
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use patchlift_report::{Ending, sample};

    use super::*;

    #[test]
    fn a_report_is_appended_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        fs::write(&path, "# Another step\n").unwrap();
        append(&path, &sample::report(Ending::DoesNotBoot)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# Another step\n\n## ❌ Does not boot: "), "{text}");
    }

    #[test]
    fn the_file_stays_below_the_limit_of_github() {
        let mut report = sample::report(Ending::FailsTests);
        let test = report.tests[0].clone();
        report.tests = vec![test; 50_000];
        for before in [0, 1000, 1 << 19, (1 << 20) - 5000] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("summary.md");
            fs::write(&path, "x".repeat(before)).unwrap();
            append(&path, &report).unwrap();
            let size = fs::metadata(&path).unwrap().len();
            assert!(size > before as u64 + 2000 && size < 1 << 20, "{before} became {size}");
        }
    }

    #[test]
    fn a_full_summary_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        fs::write(&path, "x".repeat(1 << 20)).unwrap();
        let error = append(&path, &sample::report(Ending::Passed)).unwrap_err();
        assert!(matches!(error, JobSummaryError::Full { bytes: 1_048_576, .. }), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = append(folder.path(), &sample::report(Ending::Passed)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot append to the job summary {}", folder.path().display())
        );
    }
}
