//! Console lines that matter: which lines mean that a kernel, its boot or the hardware failed. Pure.
//!
//! One line is judged at a time; [`crate::trace`] reads what follows it. The patterns cover the lines of
//! POWER machines in public reports and leave look-alikes alone; both lists are a test.

use std::sync::LazyLock;

use patchlift_report::EventClass;
use regex::{Regex, RegexSet};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// How bad it is.
    pub class: EventClass,
    /// What it is, as a slug.
    pub kind: &'static str,
}

/// Where a message of the kernel begins: at the start of the line, behind a time stamp, or behind the name
/// of a host or a subsystem (a journal prints `host kernel: `).
macro_rules! at_start {
    ($pattern:literal) => {
        concat!(r"(?:^|\] ?|: )", $pattern)
    };
}

/// Class, kind and pattern; the first that fits is taken, so the graver ones stand first.
const PATTERNS: &[(EventClass, &str, &str)] = &[
    (EventClass::Fatal, "panic", r"Kernel panic - not syncing"),
    (EventClass::Fatal, "oops", at_start!(r"Oops: .*\bsig: \d+")),
    (EventClass::Fatal, "bad-access", r"Unable to handle kernel |BUG: Kernel NULL pointer dereference"),
    (EventClass::Fatal, "xmon-entry", r"cpu 0x[0-9a-f]+: Vector: [0-9a-f]+ |\bEntering xmon$"),
    (EventClass::Fatal, "stack-overflow", at_start!(r"Kernel stack overflow in process")),
    (EventClass::Fatal, "kernel-bug", r"[Kk]ernel BUG at "),
    (EventClass::Fatal, "hard-lockup", r"watchdog: .*[Hh]ard LOCKUP|Watchdog CPU:?\s?\d+ .*Hard LOCKUP"),
    (EventClass::Fatal, "bad-stack", r"Bad kernel stack pointer"),
    (EventClass::Fatal, "bad-trap", r"Bad trap at PC|Unrecoverable (?:exception|FP|VMX|VSX|nested)"),
    // The second form: `mce_event_print` since Linux 5.0, arch/powerpc/kernel/mce.c.
    (
        EventClass::Fatal,
        "machine-check",
        r"(?:Severe|Fatal) Machine check interrupt \[Not recovered\]|MCE: CPU\d+: machine check \((?:Severe|Fatal)\).*\[Not recovered\]",
    ),
    (EventClass::BootStop, "xmon", r"^[0-9a-f]+:mon> ?"),
    (EventClass::BootStop, "dracut-shell", r"^dracut:/#"),
    (EventClass::BootStop, "initramfs-shell", r"^\(initramfs\)"),
    (EventClass::BootStop, "grub-prompt", r"^grub(?: rescue)?> ?$"),
    (EventClass::BootStop, "no-root", r"Cannot open root device|Unable to mount root fs"),
    (EventClass::BootStop, "fsck", r"RUN fsck MANUALLY"),
    (
        EventClass::BootStop,
        "emergency-shell",
        r"^(?:.*\] )?You are in emergency mode|^Give root password for maintenance|^Entering emergency mode\.|systemd\[1\]: Freezing execution",
    ),
    (EventClass::BootStop, "slof-prompt", r"^0 > ?$"),
    (EventClass::BootStop, "hostboot-stop", r"System shutting down with error status|System Terminating"),
    (
        EventClass::BootStop,
        "opal-assert",
        r"\[[0-9. ]+,0\] (?:Assert fail:|OPAL: Reboot requested due to Platform error)",
    ),
    (
        EventClass::BootStop,
        "opal-exception",
        r"\[[0-9. ]+,\d\] (?:Unexpected exception|Fatal (?:MCE|TRAP|System Reset|Exception|Instruction))",
    ),
    (EventClass::BootStop, "opal-lock", r"OPAL exiting with locks held|LOCK ERROR:"),
    // The others: arch/powerpc/platforms/powernv/opal-hmi.c.
    (
        EventClass::Hardware,
        "hmi",
        r"\bHMI: .*[Ee]rror|Hypervisor Maintenance interrupt \[|Malfunction Alert|Unrecoverable HMI",
    ),
    (EventClass::Hardware, "platform-error", r"(?:opal|OPAL): Hardware platform error"),
    (EventClass::Hardware, "timebase", r"CHIPTOD: .*(?:fail|timeout)"),
    (
        EventClass::Hardware,
        "machine-check-recovered",
        r"Machine check interrupt \[Recovered\]|MCE: CPU\d+: machine check \(\w+\).*\[Recovered\]",
    ),
    // arch/powerpc/kernel/eeh*.c.
    (
        EventClass::Hardware,
        "eeh",
        r"EEH: (?:Frozen|Detected|Fenced|PHB#\S+ failure|Unable to recover|This PCI device has failed)",
    ),
    (EventClass::Hardware, "sel-non-recoverable", r"Transition to Non-recoverable"),
    (EventClass::Report, "soft-lockup", r"watchdog: .*soft lockup"),
    (EventClass::Report, "rcu-stall", r"(?:rcu: )?INFO: rcu\w* (?:self-)?detected (?:expedited )?stalls?"),
    // The thread that should have noticed is the one that does not run.
    (EventClass::Report, "rcu-stall", r"rcu: \w+ kthread (?:starved for|timer wakeup didn.t happen for) \d+"),
    (EventClass::Report, "hung-task", r"INFO: task .* blocked (?:in I/O wait )?for more than"),
    (
        EventClass::Report,
        "kvm-stuck",
        r"KVM: CPU \d+ seems to be stuck|KVM: couldn.t grab CPU|KVM: [Uu]nknown exit",
    ),
    (
        EventClass::Report,
        "user-access",
        r"Kernel attempted to (?:read|write|execute|access) user page|kernel tried to execute (?:exec-protected|user) page",
    ),
    (EventClass::Report, "list-corruption", at_start!(r"list_(?:add|del) corruption")),
    // mm/slub.c has no colon after its BUG.
    (EventClass::Report, "slab-corruption", at_start!(r"BUG [\w.-]+ \(")),
    (EventClass::Report, "code-patching", r"code-patching: test failed|called on invalid text address"),
    (EventClass::Report, "memory-leak", r"unreferenced object 0x|kmemleak: \d+ new suspected memory leaks"),
    (
        EventClass::Report,
        "warning",
        r"WARNING: (?:CPU: \d+ PID: \d+|\S+:\d+ at|possible |inconsistent |suspicious |bad unlock|held lock|lock held|still has locks|Nested lock|chain_key|bad contention)",
    ),
    (EventClass::Report, "bug", at_start!(r"(?:BUG|UBSAN|KASAN|KFENCE): ")),
];

static SET: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(PATTERNS.iter().map(|(_, _, pattern)| pattern)).ok());

/// A command that looks for such lines, or prints one, as a shell with `set -x` or a person's typing shows it.
static COMMAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s;|&+#$(])(?:[ef]?grep|rg|echo|printf|sed|awk|journalctl|dmesg)\s+[^\s|].*").ok()
});

/// The kernel's or the firmware's own time stamp begins the line: nobody typed it.
fn is_stamped(line: &str) -> bool {
    let stamp = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    stamp.is_some_and(|(inside, _)| {
        inside.contains('.') && inside.bytes().all(|byte| byte.is_ascii_digit() || b" .,".contains(&byte))
    })
}

/// What `line` means, if it means anything. `line` must have been through [`crate::text::clean`].
pub fn classify(line: &str) -> Option<Match> {
    // A shell's own prompt is one of the things that are looked for: it has nothing behind it.
    let typed = || COMMAND.as_ref().is_some_and(|command| command.is_match(line));
    if !is_stamped(line) && typed() {
        return None;
    }
    let first = SET.as_ref()?.matches(line).iter().next()?;
    let (class, kind, _) = PATTERNS.get(first)?;
    Some(Match { class: *class, kind })
}

/// The release in the first line of a Linux kernel: `Linux version 6.1.0 (…`.
pub fn banner(line: &str) -> Option<&str> {
    let rest = line.split_once("Linux version ")?.1;
    rest.split(' ').next().filter(|release| !release.is_empty())
}

/// A kernel event without its time stamp and without the parts that differ from boot to boot, short enough
/// for a title.
pub fn headline(text: &str) -> String {
    let text = text.rfind("] ").filter(|_| text.starts_with('[')).map_or(text, |_| {
        // Only the leading stamp: "[    1.234567] " or "[  1.2][   T1] ".
        let mut rest = text;
        while let Some(after) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            rest = after.1.trim_start();
        }
        rest
    });
    crate::text::cut(text.trim(), 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert!(SET.is_some());
    }

    #[test]
    fn lines_and_look_alikes() {
        use EventClass::{BootStop, Fatal, Hardware, Report};
        let cases = [
            ("[    0.12] Kernel panic - not syncing: Attempted to kill init!", Some((Fatal, "panic"))),
            ("Oops: Kernel access of bad area, sig: 11 [#1]", Some((Fatal, "oops"))),
            ("BUG: Unable to handle kernel data access on read at 0xc0", Some((Fatal, "bad-access"))),
            ("BUG: Kernel NULL pointer dereference on read at 0x00000000", Some((Fatal, "bad-access"))),
            ("host kernel: BUG: sleeping function called", Some((Report, "bug"))),
            ("3:mon> ", Some((BootStop, "xmon"))),
            (
                "[   34.458079299,0] OPAL: Reboot requested due to Platform error.",
                Some((BootStop, "opal-assert")),
            ),
            ("VFS: Cannot open root device \"vda\" or unknown-block(0,0)", Some((BootStop, "no-root"))),
            ("Severe Machine check interrupt [Recovered]", Some((Hardware, "machine-check-recovered"))),
            ("cpu 0x3: Vector: 300 (Data Access) at [c00000000f7b7a40]", Some((Fatal, "xmon-entry"))),
            ("[   12.5] BUG kmalloc-64 (Not tainted): Poison overwritten", Some((Report, "slab-corruption"))),
            ("list_del corruption. prev->next should be c000, but was 0", Some((Report, "list-corruption"))),
            ("EEH: Fenced PHB#0 detected, location: N/A", Some((Hardware, "eeh"))),
            ("EEH: PCI Enhanced I/O Error Handling Enabled", None),
            (
                "MCE: CPU36: machine check (Severe) Host SLB Multihit DAR: 0 [Recovered]",
                Some((Hardware, "machine-check-recovered")),
            ),
            (
                "MCE: CPU3: machine check (Severe) Real address Load/Store (foreign) [Not recovered]",
                Some((Fatal, "machine-check")),
            ),
            ("rcu: rcu_sched kthread starved for 5250 jiffies! g1 f0x0", Some((Report, "rcu-stall"))),
            ("You are in emergency mode. After logging in, type", Some((BootStop, "emergency-shell"))),
            ("[ 1.0] systemd[1]: Started debug log of BUGs", None),
            ("+ grep -q 'Kernel panic - not syncing' /tmp/log", None),
            ("root@box:~# echo BUG: not one > /dev/kmsg", None),
            ("[   99.0] echo BUG: KASAN: said by the kernel", Some((Report, "bug"))),
            ("watchdog: CPU 5 became unstuck TB:1234", None),
            ("Kernel command line: root=/dev/sda2 panic=30 hardlockup_panic=1", None),
            ("a test prints Oops: nothing of note", None),
            ("echo grub> x", None),
            ("[    0.0] Lock dependency validator: Copyright", None),
        ];
        for (line, expected) in cases {
            assert_eq!(classify(line).map(|m| (m.class, m.kind)), expected, "{line}");
        }
    }

    #[test]
    fn banners_and_headlines() {
        assert_eq!(
            banner("[    0.000000] Linux version 6.1.0-50-powerpc64le (x@y)"),
            Some("6.1.0-50-powerpc64le")
        );
        assert_eq!(banner("Linux version "), None);
        assert_eq!(headline("[    1.234567][    T1] Oops: bad, sig: 11 [#1]"), "Oops: bad, sig: 11 [#1]");
        assert_eq!(headline("2:mon> "), "2:mon>");
    }
}
