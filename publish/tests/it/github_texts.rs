//! What people read, word for word.

mod in_a_line;
mod pulls;
mod steps;
mod whole;

use patchlift_publish::{CheckRun, Notice, Standing, checks, notice_sample};

/// The check run of this name on the last commit.
fn check(notice: &Notice, name: &str) -> CheckRun {
    checks::of_notice(notice).into_iter().find(|run| run.name == name).unwrap()
}

fn held() -> Notice {
    let reasons = ["it changes .github/workflows/ci.yml", "nobody knows ada@example.org"];
    notice_sample::notice(Standing::Held { reasons: reasons.map(str::to_owned).into() })
}
