//! A tree is fetched: what moved, what is missing, and what each failure is called.

use std::path::Path;
use std::time::{Duration, SystemTime};

use patchlift::trees::{Fetched, Limits, Moved, Repository, TreeError};

use super::{State, oid, program, tree};
use crate::git_repo::GitRepo;

#[tokio::test]
async fn a_fetch_tells_what_moved() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let first = upstream.git(&["rev-parse", "HEAD"]);
    let state = State::new();
    let tree = tree(&upstream, &["main", "topic/next"]);

    let fetched = state.repository.fetch(&tree).await.unwrap();
    let main =
        |from: Option<&str>, to: &str| Moved { branch: "main".into(), from: from.map(oid), to: oid(to) };
    assert_eq!(fetched.moved, [main(None, &first)]);
    assert_eq!(fetched.missing, ["topic/next"]);
    assert_eq!(state.repository.resolve("up/main"), Some(oid(&first)));
    assert_eq!(state.repository.resolve("up/topic/next"), None);

    let again = state.repository.fetch(&tree).await.unwrap();
    assert_eq!(again, Fetched { moved: vec![], missing: vec!["topic/next".into()] });

    upstream.git(&["branch", "topic/next"]);
    upstream.write("a", "2\n");
    let second = upstream.commit("second");
    let fetched = state.repository.fetch(&tree).await.unwrap();
    assert_eq!(fetched.moved[0], main(Some(&first), &second));
    assert_eq!(fetched.moved[1].branch, "topic/next");
    assert!(fetched.missing.is_empty());
}

#[tokio::test]
async fn upstream_may_rewind_a_branch() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    upstream.write("a", "2\n");
    let dropped = upstream.commit("dropped");
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    state.repository.fetch(&tree).await.unwrap();

    upstream.git(&["reset", "-q", "--hard", "HEAD~1"]);
    upstream.write("a", "3\n");
    let instead = upstream.commit("instead");
    let fetched = state.repository.fetch(&tree).await.unwrap();
    assert_eq!(fetched.moved[0].from, Some(oid(&dropped)));
    assert_eq!(fetched.moved[0].to, oid(&instead));
    assert_eq!(state.repository.resolve("up/main"), Some(oid(&instead)));
}

#[tokio::test]
async fn a_branch_that_only_ends_like_the_one_is_another() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    upstream.git(&["branch", "-m", "other/refs/heads/main"]);
    let error = State::new().repository.fetch(&tree(&upstream, &["main"])).await.unwrap_err();
    assert!(matches!(&error, TreeError::NoSuchBranch { branch, .. } if branch == "main"), "{error:?}");
}

#[tokio::test]
async fn what_upstream_lost_stays_known_here() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    upstream.git(&["branch", "next"]);
    let state = State::new();
    let tree = tree(&upstream, &["main", "next"]);
    state.repository.fetch(&tree).await.unwrap();
    upstream.git(&["branch", "-D", "next"]);
    assert_eq!(state.repository.fetch(&tree).await.unwrap().missing, ["next"]);
    assert!(state.repository.resolve("up/next").is_some());

    // Unless nobody asks for it any more.
    let main_only = super::tree(&upstream, &["main"]);
    state.repository.forget_others(&[main_only]);
    assert_eq!(state.repository.resolve("up/next"), None);
    assert!(state.repository.resolve("up/main").is_some());
}

#[tokio::test]
async fn a_local_tree_needs_no_git_program() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::with_git("/nonexistent/git");
    let tree = tree(&upstream, &["main", "next"]);
    let fetched = state.repository.fetch(&tree).await.unwrap();
    assert_eq!(fetched.missing, ["next"]);
    assert_eq!(fetched.moved[0].to, oid(&upstream.git(&["rev-parse", "HEAD"])));
    assert!(state.repository.fetch(&tree).await.unwrap().moved.is_empty());

    let far = patchlift::trees::Settings { url: "https://127.0.0.1:1/linux.git".into(), ..tree };
    let error = state.repository.fetch(&far).await.unwrap_err();
    assert!(matches!(error, TreeError::NoGit { .. }), "{error:?}");
}

#[tokio::test]
async fn each_failure_has_its_name() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let tree = tree(&upstream, &["main"]);

    let gone = patchlift::trees::Settings { url: "/nonexistent/linux.git".into(), ..tree.clone() };
    let error = State::new().repository.fetch(&gone).await.unwrap_err();
    assert!(
        matches!(&error, TreeError::Unreachable { said, .. } if said.contains("nonexistent")),
        "{error:?}"
    );

    let odd = patchlift::trees::Settings { url: "ext::sh -c id".into(), ..tree.clone() };
    let error = State::new().repository.fetch(&odd).await.unwrap_err();
    assert!(matches!(error, TreeError::Address { .. }), "{error:?}");

    let programs = tempfile::tempdir().unwrap();
    let full = program(programs.path(), "echo 'fatal: write error: No space left on device' >&2; exit 128");
    let error = State::with_git(full).repository.fetch(&tree).await.unwrap_err();
    assert!(matches!(error, TreeError::DiskFull { .. }), "{error:?}");

    let hostile = program(programs.path(), r"printf 'fatal: \033[2Jx\n' >&2; exit 128");
    let error = State::with_git(hostile).repository.fetch(&tree).await.unwrap_err();
    assert!(!error.to_string().contains('\x1b'), "{error}");
}

#[tokio::test]
async fn lost_objects_are_fetched_again() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let tree = tree(&upstream, &["main"]);
    let state = State::new();
    state.repository.fetch(&tree).await.unwrap();
    std::fs::remove_dir_all(state.git_dir().join("objects")).unwrap();
    std::fs::create_dir(state.git_dir().join("objects")).unwrap();
    let state = State { repository: Repository::open(&state.git_dir()).unwrap(), ..state };
    state.repository.fetch(&tree).await.unwrap();
    assert!(state.repository.holds(&upstream.git(&["rev-parse", "HEAD"])).is_some());
}

#[tokio::test]
async fn a_damaged_repository_is_said_to_be_one() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::new();
    std::fs::write(state.git_dir().join("config"), "[core\n").unwrap();
    let error = state.repository.fetch(&tree(&upstream, &["main"])).await.unwrap_err();
    assert!(matches!(error, TreeError::Damaged { .. }), "{error:?}");

    let no_folder = tempfile::NamedTempFile::new().unwrap();
    let error = Repository::open(no_folder.path()).unwrap_err();
    assert!(matches!(error, TreeError::Damaged { .. }), "{error:?}");
}

/// A git that starts a child, tells its number and goes on for ever.
const ENDLESS: &str = "sleep 600 & echo $! >CHILD.new; mv CHILD.new CHILD; wait";

async fn child_of(file: &Path) -> i32 {
    loop {
        match std::fs::read_to_string(file) {
            Ok(number) => return number.trim().parse().unwrap(),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn is_gone(process: i32) {
    // A killed child of a child may stay behind as a zombie until init looks.
    let running = || match std::fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    };
    while running() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_git_that_says_nothing_is_stopped_with_its_children() {
    let (upstream, dir) = (GitRepo::with(&[("a", "1\n")]), tempfile::tempdir().unwrap());
    let child = dir.path().join("child");
    let git = program(dir.path(), &ENDLESS.replace("CHILD", child.to_str().unwrap()));
    // On a busy machine a short patience may be over before the program has begun.
    for silence in [200, 1000, 5000, 20_000].map(Duration::from_millis) {
        let limits = Limits { whole: Duration::from_secs(60), silence };
        let repository = Repository::open_with(&dir.path().join("git"), git.as_ref(), limits).unwrap();
        let error = repository.fetch(&tree(&upstream, &["main"])).await.unwrap_err();
        assert!(matches!(error, TreeError::Timeout { after, .. } if after == silence), "{error:?}");
        if child.exists() {
            return is_gone(child_of(&child).await).await;
        }
    }
    panic!("the program never began");
}

#[tokio::test]
async fn progress_is_shown_as_it_comes() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::new();
    let shown = std::sync::Mutex::new(Vec::new());
    let show = |line: &str| shown.lock().unwrap().push(line.to_owned());
    state.repository.fetch_showing(&tree(&upstream, &["main"]), Some(&show)).await.unwrap();
    let shown = shown.into_inner().unwrap();
    assert!(shown.iter().any(|line| line.contains("Counting objects")), "{shown:?}");
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_nothing_running() {
    let (upstream, dir) = (GitRepo::with(&[("a", "1\n")]), tempfile::tempdir().unwrap());
    let child = dir.path().join("child");
    let git = program(dir.path(), &ENDLESS.replace("CHILD", child.to_str().unwrap()));
    let state = State::with_git(git);
    let tree = tree(&upstream, &["main"]);
    let process = tokio::select! {
        fetched = state.repository.fetch(&tree) => panic!("{fetched:?}"),
        process = child_of(&child) => process,
    };
    is_gone(process).await;
}

#[tokio::test]
async fn locks_of_a_killed_git_do_not_stay_in_the_way() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    state.repository.fetch(&tree).await.unwrap();
    let lock = state.git_dir().join("refs/trees/up/main.lock");
    let file = std::fs::File::create(&lock).unwrap();
    upstream.commit("more");
    // It may be somebody's who is just at work.
    state.repository.fetch(&tree).await.unwrap_err();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    assert_eq!(state.repository.fetch(&tree).await.unwrap().moved.len(), 1);
}

#[tokio::test]
async fn git_gets_nothing_of_the_environment_that_it_does_not_need() {
    let (upstream, dir) = (GitRepo::with(&[("a", "1\n")]), tempfile::tempdir().unwrap());
    let seen = dir.path().join("seen");
    let git = program(dir.path(), &format!("env >>{}; exec git \"$@\"", seen.display()));
    State::with_git(git).repository.fetch(&tree(&upstream, &["main"])).await.unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    // cargo gives every test its own.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!seen.contains("CARGO_"), "{seen}");
    for needed in
        ["GIT_TERMINAL_PROMPT=0\n", "GIT_CONFIG_NOSYSTEM=1\n", "GIT_ALLOW_PROTOCOL=file\n", "LC_ALL=C\n"]
    {
        assert!(seen.contains(needed), "{needed}");
    }
}

#[tokio::test]
async fn ssh_is_told_to_ask_nobody() {
    let (upstream, dir) = (GitRepo::with(&[("a", "1\n")]), tempfile::tempdir().unwrap());
    // It stands in for ssh: refuses to work where it may ask, and runs the command on this machine.
    let stand_in = "case $* in *BatchMode=yes*StrictHostKeyChecking=yes*) ;; *) exit 9 ;; esac\n\
                    for command; do :; done; eval \"$command\"";
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::rename(program(dir.path(), stand_in), bin.join("ssh")).unwrap();
    let git = program(dir.path(), &format!("PATH={}:$PATH exec git \"$@\"", bin.display()));
    let state = State::with_git(git);
    let over_ssh = |url| patchlift::trees::Settings { url, ..tree(&upstream, &["main"]) };
    let url = format!("ssh://git@kernel.example.org{}", upstream.arg());
    assert_eq!(state.repository.fetch(&over_ssh(url)).await.unwrap().moved.len(), 1);
    let url = format!("git@kernel.example.org:{}", upstream.arg());
    assert!(state.repository.fetch(&over_ssh(url)).await.unwrap().moved.is_empty());
}

#[tokio::test]
async fn several_trees_are_fetched_at_once() {
    let upstreams = [0, 1, 2, 3].map(|n| GitRepo::with(&[("a", &*format!("{n}\n"))]));
    let state = State::new();
    // From a task of its own, as the bridge does it.
    let (repository, tree) = (state.repository.clone(), tree(&upstreams[0], &["main"]));
    assert_eq!(
        tokio::spawn(async move { repository.fetch(&tree).await }).await.unwrap().unwrap().moved.len(),
        1
    );
    let named = |n: usize| patchlift::trees::Settings {
        name: format!("up{n}"),
        ..super::tree(&upstreams[n], &["main"])
    };
    let trees = [0, 1, 2, 3].map(named);
    let fetch = |n: usize| state.repository.fetch(&trees[n]);
    let (a, b, c, d) = tokio::join!(fetch(0), fetch(1), fetch(2), fetch(3));
    for fetched in [a, b, c, d] {
        assert_eq!(fetched.unwrap().moved.len(), 1);
    }
    let again = patchlift::trees::Repository::open(&state.git_dir()).unwrap();
    for n in 0..4 {
        assert_eq!(again.commits_by("author@example.com", &format!("up{n}/main"), 9), 1);
    }
}

#[tokio::test]
async fn nobodys_configuration_and_no_hook_gets_in() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::new();
    let hook = program(&state.git_dir().join("hooks"), "touch ran; exit 1");
    std::fs::rename(hook, state.git_dir().join("hooks/reference-transaction")).unwrap();
    state.repository.fetch(&tree(&upstream, &["main"])).await.unwrap();
    assert!(!state.git_dir().join("ran").exists());
}

#[tokio::test]
async fn upkeep_loses_nothing_that_was_just_made() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    for n in 0..5 {
        upstream.write("a", &format!("{n}\n"));
        upstream.commit("more");
        state.repository.fetch(&tree).await.unwrap();
    }
    let objects = state.repository.objects().unwrap();
    let unborn = objects.blob(b"a commit's file, written before its commit").unwrap();
    state.repository.upkeep().await.unwrap();
    state.repository.upkeep().await.unwrap();
    assert!(objects.odb().unwrap().exists(unborn));
    assert!(state.git_dir().join("objects/info/commit-graphs").is_dir());
    assert!(state.repository.holds(&upstream.git(&["rev-parse", "HEAD~3"])).is_some());
}
