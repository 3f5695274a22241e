//! Answers to patches and cover letters, by the events that tell of them. API 1.3 and later.

use serde::Deserialize;

use super::PatchworkError;
use super::client::{Client, parse};
use super::json::{PersonJson, msgid, submitter};
use crate::listing::Submitter;

/// What an answer is an answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// A patch.
    Patch,
    /// A cover letter.
    Cover,
}

impl Answered {
    /// The server's word in names of events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Cover => "cover",
        }
    }

    /// The server's word in addresses.
    fn list(self) -> &'static str {
        match self {
            Self::Patch => "patches",
            Self::Cover => "covers",
        }
    }
}

/// An answer came in. Told again when somebody marks it as addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewComment {
    /// What it is an answer to.
    pub answered: Answered,
    /// The number of what it is an answer to.
    pub answered_id: u64,
    /// The Message-ID of what it is an answer to, without the angle brackets.
    pub answered_msgid: String,
    /// The answer's number.
    pub id: u64,
    /// The answer's Message-ID without the angle brackets.
    pub msgid: String,
}

/// A page of a list of answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentPage {
    /// The answers that can be used, the newest first.
    pub comments: Vec<NewComment>,
    /// How many rows the server gave; 0 beyond its last page.
    pub rows: usize,
}

/// An answer's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Who sent it, by its From header: anybody can write any address there.
    pub submitter: Submitter,
    /// Its text, quotes and all.
    pub content: String,
}

#[derive(Deserialize)]
struct EventJson {
    category: String,
    payload: PayloadJson,
}

#[derive(Deserialize)]
struct PayloadJson {
    patch: Option<NamedJson>,
    cover: Option<NamedJson>,
    comment: NamedJson,
}

#[derive(Deserialize)]
struct NamedJson {
    id: u64,
    msgid: String,
}

#[derive(Deserialize)]
struct CommentJson {
    submitter: Option<PersonJson>,
    content: Option<String>,
}

impl EventJson {
    /// A server that does not know the filter gives everything.
    fn into_comment(self, answered: Answered) -> Option<NewComment> {
        let of = match answered {
            Answered::Patch => self.payload.patch,
            Answered::Cover => self.payload.cover,
        };
        let of = of.filter(|_| self.category == category(answered))?;
        Some(NewComment {
            answered,
            answered_id: of.id,
            answered_msgid: msgid(&of.msgid),
            id: self.payload.comment.id,
            msgid: msgid(&self.payload.comment.msgid),
        })
    }
}

fn category(answered: Answered) -> String {
    format!("{}-comment-created", answered.word())
}

impl Client {
    /// A page (from 1) of the newest answers in a project.
    ///
    /// # Errors
    /// No usable answer; rows that cannot be used are left out.
    pub async fn newest_comments(
        &self,
        answered: Answered,
        project: &str,
        page: u32,
        per_page: u32,
    ) -> Result<CommentPage, PatchworkError> {
        let mut url = self.api("events/");
        url.query_pairs_mut()
            .append_pair("category", &category(answered))
            .append_pair("project", project)
            .append_pair("order", "-date")
            .append_pair("per_page", &per_page.to_string())
            .append_pair("page", &page.to_string());
        let request = self.get(&url);
        let rows = match self.rows(&request).await {
            Ok(rows) => rows,
            Err(PatchworkError::NotFound { detail, .. }) if detail == "Invalid page." => vec![],
            Err(error) => return Err(error),
        };
        let read = |row: &serde_json::value::RawValue| {
            let event: EventJson = parse(&request, row.get().as_bytes()).ok()?;
            event.into_comment(answered)
        };
        Ok(CommentPage {
            comments: rows.iter().map(AsRef::as_ref).filter_map(read).collect(),
            rows: rows.len(),
        })
    }

    /// An answer's text and sender.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn comment(&self, comment: &NewComment) -> Result<Comment, PatchworkError> {
        let list = comment.answered.list();
        let url = self.api(&format!("{list}/{}/comments/{}/", comment.answered_id, comment.id));
        let read: CommentJson = self.object(&url).await?;
        Ok(Comment { submitter: submitter(read.submitter), content: read.content.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_kind_is_left_out() {
        let event = |category: &str| {
            serde_json::from_value::<EventJson>(serde_json::json!({"category": category, "payload": {
                "patch": {"id": 2, "msgid": "<p@x>"}, "comment": {"id": 3, "msgid": "<c@x>"}}}))
            .unwrap()
        };
        let comment = event("patch-comment-created").into_comment(Answered::Patch).unwrap();
        assert_eq!((comment.answered_id, comment.answered_msgid.as_str()), (2, "p@x"));
        assert_eq!((comment.id, comment.msgid.as_str()), (3, "c@x"));
        assert_eq!(event("patch-comment-created").into_comment(Answered::Cover), None);
        assert_eq!(event("patch-created").into_comment(Answered::Patch), None);
    }
}
