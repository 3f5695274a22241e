//! The log of a build: what the compilers say, and whether it is the code's fault or the controller's. Pure.

use std::path::Path;

use crate::kernel::BuildError;
use crate::process::Exit;
use crate::text;

/// One error of a compiler, an assembler or a linker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// File relative to the tree, where it is named.
    pub file: String,
    /// Line, where it is named.
    pub line: Option<u32>,
    /// What it says.
    pub message: String,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Reads one line of a build log: `file:line:column: error: message`, or the linker's `undefined reference`.
pub fn compile_error(line: &str) -> Option<CompileError> {
    let (place, message) = ["fatal error: ", "error: ", "Error: "]
        .iter()
        .find_map(|word| line.split_once(word))
        .or_else(|| line.find("undefined reference to").map(|at| line.split_at(at)))?;
    // The linker puts its own name in front: "powerpc64le-linux-gnu-ld: init/main.o: in function …".
    let is_tool = |part: &&str| part.ends_with("-ld") || part.ends_with("-as");
    let mut parts = place.trim_end_matches([' ', ':']).split(':').map(str::trim).skip_while(is_tool);
    let file = parts.next().filter(|file| !file.is_empty() && !file.contains(' '))?.to_owned();
    let line = parts.next().and_then(|line| line.parse().ok());
    Some(CompileError { file, line, message: text::cut(message.trim(), 300) })
}

/// Whether a line of a build log says that the controller, not the code, is at its end.
///
/// A line that a compiler ties to a line of the source, or quotes from it, is the code's, whatever it says.
pub fn is_our_fault(line: &str) -> bool {
    const SIGNS: [&str; 12] = [
        "No space left on device",
        "Cannot allocate memory",
        "virtual memory exhausted",
        "Killed signal terminated program",
        "Read-only file system",
        "Input/output error",
        "Too many open files",
        "terminated with signal 9",
        "Error 127",
        "Error 137",
        "command not found",
        ": not found",
    ];
    let of_the_code = line.starts_with([' ', '\t']) || compile_error(line).is_some_and(|e| e.line.is_some());
    !of_the_code && SIGNS.iter().any(|sign| line.contains(sign))
}

/// What the tree is called in the log of a build in `out`: absolute, and as seen from there. Where it lies on
/// the controller matters to nobody.
pub(crate) fn tree_names(tree: &Path, out: &Path) -> Vec<String> {
    let mut names = vec![format!("{}/", tree.display())];
    let common = tree.components().zip(out.components()).take_while(|(a, b)| a == b).count();
    let up = out.components().skip(common).map(|_| "..");
    let down: Vec<_> =
        tree.components().skip(common).map(|part| part.as_os_str().to_string_lossy()).collect();
    let relative: Vec<_> = up.map(std::borrow::Cow::from).chain(down).collect();
    names.push(format!("{}/", relative.join("/")));
    names
}

/// What is kept of a build log to explain a failure.
#[derive(Debug, Default)]
pub(crate) struct BuildLog {
    errors: Vec<CompileError>,
    ours: Option<String>,
    /// The lines before the first error, then those after it.
    excerpt: Vec<String>,
}

impl BuildLog {
    /// Takes one line.
    pub(crate) fn line(&mut self, line: &str) {
        let is_error = compile_error(line);
        // Up to the first error the last ten lines are kept, then thirty more.
        if self.errors.is_empty() && is_error.is_none() {
            if self.excerpt.len() >= 10 {
                self.excerpt.remove(0);
            }
            self.excerpt.push(text::cut(line, 300));
        } else if self.excerpt.len() < 40 {
            self.excerpt.push(text::cut(line, 300));
        }
        if self.errors.len() < 50 {
            self.errors.extend(is_error);
        }
        if self.ours.is_none() && is_our_fault(line) {
            self.ours = Some(text::cut(line, 200));
        }
    }

    /// Why a build ended with `exit`.
    pub(crate) fn failure(self, exit: Exit) -> BuildError {
        match self.ours {
            Some(line) => BuildError::Controller { line },
            None => BuildError::Compile { exit, errors: self.errors, excerpt: self.excerpt },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_compilers_are_read() {
        let cases = [
            (
                "arch/powerpc/kernel/setup-common.c:12:5: error: implicit declaration of function ‘x’ [-Werror]",
                Some((
                    "arch/powerpc/kernel/setup-common.c",
                    Some(12),
                    "implicit declaration of function ‘x’ [-Werror]",
                )),
            ),
            (
                "a/b.c:7:10: fatal error: no.h: No such file or directory",
                Some(("a/b.c", Some(7), "no.h: No such file or directory")),
            ),
            (
                "arch/powerpc/x.S:3: Error: unrecognized opcode: `foo'",
                Some(("arch/powerpc/x.S", Some(3), "unrecognized opcode: `foo'")),
            ),
            (
                "powerpc64le-linux-gnu-ld: init/main.o: undefined reference to `x'",
                Some(("init/main.o", None, "undefined reference to `x'")),
            ),
            (
                "init/main.c:5: undefined reference to `x'",
                Some(("init/main.c", Some(5), "undefined reference to `x'")),
            ),
            ("  CC      lib/error: x", None),
            ("make: *** [Makefile:1] Error 2", None),
        ];
        for (line, expected) in cases {
            let found = compile_error(line);
            let found = found.as_ref().map(|e| (e.file.as_str(), e.line, e.message.as_str()));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn the_tree_is_named_as_the_log_names_it() {
        let names = tree_names(Path::new("/w/linux"), Path::new("/w/build/abc"));
        assert_eq!(names, ["/w/linux/", "../../linux/"]);
        let names = tree_names(Path::new("/w/linux"), Path::new("/w/linux/out"));
        assert_eq!(names, ["/w/linux/", "../"]);
    }

    #[test]
    fn our_own_trouble_is_not_the_code() {
        assert!(is_our_fault("cc1: fatal error: error writing to /tmp/x.s: No space left on device"));
        assert!(is_our_fault("gcc: fatal error: Killed signal terminated program cc1"));
        assert!(is_our_fault("make[2]: *** [Makefile:1: vmlinux] Error 137"));
        assert!(is_our_fault("/bin/sh: 1: flex: not found"));
        assert!(!is_our_fault("a.c:1:1: error: expected ‘;’"));
        assert!(!is_our_fault("a.c:1:2: error: #error No space left on device"));
        assert!(!is_our_fault("  290 | #error Input/output error"));
        let mut log = BuildLog::default();
        log.line("a.c:1:1: error: x");
        log.line("fatal error: No space left on device");
        assert!(matches!(log.failure(Exit::Code(2)), BuildError::Controller { .. }));
    }

    #[test]
    fn the_excerpt_holds_the_lines_around_the_first_error() {
        let mut log = BuildLog::default();
        for n in 0..100 {
            log.line(&format!("  CC      {n}.o"));
        }
        log.line("a.c:1:1: error: first");
        for n in 0..100 {
            log.line(&format!("note {n}"));
        }
        let BuildError::Compile { errors, excerpt, .. } = log.failure(Exit::Code(2)) else {
            panic!("it is a compile error")
        };
        assert_eq!(errors.len(), 1);
        assert_eq!(
            (excerpt.len(), excerpt[9].as_str(), excerpt[10].as_str()),
            (40, "  CC      99.o", "a.c:1:1: error: first")
        );
    }
}
