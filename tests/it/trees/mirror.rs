//! Branches on their way to the mirror.

use std::path::PathBuf;
use std::time::Duration;

use git2::Oid;
use patchlift::clock::Clock;
use patchlift::mirror::slices::slices;
use patchlift::mirror::{Mirror, Moved, PushError, Pushed, Ref, RefResult, Settings};
use tempfile::TempDir;

use super::git_http::GitHttp;
use super::{State, oid, program, tree};
use crate::git_repo::GitRepo;
use crate::run::must;

/// A bare repository on this machine.
struct Bare {
    dir: TempDir,
}

impl Bare {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bare = Self { dir };
        must(std::process::Command::new("git").args(["init", "-q", "--bare"]).arg(bare.path()));
        bare
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("mirror.git")
    }

    fn hook(&self, name: &str, text: &str) {
        let hooks = self.path().join("hooks");
        std::fs::rename(program(&hooks, text), hooks.join(name)).unwrap();
    }

    fn open(&self) -> git2::Repository {
        git2::Repository::open_bare(self.path()).unwrap()
    }

    fn branches(&self) -> Vec<String> {
        let mirror = self.open();
        let names = mirror.references().unwrap().map(|one| one.unwrap().name().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn tip(&self, branch: &str) -> Option<Oid> {
        self.open().refname_to_id(&format!("refs/heads/{branch}")).ok()
    }

    fn settings(&self) -> Settings {
        Settings {
            url: self.path().display().to_string(),
            token: None,
            expire_after: Duration::from_secs(86_400),
            max_branches: 100,
            pause: Duration::ZERO,
        }
    }
}

/// The bridge's repository with the commits of `upstream`, and a mirror.
async fn world(upstream: &GitRepo, git: &str, settings: Settings) -> (State, Mirror) {
    let state = State::with_git(git);
    state.repository.fetch(&tree(upstream, &["main"])).await.unwrap();
    let mirror = Mirror::new(state.repository.clone(), settings, Clock::System).unwrap();
    (state, mirror)
}

/// Five commits.
fn five() -> (GitRepo, Vec<Oid>) {
    let upstream = GitRepo::new();
    let commits = (0..5).map(|n| {
        upstream.write("file", &format!("{n}\n"));
        oid(&upstream.commit(&format!("commit {n}")))
    });
    let commits = commits.collect();
    (upstream, commits)
}

fn at(name: &str, to: Oid) -> Ref {
    Ref { name: name.into(), to: Some(to) }
}

fn gone(name: &str) -> Ref {
    Ref { name: name.into(), to: None }
}

fn what(results: Vec<RefResult>) -> Vec<Pushed> {
    results.into_iter().map(|result| result.pushed).collect()
}

const CREATED: Pushed = Pushed::Moved(Moved::Created);
const UPDATED: Pushed = Pushed::Moved(Moved::Updated);
const UNCHANGED: Pushed = Pushed::Moved(Moved::Unchanged);

async fn branches_come_move_and_go(git: &str) {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (state, mirror) = world(&upstream, git, bare.settings()).await;

    let first = [at("base/up/main", commits[4]), at("series/o/1", commits[3]), at("series/o/2", commits[3])];
    assert_eq!(what(mirror.push(&first).await.unwrap()), [CREATED, CREATED, CREATED]);
    assert_eq!(bare.tip("series/o/1"), Some(commits[3]));

    // Backwards as well: the series was put on another base.
    let second = [at("series/o/1", commits[1]), gone("series/o/2"), gone("series/o/3"), first[0].clone()];
    let results = mirror.push(&second).await.unwrap();
    assert_eq!(what(results), [UNCHANGED, UPDATED, Pushed::Deleted, Pushed::Deleted]);
    assert_eq!(bare.branches(), ["refs/heads/base/up/main", "refs/heads/series/o/1"]);
    assert_eq!(bare.tip("series/o/1"), Some(commits[1]));

    // The commits of what is on the mirror are kept here, and nothing else is left behind.
    let here = state.repository.objects().unwrap();
    let names: Vec<String> =
        here.references().unwrap().map(|one| one.unwrap().name().unwrap().to_owned()).collect();
    assert_eq!(names, ["refs/heads/series/o/1", "refs/trees/up/main"]);
    let known = mirror.branches().await.unwrap();
    assert_eq!(
        known.into_iter().collect::<Vec<_>>(),
        [("base/up/main".to_owned(), commits[4]), ("series/o/1".to_owned(), commits[1])]
    );
}

#[tokio::test]
async fn branches_come_move_and_go_with_git() {
    branches_come_move_and_go("git").await;
}

#[tokio::test]
async fn branches_come_move_and_go_without_a_git_program() {
    branches_come_move_and_go("/nonexistent/git").await;
}

#[tokio::test]
async fn what_is_there_already_opens_no_connection() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    let wanted = [at("series/o/1", commits[3])];
    mirror.push(&wanted).await.unwrap();

    let away = bare.dir.path().join("away");
    std::fs::rename(bare.path(), &away).unwrap();
    assert_eq!(what(mirror.push(&wanted).await.unwrap()), [UNCHANGED]);
    mirror.doubt().await;
    let error = mirror.push(&wanted).await.unwrap_err();
    assert!(matches!(error, PushError::Unreachable { .. }), "{error:?}");
    std::fs::rename(&away, bare.path()).unwrap();

    // Somebody removed it: after the doubt it comes again.
    bare.open().find_reference("refs/heads/series/o/1").unwrap().delete().unwrap();
    assert_eq!(what(mirror.push(&wanted).await.unwrap()), [CREATED]);
}

#[tokio::test]
async fn a_new_program_finds_what_the_old_one_pushed() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (state, mirror) = world(&upstream, "git", bare.settings()).await;
    let wanted = [at("series/o/1", commits[3])];
    mirror.push(&wanted).await.unwrap();
    drop(mirror);
    let again = Mirror::new(state.repository.clone(), bare.settings(), Clock::System).unwrap();
    assert_eq!(what(again.push(&wanted).await.unwrap()), [UNCHANGED]);
}

#[tokio::test]
async fn many_branches_go_in_few_pushes() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    bare.hook("pre-receive", "echo push >>pushes");
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    let wanted: Vec<Ref> = (0..120).map(|n| at(&format!("series/o/{n}"), commits[n % 5])).collect();
    // From a task of its own, as the bridge does it.
    let (mirror, results) = tokio::spawn(async move {
        let results = mirror.push(&wanted).await.unwrap();
        (mirror, results)
    })
    .await
    .unwrap();
    assert_eq!(results.len(), 120);
    assert!(results.iter().all(|result| result.pushed == CREATED));
    assert_eq!(mirror.branches().await.unwrap().len(), 120);
    assert_eq!(bare.branches().len(), 120);
    assert_eq!(std::fs::read_to_string(bare.path().join("pushes")).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_branch_that_somebody_removed_stops_nothing() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    mirror.push(&[at("series/o/1", commits[3])]).await.unwrap();
    bare.open().find_reference("refs/heads/series/o/1").unwrap().delete().unwrap();
    let results = mirror.push(&[gone("series/o/1"), at("series/o/2", commits[2])]).await.unwrap();
    assert_eq!(what(results), [Pushed::Deleted, CREATED]);
}

#[tokio::test]
async fn a_branch_that_somebody_else_moved_is_not_removed() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    mirror.push(&[at("series/o/1", commits[3])]).await.unwrap();
    bare.open().reference("refs/heads/series/o/1", commits[2], true, "").unwrap();
    let results = mirror.push(&[gone("series/o/1")]).await.unwrap();
    assert!(matches!(&results[0].pushed, Pushed::Refused { .. }), "{results:?}");
    assert_eq!(bare.tip("series/o/1"), Some(commits[2]));
}

#[tokio::test]
async fn one_refused_branch_keeps_no_other_back() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    bare.hook(
        "update",
        "case $1 in */2) echo 'refusing to allow a GitHub App to create a workflow' >&2; exit 1;; esac",
    );
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    let wanted = [1, 2, 3].map(|n| at(&format!("series/o/{n}"), commits[n]));
    let results = mirror.push(&wanted).await.unwrap();
    assert_eq!(results[0].pushed, CREATED);
    assert!(
        matches!(&results[1].pushed, Pushed::Refused { why } if why.contains("hook declined")),
        "{results:?}"
    );
    assert_eq!(results[2].pushed, CREATED);
    assert_eq!(bare.tip("series/o/2"), None);
    // What was refused is asked for again, not taken for done.
    let results = mirror.push(&wanted).await.unwrap();
    assert!(matches!(results[1].pushed, Pushed::Refused { .. }));
}

#[tokio::test]
async fn a_lock_that_a_killed_push_left_in_a_mirror_on_this_machine_stops_nothing() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    let folder = bare.path().join("refs/heads/series/o");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("1.lock")).unwrap();
    let results = mirror.push(&[at("series/o/1", commits[1])]).await.unwrap();
    assert!(matches!(&results[0].pushed, Pushed::Refused { .. }), "somebody may hold it: {results:?}");
    lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    assert_eq!(what(mirror.push(&[at("series/o/1", commits[1])]).await.unwrap()), [CREATED]);
}

#[tokio::test]
async fn contract_16_one_branch_with_a_workflow_keeps_no_other_back() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let words = "refusing to allow a GitHub App to create or update workflow `.github/workflows/x.yml` without `workflows` permission";
    // The push is refused as a whole.
    bare.hook("pre-receive", &format!("if grep -q /2$; then echo '{words}' >&2; exit 1; fi"));
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    let wanted = [1, 2, 3, 4].map(|n| at(&format!("series/o/{n}"), commits[n]));
    let results = mirror.push(&wanted).await.unwrap();
    let Pushed::Refused { why } = &results[1].pushed else { panic!("{results:?}") };
    assert!(why.contains(words) && patchlift::mirror::is_about_workflows(why), "{why}");
    for (place, branch) in [(0, "series/o/1"), (2, "series/o/3"), (3, "series/o/4")] {
        assert_eq!(results[place].pushed, CREATED, "{branch}");
        assert!(bare.tip(branch).is_some());
    }
}

#[tokio::test]
async fn an_empty_mirror_is_filled_in_slices() {
    let upstream = GitRepo::with(&[("file", "0\n")]);
    for n in 1..20 {
        upstream.git(&["checkout", "-q", "-b", "side"]);
        upstream.write(&format!("side{n}"), "x\n");
        upstream.commit("side");
        upstream.git(&["checkout", "-q", "main"]);
        upstream.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        upstream.git(&["branch", "-q", "-d", "side"]);
    }
    let bare = Bare::new();
    bare.hook("update", "git rev-list --count $3 --not --all >>pushes");
    let (state, mirror) = world(&upstream, "git", bare.settings()).await;
    let mirror = mirror.with_slices_of(10);
    let tip = state.repository.resolve("up/main").unwrap();
    let results = mirror.push(&[at("base/up/main", tip), at("series/o/1", tip)]).await.unwrap();
    assert_eq!(what(results), [CREATED, CREATED]);
    assert_eq!(bare.tip("base/up/main"), Some(tip));
    let pushes = std::fs::read_to_string(bare.path().join("pushes")).unwrap();
    let pushes: Vec<u32> = pushes.lines().map(|line| line.parse().unwrap()).collect();
    // A slice ends with the merge that makes it full.
    assert!(pushes.iter().all(|commits| *commits <= 11), "{pushes:?}");
    assert_eq!(pushes.iter().sum::<u32>(), 39, "{pushes:?}");

    // Broken off after the first slices, it goes on there.
    let objects = state.repository.objects().unwrap();
    let all = slices(&objects, tip, &[], 10).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(slices(&objects, tip, &[all[1]], 10).unwrap(), [all[2]]);
    assert_eq!(slices(&objects, tip, &[], 39).unwrap(), []);
}

const TOKEN: &str = "ghs_A-token-that-must-never-be-seen";

#[tokio::test]
async fn the_password_reaches_the_server_and_nobody_else() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    must(std::process::Command::new("git").arg("-C").arg(bare.path()).args([
        "config",
        "http.receivepack",
        "true",
    ]));
    let server = GitHttp::start(bare.dir.path(), TOKEN).await;
    let settings = |token: &str| Settings {
        url: format!("{}/mirror.git", server.url),
        token: Some(token.into()),
        ..bare.settings()
    };
    let (state, mirror) = world(&upstream, "git", settings(TOKEN)).await;
    let wanted = [at("base/up/main", commits[4]), at("series/o/1", commits[3])];
    assert_eq!(what(mirror.push(&wanted).await.unwrap()), [CREATED, CREATED]);
    assert_eq!(bare.tip("series/o/1"), Some(commits[3]));

    let seen = server.seen();
    assert!(seen.iter().any(|line| line.contains("push --porcelain")), "nobody was looked at: {seen:?}");
    assert!(!seen.iter().any(|line| line.contains(TOKEN)), "a process shows the password");
    let files = must(
        std::process::Command::new("grep").args(["-rlF", "-e", "refs/", "-e", TOKEN]).arg(state.git_dir()),
    );
    let with_token =
        |file: &&str| std::fs::read(file).unwrap().windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
    let files = String::from_utf8(files).unwrap();
    assert_eq!(files.lines().find(with_token), None, "a file holds the password");

    let wrong = "ghs_another-token-that-must-never-be-seen";
    let other = Mirror::new(state.repository.clone(), settings(wrong), Clock::System).unwrap();
    let error = other.push(&[at("series/o/9", commits[1])]).await.unwrap_err();
    assert!(matches!(error, PushError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error:?}{other:?}").contains(wrong), "{error:?}");
}

#[tokio::test]
async fn a_mirror_that_sends_elsewhere_gets_no_password() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let thief = GitHttp::start(bare.dir.path(), TOKEN).await;
    let to = thief.url.replace("127.0.0.1", "localhost");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mirror.git", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let to = format!("{to}{}", request.uri());
        async move { axum::response::Redirect::temporary(&to) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let settings = Settings { url, token: Some(TOKEN.into()), ..bare.settings() };
    let (_state, mirror) = world(&upstream, "git", settings).await;
    let error = mirror.push(&[at("series/o/1", commits[1])]).await.unwrap_err();
    assert!(matches!(error, PushError::Unreachable { .. }), "{error:?}");
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn a_push_whose_end_got_lost_is_looked_at_and_not_believed() {
    let (upstream, commits) = five();
    let (bare, dir) = (Bare::new(), tempfile::tempdir().unwrap());
    // The first push works, and nobody hears of it.
    let git = program(
        dir.path(),
        &format!(
            "case $* in *porcelain*) mkdir {} 2>&- && {{ git \"$@\" >&- 2>&-; echo lost >&2; exit 128; }} ;; esac\n\
             exec git \"$@\"",
            dir.path().join("once").display()
        ),
    );
    let (_state, mirror) = world(&upstream, git.to_str().unwrap(), bare.settings()).await;
    let wanted = [at("series/o/1", commits[3])];
    let error = mirror.push(&wanted).await.unwrap_err();
    assert!(matches!(&error, PushError::Unreachable { said } if said == "lost"), "{error:?}");
    assert_eq!(bare.tip("series/o/1"), Some(commits[3]));
    assert_eq!(what(mirror.push(&wanted).await.unwrap()), [UNCHANGED]);
}

#[tokio::test]
async fn a_push_that_is_dropped_is_in_doubt() {
    let (upstream, commits) = five();
    let (bare, dir) = (Bare::new(), tempfile::tempdir().unwrap());
    let started = dir.path().join("started");
    let git = program(
        dir.path(),
        &format!(
            "case $* in *porcelain*) if mkdir {} 2>&-; then sleep 600; fi ;; esac; exec git \"$@\"",
            started.display()
        ),
    );
    let (_state, mirror) = world(&upstream, git.to_str().unwrap(), bare.settings()).await;
    let wanted = [at("series/o/1", commits[3])];
    let begun = async {
        while !started.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        pushed = mirror.push(&wanted) => panic!("{pushed:?}"),
        () = begun => {}
    }
    assert_eq!(what(mirror.push(&wanted).await.unwrap()), [CREATED]);
}

#[tokio::test]
async fn pushes_keep_their_pace() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let state = State::new();
    state.repository.fetch(&tree(&upstream, &["main"])).await.unwrap();
    let start = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let clock = Clock::replayed(start);
    let settings = Settings { pause: Duration::from_secs(10), ..bare.settings() };
    let mirror = Mirror::new(state.repository.clone(), settings, clock.clone()).unwrap();
    for commit in &commits[..3] {
        mirror.push(&[at("series/o/1", *commit)]).await.unwrap();
        mirror.push(&[at("series/o/1", *commit)]).await.unwrap();
    }
    assert_eq!(clock.now().as_second(), start.as_second() + 20);
    assert_eq!(mirror.pace().next(clock.now()).as_second(), start.as_second() + 30);
}

#[tokio::test]
async fn only_the_bridges_own_branches_are_touched() {
    let (upstream, commits) = five();
    let bare = Bare::new();
    let (_state, mirror) = world(&upstream, "git", bare.settings()).await;
    for name in ["main", "series/../main", "series/o/1:refs/heads/main", "series/o 1", "series/", ""] {
        let error = mirror.push(&[at(name, commits[1])]).await.unwrap_err();
        assert!(matches!(error, PushError::BadName { .. }), "{name}: {error:?}");
    }
    assert!(bare.branches().is_empty());
}
