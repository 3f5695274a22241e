//! What a kernel prints after an event: its trace, and a fingerprint of it. Pure.

use std::sync::LazyLock;

use regex::Regex;

/// Lines of a trace that are kept for the report.
const MAX_TRACE: usize = 60;

/// Frames in a fingerprint: enough to tell crashes apart, few enough to survive an inlined caller.
const FRAMES: usize = 5;

/// One frame of a ppc64 trace: stack pointer, return address, symbol.
static FRAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\[c[0-9a-f]{15}\] \[[0-9a-f]{16}\] \.?([A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?(?: \(unreliable\))?",
    )
    .ok()
});

/// Where it stopped.
static NIP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bNIP \[[0-9a-f]{16}\] \.?([A-Za-z_][\w.]*)\+0x").ok());

/// Symbols that are on the way to every crash and tell nothing of this one.
static NOISE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:_raw_spin_|arch_local_irq_|replay_|dump_stack|__dump|show_|panic$|__warn|report_bug|program_check|interrupt_exit|ret_from_|system_call|do_IRQ|__do_irq|hardware_interrupt|decrementer_|timer_interrupt|soft_nmi)",
    )
    .ok()
});

/// The symbol without what the compiler appended to it, and the preprocessor put in front.
fn plain_symbol(symbol: &str) -> &str {
    // `machine_device_initcall(powernv, f)` wraps f into `__machine_initcall_powernv_f` and inlines it there.
    let symbol = symbol
        .strip_prefix("__machine_initcall_")
        .and_then(|rest| rest.split_once('_'))
        .map_or(symbol, |(_platform, function)| function);
    [".isra.", ".part.", ".constprop.", ".cold.", ".llvm."]
        .iter()
        .filter_map(|suffix| symbol.find(suffix))
        .min()
        .and_then(|end| symbol.get(..end))
        .unwrap_or_else(|| symbol.strip_suffix(".cold").unwrap_or(symbol))
}

/// The first five telling frames of the traces in `lines`, joined by `:`; none where there is no frame.
pub fn fingerprint<'a>(lines: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    let (frame, nip, noise) = (FRAME.as_ref()?, NIP.as_ref()?, NOISE.as_ref()?);
    let mut frames: Vec<&str> = Vec::new();
    let stopped_at =
        lines.clone().into_iter().find_map(|line| nip.captures(line)).and_then(|found| found.get(1));
    frames.extend(stopped_at.map(|symbol| plain_symbol(symbol.as_str())));
    for line in lines {
        for found in frame.captures_iter(line) {
            let Some(symbol) = found.get(1).map(|symbol| plain_symbol(symbol.as_str())) else { continue };
            if frames.last() != Some(&symbol) {
                frames.push(symbol);
            }
        }
    }
    let telling: Vec<&str> =
        frames.iter().copied().filter(|symbol| !noise.is_match(symbol)).take(FRAMES).collect();
    let chosen = if telling.is_empty() { frames.into_iter().take(FRAMES).collect() } else { telling };
    (!chosen.is_empty()).then(|| chosen.join(":"))
}

/// The lines of `after` (what followed an event, the event's own line first) that belong to it: up to the
/// end of the trace, the next boot, or 60 lines.
pub fn extent<'a>(after: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    for (index, line) in after.iter().enumerate() {
        if index > 0
            && (crate::crash::banner(line).is_some() || line.contains("OPAL v") || line.contains("SkiBoot"))
        {
            break;
        }
        if kept.len() == MAX_TRACE {
            break;
        }
        kept.push(*line);
        if line.contains("---[ end Kernel panic") || line.contains("Rebooting in ") {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "\
[    0.5] Oops: Kernel access of bad area, sig: 11 [#1]
[    0.5] NIP [c000000000012344] .bad_init.isra.0+0x14/0x80
[    0.5] LR [c000000000010f00] do_one_initcall+0x60/0x2c0
[    0.5] Call Trace:
[    0.5] [c000000003a3fc60] [c000000000010f00] do_one_initcall+0x60/0x2c0 (unreliable)
[    0.5] [c000000003a3fd30] [c000000002004b1c] kernel_init_freeable+0x2a4/0x33c
[    0.5] [c000000003a3fda0] [c0000000000115f8] kernel_init+0x34/0x1a4
[    0.5] [c000000003a3fe10] [c00000000000cf64] ret_from_kernel_thread+0x5c/0x64
[    0.6] ---[ end trace 0000000000000000 ]---
[    1.6] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
[    1.6] ---[ end Kernel panic - not syncing: Attempted to kill init! ]---
[    0.000000] Linux version 6.1.0
[    0.1] after the reboot";

    #[test]
    fn the_fingerprint_names_the_place_without_noise() {
        assert_eq!(
            fingerprint(TRACE.lines()).as_deref(),
            Some("bad_init:do_one_initcall:kernel_init_freeable:kernel_init")
        );
        assert_eq!(fingerprint("nothing here".lines()), None);
        let wrapped = "NIP [c0000000007361d4] __machine_initcall_powernv_pnv_rng_late_init+0x11c/0x1d0";
        assert_eq!(fingerprint(wrapped.lines()).as_deref(), Some("pnv_rng_late_init"));
    }

    #[test]
    fn the_extent_ends_with_the_panic_or_the_next_boot() {
        let lines: Vec<_> = TRACE.lines().collect();
        assert_eq!(extent(&lines).len(), 11);
        assert_eq!(extent(&lines[11..]), lines[11..].to_vec());
        assert_eq!(extent(&["event", "Linux version 6.1"]), ["event"]);
        assert_eq!(extent(&vec!["x"; 500]).len(), MAX_TRACE);
    }
}
