//! The check run of the whole, without a report.

use std::fmt::Write as _;

use insta::assert_snapshot;
use patchlift_publish::{Standing, checks, notice_sample};

use super::{check, held};

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
    ## ➖ Not tested\: refused by a maintainer\: not for this box

    `KVM: PPC: count exits`

    The series was not tested, so nothing is said of whether it works\.

    **Nothing is held against the series. Nobody has to act.**

    --- no-report
    ## ⚠️ Lab failed\: the run ended \(failure\) without a report

    `KVM: PPC: count exits`

    The test came to no result\: nothing can be said of the series\.

    **This is not the author's fault. Nothing is held against the series. The operator of the lab has to act.**
    "##);
}
