//! What is known of trees and commits.

use patchlift::mirror;

use super::{State, oid, tree};
use crate::git_repo::GitRepo;

#[tokio::test]
async fn a_base_commit_has_to_be_part_of_a_branch() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let base = upstream.git(&["rev-parse", "HEAD"]);
    upstream.git(&["tag", "-a", "-m", "v1", "v1"]);
    let tag = upstream.git(&["rev-parse", "refs/tags/v1"]);
    upstream.commit("tip");
    upstream.git(&["checkout", "-q", "-b", "private"]);
    let private = upstream.commit("private");
    upstream.git(&["checkout", "-q", "main"]);
    let state = State::new();
    state.repository.fetch(&tree(&upstream, &["main"])).await.unwrap();

    let holds = |id: &str| state.repository.holds(id).map(|commit| commit.to_string());
    assert_eq!(holds(&base), Some(base.clone()));
    assert_eq!(holds(&base.to_uppercase()), Some(base.clone()));
    assert_eq!(holds(&private), None, "never fetched");
    assert_eq!(holds(&tag), None, "tags are not fetched");
    for odd in ["", "main", &base[..12], "zz", &"0".repeat(40), &"é".repeat(20)] {
        assert_eq!(holds(odd), None, "{odd}");
    }

    // Known, and part of nothing: what is left of a rewound branch, for example.
    let objects = state.repository.objects().unwrap();
    let of = |path: &GitRepo, rev: &str| {
        let spec = format!("{rev}:refs/patchlift/loose");
        objects.remote_anonymous(path.arg()).unwrap().fetch(&[spec], None, None).unwrap();
    };
    of(&upstream, "refs/heads/private");
    assert_eq!(holds(&private), None);
    // The branch of a series that was made here.
    mirror::set_branch(&objects, "ozlabs/1", oid(&private)).unwrap();
    assert_eq!(holds(&private), Some(private.clone()));
    // An annotated tag's id, as some tools write it.
    of(&upstream, "refs/tags/v1");
    assert_eq!(holds(&tag), Some(base));
}

#[tokio::test]
async fn a_base_commit_that_upstream_dropped_is_no_longer_part_of_it() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let dropped = upstream.commit("dropped");
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    state.repository.fetch(&tree).await.unwrap();
    assert!(state.repository.holds(&dropped).is_some());
    assert!(state.repository.holds(&dropped).is_some());
    upstream.git(&["reset", "-q", "--hard", "HEAD~1"]);
    upstream.write("a", "2\n");
    upstream.commit("instead");
    state.repository.fetch(&tree).await.unwrap();
    assert_eq!(state.repository.holds(&dropped), None);
}

#[tokio::test]
async fn a_base_moves_under_a_series_only_where_the_series_touches_it() {
    let upstream = GitRepo::with(&[
        ("Makefile", "all:\n"),
        ("arch/powerpc/Makefile", "a\n"),
        ("arch/powerpc/kernel/setup.c", "1\n"),
        ("drivers/net/e.c", "1\n"),
    ]);
    let from = upstream.git(&["rev-parse", "HEAD"]);
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    let moved = async |path: &str, content: &str, paths: &[&str]| {
        upstream.git(&["reset", "-q", "--hard", &from]);
        upstream.write(path, content);
        let to = upstream.commit("moved");
        state.repository.fetch(&tree).await.unwrap();
        state.repository.moved_under(oid(&from), oid(&to), paths)
    };
    let setup = "arch/powerpc/kernel/setup.c";
    assert!(moved(setup, "2\n", &["drivers/net/e.c", setup]).await);
    assert!(!moved("drivers/net/e.c", "2\n", &[setup, "Makefile"]).await);
    // A new file: what is beside it counts, what is below or elsewhere does not.
    assert!(moved("arch/powerpc/Makefile", "b\n", &["arch/powerpc/new.c"]).await);
    assert!(moved("arch/powerpc/new.c", "x\n", &["arch/powerpc/new.c"]).await);
    assert!(!moved(setup, "3\n", &["arch/powerpc/new.c"]).await);
    assert!(moved("Makefile", "none:\n", &["fs/new/new.c"]).await);
    assert!(!moved("drivers/net/e.c", "3\n", &["fs/new/new.c"]).await);

    // Nothing is promised of what cannot be looked at.
    let unknown = oid(&"1".repeat(40));
    assert!(state.repository.moved_under(oid(&from), unknown, &[setup]));
    assert!(!state.repository.moved_under(unknown, unknown, &[setup]));
    let tip = state.repository.resolve("up/main").unwrap();
    assert!(state.repository.moved_under(oid(&from), tip, &["../x", setup]));
}

#[tokio::test]
async fn the_nearest_branch_that_holds_a_commit_is_found() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    let root = upstream.git(&["rev-parse", "HEAD"]);
    upstream.git(&["checkout", "-q", "-b", "next"]);
    let next = upstream.commit("next");
    upstream.commit("later");
    upstream.git(&["checkout", "-q", "main"]);
    let main = upstream.commit("main");
    let state = State::new();
    let tree = tree(&upstream, &["main", "next"]);
    state.repository.fetch(&tree).await.unwrap();
    let branches = ["next", "main"].map(|branch| tree.base(branch));
    let nearest = |id: &str| state.repository.nearest(oid(id), &branches);
    assert_eq!(nearest(&root), Some(tree.base("main")), "one commit later, and not two");
    assert_eq!(nearest(&next), Some(tree.base("next")));
    assert_eq!(nearest(&main), Some(tree.base("main")));
    assert_eq!(nearest(&"0".repeat(40)), None);
    assert_eq!(state.repository.nearest(oid(&next), &branches[1..]), None, "held by none of these");
}
