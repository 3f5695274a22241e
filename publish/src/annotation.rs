//! Notes that GitHub shows at the lines of a file: what the compiler said of them.

use patchlift_report::clean::line;
use patchlift_report::{Ending, Report};
use serde::Serialize;

/// Most annotations of one check run: four requests' worth. Who has more errors has one cause.
pub const ANNOTATIONS_MAX: usize = 200;

/// Longest message in characters. GitHub takes 64 KB; a compiler's line has its say in much less.
const MESSAGE_MAX: usize = 2000;

/// A note at a line, in GitHub's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// The file, relative to the top of the tree.
    pub path: String,
    /// The first line, from 1.
    pub start_line: u32,
    /// The last line.
    pub end_line: u32,
    /// How bad it is.
    pub annotation_level: AnnotationLevel,
    /// What the compiler said.
    pub message: String,
}

/// How bad an annotation is, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnotationLevel {
    /// A warning.
    Warning,
    /// An error.
    Failure,
}

/// The compiler's errors and warnings in the lines that decided, each once, in order; only where the series does
/// not build, since only then are they the series' own, and only in its own files, as far as they are known.
pub fn annotations(report: &Report) -> Vec<Annotation> {
    if report.verdict.ending != Ending::DoesNotBuild {
        return Vec::new();
    }
    let mut found: Vec<Annotation> = Vec::new();
    for text in report.decisive_stage().map_or(&[][..], |stage| &stage.excerpt) {
        let own = |annotation: &Annotation| {
            report.series.files.is_empty() || report.series.files.contains(&annotation.path)
        };
        if let Some(annotation) = compiler_message(text).filter(own).filter(|new| !found.contains(new)) {
            found.push(annotation);
        }
        if found.len() == ANNOTATIONS_MAX {
            break;
        }
    }
    found
}

/// Reads `path:line: error: text` and `path:line:column: warning: text`, as gcc, clang and sparse write them.
fn compiler_message(text: &str) -> Option<Annotation> {
    let text = line(text, MESSAGE_MAX);
    let (place, level, message) = [
        (": fatal error: ", AnnotationLevel::Failure),
        (": error: ", AnnotationLevel::Failure),
        (": warning: ", AnnotationLevel::Warning),
    ]
    .into_iter()
    .filter_map(|(mark, level)| text.split_once(mark).map(|(place, message)| (place, level, message)))
    .min_by_key(|(place, ..)| place.len())?;
    let mut parts = place.split(':');
    let path = in_the_tree(parts.next()?)?;
    let number: u32 = parts.next()?.parse().ok()?;
    let column = parts.next().is_none_or(|column| column.bytes().all(|b| b.is_ascii_digit()));
    // GitHub refuses lines beyond what an int holds.
    let line_exists = (1..=i32::MAX as u32).contains(&number);
    (column && parts.next().is_none() && line_exists && !message.is_empty()).then(|| Annotation {
        path: path.to_owned(),
        start_line: number,
        end_line: number,
        annotation_level: level,
        message: message.to_owned(),
    })
}

/// What stands at the top of a Linux tree and holds source files.
const TOP_LEVEL: [&str; 21] = [
    "Documentation",
    "arch",
    "block",
    "certs",
    "crypto",
    "drivers",
    "fs",
    "include",
    "init",
    "io_uring",
    "ipc",
    "kernel",
    "lib",
    "mm",
    "net",
    "rust",
    "samples",
    "scripts",
    "security",
    "sound",
    "tools",
];

/// The path from the top of the tree under test. The compiler writes paths as seen from its build folder
/// (`../../linux/arch/…`), GitHub knows them from the top; absolute paths are the building machine's own files.
fn in_the_tree(path: &str) -> Option<&str> {
    let (mut rest, mut folders) = (path, 0);
    loop {
        let (part, below) = rest.split_once('/')?;
        match part {
            "." | ".." => {}
            part if TOP_LEVEL.contains(&part) => break,
            // One folder may stand before: that of the tree itself.
            _ if part.is_empty() || folders > 0 => return None,
            _ => folders += 1,
        }
        rest = below;
    }
    let plain = rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+,@".contains(&b));
    plain.then_some(rest)
}

#[cfg(test)]
mod tests {
    use patchlift_report::sample;

    use super::*;

    #[test]
    fn what_a_compiler_says_is_read() {
        for (text, expect) in [
            (
                "arch/powerpc/kvm/book3s_hv.c:4961:9: error: 'x' undeclared",
                Some(("Failure", 4961, "'x' undeclared")),
            ),
            ("init/main.c:7: error: unterminated #if", Some(("Failure", 7, "unterminated #if"))),
            (
                "kernel/fork.c:1:2: fatal error: no.h: No such file",
                Some(("Failure", 1, "no.h: No such file")),
            ),
            (
                "mm/slab.c:3:1: warning: unused: error: variable",
                Some(("Warning", 3, "unused: error: variable")),
            ),
            ("  CC      arch/powerpc/kvm/book3s_hv.o", None),
            ("make[4]: *** [scripts/Makefile.build:287: x.o] Error 1", None),
            ("mm/x.c: In function 'main':", None),
            ("mm/x.c:12:3: note: declared here", None),
            ("/usr/include/stdio.h:12:3: error: oops", None),
            ("../outside.c:12:3: error: oops", None),
            ("mm/../../b.c:12:3: error: oops", None),
            ("mm/x.c:0:3: error: oops", None),
            ("mm/x.c:4294967295:3: error: oops", None),
            ("mm/x.c:99999999999999999999:3: error: oops", None),
            ("mm/x.c:1:2:3: error: oops", None),
            ("mm/x.c:1:b: error: oops", None),
            ("mm/x.c:1:2: error: ", None),
            (": error: : error: ", None),
            ("ld: arch/x.o: error: oops", None),
            ("x.c:1:2: error: outside of the tree", None),
            ("", None),
        ] {
            let found = compiler_message(text);
            let seen = found
                .as_ref()
                .map(|a| (format!("{:?}", a.annotation_level), a.start_line, a.message.as_str()));
            assert_eq!(
                seen,
                expect.map(|(level, line, message)| (level.to_owned(), line, message)),
                "{text}"
            );
        }
    }

    #[test]
    fn paths_are_those_of_the_tree() {
        for (path, expect) in [
            ("arch/powerpc/kernel/setup.c", Some("arch/powerpc/kernel/setup.c")),
            ("./kernel/fork.c", Some("kernel/fork.c")),
            ("../arch/powerpc/kernel/setup.c", Some("arch/powerpc/kernel/setup.c")),
            ("../../linux/arch/powerpc/kernel/setup.c", Some("arch/powerpc/kernel/setup.c")),
            ("linux/tools/lib/x.c", Some("tools/lib/x.c")),
            ("/usr/include/stdio.h", None),
            ("/root/linux/arch/x.c", None),
            ("../../home/user/kernel/x.c", None),
            ("mm/../../outside.c", None),
            ("mm//x.c", None),
            ("mm/", None),
            ("mm/a b.c", None),
            ("main.c", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(in_the_tree(path), expect, "{path}");
        }
    }

    #[test]
    fn each_message_is_noted_once_and_only_when_the_series_is_to_blame() {
        let mut report = sample::report(Ending::DoesNotBuild);
        let excerpt = report.stages[2].excerpt.clone();
        report.stages[2].excerpt.extend(excerpt);
        let found = annotations(&report);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].end_line), ("arch/powerpc/kvm/book3s_hv.c", 4961));
        report.series.files = vec!["arch/powerpc/kvm/book3s_hv.c".to_owned()];
        assert_eq!(annotations(&report), found);
        report.series.files = vec!["arch/powerpc/include/asm/kvm_host.h".to_owned()];
        assert_eq!(annotations(&report), [], "GitHub shows the series' own files only");
        report.series.files.clear();
        report.verdict.ending = Ending::BaseBroken;
        assert_eq!(annotations(&report), []);
    }
}
