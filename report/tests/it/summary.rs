//! What GitHub shows on a run's page.

use insta::assert_snapshot;
use patchlift_report::{Ending, sample};

#[test]
fn a_whole_summary() {
    assert_snapshot!(sample::report(Ending::FailsTests).to_markdown(), @r##"
    ## ❌ Fails tests: a KVM guest no longer starts\: 1 new test failure

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The series' kernel boots on a POWER8 box, but a KVM guest prints nothing within 90 s\. With the unpatched base the same guest boots in 28 s on the same box\.

    **This is the series' fault: its base does not fail this way.** The author of the series has to act: the commands below repeat the failure.

    The box is back on its known\-good kernel 6\.1\.0\-50\-powerpc64le \(build id 4f1d6a2b9c8e\), proven in 48 s\.

    ### What went wrong

    Run a KVM guest (series): `kvm-guest-boots: the guest printed nothing within 90 s`

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
    patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke
    ```

    ### What was tested, on what

    |  |  |
    | --- | --- |
    | Author | `Ada Example <ada@example.org>` |
    | Series | `4711, v2, 3 patches` |
    | Mails | <https://patchwork.example.org/series/4711/> |
    | Base | `powerpc/next at 5ee0d1ab4bb1` |
    | Tested commit | `9f3b6c2e71d8` |
    | Box | `p8-lab-1, PowerNV 8247-22L` |
    | CPU | `POWER8 (raw), altivec supported` |
    | Kernel | `6.18.0-rc7-pl4711-9f3b6c2e71d8` |
    | Build id | `a3c1f09be27d` |
    | Compiler | `powerpc64le-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0` |
    | Unpatched base | `passed on 2026-11-19` |
    | Run | `2026-11-20 09:30 UTC, 6 min 32 s` |

    Patches, in order:

    ```text
    KVM: PPC: Book3S HV: name the exit reasons
    KVM: PPC: Book3S HV: count guest exits by reason
    Documentation: KVM: describe the exit counters
    ```

    ### Stages: the series

    | Stage | Result | Time | Why |
    | --- | --- | --- | --- |
    | Check the box | ✅ passed | 2.1 s |  |
    | Fetch the source | ✅ passed | 6.5 s |  |
    | Build the host kernel | ✅ passed | 4 min 12 s |  |
    | Put it on the box | ✅ passed | 9.0 s |  |
    | Boot it once | ✅ passed | 42 s |  |
    | Prove what booted | ✅ passed | 0.8 s |  |
    | Run a KVM guest | ❌ failed: the series | 31 s | `kvm-guest-boots: the guest printed nothing within 90 s` |
    | Roll the box back | ✅ passed | 48 s |  |

    ### Tests

    | Test | Series | Time | Base | Compared | Why |
    | --- | --- | --- | --- | --- | --- |
    | `kvm-device` | PASS | 0.2 s | PASS | as on the base |  |
    | `kvm-guest-boots` | FAIL | 1 min 30 s | PASS | new failure | `the guest printed nothing within 90 s` |
    | `kvm-nested-guest` | FAIL | 1 min 00 s | FAIL | fails on the base too | `the guest's guest did not reach its init in 60 s` |

    ### Console

    | Line | Class | Kind | Text |
    | --- | --- | --- | --- |
    | 911 | kernel complained | `warning` | `WARNING: CPU: 8 PID: 1204 at arch/powerpc/kvm/book3s_hv.c:4961 kvmppc_run_core+0x9c/0x1a40` |
    "##);
}

/// The part above the tables, which is the same for every ending.
fn head(ending: Ending) -> String {
    let markdown = sample::report(ending).to_markdown();
    markdown.split("\n### What was tested").next().unwrap_or_default().to_owned()
}

#[test]
fn passed() {
    assert_snapshot!(head(Ending::Passed), @r##"
    ## ✅ Passed: 3 patches boot and run KVM guests on POWER8

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The series was built on powerpc/next, booted on a POWER8 box and ran a KVM guest with the same kernel\. One test fails on the unpatched base in the same way\.

    **No fault was found in the series.** Nobody has to act.

    The box is back on its known\-good kernel 6\.1\.0\-50\-powerpc64le \(build id 4f1d6a2b9c8e\), proven in 48 s\.
    "##);
}

#[test]
fn does_not_build() {
    assert_snapshot!(head(Ending::DoesNotBuild), @r##"
    ## ❌ Does not build: book3s\_hv\.c does not compile\: kvm\_exit\_count is not declared

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The series applies to powerpc/next and does not compile for ppc64le\. The unpatched base compiles with the same configuration and compiler\. Nothing was put on the box\.

    **This is the series' fault: its base does not fail this way.** The author of the series has to act: the commands below repeat the failure.

    The box never left its known\-good kernel\.

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
    "##);
}

#[test]
fn does_not_boot() {
    assert_snapshot!(head(Ending::DoesNotBoot), @r##"
    ## ❌ Does not boot: the kernel dies at boot in kvm\_exit\_stats\_init

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The series compiles, but its kernel reads through a null pointer in kvm\_exit\_stats\_init 0\.4 s after it starts on a POWER8 box\. The unpatched base boots there\.

    **This is the series' fault: its base does not fail this way.** The author of the series has to act: the commands below repeat the failure.

    The box is back on its known\-good kernel 6\.1\.0\-50\-powerpc64le \(build id 4f1d6a2b9c8e\), proven in 48 s\.

    ### What went wrong

    Boot it once (series): `BUG: Kernel NULL pointer dereference on read at 0x00000008`

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
    "##);
}

#[test]
fn base_broken() {
    assert_snapshot!(head(Ending::BaseBroken), @r##"
    ## ⚠️ Base is broken: powerpc/next does not boot without the series either

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The unpatched base powerpc/next dies at boot on a POWER8 box, so nothing can be said of the series\. It will be tested again when the base boots\.

    **This is not the author's fault. Nothing is held against the series.** Whoever keeps the base has to act: it fails without the series. The series is tested again on a base that works.

    The box is back on its known\-good kernel 6\.1\.0\-50\-powerpc64le \(build id 4f1d6a2b9c8e\), proven in 48 s\.

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
    "##);
}

#[test]
fn infrastructure() {
    assert_snapshot!(head(Ending::Infrastructure), @r##"
    ## ⚠️ Lab failed: the box did not answer on SSH

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The run ended before anything was built\: the box p8\-lab\-1 did not answer on SSH within 120 s\. Nothing can be said of the series\.

    **This is not the author's fault. Nothing is held against the series.** The operator of the lab has to act. The series is tested again afterwards.

    The box never left its known\-good kernel\.

    ### What went wrong

    Check the box (series): `no SSH answer from p8-lab-1; the BMC reports power on (limit 120 s)`

    ```text
    ssh: connect to host p8-lab-1 port 22: Connection timed out
    ```
    "##);
}

#[test]
fn hardware() {
    assert_snapshot!(head(Ending::Hardware), @r##"
    ## ⚠️ Hardware error: the box reported a machine check

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The series' kernel was running a KVM guest when the processor reported a machine check that it could not recover from\. Such an event comes from the hardware\. Nothing can be said of the series\.

    **This is not the author's fault. Nothing is held against the series.** The operator of the box has to look at its hardware. The series is tested again afterwards.

    The box is NOT proven to be back and is quarantined\: no answer on SSH within 600 s of the second power cycle; the BMC reports power on

    ### What went wrong

    Run a KVM guest (series): `Severe Machine check interrupt [Not recovered]`

    Console, line 640:

    ```text
    Severe Machine check interrupt [Not recovered]
    ```

    ### To repeat it

    ```sh
    git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
    make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
    patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke
    ```
    "##);
}

#[test]
fn cancelled() {
    assert_snapshot!(head(Ending::Cancelled), @r##"
    ## ➖ Cancelled: stopped\: a newer version of the series arrived

    `KVM: PPC: Book3S HV: count guest exits by reason`

    The run was stopped while the kernel was being built because version 3 of the series arrived\. Nothing can be said of version 2\.

    **This is not the author's fault. Nothing is held against the series.** Nobody has to act: the run was stopped before it had a result.

    The box never left its known\-good kernel\.

    ### What went wrong

    Build the host kernel (series): `stopped from outside`
    "##);
}

#[test]
fn a_lane_that_never_ran_takes_one_line() {
    let markdown = sample::report(Ending::BaseBroken).to_markdown();
    let lane = markdown.split("### Stages: the series").nth(1).unwrap();
    assert_eq!(
        lane.trim().lines().next(),
        Some("None of them was run: `not reached: \"Boot it once\" did not pass`")
    );
}

#[test]
fn what_does_not_fit_is_left_out_whole_and_said() {
    let report = sample::report(Ending::DoesNotBoot);
    let whole = report.to_markdown();
    let cut = report.to_markdown_within(2_500);
    assert!(cut.len() <= 2_500);
    assert!(cut.contains(&report.verdict.title.replace('_', "\\_")), "{cut}");
    assert!(cut.ends_with("\nThis summary was cut to fit; the whole report is in the run's files.\n"));
    let (kept, _) = cut.rsplit_once("\nThis summary").unwrap();
    for line in kept.lines() {
        assert!(whole.lines().any(|other| other == line), "{line}");
    }
}
