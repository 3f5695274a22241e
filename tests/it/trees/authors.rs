//! Who wrote how much of a branch.

use patchlift::trees::Repository;

use super::{State, tree};
use crate::git_repo::GitRepo;

fn commit_by(upstream: &GitRepo, author: &str) {
    upstream.git(&["commit", "-q", "--allow-empty", "-m", author, "--author", author]);
}

#[tokio::test]
async fn commits_are_counted_by_author_as_they_come() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    for _ in 0..3 {
        commit_by(&upstream, "Ann <Ann@Example.org>");
    }
    commit_by(&upstream, "Bob <bob@example.org>");
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    state.repository.fetch(&tree).await.unwrap();
    let by = |email: &str| state.repository.commits_by(email, "up/main", 100);
    assert_eq!((by("ann@example.org"), by("bob@example.org"), by("eve@example.org")), (3, 1, 0));
    assert_eq!(state.repository.commits_by("ann@example.org", "up/main", 2), 2);
    assert_eq!(state.repository.commits_by("ann@example.org", "up/next", 2), 0);

    commit_by(&upstream, "Bob <bob@example.org>");
    state.repository.fetch(&tree).await.unwrap();
    assert_eq!((by("ann@example.org"), by("BOB@example.org")), (3, 2));

    // A rewound branch is counted anew: no commit counts twice.
    upstream.git(&["reset", "-q", "--hard", "HEAD~3"]);
    commit_by(&upstream, "Bob <bob@example.org>");
    state.repository.fetch(&tree).await.unwrap();
    assert_eq!((by("ann@example.org"), by("bob@example.org")), (2, 1));
}

#[tokio::test]
async fn the_counts_outlive_the_program_and_a_damaged_table() {
    let upstream = GitRepo::with(&[("a", "1\n")]);
    commit_by(&upstream, "Ann <ann@example.org>");
    let state = State::new();
    let tree = tree(&upstream, &["main"]);
    state.repository.fetch(&tree).await.unwrap();

    let again = Repository::open(&state.git_dir()).unwrap();
    assert_eq!(again.commits_by("ann@example.org", "up/main", 9), 1);

    let table = state.git_dir().join("patchlift-authors.json");
    let whole = std::fs::read(&table).unwrap();
    std::fs::write(&table, &whole[..whole.len() / 2]).unwrap();
    let damaged = Repository::open(&state.git_dir()).unwrap();
    assert_eq!(damaged.commits_by("ann@example.org", "up/main", 9), 0);
    damaged.fetch(&tree).await.unwrap();
    assert_eq!(damaged.commits_by("ann@example.org", "up/main", 9), 1);
}
