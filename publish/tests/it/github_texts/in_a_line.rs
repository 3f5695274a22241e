//! Each thing that is said, in a line: the mark, the name, the title.

use std::fmt::Write as _;

use insta::assert_snapshot;
use patchlift_publish::{CommitStatus, Notice, checks, notice_sample, pull_request};
use patchlift_report::sample;

use super::held;

/// The check runs of these notices.
fn lines(notices: impl Iterator<Item = (&'static str, Notice)>) -> String {
    let mut all = String::new();
    for (name, notice) in notices {
        writeln!(all, "{name}").unwrap();
        for run in checks::of_notice(&notice) {
            let mark = run.status.conclusion().map_or(run.status.word(), |mark| mark.word());
            let buttons: Vec<_> = run.actions.iter().map(|action| format!(" [{}]", action.label)).collect();
            let own = if run.external_id.contains(":1111") { " (first patch)" } else { "" };
            writeln!(all, "  {mark}: {}{own}: {}{}", run.name, run.title, buttons.concat()).unwrap();
        }
    }
    all
}

#[test]
fn every_check_run_without_a_report() {
    let all = notice_sample::all().into_iter().filter(|(_, notice)| notice.report.is_none());
    assert_snapshot!(lines(all.chain([("held, with commits", held())])), @r##"
    held
    conflict
    already-applied
    pushed
      neutral: patchlift: Applies; not tested: there is no box for it
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
    waiting
      queued: patchlift: Waits for a free box
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      queued: patchlift / host-kernel: Not begun
      queued: patchlift / boot: Not begun
      queued: patchlift / kvm-tests: Not begun
    testing
      in_progress: patchlift: Testing on p8: Boot it once
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      success: patchlift / host-kernel: Passed in 5 min 00 s
      in_progress: patchlift / boot: At work: Boot it once
      queued: patchlift / kvm-tests: Not begun
    superseded
      cancelled: patchlift: Superseded by ozlabs/4712
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      cancelled: patchlift / host-kernel: Not run: superseded by ozlabs/4712
      cancelled: patchlift / boot: Not run: superseded by ozlabs/4712
      cancelled: patchlift / kvm-tests: Not run: superseded by ozlabs/4712
    not-tested
      neutral: patchlift: Not tested: refused by a maintainer: not for this box [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      skipped: patchlift / host-kernel: Not run: refused by a maintainer: not for this box
      skipped: patchlift / boot: Not run: refused by a maintainer: not for this box
      skipped: patchlift / kvm-tests: Not run: refused by a maintainer: not for this box
    no-report
      neutral: patchlift: Lab failed: the run ended (failure) without a report [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      skipped: patchlift / host-kernel: Not run: the run ended (failure) without a report
      skipped: patchlift / boot: Not run: the run ended (failure) without a report
      skipped: patchlift / kvm-tests: Not run: the run ended (failure) without a report
    held, with commits
      action_required: patchlift: Waits for a maintainer: it changes .github/workflows/ci.yml, and 1 more reason [Run tests]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
    "##);
}

#[test]
fn every_check_run_with_a_report() {
    let all = notice_sample::all().into_iter().filter(|(_, notice)| notice.report.is_some());
    assert_snapshot!(lines(all), @r##"
    passed
      success: patchlift: Passed: 3 patches boot and run KVM guests on POWER8 [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      success: patchlift / kvm-tests: 3 tests: no new failure, 1 fails on the base too
    does-not-build
      failure: patchlift: Does not build: book3s_hv.c does not compile: kvm_exit_count is not declared [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      failure: patchlift / host-kernel: Does not build: arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'
      skipped: patchlift / boot: Not run: not reached: "Build the host kernel" did not pass
      skipped: patchlift / kvm-tests: Not run: not reached: "Build the host kernel" did not pass
    does-not-boot
      failure: patchlift: Does not boot: the kernel dies at boot in kvm_exit_stats_init [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      success: patchlift / host-kernel: Built in 4 min 12 s
      failure: patchlift / boot: Does not boot: BUG: Kernel NULL pointer dereference on read at 0x00000008
      skipped: patchlift / kvm-tests: Not run: not reached: "Boot it once" did not pass
    fails-tests
      failure: patchlift: Fails tests: a KVM guest no longer starts: 1 new test failure [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      failure: patchlift / kvm-tests: Fails tests: kvm-guest-boots: the guest printed nothing within 90 s
    base-broken
      neutral: patchlift: Base is broken: powerpc/next does not boot without the series either [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      skipped: patchlift / host-kernel: Not run: the base fails without the series
      neutral: patchlift / boot: The base's fault: BUG: Kernel NULL pointer dereference on read at 0x00000008
      skipped: patchlift / kvm-tests: Not run: the base fails without the series
    infrastructure
      neutral: patchlift: Lab failed: the box did not answer on SSH [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      neutral: patchlift / host-kernel: The lab's fault: no SSH answer from p8-lab-1; the BMC reports power on (limit 120 s)
      skipped: patchlift / boot: Not run: not reached: "Check the box" did not pass
      skipped: patchlift / kvm-tests: Not run: not reached: "Check the box" did not pass
    hardware
      neutral: patchlift: Hardware error: the box reported a machine check [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      neutral: patchlift / kvm-tests: The hardware's fault: Severe Machine check interrupt [Not recovered]
    cancelled
      cancelled: patchlift: Cancelled: stopped: a newer version of the series arrived [Test again]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
      cancelled: patchlift / host-kernel: Stopped from outside: Build the host kernel
      skipped: patchlift / boot: Not run: not reached: "Build the host kernel" did not pass
      skipped: patchlift / kvm-tests: Not run: not reached: "Build the host kernel" did not pass
    "##);
}

#[test]
fn every_status_in_a_line() {
    let mut all = String::new();
    for ending in sample::ENDINGS {
        writeln!(all, "{ending:?}").unwrap();
        for run in checks::of_report(&sample::report(ending), None) {
            let status = CommitStatus::from(&run);
            if run.name != "patchlift / apply" {
                writeln!(all, "  {}: {}: {}", status.state.word(), status.context, status.description)
                    .unwrap();
            }
        }
    }
    assert_snapshot!(all, @r##"
    Passed
      success: patchlift: Passed: 3 patches boot and run KVM guests on POWER8
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      success: patchlift / kvm-tests: 3 tests: no new failure, 1 fails on the base too
    DoesNotBuild
      failure: patchlift: Does not build: book3s_hv.c does not compile: kvm_exit_count is not declared
      failure: patchlift / host-kernel: Does not build: arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'
      error: patchlift / boot: Not run: not reached: "Build the host kernel" did not pass
      error: patchlift / kvm-tests: Not run: not reached: "Build the host kernel" did not pass
    DoesNotBoot
      failure: patchlift: Does not boot: the kernel dies at boot in kvm_exit_stats_init
      success: patchlift / host-kernel: Built in 4 min 12 s
      failure: patchlift / boot: Does not boot: BUG: Kernel NULL pointer dereference on read at 0x00000008
      error: patchlift / kvm-tests: Not run: not reached: "Boot it once" did not pass
    FailsTests
      failure: patchlift: Fails tests: a KVM guest no longer starts: 1 new test failure
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      failure: patchlift / kvm-tests: Fails tests: kvm-guest-boots: the guest printed nothing within 90 s
    BaseBroken
      error: patchlift: Base is broken: powerpc/next does not boot without the series either
      error: patchlift / host-kernel: Not run: the base fails without the series
      error: patchlift / boot: The base's fault: BUG: Kernel NULL pointer dereference on read at 0x00000008
      error: patchlift / kvm-tests: Not run: the base fails without the series
    Infrastructure
      error: patchlift: Lab failed: the box did not answer on SSH
      error: patchlift / host-kernel: The lab's fault: no SSH answer from p8-lab-1; the BMC reports power on (limit 120 s)
      error: patchlift / boot: Not run: not reached: "Check the box" did not pass
      error: patchlift / kvm-tests: Not run: not reached: "Check the box" did not pass
    Hardware
      error: patchlift: Hardware error: the box reported a machine check
      success: patchlift / host-kernel: Built in 4 min 12 s
      success: patchlift / boot: Booted in 42 s, and what runs is what was built
      error: patchlift / kvm-tests: The hardware's fault: Severe Machine check interrupt [Not recovered]
    Cancelled
      error: patchlift: Cancelled: stopped: a newer version of the series arrived
      error: patchlift / host-kernel: Stopped from outside: Build the host kernel
      error: patchlift / boot: Not run: not reached: "Build the host kernel" did not pass
      error: patchlift / kvm-tests: Not run: not reached: "Build the host kernel" did not pass
    "##);
}

#[test]
fn every_pull_request_in_a_line() {
    let mut all = String::new();
    for (name, notice) in notice_sample::all() {
        if let Some(pull) = pull_request::of_notice(&notice, "next") {
            writeln!(all, "{name}: {:?}, {}", pull.labels, if pull.open { "open" } else { "closed" })
                .unwrap();
        }
    }
    assert_snapshot!(all, @r##"
    pushed: ["patchlift", "patchlift: not tested"], open
    waiting: ["patchlift", "patchlift: waiting"], open
    testing: ["patchlift", "patchlift: testing"], open
    superseded: ["patchlift", "patchlift: superseded"], closed
    not-tested: ["patchlift", "patchlift: not tested"], open
    no-report: ["patchlift", "patchlift: lab failed"], open
    passed: ["patchlift", "patchlift: passed"], open
    does-not-build: ["patchlift", "patchlift: failed"], open
    does-not-boot: ["patchlift", "patchlift: failed"], open
    fails-tests: ["patchlift", "patchlift: failed"], open
    base-broken: ["patchlift", "patchlift: base broken"], open
    infrastructure: ["patchlift", "patchlift: lab failed"], open
    hardware: ["patchlift", "patchlift: hardware error"], open
    cancelled: ["patchlift", "patchlift: not tested"], open
    "##);
}
