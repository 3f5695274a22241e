//! Pull requests.

use insta::assert_snapshot;
use patchlift_publish::{notice_sample, pull_request};
use patchlift_report::Ending;

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
