//! What policy says of whole series: made ones and recorded ones.

use patchlift::listing::SeriesKey;
use patchlift::mail::Options;
use patchlift::patch;
use patchlift::policy::{
    Judgement, Reason, Rules, Sender, Senders, Subject, Touched, commits, judge, sender,
};
use patchlift::series::{in_file_order, read_mailbox};

use crate::git_repo::GitRepo;
use crate::test_data;

fn rules() -> Rules {
    Rules {
        guarded: vec!["scripts/ci".into(), "**/Jenkinsfile".into(), "*.lock".into()],
        max_patches: 200,
        max_bytes: 20 << 20,
        max_files: 2000,
        senders: Senders::All,
        decline: vec!["RFC".into()],
        hold: vec!["WIP".into()],
    }
}

fn subject(mailbox: &[u8]) -> Subject {
    let messages = read_mailbox(mailbox, Options::default());
    let patches = in_file_order(&messages);
    let mut touched = Vec::new();
    let mut words = Vec::new();
    for (number, message) in (1..).zip(&patches) {
        words.extend(message.prefix.words.iter().cloned());
        let Ok(content) = &message.content else { continue };
        touched.extend(Touched::of(number, &patch::parse(&content.patch, None).unwrap_or_default()));
    }
    Subject { patches: patches.len(), bytes: mailbox.len() as u64, touched, words, ..Subject::default() }
}

/// A mail whose diff makes or changes one file.
fn mail(subject: &str, diff: &str) -> Vec<u8> {
    format!("From: A <a@example.com>\nDate: Fri, 20 Nov 2026 02:00:00 +0000\nSubject: {subject}\n\ntext\n---\n{diff}").into_bytes()
}

fn new_file(path: &str, mode: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode {mode}\nindex 0000000..7898192\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+a\n"
    )
}

/// The judgement in a word, with the reasons as text.
fn said(judgement: &Judgement) -> String {
    let key: SeriesKey = "ozlabs/83".parse().unwrap();
    match judgement {
        Judgement::Run => "run".to_owned(),
        Judgement::Hold(reasons) => {
            let all: Vec<String> = reasons.iter().map(|reason| reason.sentence(&key)).collect();
            format!("hold: {}", all.join("\n"))
        }
        Judgement::Decline(reason) => format!("decline: {}", reason.sentence(&key)),
    }
}

#[test]
fn ordinary_paths_run_and_guarded_ones_are_held_with_the_way_out() {
    let table = [
        ("arch/powerpc/kvm/book3s_hv.c", "100644", "run"),
        ("tools/run.sh", "100755", "run"),
        ("scripts/checkpatch.pl", "100755", "run"),
        ("doc/ü.txt", "100644", "run"),
        (
            ".github/workflows/evil.yml",
            "100644",
            "hold: patch 1 touches \".github/workflows/evil.yml\", which is guarded (.github/**); if that is wanted, `patchlift release ozlabs/83` lets it run",
        ),
        (
            ".GitHub/workflows/evil.yml",
            "100644",
            "hold: patch 1 touches \".GitHub/workflows/evil.yml\", which is guarded (.github/**)",
        ),
        (
            "sub/.gitattributes",
            "100644",
            "hold: patch 1 touches \"sub/.gitattributes\", which is guarded (.git*)",
        ),
        (
            "GITHUB~1/workflows/x.yml",
            "100644",
            "hold: patch 1 touches \"GITHUB~1/workflows/x.yml\", which is guarded (.git*)",
        ),
        (
            "scripts/ci/run",
            "100755",
            "hold: patch 1 touches \"scripts/ci/run\", which is guarded (scripts/ci)",
        ),
        (
            "Scripts/CI/run",
            "100755",
            "hold: patch 1 touches \"Scripts/CI/run\", which is guarded (scripts/ci)",
        ),
        (
            "deep/down/Jenkinsfile",
            "100644",
            "hold: patch 1 touches \"deep/down/Jenkinsfile\", which is guarded (**/Jenkinsfile)",
        ),
        ("Cargo.lock", "100644", "hold: patch 1 touches \"Cargo.lock\", which is guarded (*.lock)"),
        ("sub/Cargo.lock", "100644", "run"),
        ("link", "120000", "hold: patch 1 touches \"link\", which is a symlink and may lead anywhere"),
        (
            "vendor/x",
            "160000",
            "hold: patch 1 touches \"vendor/x\", which brings in code of another repository (submodule)",
        ),
        (
            ".gitmodules",
            "100644",
            "hold: patch 1 touches \".gitmodules\", which brings in code of another repository",
        ),
        // Git takes any mode that is neither file nor symlink for a submodule's.
        (
            "dev",
            "060000",
            "hold: patch 1 touches \"dev\", which brings in code of another repository (submodule)",
        ),
        (
            "a\u{202e}b",
            "100644",
            "hold: patch 1 touches \"a\\u{202e}b\", which holds characters that cannot be seen",
        ),
        (
            ".git/config",
            "100644",
            "decline: patch 1 touches \".git/config\", which leads out of the tree or into git's own directory; no release lets that through",
        ),
        ("a/../../x", "100644", "decline: patch 1 touches \"a/../../x\", which leads out of the tree"),
        (
            ".g\u{200c}it/config",
            "100644",
            "decline: patch 1 touches \".g\\u{200c}it/config\", which leads out",
        ),
        (".gitmodules", "120000", "decline: patch 1 touches \".gitmodules\", which leads out"),
    ];
    for (path, mode, expected) in table {
        let got = said(&judge(&rules(), &subject(&mail("[PATCH] x", &new_file(path, mode)))));
        assert!(got.starts_with(expected), "{path} {mode}\nexpected {expected}\ngot      {got}");
    }
}

#[test]
fn a_quoted_name_hides_nothing() {
    let diff = "diff --git \"a/a\\033[2Jb\" \"b/a\\033[2Jb\"\nnew file mode 100644\nindex 0000000..7898192\n--- /dev/null\n+++ \"b/a\\033[2Jb\"\n@@ -0,0 +1 @@\n+a\n";
    let got = said(&judge(&rules(), &subject(&mail("[PATCH] x", diff))));
    assert!(got.starts_with("hold: patch 1 touches \"a\\u{1b}[2Jb\""), "{got}");
}

#[test]
fn symlinks_and_submodules_are_seen_however_git_writes_them() {
    let repo = GitRepo::with(&[("a", "1\n"), (".github/w.yml", "on: push\n")]);
    std::os::unix::fs::symlink("a", repo.path().join("old-link")).unwrap();
    let base = repo.commit("a link");
    let held = |what: &str, change: &dyn Fn()| {
        repo.git(&["reset", "-q", "--hard", &base]);
        change();
        repo.commit("x");
        let got = said(&judge(&rules(), &subject(&repo.format_patch(&base, &["-M", "-C"]))));
        assert!(got.starts_with("hold: patch 1 touches"), "{what}: {got}");
    };
    let link = |to: &str, at: &str| {
        let _ = std::fs::remove_file(repo.path().join(at));
        std::os::unix::fs::symlink(to, repo.path().join(at)).unwrap();
    };
    held("a new link", &|| link("/etc", "new-link"));
    held("a link that leads elsewhere", &|| link("/etc", "old-link"));
    held("a file that becomes a link", &|| link("/etc", "a"));
    held("a guarded file renamed away", &|| {
        repo.git(&["mv", ".github/w.yml", "w.yml"]);
    });
    held("a guarded file deleted", &|| {
        repo.git(&["rm", "-q", ".github/w.yml"]);
    });
    held("a submodule", &|| {
        let entry = format!("160000,{base},sub");
        repo.git(&["update-index", "--add", "--cacheinfo", &entry]);
        std::fs::create_dir_all(repo.path().join("sub")).unwrap();
    });
    repo.git(&["reset", "-q", "--hard", &base]);
    repo.git(&["rm", "-q", "old-link"]);
    repo.commit("no link any more");
    assert_eq!(said(&judge(&rules(), &subject(&repo.format_patch(&base, &[])))), "run");
}

#[test]
fn what_a_patch_does_not_say_is_seen_in_its_commits() {
    let repo = GitRepo::with(&[("a", "1\n")]);
    std::os::unix::fs::symlink("a", repo.path().join("old-name")).unwrap();
    let base = repo.commit("a link");
    repo.git(&["mv", "old-name", "new-name"]);
    repo.write("b", "2\n");
    let tip = repo.commit("x");
    let mailed = subject(&repo.format_patch(&base, &["-M"]));
    assert_eq!(said(&judge(&rules(), &mailed)), "run", "a renamed symlink has no mode in the patch");
    let repository = git2::Repository::open(repo.path()).unwrap();
    let touched = commits::touched(&repository, base.parse().unwrap(), tip.parse().unwrap()).unwrap();
    let got = said(&judge(&rules(), &Subject { touched, ..mailed }));
    assert!(got.starts_with("hold: the series touches \"new-name\", which is a symlink"), "{got}");
}

#[test]
fn sizes_words_and_senders() {
    let plain = Subject { patches: 3, bytes: 1000, ..Subject::default() };
    let rules = Rules { max_patches: 3, max_bytes: 1000, max_files: 1, ..rules() };
    assert_eq!(judge(&rules, &plain), Judgement::Run);
    let touch = |patch, path: &str| Touched { patch, path: path.into(), mode: None, gone: false };
    let many = Subject {
        patches: 4,
        bytes: 1001,
        touched: vec![touch(1, "a"), touch(2, "a"), touch(3, "b")],
        ..Subject::default()
    };
    let Judgement::Hold(reasons) = judge(&rules, &many) else { panic!("not held") };
    let text: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "it has 4 patches, more than 3",
            "its mails have 1001 bytes, more than 1000",
            "it touches 2 files, more than 1"
        ]
    );
    let words = |word: &str| Subject { words: vec!["PATCH".into(), word.into()], ..plain.clone() };
    assert!(matches!(judge(&rules, &words("wip")), Judgement::Hold(_)));
    assert!(matches!(judge(&rules, &words("rfc")), Judgement::Decline(Reason::UnwantedWord { .. })));
    assert_eq!(judge(&rules, &words("powerpc")), Judgement::Run);
}

#[test]
fn every_sender_of_a_series_has_to_be_known() {
    let rules =
        Rules { senders: Senders::Known { listed: vec!["nick@example.com".into()], commits: 3 }, ..rules() };
    let from = |address: &str, commits| Sender { address: address.into(), commits };
    let series = |senders: Vec<Sender>| Subject { patches: 2, senders, ..Subject::default() };
    assert_eq!(
        judge(&rules, &series(vec![from("nick@example.com", 0), from("old@example.com", 3)])),
        Judgement::Run
    );
    let joined = series(vec![from("nick@example.com", 50), from("stranger@example.net", 1)]);
    assert_eq!(
        said(&judge(&rules, &joined)),
        "hold: stranger@example.net is not listed and has 1 of 3 commits in the base; once somebody has read the patches, `patchlift release ozlabs/83` lets it run"
    );
    assert!(
        said(&judge(&rules, &series(vec![from("", 0)]))).starts_with("hold: one of its mails does not say")
    );
    assert!(said(&judge(&rules, &series(Vec::new()))).starts_with("hold: nothing says who sent it"));
}

#[test]
fn a_release_outweighs_everything_but_a_path_that_git_refuses() {
    let released = |diff: &str, title: &str| Subject { released: true, ..subject(&mail(title, diff)) };
    let strict =
        Rules { senders: Senders::Known { listed: Vec::new(), commits: 0 }, max_patches: 0, ..rules() };
    let workflow = released(&new_file(".github/workflows/x.yml", "100644"), "[RFC PATCH] x");
    assert_eq!(judge(&strict, &workflow), Judgement::Run);
    let escape = released(&new_file("../x", "100644"), "[PATCH] x");
    assert!(matches!(judge(&strict, &escape), Judgement::Decline(Reason::NotAPath(_))));
}

#[test]
fn a_glob_that_cannot_be_read_holds_everything() {
    let broken = Rules { guarded: vec!["a/[".into()], ..rules() };
    let got = said(&judge(&broken, &subject(&mail("[PATCH] x", &new_file("a", "100644")))));
    assert!(got.starts_with("hold: the guarded path \"a/[\" in the configuration cannot be read"), "{got}");
}

#[test]
fn a_thousand_reasons_are_not_a_thousand_lines() {
    let touched = (0..1000).map(|n| Touched {
        patch: 1,
        path: format!(".github/{n}").into_bytes(),
        mode: None,
        gone: false,
    });
    let Judgement::Hold(reasons) =
        judge(&rules(), &Subject { touched: touched.collect(), ..Subject::default() })
    else {
        panic!("not held")
    };
    assert_eq!(reasons.len(), 20);
    assert_eq!(reasons[19].to_string(), "and there are 981 reasons more");
}

#[test]
fn recorded_series_run_and_the_hostile_one_is_held() {
    let Some(data) = test_data::folder("patchwork") else { return };
    let mut judged = Vec::new();
    for entry in std::fs::read_dir(data.join("mbox")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "mbox") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        judged.push((name, said(&judge(&rules(), &subject(&std::fs::read(&path).unwrap())))));
    }
    assert!(judged.len() >= 20, "the corpus is not whole");
    for (name, got) in judged {
        let expected = match name.as_str() {
            "s83-workflow.mbox" => "hold: patch 1 touches \".github/workflows/evil.yml\"",
            "s07-rfc.mbox" => "decline: its subject says [RFC], which is not tested",
            _ => "run",
        };
        assert!(got.starts_with(expected), "{name}: {got}");
    }
}

#[test]
fn the_senders_of_recorded_mails_are_read() {
    let Some(data) = test_data::folder("patchwork") else { return };
    let senders = |file: &str| {
        let mailbox = std::fs::read(data.join("mbox").join(file)).unwrap();
        let mails: Vec<Vec<u8>> = patchlift::mbox::split(&mailbox).iter().map(|mail| mail.to_vec()).collect();
        let mails: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
        sender::addresses("", &mails)
    };
    assert_eq!(senders("series1-mbox.mbox"), ["", "npiggin@example.com"]);
}
