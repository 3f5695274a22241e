//! One message and one thread for a series, with an app's token: posted once, changed in place, found again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::notice::Notice;
use crate::slack::call;
use crate::slack::{Message, Place, SlackError, details, message};

/// The name of the metadata by which a message is found again.
const EVENT_TYPE: &str = "patchlift_series";

/// Messages on one page of a look-up. Slack recommends no more than 200; with metadata and blocks a page of them is large.
const PAGE: usize = 100;

/// Most pages of a look-up: 5000 messages since something went wrong.
const PAGES_MAX: usize = 50;

/// The clocks of Slack and of this machine may differ by so much.
const CLOCKS: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

const POST: &str = "a new message";
const UPDATE: &str = "a change of the message";
const LOOK_UP: &str = "the look-up of an earlier message";
const REPLY: &str = "a reply in the thread";

/// One call for one series.
pub(super) struct Bot<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) api: &'a str,
    pub(super) token: &'a SecretString,
    pub(super) channel: &'a str,
    pub(super) key: &'a str,
}

/// Which of the two messages of a series.
#[derive(Clone, Copy)]
enum Part {
    Message,
    Details,
}

impl Part {
    fn slug(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Details => "details",
        }
    }
}

#[derive(Deserialize)]
struct Posted {
    ts: String,
}

#[derive(Deserialize)]
struct Done {}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Listed>,
    #[serde(default)]
    response_metadata: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next_cursor: String,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    ts: String,
    #[serde(default)]
    metadata: Value,
}

impl Bot<'_> {
    /// [`crate::slack::Slack::tell`] with a bot's token.
    pub(super) async fn tell(
        &self,
        notice: &Notice,
        known: Option<&Place>,
        in_doubt: Option<Timestamp>,
    ) -> Result<Place, SlackError> {
        let known = known.filter(|place| !place.ts.is_empty());
        let mut place = self.tell_message(&message(notice), known, in_doubt).await?;
        place.details_in_doubt |= in_doubt.is_some() && place.details_ts.is_none();
        if let Some(details) = details(notice)
            && let Err(source) = self.tell_details(&details, &mut place).await
        {
            return Err(SlackError::Details { place: Box::new(place), source: Box::new(source) });
        }
        Ok(place)
    }

    async fn tell_message(
        &self,
        message: &Message,
        known: Option<&Place>,
        in_doubt: Option<Timestamp>,
    ) -> Result<Place, SlackError> {
        let said = Some(mark(message));
        let Some(known) = known else { return self.find_or_post(message, "", in_doubt).await };
        if known.said == said {
            return Ok(known.clone());
        }
        match self.update(&known.channel, &known.ts, message, Part::Message).await {
            Ok(()) => Ok(Place { said, ..known.clone() }),
            Err(error) if error.is_gone() => self.find_or_post(message, &known.ts, in_doubt).await,
            Err(error) => Err(error),
        }
    }

    /// A new message, unless there is one already other than `gone`.
    async fn find_or_post(
        &self,
        message: &Message,
        gone: &str,
        in_doubt: Option<Timestamp>,
    ) -> Result<Place, SlackError> {
        let said = Some(mark(message));
        let found = match in_doubt {
            Some(since) => self.find_message(since, gone).await?,
            None => None,
        };
        if let Some(ts) = found {
            match self.update(self.channel, &ts, message, Part::Message).await {
                Ok(()) => {
                    let channel = self.channel.to_owned();
                    return Ok(Place { channel, ts, said, details_in_doubt: true, ..Place::default() });
                }
                // Somebody else's with the same mark.
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        let ts = self.post(POST, self.channel, message, None).await?;
        Ok(Place { channel: self.channel.to_owned(), ts, said, ..Place::default() })
    }

    async fn tell_details(&self, details: &Message, place: &mut Place) -> Result<(), SlackError> {
        let said = Some(mark(details));
        if place.details_ts.is_some() && place.details_said == said {
            return Ok(());
        }
        if place.details_ts.is_none() && place.details_in_doubt {
            place.details_ts = self.find_details(place).await?;
            place.details_in_doubt = false;
        }
        if let Some(ts) = place.details_ts.clone() {
            match self.update(&place.channel, &ts, details, Part::Details).await {
                Err(error) if error.is_gone() => place.details_ts = None,
                Err(error) => return Err(error),
                Ok(()) => {
                    place.details_said = said;
                    return Ok(());
                }
            }
        }
        match self.post(REPLY, &place.channel, details, Some(&place.ts)).await {
            Ok(ts) => {
                place.details_ts = Some(ts);
                place.details_said = said;
                Ok(())
            }
            Err(error) => {
                place.details_in_doubt = error.may_have_happened();
                if error.is_orphan() {
                    // The message was deleted: the next call finds that out and makes a new one.
                    place.said = None;
                }
                Err(error)
            }
        }
    }

    async fn post(
        &self,
        doing: &'static str,
        channel: &str,
        message: &Message,
        thread: Option<&str>,
    ) -> Result<String, SlackError> {
        let part = if thread.is_some() { Part::Details } else { Part::Message };
        let mut body = self.body(channel, message, part);
        body["unfurl_links"] = false.into();
        body["unfurl_media"] = false.into();
        if let Some(thread) = thread {
            body["thread_ts"] = thread.into();
        }
        Ok(call::api::<Posted>(doing, self.method("chat.postMessage").json(&body)).await?.ts)
    }

    async fn update(&self, channel: &str, ts: &str, message: &Message, part: Part) -> Result<(), SlackError> {
        let mut body = self.body(channel, message, part);
        body["ts"] = ts.into();
        call::api::<Done>(UPDATE, self.method("chat.update").json(&body)).await.map(|Done {}| ())
    }

    fn body(&self, channel: &str, message: &Message, part: Part) -> Value {
        json!({
            "channel": channel,
            "text": message.text,
            // Without blocks an update would keep the old ones.
            "blocks": message.blocks,
            "metadata": {
                "event_type": EVENT_TYPE,
                "event_payload": { "key": self.key, "part": part.slug() },
            },
        })
    }

    fn method(&self, name: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/{name}", self.api)).bearer_auth(self.token.expose_secret())
    }

    async fn find_message(&self, since: Timestamp, gone: &str) -> Result<Option<String>, SlackError> {
        let oldest = since.saturating_sub(CLOCKS).map_or(since, |oldest| oldest);
        let oldest = format!("{}.000000", oldest.as_second());
        let asked = [("channel", self.channel), ("oldest", &oldest)];
        let wanted = |listed: &Listed| listed.ts != gone && self.is_of(listed, Part::Message);
        match self.find("conversations.history", &asked, wanted).await? {
            Found::At(ts) => Ok(Some(ts)),
            Found::Nowhere => Ok(None),
            Found::NotYet => Err(SlackError::TooManyMessages { since }),
        }
    }

    async fn find_details(&self, place: &Place) -> Result<Option<String>, SlackError> {
        let asked = [("channel", place.channel.as_str()), ("ts", &place.ts)];
        let wanted = |listed: &Listed| self.is_of(listed, Part::Details);
        match self.find("conversations.replies", &asked, wanted).await {
            Ok(Found::At(ts)) => Ok(Some(ts)),
            // A thread with thousands of replies: one more with details does no harm.
            Ok(Found::Nowhere | Found::NotYet) => Ok(None),
            // The message is gone; the post that follows finds that out.
            Err(error) if error.is_orphan() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks through the pages of a list.
    async fn find(
        &self,
        method: &str,
        asked: &[(&str, &str)],
        wanted: impl Fn(&Listed) -> bool,
    ) -> Result<Found, SlackError> {
        let mut cursor = String::new();
        for _ in 0..PAGES_MAX {
            let limit = PAGE.to_string();
            let page = [("include_all_metadata", "true"), ("limit", &limit), ("cursor", &cursor)];
            let url = format!("{}/{method}", self.api);
            let request = self.http.get(url).bearer_auth(self.token.expose_secret());
            let request = request.query(asked).query(&page);
            let page: Page = call::api(LOOK_UP, request).await?;
            if let Some(found) = page.messages.into_iter().find(|listed| wanted(listed)) {
                return Ok(Found::At(found.ts));
            }
            cursor = page.response_metadata.map(|next| next.next_cursor).unwrap_or_default();
            if cursor.is_empty() {
                return Ok(Found::Nowhere);
            }
        }
        Ok(Found::NotYet)
    }

    fn is_of(&self, listed: &Listed, part: Part) -> bool {
        let payload = &listed.metadata["event_payload"];
        listed.metadata["event_type"] == EVENT_TYPE
            && payload["key"] == self.key
            && payload["part"] == part.slug()
            && !listed.ts.is_empty()
    }
}

enum Found {
    At(String),
    Nowhere,
    NotYet,
}

/// A mark of a message: the same for the same message. A change of the hash costs one needless update.
fn mark(message: &Message) -> String {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(message).unwrap_or_default().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
