//! What people read, word for word.

use std::fmt::Write as _;

use insta::assert_snapshot;
use patchlift_publish::{CheckRun, CommitStatus, Notice, Standing, checks, notice_sample, pull_request};
use patchlift_report::{Ending, sample};

/// The check run of this name on the last commit.
fn check(notice: &Notice, name: &str) -> CheckRun {
    checks::of_notice(notice).into_iter().find(|run| run.name == name).unwrap()
}

fn held() -> Notice {
    let reasons = ["it changes .github/workflows/ci.yml", "nobody knows ada@example.org"];
    notice_sample::notice(Standing::Held { reasons: reasons.map(str::to_owned).into() })
}

/// All check runs of all notices, a line each: the mark, the name, the title.
#[test]
fn every_check_run_in_a_line() {
    let mut all = String::new();
    for (name, notice) in notice_sample::all().into_iter().chain([("held, with commits", held())]) {
        writeln!(all, "{name}").unwrap();
        for run in checks::of_notice(&notice) {
            let mark = run.status.conclusion().map_or(run.status.word(), |mark| mark.word());
            let buttons: Vec<_> = run.actions.iter().map(|action| format!(" [{}]", action.label)).collect();
            let own = if run.external_id.contains(":1111") { " (first patch)" } else { "" };
            writeln!(all, "  {mark}: {}{own}: {}{}", run.name, run.title, buttons.concat()).unwrap();
        }
    }
    assert_snapshot!(all, @r##"
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
    held, with commits
      action_required: patchlift: Waits for a maintainer: it changes .github/workflows/ci.yml, and 1 more reason [Run tests]
      success: patchlift / apply: Both patches apply to powerpc/next
      success: patchlift / apply (first patch): Patch 1 of 2 applies to powerpc/next
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
fn a_series_that_is_held() {
    assert_snapshot!(check(&held(), "patchlift").summary, @r##"
    ## ⚠️ Waits for a maintainer\: it changes \.github/workflows/ci\.yml, and 1 more reason

    `KVM: PPC: count exits`

    Nothing of the series is run before a maintainer has looked at it\. Why\:

    * `it changes .github/workflows/ci.yml`
    * `nobody knows ada@example.org`

    **This is not held against the series. A maintainer of this system has to act: let it run, or refuse it.**

    ### What is tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Author <ada@example.org>` |
    | Series | `ozlabs/4711, v2, 2 patches` |
    | Mails | <https://lore.example.org/20261122.4711-0-ada@example.org> |
    | Patchwork | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 0123456789ab (the first of the configured trees)` |
    | Tested commit | `9f3b6c2e71d8` |
    | Branch | <https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711> |
    | Box | `p8` |
    | Run | <https://github.example.org/octo/kvm/actions/runs/9001> |

    Patches, in order:

    ```text
    KVM: PPC: add a counter
    KVM: PPC: show the counter
    ```

    patchlift takes patch series from mailing lists, builds each on its base, boots it on real POWER8 hardware and runs KVM guests there.
    "##);
}

#[test]
fn a_series_that_does_not_apply() {
    let tried = [
        "powerpc/next: patch 2: arch/powerpc/kvm/book3s.c: the hunk does not fit the file",
        "linus/master: patch 1: no such file",
    ];
    let notice = notice_sample::notice(Standing::Conflict { tried: tried.map(str::to_owned).into() });
    assert_snapshot!(check(&notice, "patchlift").summary, @r##"
    ## ❌ Does not apply\: powerpc/next\: patch 2\: arch/powerpc/kvm/book3s\.c\: the hunk does not fit the file

    `KVM: PPC: count exits`

    The series fits none of the bases that were tried, so nothing was built\:

    * `powerpc/next: patch 2: arch/powerpc/kvm/book3s.c: the hunk does not fit the file`
    * `linus/master: patch 1: no such file`

    **This is the series' fault. Its author has to act: rebase it, or send it with the base-commit that it was made on.**

    ### What is tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Author <ada@example.org>` |
    | Series | `ozlabs/4711, v2, 2 patches` |
    | Mails | <https://lore.example.org/20261122.4711-0-ada@example.org> |
    | Patchwork | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 0123456789ab (the first of the configured trees)` |
    | Tested commit | `9f3b6c2e71d8` |
    | Branch | <https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711> |
    | Box | `p8` |
    | Run | <https://github.example.org/octo/kvm/actions/runs/9001> |

    Patches, in order:

    ```text
    KVM: PPC: add a counter
    KVM: PPC: show the counter
    ```

    patchlift takes patch series from mailing lists, builds each on its base, boots it on real POWER8 hardware and runs KVM guests there.
    "##);
}

#[test]
fn a_series_that_is_being_tested() {
    assert_snapshot!(check(&notice_sample::testing(), "patchlift").summary, @r##"
    ## ➖ Testing on p8\: Boot it once

    `KVM: PPC: count exits`

    The series is being built, booted and tested on p8\.

    **Nobody has to act.**

    ### What is tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Author <ada@example.org>` |
    | Series | `ozlabs/4711, v2, 2 patches` |
    | Mails | <https://lore.example.org/20261122.4711-0-ada@example.org> |
    | Patchwork | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 0123456789ab (the first of the configured trees)` |
    | Tested commit | `9f3b6c2e71d8` |
    | Branch | <https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711> |
    | Box | `p8` |
    | Run | <https://github.example.org/octo/kvm/actions/runs/9001> |

    Patches, in order:

    ```text
    KVM: PPC: add a counter
    KVM: PPC: show the counter
    ```

    ### How far it is

    | Stage | State | Time |
    | --- | --- | --- |
    | Check the box | ✅ passed | 5.0 s |
    | Fetch the source | ✅ passed | 5.0 s |
    | Build the host kernel | ✅ passed | 4 min 50 s |
    | Put it on the box | ✅ passed | 5.0 s |
    | Boot it once | ➖ at work |  |

    patchlift takes patch series from mailing lists, builds each on its base, boots it on real POWER8 hardware and runs KVM guests there.
    "##);
}

#[test]
fn the_first_words_of_all_others() {
    let mut all = String::new();
    for (name, notice) in notice_sample::all() {
        if let Some(run) = checks::of_notice(&notice).first().filter(|_| notice.report.is_none()) {
            let words = run.summary.split("\n### ").next().unwrap();
            writeln!(all, "--- {name}\n{words}").unwrap();
        }
    }
    assert_snapshot!(all, @r##"
    --- pushed
    ## ➖ Applies; not tested\: there is no box for it

    `KVM: PPC: count exits`

    The series applies and its branch is there\. There is no box to test it on, so nothing is said of whether it works\.

    **Nobody has to act.**

    --- waiting
    ## ➖ Waits for a free box

    `KVM: PPC: count exits`

    The series applies\. It is built, booted and tested as soon as a box is free\.

    **Nobody has to act.**

    --- testing
    ## ➖ Testing on p8\: Boot it once

    `KVM: PPC: count exits`

    The series is being built, booted and tested on p8\.

    **Nobody has to act.**

    --- superseded
    ## ➖ Superseded by ozlabs/4712

    `KVM: PPC: count exits`

    A newer version took its place\: ozlabs/4712\. This one is not tested any further\.

    **Nobody has to act.**

    --- not-tested
    ## ⚠️ Not tested\: refused by a maintainer\: not for this box

    `KVM: PPC: count exits`

    The series was not tested, so nothing is said of whether it works\.

    **This is not the author's fault. Nothing is held against the series. The operator of the lab has to act.**

    --- no-report
    ## ⚠️ Lab failed\: the run ended \(failure\) without a report

    `KVM: PPC: count exits`

    The test came to no result\: nothing can be said of the series\.

    **This is not the author's fault. Nothing is held against the series. The operator of the lab has to act.**
    "##);
}

#[test]
fn the_patches_that_apply() {
    let runs = checks::of_notice(&notice_sample::testing());
    let own: Vec<_> =
        runs.iter().filter(|run| run.name == "patchlift / apply").map(|run| run.summary.as_str()).collect();
    assert_snapshot!(own.join("---\n"), @r##"
    `KVM: PPC: count exits`

    One commit a patch, in order, on `powerpc/next at 0123456789ab`.

    | Patch | Commit | Subject |
    | --- | --- | --- |
    | 1 | `111111111111` | `KVM: PPC: add a counter` |
    | 2 | `9f3b6c2e71d8` | `KVM: PPC: show the counter` |
    ---
    `KVM: PPC: add a counter`

    A patch of `KVM: PPC: count exits`. What came of the whole series stands at its last commit, `9f3b6c2e71d8`.
    "##);
}

#[test]
fn a_step_that_does_not_build() {
    let notice = notice_sample::ended(Ending::DoesNotBuild);
    assert_snapshot!(check(&notice, "patchlift / host-kernel").summary, @r##"
    `KVM: PPC: Book3S HV: count guest exits by reason`

    The kernel of the last patch is compiled for the box.

    **This is the series' fault: its base does not fail this way.** The author of the series has to act: the commands below repeat the failure.

    ### What went wrong

    Build the host kernel (series): `arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'`

    ```text
      CC      arch/powerpc/kvm/book3s_hv.o
    arch/powerpc/kvm/book3s_hv.c: In function 'kvmppc_run_core':
    arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count' [-Werror=implicit-function-declaration]
     4961 |         kvm_exit_count(vcpu, trap);
          |         ^~~~~~~~~~~~~~
    make[4]: *** [scripts/Makefile.build:287: arch/powerpc/kvm/book3s_hv.o] Error 1
    ```

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- arch/powerpc/kvm/book3s_hv.o
    ```

    ### Stages: the series

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Check the box | ✅ passed | 2.1 s |  |
    | Fetch the source | ✅ passed | 6.5 s |  |
    | Build the host kernel | ❌ failed: the series | 4 min 12 s | `arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'` |
    "##);
}

#[test]
fn a_step_that_fails_tests() {
    let notice = notice_sample::ended(Ending::FailsTests);
    assert_snapshot!(check(&notice, "patchlift / kvm-tests").summary, @r##"
    `KVM: PPC: Book3S HV: count guest exits by reason`

    A guest with the same kernel is booted under KVM, and tests are run.

    **This is the series' fault: its base does not fail this way.** The author of the series has to act: the commands below repeat the failure.

    ### What went wrong

    Run a KVM guest (series): `kvm-guest-boots: the guest printed nothing within 90 s`

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
    patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke
    ```

    ### Stages: the series

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Run a KVM guest | ❌ failed: the series | 31 s | `kvm-guest-boots: the guest printed nothing within 90 s` |

    ### Tests

    | Test | Series | Time | Base | Compared | Why |
    | --- | --- | --- | --- | --- | --- |
    | `kvm-device` | PASS | 0.2 s | PASS | as on the base |  |
    | `kvm-guest-boots` | FAIL | 1 min 30 s | PASS | new failure | `the guest printed nothing within 90 s` |
    | `kvm-nested-guest` | FAIL | 1 min 00 s | FAIL | fails on the base too | `the guest's guest did not reach its init in 60 s` |
    "##);
}

#[test]
fn a_step_that_fails_on_the_base() {
    let notice = notice_sample::ended(Ending::BaseBroken);
    assert_snapshot!(check(&notice, "patchlift / boot").summary, @r##"
    `KVM: PPC: Book3S HV: count guest exits by reason`

    The kernel is put beside the box's known-good one and booted once; what runs is proven to be what was built.

    **This is not the author's fault. Nothing is held against the series.** Whoever keeps the base has to act: it fails without the series. The series is tested again on a base that works.

    ### What went wrong

    Boot it once (base): `BUG: Kernel NULL pointer dereference on read at 0x00000008`

    Console, line 301:

    ```text
    [    0.412331] BUG: Kernel NULL pointer dereference on read at 0x00000008
    [    0.412354] Faulting instruction address: 0xc00000000109a3c4
    [    0.412371] Oops: Kernel access of bad area, sig: 11 [#1]
    [    0.412388] LE PAGE_SIZE=64K MMU=Hash SMP NR_CPUS=2048 NUMA PowerNV
    [    0.412420] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.18.0-rc7-pl4711-9f3b6c2e71d8 #1
    [    0.412447] NIP:  c00000000109a3c4 LR: c00000000109a3a8 CTR: c000000000012340
    [    0.412501] NIP [c00000000109a3c4] kvm_exit_stats_init+0x54/0x118
    [    0.412533] LR [c00000000109a3a8] kvm_exit_stats_init+0x38/0x118
    [    0.412555] Call Trace:
    [    0.412569] [c000000004a37c20] [c000000000011a94] do_one_initcall+0x64/0x2d0
    [    0.412602] [c000000004a37cf0] [c000000001004f2c] kernel_init_freeable+0x318/0x3b8
    [    0.412640] [c000000004a37da0] [c000000000011f60] kernel_init+0x30/0x1a0
    [    0.412671] [c000000004a37e10] [c00000000000cd64] ret_from_kernel_thread+0x5c/0x64
    [    0.413207] ---[ end trace 0000000000000000 ]---
    ```

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
    patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only boot
    ```

    ### Stages: the series

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Put it on the box | ➖ skipped |  | `not reached: "Boot it once" did not pass` |
    | Boot it once | ➖ skipped |  | `not reached: "Boot it once" did not pass` |
    | Prove what booted | ➖ skipped |  | `not reached: "Boot it once" did not pass` |

    ### Stages: the unpatched base

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Put it on the box | ✅ passed | 9.0 s |  |
    | Boot it once | ⚠️ failed: the base | 42 s | `BUG: Kernel NULL pointer dereference on read at 0x00000008` |
    | Prove what booted | ➖ skipped |  | `not reached: "Boot it once" did not pass` |
    "##);
}

#[test]
fn a_step_that_was_not_run() {
    let notice = notice_sample::ended(Ending::Infrastructure);
    assert_snapshot!(check(&notice, "patchlift / boot").summary, @r##"
    `KVM: PPC: Book3S HV: count guest exits by reason`

    The kernel is put beside the box's known-good one and booted once; what runs is proven to be what was built.

    ### Stages: the series

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Put it on the box | ➖ skipped |  | `not reached: "Check the box" did not pass` |
    | Boot it once | ➖ skipped |  | `not reached: "Check the box" did not pass` |
    | Prove what booted | ➖ skipped |  | `not reached: "Check the box" did not pass` |
    "##);
}

#[test]
fn a_pull_request_at_work() {
    let pull = pull_request::of_notice(&notice_sample::testing(), "next").unwrap();
    assert_snapshot!(format!("{} -> {}\n{}\n{:?}\n\n{}", pull.head, pull.base, pull.title, pull.labels, pull.body), @r##"
    series/ozlabs/4711 -> next
    [v2] KVM: PPC: count exits
    ["patchlift", "patchlift: testing"]

    ## ➖ Testing on p8\: Boot it once

    `KVM: PPC: count exits`

    The series is being built, booted and tested on p8\.

    **Nobody has to act.**

    ### What is tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Author <ada@example.org>` |
    | Series | `ozlabs/4711, v2, 2 patches` |
    | Mails | <https://lore.example.org/20261122.4711-0-ada@example.org> |
    | Patchwork | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 0123456789ab (the first of the configured trees)` |
    | Tested commit | `9f3b6c2e71d8` |
    | Branch | <https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711> |
    | Box | `p8` |
    | Run | <https://github.example.org/octo/kvm/actions/runs/9001> |

    Patches, in order:

    ```text
    KVM: PPC: add a counter
    KVM: PPC: show the counter
    ```

    ### How far it is

    | Stage | State | Time |
    | --- | --- | --- |
    | Check the box | ✅ passed | 5.0 s |
    | Fetch the source | ✅ passed | 5.0 s |
    | Build the host kernel | ✅ passed | 4 min 50 s |
    | Put it on the box | ✅ passed | 5.0 s |
    | Boot it once | ➖ at work |  |

    patchlift takes patch series from mailing lists, builds each on its base, boots it on real POWER8 hardware and runs KVM guests there.

    This pull request only shows a series from a mailing list. It is never merged here. Answer on the list: its author does not see what is written here.
    "##);
}

#[test]
fn a_pull_request_with_a_verdict() {
    let pull = pull_request::of_notice(&notice_sample::ended(Ending::DoesNotBuild), "next").unwrap();
    assert_snapshot!(pull.body, @r##"
    ## ❌ Does not build\: book3s\_hv\.c does not compile\: kvm\_exit\_count is not declared

    `KVM: PPC: count exits`

    The series applies to powerpc/next and does not compile for ppc64le\. The unpatched base compiles with the same configuration and compiler\. Nothing was put on the box\.

    **This is the series' fault: its base does not fail this way. The author of the series has to act: the commands below repeat the failure.**

    ### What went wrong

    Build the host kernel (series): `arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count'`

    ```text
      CC      arch/powerpc/kvm/book3s_hv.o
    arch/powerpc/kvm/book3s_hv.c: In function 'kvmppc_run_core':
    arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count' [-Werror=implicit-function-declaration]
     4961 |         kvm_exit_count(vcpu, trap);
          |         ^~~~~~~~~~~~~~
    make[4]: *** [scripts/Makefile.build:287: arch/powerpc/kvm/book3s_hv.o] Error 1
    ```

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- arch/powerpc/kvm/book3s_hv.o
    ```

    ### What is tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Author <ada@example.org>` |
    | Series | `ozlabs/4711, v2, 2 patches` |
    | Mails | <https://lore.example.org/20261122.4711-0-ada@example.org> |
    | Patchwork | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 0123456789ab (the first of the configured trees)` |
    | Tested commit | `9f3b6c2e71d8` |
    | Branch | <https://github.example.org/octo/linux-ci/tree/series/ozlabs/4711> |
    | Box | `p8` |
    | Run | <https://github.example.org/octo/kvm/actions/runs/9001> |

    Patches, in order:

    ```text
    KVM: PPC: add a counter
    KVM: PPC: show the counter
    ```

    patchlift takes patch series from mailing lists, builds each on its base, boots it on real POWER8 hardware and runs KVM guests there.

    This pull request only shows a series from a mailing list. It is never merged here. Answer on the list: its author does not see what is written here.
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
