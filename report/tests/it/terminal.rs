//! What a person sees on the terminal.

use insta::assert_snapshot;
use patchlift_report::text::{TextStyle, stage_line};
use patchlift_report::{Ending, Fault, StageResult, sample};

/// The whole of one report; the others differ below its head.
#[test]
fn a_whole_report() {
    let text = sample::report(Ending::FailsTests).to_text(&TextStyle::default());
    assert_snapshot!(text, @r##"
    KVM: PPC: Book3S HV: count guest exits by reason
      Author          Ada Example <ada@example.org>
      Series          4711, v2, 3 patches
      Mails           https://patchwork.example.org/series/4711/
      Base            powerpc/next at 5ee0d1ab4bb1
      Tested commit   9f3b6c2e71d8
      Box             p8-lab-1, PowerNV 8247-22L
      CPU             POWER8 (raw), altivec supported
      Kernel          6.18.0-rc7-pl4711-9f3b6c2e71d8
      Build id        a3c1f09be27d
      Compiler        powerpc64le-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0
      Unpatched base  passed on 2026-11-19
      Run             2026-11-20 09:30 UTC, 6 min 32 s

    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ✓ series  Build the host kernel   4 min 12 s  passed  objects compiled 214 of 3380, image 17.6 MiB
    ✓ series  Put it on the box            9.0 s  passed
    ✓ series  Boot it once                  42 s  passed  method kexec, to SSH 38 s
    ✓ series  Prove what booted            0.8 s  passed  release 6.18.0-rc7-pl4711-9f3b6c2e71d8, build…
    ✗ series  Run a KVM guest               31 s  failed: the series  kvm-guest-boots: the guest printe…
    ✓ series  Roll the box back             48 s  passed  running 6.1.0-50-powerpc64le, /boot unchanged

      test              series              time  base
    ✓ kvm-device        PASS               0.2 s  PASS         as on the base
    ✗ kvm-guest-boots   FAIL          1 min 30 s  PASS         new failure: the guest printed nothing w…
    ! kvm-nested-guest  FAIL          1 min 00 s  FAIL         fails on the base too: the guest's guest…

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ✗ Fails tests: a KVM guest no longer starts: 1 new test failure
      The series' kernel boots on a POWER8 box, but a KVM guest prints nothing within 90 s. With the
      unpatched base the same guest boots in 28 s on the same box.
      This is the series' fault: its base does not fail this way.
      The author of the series has to act: the commands below repeat the failure.
      The box is back on its known-good kernel 6.1.0-50-powerpc64le (build id 4f1d6a2b9c8e), proven in
      48 s.

      To repeat it:
        git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
        make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
        patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke
    "##);
}

/// From the stages on: what is above is the same for every ending.
fn body(ending: Ending) -> String {
    let text = sample::report(ending).to_text(&TextStyle::default());
    text.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn passed() {
    assert_snapshot!(body(Ending::Passed), @r##"
    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ✓ series  Build the host kernel   4 min 12 s  passed  objects compiled 214 of 3380, image 17.6 MiB
    ✓ series  Put it on the box            9.0 s  passed
    ✓ series  Boot it once                  42 s  passed  method kexec, to SSH 38 s
    ✓ series  Prove what booted            0.8 s  passed  release 6.18.0-rc7-pl4711-9f3b6c2e71d8, build…
    ✓ series  Run a KVM guest               31 s  passed
    ✓ series  Roll the box back             48 s  passed  running 6.1.0-50-powerpc64le, /boot unchanged

      test              series              time  base
    ✓ kvm-device        PASS               0.2 s  PASS         as on the base
    ✓ kvm-guest-boots   PASS                28 s  PASS         as on the base: the guest ran the patche…
    ! kvm-nested-guest  FAIL          1 min 00 s  FAIL         fails on the base too: the guest's guest…

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ✓ Passed: 3 patches boot and run KVM guests on POWER8
      The series was built on powerpc/next, booted on a POWER8 box and ran a KVM guest with the same
      kernel. One test fails on the unpatched base in the same way.
      No fault was found in the series.
      Nobody has to act.
      The box is back on its known-good kernel 6.1.0-50-powerpc64le (build id 4f1d6a2b9c8e), proven in
      48 s.
    "##);
}

#[test]
fn does_not_build() {
    assert_snapshot!(body(Ending::DoesNotBuild), @r##"
    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ✗ series  Build the host kernel   4 min 12 s  failed: the series  arch/powerpc/kvm/book3s_hv.c:4961…
    · series  Put it on the box                   skipped  not reached: "Build the host kernel" did not…
    · series  Boot it once                        skipped  not reached: "Build the host kernel" did not…
    · series  Prove what booted                   skipped  not reached: "Build the host kernel" did not…
    · series  Run a KVM guest                     skipped  not reached: "Build the host kernel" did not…
    · series  Roll the box back                   skipped  not reached: "Build the host kernel" did not…

    Build the host kernel
        CC      arch/powerpc/kvm/book3s_hv.o
      arch/powerpc/kvm/book3s_hv.c: In function 'kvmppc_run_core':
      arch/powerpc/kvm/book3s_hv.c:4961:9: error: implicit declaration of function 'kvm_exit_count' [-W…
       4961 |         kvm_exit_count(vcpu, trap);
            |         ^~~~~~~~~~~~~~
      make[4]: *** [scripts/Makefile.build:287: arch/powerpc/kvm/book3s_hv.o] Error 1

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ✗ Does not build: book3s_hv.c does not compile: kvm_exit_count is not declared
      The series applies to powerpc/next and does not compile for ppc64le. The unpatched base compiles
      with the same configuration and compiler. Nothing was put on the box.
      This is the series' fault: its base does not fail this way.
      The author of the series has to act: the commands below repeat the failure.
      The box never left its known-good kernel.

      To repeat it:
        git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
        make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- arch/powerpc/kvm/book3s_hv.o
    "##);
}

#[test]
fn does_not_boot() {
    assert_snapshot!(body(Ending::DoesNotBoot), @r##"
    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ✓ series  Build the host kernel   4 min 12 s  passed  objects compiled 214 of 3380, image 17.6 MiB
    ✓ series  Put it on the box            9.0 s  passed
    ✗ series  Boot it once                  42 s  failed: the series  BUG: Kernel NULL pointer derefere…
    · series  Prove what booted                   skipped  not reached: "Boot it once" did not pass
    · series  Run a KVM guest                     skipped  not reached: "Boot it once" did not pass
    ✓ series  Roll the box back             48 s  passed  running 6.1.0-50-powerpc64le, /boot unchanged

    Console, line 301
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

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ✗ Does not boot: the kernel dies at boot in kvm_exit_stats_init
      The series compiles, but its kernel reads through a null pointer in kvm_exit_stats_init 0.4 s
      after it starts on a POWER8 box. The unpatched base boots there.
      This is the series' fault: its base does not fail this way.
      The author of the series has to act: the commands below repeat the failure.
      The box is back on its known-good kernel 6.1.0-50-powerpc64le (build id 4f1d6a2b9c8e), proven in
      48 s.

      To repeat it:
        git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
        make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
        patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only boot
    "##);
}

#[test]
fn base_broken() {
    assert_snapshot!(body(Ending::BaseBroken), @r##"
    ✓ base    Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ base    Fetch the source             6.5 s  passed
    ✓ base    Build the host kernel   4 min 12 s  passed  objects compiled 214 of 3380, image 17.6 MiB
    ✓ base    Put it on the box            9.0 s  passed
    ✗ base    Boot it once                  42 s  failed: the base  BUG: Kernel NULL pointer dereferenc…
    · base    Prove what booted                   skipped  not reached: "Boot it once" did not pass
    · base    Run a KVM guest                     skipped  not reached: "Boot it once" did not pass
    ✓ base    Roll the box back             48 s  passed  running 6.1.0-50-powerpc64le, /boot unchanged
    · series  Check the box                       skipped  not reached: "Boot it once" did not pass
    · series  Fetch the source                    skipped  not reached: "Boot it once" did not pass
    · series  Build the host kernel               skipped  not reached: "Boot it once" did not pass
    · series  Put it on the box                   skipped  not reached: "Boot it once" did not pass
    · series  Boot it once                        skipped  not reached: "Boot it once" did not pass
    · series  Prove what booted                   skipped  not reached: "Boot it once" did not pass
    · series  Run a KVM guest                     skipped  not reached: "Boot it once" did not pass
    · series  Roll the box back                   skipped  not reached: "Boot it once" did not pass

    Console, line 301
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

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ! Base is broken: powerpc/next does not boot without the series either
      The unpatched base powerpc/next dies at boot on a POWER8 box, so nothing can be said of the
      series. It will be tested again when the base boots.
      This is not the author's fault. Nothing is held against the series.
      Whoever keeps the base has to act: it fails without the series. The series is tested again on a
      base that works.
      The box is back on its known-good kernel 6.1.0-50-powerpc64le (build id 4f1d6a2b9c8e), proven in
      48 s.

      To repeat it:
        git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
        make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
        patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only boot
    "##);
}

#[test]
fn infrastructure() {
    assert_snapshot!(body(Ending::Infrastructure), @r##"
    ! series  Check the box                2.1 s  timed out: the lab  no SSH answer from p8-lab-1; the…
    · series  Fetch the source                    skipped  not reached: "Check the box" did not pass
    · series  Build the host kernel               skipped  not reached: "Check the box" did not pass
    · series  Put it on the box                   skipped  not reached: "Check the box" did not pass
    · series  Boot it once                        skipped  not reached: "Check the box" did not pass
    · series  Prove what booted                   skipped  not reached: "Check the box" did not pass
    · series  Run a KVM guest                     skipped  not reached: "Check the box" did not pass
    · series  Roll the box back                   skipped  not reached: "Check the box" did not pass

    Check the box
      ssh: connect to host p8-lab-1 port 22: Connection timed out

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ! Lab failed: the box did not answer on SSH
      The run ended before anything was built: the box p8-lab-1 did not answer on SSH within 120 s.
      Nothing can be said of the series.
      This is not the author's fault. Nothing is held against the series.
      The operator of the lab has to act. The series is tested again afterwards.
      The box never left its known-good kernel.
    "##);
}

#[test]
fn hardware() {
    assert_snapshot!(body(Ending::Hardware), @r##"
    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ✓ series  Build the host kernel   4 min 12 s  passed  objects compiled 214 of 3380, image 17.6 MiB
    ✓ series  Put it on the box            9.0 s  passed
    ✓ series  Boot it once                  42 s  passed  method kexec, to SSH 38 s
    ✓ series  Prove what booted            0.8 s  passed  release 6.18.0-rc7-pl4711-9f3b6c2e71d8, build…
    ✗ series  Run a KVM guest               31 s  failed: the hardware  Severe Machine check interrupt…
    ! series  Roll the box back             48 s  timed out: the hardware  no answer on SSH after the s…

    Console, line 640
      Severe Machine check interrupt [Not recovered]

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    ! Hardware error: the box reported a machine check
      The series' kernel was running a KVM guest when the processor reported a machine check that it
      could not recover from. Such an event comes from the hardware. Nothing can be said of the series.
      This is not the author's fault. Nothing is held against the series.
      The operator of the box has to look at its hardware. The series is tested again afterwards.
      The box is NOT proven to be back and is quarantined: no answer on SSH within 600 s of the second
      power cycle; the BMC reports power on

      To repeat it:
        git fetch https://git.example.org/mirror.git series/4711 && git checkout 9f3b6c2e71d8
        make ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu- vmlinux
        patchlift-action run --head 9f3b6c2e71d8 --base 5ee0d1ab4bb1 --only kvm-smoke
    "##);
}

#[test]
fn cancelled() {
    assert_snapshot!(body(Ending::Cancelled), @r##"
    ✓ series  Check the box                2.1 s  passed  known-good kernel 6.1.0-50-powerpc64le, free…
    ✓ series  Fetch the source             6.5 s  passed
    ! series  Build the host kernel   4 min 12 s  interrupted  stopped from outside
    · series  Put it on the box                   skipped  not reached: "Build the host kernel" did not…
    · series  Boot it once                        skipped  not reached: "Build the host kernel" did not…
    · series  Prove what booted                   skipped  not reached: "Build the host kernel" did not…
    · series  Run a KVM guest                     skipped  not reached: "Build the host kernel" did not…
    · series  Roll the box back                   skipped  not reached: "Build the host kernel" did not…

    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
    · Cancelled: stopped: a newer version of the series arrived
      The run was stopped while the kernel was being built because version 3 of the series arrived.
      Nothing can be said of version 2.
      This is not the author's fault. Nothing is held against the series.
      Nobody has to act: the run was stopped before it had a result.
      The box never left its known-good kernel.
    "##);
}

#[test]
fn a_line_for_an_ended_stage_fits_its_terminal() {
    let report = sample::report(Ending::DoesNotBoot);
    let boot = &report.stages[4];
    let style = |width| TextStyle { width, ..TextStyle::default() };
    let lines: Vec<_> = [0, 60, 80, 100, 140].map(|width| stage_line(boot, &style(width))).to_vec();
    assert_snapshot!(lines.join("\n"), @r#"
    ✗ Boot it once (series) failed: the ser…
    ✗ Boot it once (series) failed: the series 42 s BUG: Kernel…
    ✗ series  Boot it once                  42 s  failed: the series  BUG: Kernel N…
    ✗ series  Boot it once                  42 s  failed: the series  BUG: Kernel NULL pointer derefere…
    ✗ series  Boot it once                  42 s  failed: the series  BUG: Kernel NULL pointer dereference on read at 0x00000008
    "#);
}

#[test]
fn every_result_has_its_own_line() {
    let report = sample::report(Ending::Passed);
    let mut stage = report.stages[4].clone();
    let reason = || "no answer on SSH".to_owned();
    let results = [
        StageResult::Passed,
        StageResult::Failed { fault: Fault::Series, reason: reason() },
        StageResult::Failed { fault: Fault::Infrastructure, reason: reason() },
        StageResult::Skipped { reason: reason() },
        StageResult::TimedOut { fault: Fault::Hardware, limit_s: 600, reason: reason() },
        StageResult::Interrupted,
    ];
    let mut lines = Vec::new();
    for (result, unicode) in results.iter().flat_map(|result| [(result, true), (result, false)]) {
        stage.result = result.clone();
        lines.push(stage_line(&stage, &TextStyle { ansi: false, unicode, width: 120 }));
    }
    assert_snapshot!(lines.join("\n"), @r#"
    ✓ series  Boot it once                  42 s  passed  method kexec, to SSH 38 s
    + series  Boot it once                  42 s  passed  method kexec, to SSH 38 s
    ✗ series  Boot it once                  42 s  failed: the series  no answer on SSH
    x series  Boot it once                  42 s  failed: the series  no answer on SSH
    ✗ series  Boot it once                  42 s  failed: the lab  no answer on SSH
    x series  Boot it once                  42 s  failed: the lab  no answer on SSH
    · series  Boot it once                        skipped  no answer on SSH
    - series  Boot it once                        skipped  no answer on SSH
    ! series  Boot it once                  42 s  timed out: the hardware  no answer on SSH (limit 600 s)
    ! series  Boot it once                  42 s  timed out: the hardware  no answer on SSH (limit 600 s)
    ! series  Boot it once                  42 s  interrupted  stopped from outside
    ! series  Boot it once                  42 s  interrupted  stopped from outside
    "#);
}

#[test]
fn without_unicode_only_ascii_is_written() {
    for ending in sample::ENDINGS {
        let text = sample::report(ending).to_text(&TextStyle { ansi: true, unicode: false, width: 60 });
        assert!(text.is_ascii(), "{ending:?}: {text}");
    }
}

#[test]
fn colours_are_escape_sequences_and_can_be_off() {
    let stage = &sample::report(Ending::DoesNotBoot).stages[4];
    let colourful = stage_line(stage, &TextStyle { ansi: true, ..TextStyle::default() });
    assert!(colourful.starts_with("\u{1b}[31m✗\u{1b}[0m series"), "{colourful:?}");
    assert!(!stage_line(stage, &TextStyle::default()).contains('\u{1b}'));
}
