//! The state as the server's JSON and mailboxes.

use serde_json::{Map, Value, json};

use super::model::{Check, Comment, Model, Patch, Person, Project, Series, User};

/// Everything an answer is made from.
pub(super) struct Views<'a> {
    pub(super) model: &'a Model,
    /// `http://127.0.0.1:1234`
    pub(super) origin: &'a str,
    /// `1.3`
    pub(super) version: &'a str,
}

impl Views<'_> {
    fn api(&self, rest: &str) -> String {
        format!("{}/api/{}/{rest}", self.origin, self.version)
    }

    /// The project as it stands inside other things.
    fn project_in(&self, id: u64) -> Value {
        let Some(project) = self.model.projects.iter().find(|project| project.id == id) else {
            return Value::Null;
        };
        let mut value = self.project(project);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("maintainers");
            fields.remove("subject_match");
        }
        value
    }

    pub(super) fn project(&self, project: &Project) -> Value {
        let users = self.model.users.iter().filter(|user| project.maintainers.contains(&user.id));
        json!({
            "id": project.id,
            "url": self.api(&format!("projects/{}/", project.id)),
            "name": "Linux PPC development",
            "link_name": project.link_name,
            "list_id": project.list_email.replace('@', "."),
            "list_email": project.list_email,
            "web_url": "",
            "scm_url": "",
            "webscm_url": "",
            "maintainers": users.map(|user| self.user(user)).collect::<Vec<_>>(),
            "subject_match": "",
            "list_archive_url": "",
            "list_archive_url_format": "",
            "commit_url_format": "",
        })
    }

    fn user(&self, user: &User) -> Value {
        json!({
            "id": user.id,
            "url": self.api(&format!("users/{}/", user.id)),
            "username": user.username,
            "first_name": "",
            "last_name": "",
            "email": user.email,
        })
    }

    fn person(&self, id: u64) -> Value {
        let Some(Person { id, name, email }) = self.model.people.iter().find(|person| person.id == id) else {
            return Value::Null;
        };
        json!({ "id": id, "url": self.api(&format!("people/{id}/")), "name": name, "email": email })
    }

    pub(super) fn series(&self, series: &Series) -> Value {
        let patches = self.model.patches_of(series.id);
        let cover = self.model.covers.iter().find(|cover| Some(cover.id) == series.cover);
        let mut fields = self.series_in(series);
        fields.extend(object(json!({
            "project": self.project_in(series.project),
            "submitter": self.person(series.submitter),
            "total": series.total,
            "received_total": patches.len(),
            "received_all": patches.len() >= series.total as usize,
            "cover_letter": cover.map(|cover| self.mail_in(cover, "cover")),
            "patches": patches.iter().map(|patch| self.mail_in(patch, "patch")).collect::<Vec<_>>(),
        })));
        Value::Object(fields)
    }

    /// A series as it stands inside a patch.
    fn series_in(&self, series: &Series) -> Map<String, Value> {
        let project = self.model.projects.iter().find(|project| project.id == series.project);
        let link_name = project.map(|project| project.link_name.as_str()).unwrap_or_default();
        object(json!({
            "id": series.id,
            "url": self.api(&format!("series/{}/", series.id)),
            "web_url": format!("{}/project/{link_name}/list/?series={}", self.origin, series.id),
            "date": series.date.to_string(),
            "name": series.name,
            "version": series.version,
            "mbox": format!("{}/series/{}/mbox/", self.origin, series.id),
        }))
    }

    /// A patch or a cover letter as it stands inside a series.
    fn mail_in(&self, patch: &Patch, kind: &str) -> Value {
        let project = self.model.projects.iter().find(|project| project.id == patch.project);
        let link_name = project.map(|project| project.link_name.as_str()).unwrap_or_default();
        let msgid = patch.mail.msgid.trim_matches(['<', '>']);
        let page = format!("{}/project/{link_name}/{kind}/{msgid}/", self.origin);
        let list = if kind == "cover" { "covers" } else { "patches" };
        json!({
            "id": patch.id,
            "url": self.api(&format!("{list}/{}/", patch.id)),
            "web_url": page,
            "msgid": patch.mail.msgid,
            "list_archive_url": null,
            "date": patch.mail.date.to_string(),
            "name": patch.mail.name,
            "mbox": format!("{page}mbox/"),
        })
    }

    fn mail_row(&self, patch: &Patch, kind: &str) -> Map<String, Value> {
        let series = self.model.series.iter().find(|series| Some(series.id) == patch.series);
        let list = if kind == "cover" { "covers" } else { "patches" };
        let mut fields = object(self.mail_in(patch, kind));
        fields.extend(object(json!({
            "project": self.project_in(patch.project),
            "submitter": self.person(patch.submitter),
            "series": series.map(|series| vec![Value::Object(self.series_in(series))]).unwrap_or_default(),
            // These two never carry a version.
            "comments": format!("{}/api/{list}/{}/comments/", self.origin, patch.id),
        })));
        fields
    }

    /// A cover letter as lists have it.
    pub(super) fn cover_row(&self, cover: &Patch) -> Value {
        Value::Object(self.mail_row(cover, "cover"))
    }

    /// A patch as lists have it.
    pub(super) fn patch_row(&self, patch: &Patch) -> Value {
        let mut fields = self.mail_row(patch, "patch");
        fields.extend(object(json!({
            "commit_ref": null,
            "pull_url": patch.mail.pull_url,
            "state": patch.state,
            "archived": false,
            "hash": patch.mail.diff.as_ref().map(|diff| hash(diff)),
            "delegate": null,
            "check": self.model.combined(patch.id),
            "checks": format!("{}/api/patches/{}/checks/", self.origin, patch.id),
            "tags": {},
            "related": [],
        })));
        Value::Object(fields)
    }

    pub(super) fn patch(&self, patch: &Patch) -> Value {
        let mut fields = object(self.patch_row(patch));
        fields.extend(object(text(patch)));
        fields.insert("diff".to_owned(), json!(patch.mail.diff));
        fields.insert("prefixes".to_owned(), json!(patch.mail.prefixes));
        Value::Object(fields)
    }

    pub(super) fn cover(&self, cover: &Patch) -> Value {
        let mut fields = object(self.cover_row(cover));
        fields.extend(object(text(cover)));
        Value::Object(fields)
    }

    pub(super) fn check(&self, check: &Check) -> Value {
        let user = self.model.users.iter().find(|user| user.id == check.user);
        json!({
            "id": check.id,
            "url": self.api(&format!("patches/{}/checks/{}/", check.patch, check.id)),
            "user": user.map(|user| self.user(user)),
            "date": check.date.to_string(),
            "state": check.state,
            "target_url": check.target_url,
            "context": check.context,
            "description": check.description,
        })
    }

    /// An answer, without the mail's headers.
    pub(super) fn comment(&self, comment: &Comment) -> Value {
        let mut fields = object(self.comment_in(comment));
        fields.extend(object(json!({
            "subject": comment.mail.name,
            "submitter": self.person(comment.submitter),
            "content": comment.mail.content,
            "headers": {},
            "addressed": null,
        })));
        Value::Object(fields)
    }

    fn comment_in(&self, comment: &Comment) -> Value {
        let list = if comment.on_cover { "covers" } else { "patches" };
        json!({
            "id": comment.id,
            "url": self.api(&format!("{list}/{}/comments/{}/", comment.answered, comment.id)),
            "web_url": format!("{}/comment/{}/", self.origin, comment.id),
            "msgid": comment.mail.msgid,
            "list_archive_url": null,
            "date": comment.mail.date.to_string(),
        })
    }

    /// An answer that came in, as an event.
    pub(super) fn comment_event(&self, comment: &Comment) -> Value {
        let (kind, list) =
            if comment.on_cover { ("cover", &self.model.covers) } else { ("patch", &self.model.patches) };
        let answered = list.iter().find(|patch| patch.id == comment.answered);
        json!({
            "id": comment.id + 1000,
            "category": format!("{kind}-comment-created"),
            "project": self.project_in(comment.project),
            "date": comment.mail.date.to_string(),
            "actor": null,
            "payload": {
                kind: answered.map(|patch| self.mail_in(patch, kind)),
                "comment": self.comment_in(comment),
            },
        })
    }

    /// The mailbox of a series: by number, review tags of answers put in, nothing escaped.
    pub(super) fn mailbox(&self, series: u64) -> String {
        let mut patches = self.model.patches_of(series);
        patches.sort_by_key(|patch| patch.number);
        patches.iter().map(|patch| self.mail(patch)).collect::<Vec<_>>().join("\n")
    }

    fn mail(&self, patch: &Patch) -> String {
        let (message, below) = split_at_dashes(&patch.mail.content);
        let mut body = format!("{}\n", message.trim());
        for line in patch.comments.iter().flat_map(|comment| comment.lines()).filter(|line| is_tag(line)) {
            body.push_str(line);
            body.push('\n');
        }
        if let Some(below) = below {
            body.push_str(&format!("---{}\n", below.trim_end()));
        }
        if let Some(diff) = &patch.mail.diff {
            body.push('\n');
            body.push_str(diff);
        }
        let person = self.model.people.iter().find(|person| person.id == patch.submitter);
        let (name, email) =
            person.map(|p| (p.name.clone().unwrap_or_default(), p.email.clone())).unwrap_or_default();
        let encoding = if body.is_ascii() { "7bit" } else { "8bit" };
        let mut mail = format!(
            "From patchwork {}\nContent-Type: text/plain; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: {encoding}\nX-Patchwork-Submitter: {name} <{email}>\nX-Patchwork-Id: {}\n",
            patch.mail.date.strftime("%a %b %e %H:%M:%S %Y"),
            patch.id,
        );
        for (name, value) in &patch.mail.headers {
            if !["content-type", "content-transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
                mail.push_str(&format!("{name}: {value}\n"));
            }
        }
        // The server's mailboxes lose CRs.
        format!("{mail}\n{body}").replace("\r\n", "\n")
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn text(patch: &Patch) -> Value {
    let mut headers = Map::new();
    for (name, value) in &patch.mail.headers {
        match headers.get_mut(name) {
            None => {
                headers.insert(name.clone(), json!(value));
            }
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    json!({ "headers": headers, "content": patch.mail.content })
}

fn split_at_dashes(content: &str) -> (String, Option<String>) {
    let mut at = 0;
    for line in content.split_inclusive('\n') {
        if ["---", "--- ", "--", "-- "].contains(&line.trim_end_matches('\n')) {
            return (content[..at].to_owned(), Some(format!("\n{}", &content[at + line.len()..])));
        }
        at += line.len();
    }
    (content.to_owned(), None)
}

fn is_tag(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["tested", "reviewed", "acked", "signed-off", "nacked", "reported"]
        .iter()
        .any(|word| line.starts_with(&format!("{word}-by:")))
}

fn hash(diff: &str) -> String {
    git2::Oid::hash_object(git2::ObjectType::Blob, diff.as_bytes()).unwrap().to_string()
}
