//! Dates as mails write them and as nobody should, read by us and by the real git.

use std::process::{Command, Stdio};

use fastrand::Rng;
use patchlift::date;

use crate::test_data::cases;

const PARTS: &[&[&str]] = &[
    &["Fri, ", "Fri ", "friday, ", "", "Frx, "],
    &[
        "15 Apr 2022",
        "5 Apr 22",
        "Apr 15, 2022",
        "2022-04-15",
        "2022/04/15",
        "15.04.2022",
        "4/15/2022",
        "20220415",
        "15 April 1999",
        "1 Sept 2005",
        "31 Feb 2001",
        "Apr 2022",
        "15 Apr 1969",
        "15 Apr 2107",
        "99 Apr 2022",
    ],
    &[" ", "T", ", ", "  "],
    &[
        "07:20:00",
        "7:20",
        "23:59:60",
        "24:00:00",
        "25:00:00",
        "07:20:00.123",
        "072000",
        "7:20 PM",
        "12:00 AM",
        "07:61:00",
        "",
        "07:20:",
    ],
    &[" ", ""],
    &[
        "+0200",
        "-0730",
        "+02:00",
        "+2",
        "Z",
        "GMT",
        "UTC",
        "EST",
        "PDT",
        "CEST",
        "(CEST)",
        "+0000 (UTC)",
        "-0000",
        "+9999",
        "+02:00:00",
        "+12345",
        "junk +0100",
        "0200",
        "EST +0100",
        "JST",
    ],
];

const WHOLE: &[&str] = &[
    "@1650000000 +0200",
    "@1650000000",
    "1650000000 +0200",
    "1650000000",
    "@x",
    "99999999 +0000",
    "yesterday +0000",
];

/// What git reads; `None`: it refuses the date.
fn gits_answer(text: &str) -> Option<String> {
    let mut command = Command::new("git");
    command.args(["var", "GIT_AUTHOR_IDENT"]).env("GIT_AUTHOR_DATE", text).env("TZ", "UTC");
    command.env("GIT_AUTHOR_NAME", "A").env("GIT_AUTHOR_EMAIL", "a@b.c").stderr(Stdio::null());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().strip_prefix("A <a@b.c> ").unwrap().to_owned())
}

#[test]
fn random_dates_are_read_as_git_reads_them() {
    let mut rng = Rng::with_seed(1);
    let mut wrong = Vec::new();
    for number in 0..cases(30) * 5 {
        let text = match usize::try_from(number).ok().and_then(|at| WHOLE.get(at)) {
            Some(whole) => (*whole).to_owned(),
            None => PARTS.iter().map(|choices| choices[rng.usize(..choices.len())]).collect(),
        };
        let ours = date::parse(text.as_bytes()).map(|moment| moment.to_string());
        let gits = gits_answer(&text);
        if ours != gits {
            wrong.push(format!("{text:?}: ours {ours:?}, git's {gits:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
