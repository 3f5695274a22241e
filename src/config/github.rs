//! What `[github]` says beside how runs are made: who asks, and what is said on the mirror's commits.

use patchlift_publish::{App, Credential};
use url::Url;

use super::reader::Table;
use super::secret;
use crate::bridge::sinks::{Marks, OnGitHub};
use crate::github;
use crate::listing::is_name;

/// `owner/name` of a repository.
pub(super) fn repository(text: &str) -> Result<String, String> {
    let parts = text.split_once('/').filter(|(owner, name)| is_name(owner) && is_name(name));
    parts.map(|_| text.to_owned()).ok_or_else(|| "expected \"owner/name\"".to_owned())
}

/// The personal token, or the App.
pub(super) fn credential(table: &Table<'_, '_>) -> Option<Credential> {
    let app = table.table("app", "github.app");
    match (&app, table.any("token")) {
        (Some(app), None) => self::app(app).map(Credential::App),
        (None, Some(_)) => secret::read(table, "token").map(Credential::Token),
        (Some(_), Some(at)) => {
            table.problem(
                &at.span(),
                "token",
                "the App of [github.app] needs no token; leave one of them out",
            );
            None
        }
        (None, None) => {
            table.problem_here(
                "token",
                "missing; GitHub starts no workflow without one, or without [github.app]",
            );
            None
        }
    }
}

fn app(table: &Table<'_, '_>) -> Option<App> {
    let number = |key| {
        let number = table.number(key, 1..=i64::MAX, 0);
        u64::try_from(number).ok().filter(|number| *number > 0)
    };
    if table.any("id").is_none() {
        table.problem_here("id", "missing; the App's page at GitHub shows it as App ID");
    }
    if table.any("key").is_none() {
        table.problem_here("key", "missing; the App's page at GitHub makes one under Private keys");
    }
    let (id, key) = (number("id"), secret::read_key(table, "key"));
    let installation = table.any("installation").and_then(|_| number("installation"));
    Some(App { id: id?, key: key?, installation })
}

/// What is said on the mirror's commits.
pub(super) fn on_github(table: &Table<'_, '_>, settings: &github::Settings) -> Option<OnGitHub> {
    let is_app = matches!(settings.credential, Credential::App(_));
    let marks = table.read("checks", |text| match text {
        "check-runs" => Ok(Marks::CheckRuns),
        "statuses" => Ok(Marks::Statuses),
        "none" => Ok(Marks::None),
        _ => Err("expected \"check-runs\", \"statuses\" or \"none\"".to_owned()),
    });
    if let Some(marks) = marks.as_ref().filter(|marks| marks.value == Marks::CheckRuns && !is_app) {
        let what = "GitHub takes check runs from an App only; add [github.app], or write \"statuses\"";
        table.problem(&marks.span, "checks", what);
    }
    let pull_requests = table.flag("pull_requests", false);
    let own = table.read("mirror_repository", repository).map(|own| own.value);
    let web = web(&settings.api);
    let mirror = own.or_else(|| on_this_github(&settings.mirror, &web));
    let usual = if is_app { Marks::CheckRuns } else { Marks::Statuses };
    let Some(repository) = mirror else {
        if let Some(marks) = marks.filter(|marks| marks.value != Marks::None) {
            let what = "the mirror is no repository of this GitHub; say which with mirror_repository";
            table.problem(&marks.span, "checks", what);
        } else if pull_requests {
            table.problem_here("pull_requests", "say which repository the mirror is with mirror_repository");
        }
        return None;
    };
    let branches = format!("{web}{repository}/tree/");
    let marks = marks.map_or(usual, |marks| marks.value);
    Some(OnGitHub { repository, marks, pull_requests, branches })
}

/// Where people see what is asked for by `api`: `https://github.com/`, or a GitHub Enterprise Server's own address.
fn web(api: &Url) -> String {
    let mut web = api.clone();
    web.set_path("/");
    if web.host_str() == Some("api.github.com") && web.set_host(Some("github.com")).is_err() {
        return String::new();
    }
    web.to_string()
}

/// `owner/name` of a mirror's address that lies on this GitHub.
fn on_this_github(mirror: &str, web: &str) -> Option<String> {
    let host = web.split_once("://")?.1.trim_end_matches('/');
    let path = mirror
        .strip_prefix(web)
        .or_else(|| mirror.strip_prefix(&format!("git@{host}:")))
        .or_else(|| mirror.strip_prefix(&format!("ssh://git@{host}/")))?;
    let path = path.trim_end_matches('/');
    repository(path.strip_suffix(".git").unwrap_or(path)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_on_this_github_is_known_by_its_address() {
        let public = web(&Url::parse("https://api.github.com/").unwrap());
        let own = web(&Url::parse("https://git.example.org/api/v3/").unwrap());
        assert_eq!((public.as_str(), own.as_str()), ("https://github.com/", "https://git.example.org/"));
        for (mirror, web, expected) in [
            ("https://github.com/example/linux-ci.git", &public, Some("example/linux-ci")),
            ("https://github.com/example/linux-ci", &public, Some("example/linux-ci")),
            ("git@github.com:example/linux-ci.git", &public, Some("example/linux-ci")),
            ("ssh://git@git.example.org/a/b.git", &own, Some("a/b")),
            ("https://gitlab.com/example/linux-ci.git", &public, None),
            ("https://github.com/example", &public, None),
            ("/srv/mirror.git", &public, None),
        ] {
            assert_eq!(on_this_github(mirror, web).as_deref(), expected, "{mirror}");
        }
    }
}
