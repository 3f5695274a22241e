//! The check runs of the steps.

use insta::assert_snapshot;
use patchlift_publish::{checks, notice_sample};
use patchlift_report::Ending;

use super::check;

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
