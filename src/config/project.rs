//! What `[[server.project]]` and its policy mean.

use std::collections::BTreeSet;

use super::reader::{At, Table};
use super::sections::{Known, name, once, values};
use super::{ChecksOn, Project, address};
use crate::bases::Rule;
use crate::policy::{Guard, Rules, Senders};

/// Checks are called `<context>-apply` and `<context>-kvm`; Patchwork takes 255 characters.
const MAX_CONTEXT: usize = 240;

/// The projects of a server.
pub(super) fn all(server: &Table<'_, '_>, known: &Known) -> Vec<Project> {
    let tables = server.tables("project", "server.project");
    if tables.is_empty() && server.any("project").is_none() {
        server.problem_here("project", "missing; add a [[server.project]] with its name");
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for table in &tables {
        let name = table.required("name", name);
        name.iter().for_each(|name| once(table, "name", &mut seen, name));
        all.extend(project(table, name, known));
    }
    all
}

fn project(table: &Table<'_, '_>, name: Option<At<String>>, known: &Known) -> Option<Project> {
    let checks = table.read("checks", |text| match text {
        "all" => Ok(ChecksOn::All),
        "last" => Ok(ChecksOn::Last),
        "none" => Ok(ChecksOn::None),
        _ => Err("expected \"all\", \"last\" or \"none\"".to_owned()),
    });
    let context = table.read("check_context", |text| {
        let slug = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let good = (1..=MAX_CONTEXT).contains(&text.len()) && text.bytes().all(slug);
        good.then(|| text.to_owned()).ok_or_else(|| "letters, digits, - and _ only, 240 at most".to_owned())
    });
    let archive = table.read("archive", address::server).map(|archive| archive.value.to_string());
    let bases = bases(table, known);
    let labels = labels(table, known);
    let policy = table.table("policy", "server.project.policy");
    Some(Project {
        bases,
        use_base_commit: table.flag("use_base_commit", true),
        checks: checks.map_or(ChecksOn::All, |checks| checks.value),
        commanders: policy
            .as_ref()
            .and_then(|policy| policy.list("commanders", address::mail))
            .map_or_else(Vec::new, values),
        check_context: context.map_or_else(|| "patchlift".to_owned(), |context| context.value),
        archive,
        rules: policy.map_or_else(|| default_rules(known), |policy| rules(&policy, known)),
        labels,
        priority: i32::try_from(table.number("priority", -1000..=1000, 0)).unwrap_or_default(),
        name: name?.value,
    })
}

/// The bases of a project; all there are, where none is named.
fn bases(table: &Table<'_, '_>, known: &Known) -> Vec<Rule> {
    let any = |rev: &String| Rule { rev: rev.clone(), tags: Vec::new(), paths: Vec::new() };
    let Some(given) = table.list("bases", |text| text.parse::<Rule>().map_err(|error| error.to_string()))
    else {
        return known.bases.iter().map(any).collect();
    };
    table.refuse_empty("bases", "name at least one base, or leave it out for all there are");
    for rule in given.iter().filter(|rule| !known.bases.contains(&rule.value.rev)) {
        let bases = known.bases.join(", ");
        let what = format!("{:?} is no branch of a [[tree]]; there are: {bases}", rule.value.rev);
        table.problem(&rule.span, "bases", what);
    }
    values(given)
}

/// The labels of a project. Where series run, there has to be a box that has them all.
fn labels(table: &Table<'_, '_>, known: &Known) -> Vec<String> {
    let given = table.list("labels", name);
    let at = given.iter().flatten().next().map(|label| label.span.clone());
    let labels = values(given.unwrap_or_default());
    let fits = known.boxes.iter().any(|one| one.fits(&labels));
    if let Some(at) = at.filter(|_| !fits && known.runs) {
        table.problem(&at, "labels", format!("no [[box]] has all of {}", labels.join(", ")));
    }
    labels
}

/// Who has this many commits in the base is known to its maintainers: they took them.
const COMMITS: u32 = 3;

fn default_rules(known: &Known) -> Rules {
    Rules {
        guarded: Vec::new(),
        // The longest real series have little more than a hundred patches.
        max_patches: 200,
        max_bytes: 20 << 20,
        max_files: 2000,
        senders: default_senders(known),
        decline: Vec::new(),
        hold: Vec::new(),
    }
}

/// Without hardware nothing of a series is ever executed.
fn default_senders(known: &Known) -> Senders {
    if known.runs { Senders::Known { listed: Vec::new(), commits: COMMITS } } else { Senders::All }
}

fn rules(table: &Table<'_, '_>, known: &Known) -> Rules {
    let default = default_rules(known);
    let glob = |text: &str| match Guard::new(&[text.to_owned()]) {
        Ok(_) if !text.is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("an empty glob guards nothing".to_owned()),
        Err(error) => Err(format!("{error}: {}", error.source)),
    };
    let words = |key| values(table.list(key, word).unwrap_or_default());
    let count = |key, default: usize| {
        table.count(key, 1..=1_000_000, u32::try_from(default).unwrap_or(u32::MAX)) as usize
    };
    Rules {
        guarded: values(table.list("guarded", glob).unwrap_or_default()),
        max_patches: count("max_patches", default.max_patches),
        max_bytes: table.size("max_bytes", 1 << 10..=1 << 30, default.max_bytes),
        max_files: count("max_files", default.max_files),
        senders: senders(table, default.senders),
        decline: words("decline"),
        hold: words("hold"),
    }
}

/// A word in a subject's brackets.
fn word(text: &str) -> Result<String, String> {
    let inside = |c: char| !c.is_whitespace() && !c.is_control() && !"[],".contains(c);
    let good = !text.is_empty() && text.chars().all(inside);
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no word of a subject's brackets"))
}

fn senders(table: &Table<'_, '_>, default: Senders) -> Senders {
    let listed = table.list("listed", address::mail);
    let commits = table.any("commits").map(|_| table.count("commits", 0..=100_000, COMMITS));
    let kind = table.read("senders", |text| match text {
        "all" | "known" => Ok(text == "all"),
        _ => Err("expected \"all\" or \"known\"".to_owned()),
    });
    match kind {
        Some(At { value: true, span }) => {
            if listed.is_some() || commits.is_some() {
                table.problem(&span, "senders", "\"all\" leaves nothing for listed and commits to say");
            }
            Senders::All
        }
        None if listed.is_none() && commits.is_none() => default,
        _ => {
            Senders::Known { listed: values(listed.unwrap_or_default()), commits: commits.unwrap_or(COMMITS) }
        }
    }
}
