//! What the faked server answers: statuses, types and texts as a real one's.

use serde_json::{Value, json};

use super::model::{Check, Comment, Model, Patch};
use super::views::Views;

/// A request, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: Vec<(String, String)>,
    /// `Token …`, verbatim.
    pub(super) authorization: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<u64>,
    pub(super) body: Vec<u8>,
}

const HTML: &str = "text/html; charset=utf-8";

impl Reply {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::of(status, "application/json", value.to_string())
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        Self::of(status, HTML, format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head></html>\n"))
    }

    pub(super) fn of(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, location: None, retry_after: None, body: body.into() }
    }

    pub(super) fn detail(status: u16, detail: &str) -> Self {
        Self::json(status, &json!({ "detail": detail }))
    }

    fn none(what: &str) -> Self {
        Self::detail(404, &format!("No {what} matches the given query."))
    }

    fn moved(to: String) -> Self {
        Self { location: Some(to), ..Self::of(301, HTML, "") }
    }
}

const NO_PAGE: &str = "404: File not found - Patchwork";
const NO_RIGHTS: &str = "You do not have permission to perform this action.";

/// Who asks.
enum Asker {
    Nobody,
    User(u64),
}

pub(super) fn answer(model: &mut Model, origin: &str, question: &Question<'_>) -> Reply {
    if !question.path.ends_with('/') {
        return Reply::moved(format!("{}/", question.path));
    }
    let segments: Vec<&str> = question.path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["api", version @ ("1.2" | "1.3"), rest @ ..] => {
            let asker = match question.authorization.and_then(|value| value.strip_prefix("Token ")) {
                None => Asker::Nobody,
                Some(token) => match model.users.iter().find(|user| user.token == token) {
                    Some(user) => Asker::User(user.id),
                    // Also where nobody need be known.
                    None => return Reply::detail(403, "Invalid token."),
                },
            };
            api(model, origin, version, rest, question, &asker)
        }
        ["series", id, "mbox"] => {
            let series = model.series.iter().find(|series| series.id.to_string() == *id);
            let Some(series) = series.map(|series| series.id) else { return Reply::html(404, NO_PAGE) };
            let views = Views { model, origin, version: "1.3" };
            Reply::of(200, "text/plain", views.mailbox(series))
        }
        _ => Reply::html(404, NO_PAGE),
    }
}

fn api(
    model: &mut Model,
    origin: &str,
    version: &str,
    rest: &[&str],
    question: &Question<'_>,
    asker: &Asker,
) -> Reply {
    if let (["patches", patch, "checks"], "POST") = (rest, question.method) {
        return post_check(model, origin, version, patch, question, asker);
    }
    if question.method != "GET" {
        return Reply::detail(405, &format!("Method \"{}\" not allowed.", question.method));
    }
    let views = Views { model, origin, version };
    let by_id = |list: &[Patch], id: &str| list.iter().find(|patch| patch.id.to_string() == id).cloned();
    match rest {
        ["projects"] => page(question, &model.projects, |project| views.project(project)),
        ["projects", name] => match model.project(name) {
            Some(project) => Reply::json(200, &views.project(project)),
            None => Reply::none("Project"),
        },
        ["series"] => {
            let mut series: Vec<_> =
                model.series.iter().filter(|series| in_project(model, question, series.project)).collect();
            if value(question, "order") == Some("-id") {
                series.reverse();
            }
            page(question, &series, |series| views.series(series))
        }
        ["series", id] => match model.series.iter().find(|series| series.id.to_string() == *id) {
            Some(series) => Reply::json(200, &views.series(series)),
            None => Reply::none("Series"),
        },
        ["patches"] => {
            page(question, &filtered(model, question, &model.patches), |patch| views.patch_row(patch))
        }
        ["covers"] => {
            page(question, &filtered(model, question, &model.covers), |cover| views.cover_row(cover))
        }
        ["patches", id] => match by_id(&model.patches, id) {
            Some(patch) => Reply::json(200, &views.patch(&patch)),
            None => Reply::none("Patch"),
        },
        ["covers", id] => match by_id(&model.covers, id) {
            Some(cover) => Reply::json(200, &views.cover(&cover)),
            None => Reply::none("Cover"),
        },
        ["patches", id, "checks"] => match by_id(&model.patches, id) {
            Some(patch) => page(question, &checks(model, question, patch.id), |check| views.check(check)),
            None => Reply::none("Patch"),
        },
        ["events"] => page(question, &comments(model, question), |comment| views.comment_event(comment)),
        [list @ ("patches" | "covers"), id, "comments", number] if version == "1.3" => {
            let here = |comment: &&Comment| {
                comment.on_cover == (*list == "covers")
                    && comment.answered.to_string() == *id
                    && comment.id.to_string() == *number
            };
            match model.comments.iter().find(here) {
                Some(comment) => Reply::json(200, &views.comment(comment)),
                None => Reply::none("Comment"),
            }
        }
        _ => Reply::html(404, NO_PAGE),
    }
}

/// Events, of which there are none but answers here; the newest first.
fn comments<'a>(model: &'a Model, question: &Question<'_>) -> Vec<&'a Comment> {
    let category = value(question, "category");
    let wanted = |comment: &&Comment| {
        let kind = if comment.on_cover { "cover-comment-created" } else { "patch-comment-created" };
        category.is_none_or(|category| category == kind) && in_project(model, question, comment.project)
    };
    let mut comments: Vec<&Comment> = model.comments.iter().filter(wanted).collect();
    comments.reverse();
    comments
}

fn value<'a>(question: &'a Question<'_>, name: &str) -> Option<&'a str> {
    question.query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// `project` may be given more than once: any of them. One that is unknown is nobody's.
fn in_project(model: &Model, question: &Question<'_>, project: u64) -> bool {
    let mut wanted = question.query.iter().filter(|(name, _)| name == "project").peekable();
    wanted.peek().is_none()
        || wanted.any(|(_, name)| model.project(name).is_some_and(|known| known.id == project))
}

fn filtered<'a>(model: &Model, question: &Question<'_>, list: &'a [Patch]) -> Vec<&'a Patch> {
    let msgid = value(question, "msgid").map(|id| format!("<{id}>"));
    let wanted = |patch: &&Patch| {
        in_project(model, question, patch.project)
            && msgid.as_ref().is_none_or(|id| patch.mail.msgid == *id)
            && value(question, "series")
                .is_none_or(|id| patch.series.map(|id| id.to_string()).as_deref() == Some(id))
            && value(question, "state").is_none_or(|state| patch.state == state)
    };
    let mut list: Vec<&Patch> = list.iter().filter(wanted).collect();
    if value(question, "order") == Some("-id") {
        list.reverse();
    }
    list
}

fn checks<'a>(model: &'a Model, question: &Question<'_>, patch: u64) -> Vec<&'a Check> {
    let wanted = |check: &&Check| {
        check.patch == patch && value(question, "context").is_none_or(|context| check.context == context)
    };
    let mut checks: Vec<&Check> = model.checks.iter().filter(wanted).collect();
    if value(question, "order") == Some("-date") {
        checks.reverse();
    }
    checks
}

/// A page of a list: 30 rows unless asked otherwise, never more than 250, none beyond the end but an error.
fn page<T>(question: &Question<'_>, rows: &[T], view: impl Fn(&T) -> Value) -> Reply {
    let size = value(question, "per_page").and_then(|size| size.parse().ok()).filter(|size| *size > 0);
    let size: usize = size.unwrap_or(30).min(250);
    let pages = rows.len().div_ceil(size).max(1);
    let number = match value(question, "page") {
        None => Some(1),
        Some("last") => Some(pages),
        Some(number) => number.parse().ok().filter(|number| (1..=pages).contains(number)),
    };
    let Some(number) = number else { return Reply::detail(404, "Invalid page.") };
    let shown = rows.iter().skip((number - 1) * size).take(size);
    Reply::json(200, &Value::Array(shown.map(view).collect()))
}

fn post_check(
    model: &mut Model,
    origin: &str,
    version: &str,
    patch: &str,
    question: &Question<'_>,
    asker: &Asker,
) -> Reply {
    let Some(patch) = model.patches.iter().find(|known| known.id.to_string() == patch) else {
        return Reply::none("Patch");
    };
    let Asker::User(user) = *asker else { return Reply::detail(403, NO_RIGHTS) };
    let is_submitter = || {
        let address = model.users.iter().find(|known| known.id == user).map(|user| user.email.as_str());
        model.people.iter().any(|p| p.id == patch.submitter && Some(p.email.as_str()) == address)
    };
    let project = model.projects.iter().find(|project| project.id == patch.project);
    if !project.is_some_and(|project| project.maintainers.contains(&user)) && !is_submitter() {
        return Reply::detail(403, NO_RIGHTS);
    }
    let Ok(body) = serde_json::from_slice::<Value>(question.body) else {
        return Reply::detail(400, "JSON parse error - Expecting value: line 1 column 10 (char 9)");
    };
    let wrong = |field: &str, what: &str| Reply::json(400, &json!({ field: [what] }));
    let state = match body.get("state").and_then(Value::as_str) {
        None => return wrong("state", "A check must have a state."),
        Some(state) => ["pending", "success", "warning", "fail"].into_iter().find(|known| *known == state),
    };
    let Some(state) = state else { return wrong("state", "\"…\" is not a valid choice.") };
    let context = body.get("context").and_then(Value::as_str).unwrap_or("default");
    let slug = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !context.chars().all(slug) {
        let what = "Enter a valid \"slug\" consisting of letters, numbers, underscores or hyphens.";
        return wrong("context", what);
    }
    if context.len() > 255 {
        return wrong("context", "Ensure this field has no more than 255 characters.");
    }
    let url = body.get("target_url").and_then(Value::as_str);
    if url.is_some_and(|url| url.chars().count() > 200) {
        return wrong("target_url", "Ensure this field has no more than 200 characters.");
    }
    if url.is_some_and(|url| !url.is_empty() && !has_dotted_host(url)) {
        return wrong("target_url", "Enter a valid URL.");
    }
    let id = model.checks.len() as u64 + 1;
    // Strictly rising, and in no zone that anybody else knows.
    let start = jiff::civil::date(2026, 11, 23).at(2, 0, 0, 0);
    let seconds = i64::try_from(id).unwrap();
    let check = Check {
        id,
        patch: patch.id,
        user,
        date: start.saturating_add(jiff::Span::new().seconds(seconds).microseconds(1)),
        state,
        target_url: url.map(str::to_owned),
        context: context.to_owned(),
        description: body.get("description").and_then(Value::as_str).map(str::to_owned),
    };
    model.checks.push(check.clone());
    let value = Views { model, origin, version }.check(&check);
    let location = value.get("url").and_then(Value::as_str).map(str::to_owned);
    Reply { location, ..Reply::json(201, &value) }
}

fn has_dotted_host(url: &str) -> bool {
    let url = url::Url::parse(url).ok();
    url.and_then(|url| Some(url.host_str()?.contains('.'))).unwrap_or(false)
}
