//! A made-up report for every ending: for the documentation, for demonstrations, and for the tests of everything
//! that shows reports.

use jiff::{SignedDuration, Timestamp};

use crate::console::{ConsoleEvent, EventClass};
use crate::report::{
    Base, Baseline, FORMAT, Kernel, Machine, Patch, Report, RollBack, Series, TestResult, TestStatus,
};
use crate::stage::{Fact, Lane, Stage, StageName, StageResult};
use crate::verdict::{Ending, Fault, Verdict};

/// Every ending, in the order of the documentation.
pub const ENDINGS: [Ending; 8] = [
    Ending::Passed,
    Ending::DoesNotBuild,
    Ending::DoesNotBoot,
    Ending::FailsTests,
    Ending::BaseBroken,
    Ending::Infrastructure,
    Ending::Hardware,
    Ending::Cancelled,
];

const BASE_COMMIT: &str = "5ee0d1ab4bb1a5d1cc4eb7d3de0a9d3a9c5e2f10";
const HEAD_COMMIT: &str = "9f3b6c2e71d84a05b6aa0c11d7c3f4e2a8b95d60";
const KNOWN_GOOD: &str = "6.1.0-50-powerpc64le";
const KNOWN_GOOD_ID: &str = "4f1d6a2b9c8e7d605142a3b4c5d6e7f809182736";

/// A complete, consistent report that ends so.
pub fn report(ending: Ending) -> Report {
    let mut clock = Clock::new();
    let stages = stages(ending, &mut clock);
    let on_base = ending == Ending::BaseBroken;
    let tests = tests(ending);
    let untested = matches!(ending, Ending::DoesNotBuild | Ending::Infrastructure | Ending::Cancelled);
    let box_quarantined = ending == Ending::Hardware;
    Report {
        format: FORMAT,
        generator: "patchlift-action 0.1.0".to_owned(),
        run_id: "4711-9f3b6c2e71d8-1".to_owned(),
        series: series(),
        base: Base { branch: "powerpc/next".to_owned(), commit: BASE_COMMIT.to_owned() },
        head: HEAD_COMMIT.to_owned(),
        machine: Machine {
            name: "p8-lab-1".to_owned(),
            cpu: "POWER8 (raw), altivec supported".to_owned(),
            model: "PowerNV 8247-22L".to_owned(),
            known_good: KNOWN_GOOD.to_owned(),
        },
        kernel: (!untested && !on_base).then(kernel),
        baseline: (ending != Ending::Cancelled).then(|| baseline(on_base)),
        stages,
        tests,
        events: events(ending),
        roll_back: match ending {
            Ending::DoesNotBuild | Ending::Infrastructure | Ending::Cancelled => RollBack::NotNeeded,
            Ending::Hardware => RollBack::Failed {
                reason: "no answer on SSH within 600 s of the second power cycle; the BMC reports power on"
                    .to_owned(),
            },
            _ => RollBack::Proven {
                release: KNOWN_GOOD.to_owned(),
                build_id: KNOWN_GOOD_ID.to_owned(),
                millis: 48_210,
            },
        },
        verdict: verdict(ending, box_quarantined),
        reproduce: reproduce(ending),
        started: Clock::new().now,
        ended: clock.now,
    }
}

fn series() -> Series {
    let patch =
        |commit: &str, subject: &str| Patch { commit: commit.to_owned(), subject: subject.to_owned() };
    Series {
        id: "4711".to_owned(),
        title: "KVM: PPC: Book3S HV: count guest exits by reason".to_owned(),
        version: 2,
        author: "Ada Example <ada@example.org>".to_owned(),
        url: Some("https://patchwork.example.org/series/4711/".to_owned()),
        patches: vec![
            patch("1c0ffee5d2a94b7781f0aa3e6b5c4d2e1f009a8b", "KVM: PPC: Book3S HV: name the exit reasons"),
            patch(
                "2deface5d2a94b7781f0aa3e6b5c4d2e1f009a8b",
                "KVM: PPC: Book3S HV: count guest exits by reason",
            ),
            patch(HEAD_COMMIT, "Documentation: KVM: describe the exit counters"),
        ],
        attempt: 1,
        files: Vec::new(),
    }
}

fn kernel() -> Kernel {
    Kernel {
        release: "6.18.0-rc7-pl4711-9f3b6c2e71d8".to_owned(),
        build_id: "a3c1f09be27d4586b0919e7fd2c64833ea5b7710".to_owned(),
        compiler: "powerpc64le-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0".to_owned(),
        config_sha256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c".to_owned(),
        image_bytes: 18_482_176,
    }
}

fn baseline(broken: bool) -> Baseline {
    Baseline {
        commit: BASE_COMMIT.to_owned(),
        ending: if broken { Ending::DoesNotBoot } else { Ending::Passed },
        reason: if broken { OOPS.to_owned() } else { String::new() },
        tested: Clock::new().now - SignedDuration::from_hours(30),
        made_now: broken,
        tests: if broken {
            Vec::new()
        } else {
            vec![
                test("kvm-device", TestStatus::Pass, 212, ""),
                test("kvm-guest-boots", TestStatus::Pass, 27_900, ""),
                test(
                    "kvm-nested-guest",
                    TestStatus::Fail,
                    60_000,
                    "the guest's guest did not reach its init in 60 s",
                ),
            ]
        },
    }
}

fn test(name: &str, status: TestStatus, millis: u64, reason: &str) -> TestResult {
    let log = Some(format!("tests/{name}.log"));
    TestResult { name: name.to_owned(), status, millis, reason: reason.to_owned(), log }
}

fn tests(ending: Ending) -> Vec<TestResult> {
    let nested = test(
        "kvm-nested-guest",
        TestStatus::Fail,
        60_000,
        "the guest's guest did not reach its init in 60 s",
    );
    match ending {
        Ending::Passed => vec![
            test("kvm-device", TestStatus::Pass, 198, ""),
            test(
                "kvm-guest-boots",
                TestStatus::Pass,
                28_310,
                "the guest ran the patched kernel and powered off",
            ),
            nested,
        ],
        Ending::FailsTests => vec![
            test("kvm-device", TestStatus::Pass, 204, ""),
            test("kvm-guest-boots", TestStatus::Fail, 90_000, "the guest printed nothing within 90 s"),
            nested,
        ],
        _ => Vec::new(),
    }
}

const OOPS: &str = "BUG: Kernel NULL pointer dereference on read at 0x00000008";
const MACHINE_CHECK: &str = "Severe Machine check interrupt [Not recovered]";

fn trace() -> Vec<String> {
    [
        "[    0.412331] BUG: Kernel NULL pointer dereference on read at 0x00000008",
        "[    0.412354] Faulting instruction address: 0xc00000000109a3c4",
        "[    0.412371] Oops: Kernel access of bad area, sig: 11 [#1]",
        "[    0.412388] LE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=2048 NUMA PowerNV",
        "[    0.412420] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.18.0-rc7-pl4711-9f3b6c2e71d8 #1",
        "[    0.412447] NIP:  c00000000109a3c4 LR: c00000000109a3a8 CTR: c000000000012340",
        "[    0.412501] NIP [c00000000109a3c4] kvm_exit_stats_init+0x54/0x118",
        "[    0.412533] LR [c00000000109a3a8] kvm_exit_stats_init+0x38/0x118",
        "[    0.412555] Call Trace:",
        "[    0.412569] [c000000004a37c20] [c000000000011a94] do_one_initcall+0x64/0x2d0",
        "[    0.412602] [c000000004a37cf0] [c000000001004f2c] kernel_init_freeable+0x318/0x3b8",
        "[    0.412640] [c000000004a37da0] [c000000000011f60] kernel_init+0x30/0x1a0",
        "[    0.412671] [c000000004a37e10] [c00000000000cd64] ret_from_kernel_thread+0x5c/0x64",
        "[    0.413207] ---[ end trace 0000000000000000 ]---",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn events(ending: Ending) -> Vec<ConsoleEvent> {
    let event = |line, class, kind: &str, text: &str, lane| ConsoleEvent {
        line,
        at: Some(Clock::new().now + SignedDuration::from_secs(412)),
        class,
        kind: kind.to_owned(),
        text: text.to_owned(),
        fingerprint: None,
        trace: Vec::new(),
        stage: Some(StageName::Boot),
        lane: Some(lane),
    };
    let crash = |lane| {
        let mut oops = event(301, EventClass::Fatal, "oops", OOPS, lane);
        oops.trace = trace();
        oops.fingerprint = Some(
            "kvm_exit_stats_init:do_one_initcall:kernel_init_freeable:kernel_init:ret_from_kernel_thread"
                .to_owned(),
        );
        let died = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b";
        vec![oops, event(322, EventClass::Fatal, "panic", died, lane)]
    };
    match ending {
        Ending::DoesNotBoot => crash(Lane::Series),
        Ending::BaseBroken => crash(Lane::Base),
        Ending::FailsTests => {
            let text =
                "WARNING: CPU: 8 PID: 1204 at arch/powerpc/kvm/book3s_hv.c:4961 kvmppc_run_core+0x9c/0x1a40";
            vec![ConsoleEvent {
                stage: Some(StageName::KvmSmoke),
                ..event(911, EventClass::Report, "warning", text, Lane::Series)
            }]
        }
        Ending::Hardware => {
            vec![event(640, EventClass::Hardware, "machine-check", MACHINE_CHECK, Lane::Series)]
        }
        _ => Vec::new(),
    }
}

/// How each ending shows in its stages: the stage that decides, how it ends, and the lines that show it.
fn decisive(ending: Ending) -> Option<(Lane, StageName, StageResult, &'static [&'static str])> {
    let failed = |fault, reason: &str| StageResult::Failed { fault, reason: reason.to_owned() };
    Some(match ending {
        Ending::Passed => return None,
        Ending::DoesNotBuild => (
            Lane::Series,
            StageName::BuildHostKernel,
            failed(
                Fault::Series,
                "arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'",
            ),
            &[
                "  CC      arch/powerpc/kvm/book3s_hv.o",
                "arch/powerpc/kvm/book3s_hv.c: In function 'kvmppc_run_core':",
                "arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count' [-Werror=implicit-function-declaration]",
                " 4961 |         kvm_exit_count(vcpu, trap);",
                "      |         ^~~~~~~~~~~~~~",
                "make[4]: *** [scripts/Makefile.build:287: arch/powerpc/kvm/book3s_hv.o] Error 1",
            ],
        ),
        Ending::DoesNotBoot => (Lane::Series, StageName::Boot, failed(Fault::Series, OOPS), &[]),
        Ending::FailsTests => (
            Lane::Series,
            StageName::KvmSmoke,
            failed(Fault::Series, "kvm-guest-boots: the guest printed nothing within 90 s"),
            &[],
        ),
        Ending::BaseBroken => (Lane::Base, StageName::Boot, failed(Fault::Base, OOPS), &[]),
        Ending::Infrastructure => (
            Lane::Series,
            StageName::Preflight,
            StageResult::TimedOut {
                fault: Fault::Infrastructure,
                limit_s: 120,
                reason: "no SSH answer from p8-lab-1; the BMC reports power on".to_owned(),
            },
            &["ssh: connect to host p8-lab-1 port 22: Connection timed out"],
        ),
        Ending::Hardware => (Lane::Series, StageName::KvmSmoke, failed(Fault::Hardware, MACHINE_CHECK), &[]),
        Ending::Cancelled => (Lane::Series, StageName::BuildHostKernel, StageResult::Interrupted, &[]),
    })
}

fn stages(ending: Ending, clock: &mut Clock) -> Vec<Stage> {
    let decisive = decisive(ending);
    let mut stages = Vec::new();
    let mut over = false;
    let lanes: &[Lane] =
        if ending == Ending::BaseBroken { &[Lane::Base, Lane::Series] } else { &[Lane::Series] };
    for &lane in lanes {
        for name in StageName::ALL {
            let mut stage = clock.stage(name, lane, usual_millis(name));
            match &decisive {
                Some((at_lane, at, result, excerpt)) if (*at_lane, *at) == (lane, name) => {
                    stage.result = result.clone();
                    stage.excerpt = excerpt.iter().map(|&text| text.to_owned()).collect();
                    stage.facts.clear();
                    over = true;
                }
                // The box is rolled back whatever happened, if it was ever taken elsewhere.
                Some(_) if over && name == StageName::RollBack && on_the_box(ending) && lane == lanes[0] => {
                    roll_back(&mut stage, ending);
                }
                Some(_) if over => {
                    clock.now = stage.started;
                    let why = decisive.as_ref().map_or("", |(_, at, ..)| at.in_words());
                    stage.result =
                        StageResult::Skipped { reason: format!("not reached: \"{why}\" did not pass") };
                    stage.ended = stage.started;
                    stage.log = None;
                    stage.facts.clear();
                }
                _ => {}
            }
            stages.push(stage);
        }
    }
    stages
}

/// Whether a run with this ending put a kernel on the box.
fn on_the_box(ending: Ending) -> bool {
    !matches!(ending, Ending::DoesNotBuild | Ending::Infrastructure | Ending::Cancelled)
}

fn roll_back(stage: &mut Stage, ending: Ending) {
    if ending == Ending::Hardware {
        stage.result = StageResult::TimedOut {
            fault: Fault::Hardware,
            limit_s: 600,
            reason: "no answer on SSH after the second power cycle".to_owned(),
        };
    }
}

fn usual_millis(name: StageName) -> i64 {
    match name {
        StageName::Preflight => 2_140,
        StageName::FetchSource => 6_480,
        StageName::BuildHostKernel => 252_300,
        StageName::InstallHostKernel => 9_020,
        StageName::Boot => 41_700,
        StageName::Verify => 820,
        StageName::KvmSmoke => 31_050,
        StageName::RollBack => 48_210,
    }
}

fn found(name: StageName) -> Vec<Fact> {
    let facts: &[(&str, &str)] = match name {
        StageName::Preflight => &[("known-good kernel", KNOWN_GOOD), ("free on the box", "31 GB")],
        StageName::BuildHostKernel => &[("objects compiled", "214 of 3380"), ("image", "17.6 MiB")],
        StageName::Boot => &[("method", "kexec"), ("to SSH", "38 s")],
        StageName::Verify => &[("release", "6.18.0-rc7-pl4711-9f3b6c2e71d8"), ("build id", "a3c1f09be27d")],
        StageName::RollBack => &[("running", KNOWN_GOOD), ("/boot", "unchanged")],
        StageName::FetchSource | StageName::InstallHostKernel | StageName::KvmSmoke => &[],
    };
    let fact = |&(label, value): &(&str, &str)| Fact { label: label.to_owned(), value: value.to_owned() };
    facts.iter().map(fact).collect()
}

fn verdict(ending: Ending, box_quarantined: bool) -> Verdict {
    let (title, summary) = match ending {
        Ending::Passed => (
            "3 patches boot and run KVM guests on POWER8",
            "The series was built on powerpc/next, booted on a POWER8 box and ran a KVM guest with the same kernel. One test fails on the unpatched base in the same way.",
        ),
        Ending::DoesNotBuild => (
            "book3s_hv.c does not compile: kvm_exit_count is not declared",
            "The series applies to powerpc/next and does not compile for ppc64le. The unpatched base compiles with the same configuration and compiler. Nothing was put on the box.",
        ),
        Ending::DoesNotBoot => (
            "the kernel dies at boot in kvm_exit_stats_init",
            "The series compiles, but its kernel reads through a null pointer in kvm_exit_stats_init 0.4 s after it starts on a POWER8 box. The unpatched base boots there.",
        ),
        Ending::FailsTests => (
            "a KVM guest no longer starts: 1 new test failure",
            "The series' kernel boots on a POWER8 box, but a KVM guest prints nothing within 90 s. With the unpatched base the same guest boots in 28 s on the same box.",
        ),
        Ending::BaseBroken => (
            "powerpc/next does not boot without the series either",
            "The unpatched base powerpc/next dies at boot on a POWER8 box, so nothing can be said of the series. It will be tested again when the base boots.",
        ),
        Ending::Infrastructure => (
            "the box did not answer on SSH",
            "The run ended before anything was built: the box p8-lab-1 did not answer on SSH within 120 s. Nothing can be said of the series.",
        ),
        Ending::Hardware => (
            "the box reported a machine check",
            "The series' kernel was running a KVM guest when the processor reported a machine check that it could not recover from. Such an event comes from the hardware. Nothing can be said of the series.",
        ),
        Ending::Cancelled => (
            "stopped: a newer version of the series arrived",
            "The run was stopped while the kernel was being built because version 3 of the series arrived. Nothing can be said of version 2.",
        ),
    };
    Verdict { ending, title: title.to_owned(), summary: summary.to_owned(), box_quarantined }
}

fn reproduce(ending: Ending) -> Vec<String> {
    let fetch = "git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8";
    let build = "make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux";
    let boot = "patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only boot";
    let smoke = "patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke";
    let lines: &[&str] = match ending {
        Ending::DoesNotBuild => {
            &[fetch, "make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- arch/powerpc/kvm/book3s_hv.o"]
        }
        Ending::DoesNotBoot | Ending::BaseBroken => &[fetch, build, boot],
        Ending::FailsTests | Ending::Hardware => &[fetch, build, smoke],
        Ending::Passed | Ending::Infrastructure | Ending::Cancelled => &[],
    };
    lines.iter().map(|&text| text.to_owned()).collect()
}

/// Hands out times, so that a sample is the same on every machine and on every day.
struct Clock {
    now: Timestamp,
}

impl Clock {
    fn new() -> Self {
        // 2026-11-20 09:30:00 UTC.
        Self { now: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_795_167_000) }
    }

    fn stage(&mut self, name: StageName, lane: Lane, millis: i64) -> Stage {
        let started = self.now;
        self.now += SignedDuration::from_millis(millis);
        Stage {
            name,
            lane,
            result: StageResult::Passed,
            started,
            ended: self.now,
            facts: found(name),
            excerpt: Vec::new(),
            log: Some(format!("logs/{lane}-{name}.log")),
        }
    }
}
