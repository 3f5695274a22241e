//! A mirror on this machine, without a git program.

use std::cell::RefCell;
use std::path::Path;

use git2::{Direction, PushOptions, RemoteCallbacks, Repository};

use super::porcelain::Answer;
use super::push::{Branches, Change, ours};

pub(super) fn list(repository: &Repository, mirror: &Path) -> Result<Branches, git2::Error> {
    let mut remote = repository.remote_anonymous(&mirror.to_string_lossy())?;
    remote.connect(Direction::Fetch)?;
    let branches = remote.list()?.iter().filter_map(|head| Some((ours(head.name())?, head.oid()))).collect();
    Ok(branches)
}

/// libgit2 pushes references only, so the commits get some for the time of the push.
pub(super) fn push(
    repository: &Repository,
    mirror: &Path,
    batch: &[Change],
) -> Result<Vec<(String, Answer)>, git2::Error> {
    let mut refspecs = Vec::new();
    let mut anchors = Vec::new();
    for (n, change) in batch.iter().enumerate() {
        let name = &change.name;
        refspecs.push(match change.to {
            Some(to) => {
                let anchor = format!("refs/patchlift/push/{n}");
                anchors.push(repository.reference(&anchor, to, true, "patchlift: push")?);
                format!("+{anchor}:refs/heads/{name}")
            }
            None => format!(":refs/heads/{name}"),
        });
    }
    let answers = RefCell::new(Vec::new());
    let mut callbacks = RemoteCallbacks::new();
    callbacks.push_update_reference(|name, refusal| {
        let answer = match refusal {
            None => Answer::Done,
            Some(why) => Answer::Refused(patchlift_report::clean::line(why, 300)),
        };
        answers.borrow_mut().extend(ours(name).map(|name| (name, answer)));
        Ok(())
    });
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks);
    let mut remote = repository.remote_anonymous(&mirror.to_string_lossy())?;
    let pushed = remote.push(&refspecs, Some(&mut options));
    drop(options);
    for mut anchor in anchors {
        anchor.delete()?;
    }
    pushed?;
    Ok(answers.into_inner())
}
