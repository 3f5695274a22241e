//! What each table means, with its defaults. `patchlift.example.toml` says the same for people.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use patchlift_publish::Credential;
use url::Url;

use super::reader::{At, Table};
use super::{Config, Server, address, project, secret, sinks};
use crate::apply::commit::parse_committer;
use crate::ci_commit::CiFiles;
use crate::listing::is_name;
use crate::patchwork::{self, Api};
use crate::{github, mirror, queue, trees, webhook};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const MIB: u64 = 1 << 20;

/// What other tables may refer to.
pub(super) struct Known {
    /// `tree/branch` of every base, in the file's order.
    pub(super) bases: Vec<String>,
    /// The boxes.
    pub(super) boxes: Vec<queue::TestBox>,
    /// Series run on hardware.
    pub(super) runs: bool,
}

/// The whole configuration; `None` where a problem was noted that leaves a hole.
pub(super) fn all(top: &Table<'_, '_>) -> Option<Config> {
    let state_dir = top.required("state_dir", |text| Ok(top.file.relative(text)));
    let committer = top.read("committer", |text| {
        parse_committer(text).ok_or_else(|| "expected \"Name <address>\"".to_owned())
    });
    let committer = committer.map_or_else(|| ("patchlift".into(), "patchlift@localhost".into()), |c| c.value);
    let trees = trees(top);
    let boxes = boxes(top);
    let mirror = top.table("mirror", "mirror").map(|table| self::mirror(&table));
    let mut on_github = None;
    let github = top.table("github", "github").map(|table| {
        if boxes.is_empty() {
            table.problem_here("", "there is no [[box]] to run on; add one");
        }
        let settings = self::github(&table, mirror.as_ref());
        on_github = settings.as_ref().and_then(|settings| super::github::on_github(&table, settings));
        settings
    });
    let slack = top.table("slack", "slack").map(|table| sinks::slack(&table));
    let mail = top.table("mail", "mail").map(|table| sinks::mail(&table));
    let webhook = top.table("webhook", "webhook").map(|table| {
        if top.any("github").is_none() {
            table.problem_here("", "GitHub has nothing to tell without a [github] section; add one");
        }
        let app = github.iter().flatten().find_map(|github: &github::Settings| match &github.credential {
            Credential::App(app) => Some(app.id),
            Credential::Token(_) => None,
        });
        self::webhook(&table, app)
    });
    let bases = trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| tree.base(branch)));
    let known = Known { bases: bases.collect(), boxes, runs: github.is_some() };
    let servers = servers(top, &known);
    Some(Config {
        path: top.file.path.to_owned(),
        state_dir: state_dir?.value,
        committer,
        servers,
        trees,
        mirror: hole(mirror)?,
        github: hole(github)?,
        on_github,
        slack: hole(slack)?,
        mail: hole(mail)?,
        webhook: hole(webhook)?,
        boxes: known.boxes,
        at_once: top.count("at_once", 1..=64, 4) as usize,
    })
}

/// `None` where there should be something and is nothing.
fn hole<T>(table: Option<Option<T>>) -> Option<Option<T>> {
    match table {
        Some(None) => None,
        Some(there) => Some(there),
        None => Some(None),
    }
}

/// A name of a server, a tree, a box or a label.
pub(super) fn name(text: &str) -> Result<String, String> {
    let good = is_name(text).then(|| text.to_owned());
    good.ok_or_else(|| {
        "a name has letters, digits, -, _ and . only, 64 at most, and no - or . in front".to_owned()
    })
}

/// Notes what comes twice.
pub(super) fn once(table: &Table<'_, '_>, key: &str, seen: &mut BTreeSet<String>, name: &At<String>) {
    if !seen.insert(name.value.clone()) {
        table.problem(&name.span, key, format!("{:?} comes twice; each needs a name of its own", name.value));
    }
}

fn servers(top: &Table<'_, '_>, known: &Known) -> Vec<Server> {
    let tables = top.tables("server", "server");
    if tables.is_empty() && top.any("server").is_none() {
        top.problem_here("server", "missing; add a [[server]] with name, url and a [[server.project]]");
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for table in &tables {
        let name = table.required("name", name);
        name.iter().for_each(|name| once(table, "name", &mut seen, name));
        all.extend(server(table, name, known));
    }
    all
}

fn server(table: &Table<'_, '_>, name: Option<At<String>>, known: &Known) -> Option<Server> {
    let projects = project::all(table, known);
    let client = client(table, name);
    let commanded = projects.iter().any(|project| !project.commanders.is_empty());
    if commanded && client.as_ref().is_some_and(|client| client.api < Api::V1_3) {
        table.problem_here("api", "answers on the list (commanders) are told by api \"1.3\" and later only");
    }
    Some(Server {
        // Faster than every 10 seconds is for tests.
        poll: table.time("poll", 100 * MILLISECOND..=DAY, MINUTE),
        settle: table.time("settle", Duration::ZERO..=DAY, MINUTE),
        give_up_after: table.time("give_up_after", SECOND..=YEAR, 7 * DAY),
        backlog: table.count("backlog", 0..=100_000, 250),
        overlap: table.count("overlap", 1..=1000, 10),
        reconcile_every: table.time("reconcile_every", SECOND..=30 * DAY, DAY),
        projects,
        client: client?,
    })
}

fn client(table: &Table<'_, '_>, name: Option<At<String>>) -> Option<patchwork::Settings> {
    let url = table.required("url", address::server);
    let api = table.read("api", |text| match text {
        "1.2" => Ok(Api::V1_2),
        "1.3" => Ok(Api::V1_3),
        _ => Err("expected \"1.2\" (Patchwork 2.2 and later) or \"1.3\" (3.1 and later)".to_owned()),
    });
    Some(patchwork::Settings {
        api: api.map_or(Api::V1_3, |api| api.value),
        token: secret::read(table, "token"),
        user_agent: user_agent(table),
        connect_limit: table.time("connect_limit", 10 * MILLISECOND..=HOUR, 10 * SECOND),
        answer_limit: table.time("answer_limit", 10 * MILLISECOND..=HOUR, 30 * SECOND),
        whole_limit: table.time("whole_limit", 10 * MILLISECOND..=HOUR, 2 * MINUTE),
        max_json: table.size("max_json", 1 << 10..=1 << 30, 20 * MIB),
        max_mbox: table.size("max_mbox", 1 << 10..=1 << 30, 64 * MIB),
        at_once: table.count("requests_at_once", 1..=16, 4) as usize,
        name: name?.value,
        url: url?.value,
    })
}

/// What the server's people see of us: servers behind a wall against bots let known agents through.
fn user_agent(table: &Table<'_, '_>) -> String {
    let visible = |text: &str| {
        let good =
            !text.is_empty() && text.len() <= 200 && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        good.then(|| text.to_owned()).ok_or_else(|| "expected visible ASCII, 200 letters at most".to_owned())
    };
    let own = concat!("patchlift/", env!("CARGO_PKG_VERSION"));
    let contact = table.read("contact", visible);
    let contact = contact.map_or_else(|| own.to_owned(), |contact| format!("{own} ({})", contact.value));
    table.read("user_agent", visible).map_or(contact, |agent| agent.value)
}

fn trees(top: &Table<'_, '_>) -> Vec<trees::Settings> {
    let tables = top.tables("tree", "tree");
    if tables.is_empty() && top.any("tree").is_none() {
        top.problem_here("tree", "missing; add a [[tree]] with name and url");
    }
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for table in &tables {
        let name = table.required("name", name);
        name.iter().for_each(|name| once(table, "name", &mut seen, name));
        all.extend(tree(table, name));
    }
    all
}

fn tree(table: &Table<'_, '_>, name: Option<At<String>>) -> Option<trees::Settings> {
    let url = table.required("url", |text| repository(table, text));
    let branches = table.list("branches", branch);
    let mut seen = BTreeSet::new();
    branches.iter().flatten().for_each(|branch| once(table, "branches", &mut seen, branch));
    table.refuse_empty("branches", "name at least one branch, or leave it out for master");
    let branches = branches.map_or_else(|| vec!["master".to_owned()], values);
    let fetch_every = table.time("fetch_every", 100 * MILLISECOND..=30 * DAY, 15 * MINUTE);
    Some(trees::Settings { name: name?.value, url: url?.value, branches, fetch_every })
}

fn repository(table: &Table<'_, '_>, text: &str) -> Result<String, String> {
    address::repository(text, |path| table.file.relative(path).display().to_string())
}

fn branch(text: &str) -> Result<String, String> {
    let good = git2::Reference::is_valid_name(&format!("refs/heads/{text}")) && !text.starts_with('-');
    good.then(|| text.to_owned()).ok_or_else(|| format!("{text:?} is no name of a branch"))
}

pub(super) fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|item| item.value).collect()
}

fn mirror(table: &Table<'_, '_>) -> Option<mirror::Settings> {
    let url = table.required("url", |text| repository(table, text));
    let token = secret::read(table, "token");
    let expire_after = table.time("expire_after", SECOND..=10 * YEAR, 30 * DAY);
    // GitHub advises against more than 5000 branches and against more than 6 pushes a minute.
    let max_branches = table.count("max_branches", 1..=100_000, 4000) as usize;
    let pause = table.time("pause", Duration::ZERO..=HOUR, 10 * SECOND);
    Some(mirror::Settings { url: url?.value, token, expire_after, max_branches, pause })
}

fn github(table: &Table<'_, '_>, mirror: Option<&Option<mirror::Settings>>) -> Option<github::Settings> {
    let api = table.read("api", address::server);
    let api = api.map_or_else(|| Url::parse("https://api.github.com/").ok(), |api| Some(api.value));
    let repository = table.required("repository", super::github::repository);
    let workflow = table.read("workflow", |text| {
        let good = is_name(text) && (text.ends_with(".yml") || text.ends_with(".yaml"));
        good.then(|| text.to_owned())
            .ok_or_else(|| "expected the file's name, like \"kvm-ci.yml\"".to_owned())
    });
    let credential = super::github::credential(table);
    if mirror.is_none() {
        table.problem_here("", "a run needs branches on GitHub; add [mirror] with url and token");
    }
    let own = table.read("mirror", |text| self::repository(table, text)).map(|own| own.value);
    let mirror = own.or_else(|| mirror.and_then(Option::as_ref).map(|mirror| mirror.url.clone()));
    let trigger = trigger(table);
    Some(github::Settings {
        trigger: trigger?,
        workflow: workflow.map_or_else(|| "kvm-ci.yml".to_owned(), |workflow| workflow.value),
        branch: table.read("branch", branch).map(|branch| branch.value),
        poll: table.time("poll", 100 * MILLISECOND..=HOUR, 30 * SECOND),
        pause: table.time("pause", Duration::ZERO..=MINUTE, SECOND),
        // GitHub itself drops a job that no runner took after 24 hours.
        queued_limit: table.time("queued_limit", SECOND..=30 * DAY, DAY),
        run_limit: table.time("run_limit", SECOND..=30 * DAY, 6 * HOUR),
        // The last steps of a run bring the box back: a power cycle and a boot of the known-good kernel.
        cancel_limit: table.time("cancel_limit", 100 * MILLISECOND..=DAY, 10 * MINUTE),
        repository: repository?.value,
        credential: credential?,
        mirror: mirror?,
        api: api?,
    })
}

fn trigger(table: &Table<'_, '_>) -> Option<github::Trigger> {
    let folder = table.read("ci_commit", |text| Ok(table.file.relative(text)));
    let by_push = table.read("trigger", |text| match text {
        "dispatch" | "push" => Ok(text == "push"),
        _ => Err("expected \"dispatch\" or \"push\"".to_owned()),
    });
    if !by_push.is_some_and(|by_push| by_push.value) {
        return Some(github::Trigger::Dispatch);
    }
    let Some(folder) = folder else {
        table.problem_here("ci_commit", "missing; trigger = \"push\" needs the folder with the workflow");
        return None;
    };
    match CiFiles::read(&folder.value) {
        Ok(files) => Some(github::Trigger::Push(files)),
        Err(error) => {
            let words = patchlift_report::clean::with_causes(&error);
            table.problem(&folder.span, "ci_commit", words);
            None
        }
    }
}

fn webhook(table: &Table<'_, '_>, app: Option<u64>) -> Option<webhook::Settings> {
    let listen = table.read("listen", |text| {
        text.parse()
            .map_err(|_| "expected an address of this machine and a port, like \"127.0.0.1:8008\"".to_owned())
    });
    let secret = secret::read(table, "secret");
    if table.any("secret").is_none() {
        table.problem_here("secret", "missing; without it anybody could press buttons");
    }
    Some(webhook::Settings {
        listen: listen.map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8008)), |listen| listen.value),
        secret: secret?,
        app,
    })
}

fn boxes(top: &Table<'_, '_>) -> Vec<queue::TestBox> {
    let mut seen = BTreeSet::new();
    let mut boxes = Vec::new();
    for table in top.tables("box", "box") {
        let name = table.required("name", name);
        name.iter().for_each(|name| once(&table, "name", &mut seen, name));
        let labels = values(table.list("labels", self::name).unwrap_or_default());
        boxes.extend(name.map(|name| queue::TestBox { name: name.value, labels }));
    }
    boxes
}
