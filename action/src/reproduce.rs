//! The commands that repeat the decisive step elsewhere. Pure.

use patchlift_report::{Ending, Lane};

use crate::run::Run;

/// Commands for a person with a checkout of the mirror, one a line, for the step that decided.
pub fn commands(run: &Run, ending: Ending) -> Vec<String> {
    let inputs = &run.inputs;
    let quote =
        |word: &str| shlex::try_quote(word).map_or_else(|_| "?".to_owned(), std::borrow::Cow::into_owned);
    let mut lines = vec![
        format!("git fetch {} series/{}", quote(&inputs.repo), inputs.series.id),
        format!("git checkout --detach {}", inputs.head),
    ];
    let make = format!("make O=build ARCH=powerpc CROSS_COMPILE={}", inputs.recipe.cross_compile);
    // The configuration as it was, not as today's fragments would make it: it lies beside the report.
    lines.push("mkdir -p build && cp config-series build/.config".to_owned());
    lines.push(format!("{make} olddefconfig"));
    lines.push(format!("{make} -j{} vmlinux", inputs.recipe.jobs));
    if matches!(ending, Ending::DoesNotBuild) || !run.built.contains_key(&Lane::Series) {
        return lines;
    }
    lines.push(format!(
        "kexec -l vmlinux --command-line={} && kexec -e",
        quote(&inputs.machine.boot.command_line)
    ));
    if matches!(ending, Ending::FailsTests | Ending::Passed) {
        let guest = crate::guest::command_line(
            &inputs.machine.kvm,
            "vmlinux",
            "guest.cpio",
            "1",
            inputs.limits.guest,
        );
        lines.push(guest.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "));
    }
    lines
}
