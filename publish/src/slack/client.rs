//! Brings the messages into a channel, each once.

use std::time::Duration;

use jiff::Timestamp;
use patchlift_report::clean::line;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::address::keeps_secrets;
use crate::notice::Notice;
use crate::slack::bot::Bot;
use crate::slack::call::{self, ANSWER_LIMIT};
use crate::slack::{SlackError, message};

/// Slack's public address for API requests.
pub const PUBLIC_API: &str = "https://slack.com/api/";

/// For everything that is to be said of one series, a long look-up included.
const WHOLE_LIMIT: Duration = Duration::from_secs(180);

const WEBHOOK: &str = "a message by the incoming webhook";

/// How Slack is reached.
#[derive(Debug, Clone)]
pub enum Settings {
    /// With an app: messages are changed in place, details stand in their threads.
    Bot {
        /// [`PUBLIC_API`].
        api: String,
        /// Its bot token, `xoxb-…`.
        token: SecretString,
        /// The channel's ID, `C0123ABCD`: with its name messages can be posted, not changed.
        channel: String,
    },
    /// With an incoming webhook: one message when a series is over, never changed.
    Webhook {
        /// Its address. Who knows it can post, so it is a secret.
        url: SecretString,
    },
}

/// Where a series' message is, and what it says. To be kept for the next call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The channel's ID; empty for a webhook.
    #[serde(default)]
    pub channel: String,
    /// Slack's name for the message in its channel; empty for a webhook, and while nothing was said.
    #[serde(default)]
    pub ts: String,
    /// A mark of what it says, so that the same is not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// Slack's name for the reply with the details.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details_ts: Option<String>,
    /// A mark of what the details say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details_said: Option<String>,
    /// The details may be there already: they are looked for before they are posted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub details_in_doubt: bool,
}

/// Slack, reached one way or the other.
#[derive(Debug, Clone)]
pub struct Slack {
    http: reqwest::Client,
    settings: Settings,
}

impl Slack {
    /// Checks the settings. Nothing is sent yet.
    ///
    /// # Errors
    /// A secret would be seen on its way, or the channel is not given by its ID.
    pub fn new(settings: Settings) -> Result<Self, SlackError> {
        Self::with_answer_limit(settings, ANSWER_LIMIT)
    }

    /// [`Slack::new`] with another limit than 30 s for each whole answer.
    ///
    /// # Errors
    /// As [`Slack::new`].
    pub fn with_answer_limit(mut settings: Settings, limit: Duration) -> Result<Self, SlackError> {
        match &mut settings {
            Settings::Bot { api, channel, .. } => {
                if !keeps_secrets(api) {
                    return Err(SlackError::BadApi { url: line(api, 200) });
                }
                let known = channel.starts_with(['C', 'D', 'G']) && channel.len() >= 9;
                if !(known && channel.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())) {
                    return Err(SlackError::BadChannel { channel: line(channel, 80) });
                }
                *api = api.trim_end_matches('/').to_owned();
            }
            Settings::Webhook { url } if !keeps_secrets(url.expose_secret()) => {
                return Err(SlackError::BadWebhook);
            }
            Settings::Webhook { .. } => {}
        }
        Ok(Self { http: call::client(limit)?, settings })
    }

    /// Has the notice said in the channel: one message a `key`, made or changed in place, and the details of a
    /// verdict in its thread. What stands there already is not sent again. `known` is what the last call
    /// returned ([`SlackError::place`] where it failed). `in_doubt`: since then a post for this key may have
    /// happened that nothing is known of; it is looked up first.
    ///
    /// With a webhook: says nothing before the series is over, and then one thing for each test of it. A post in
    /// doubt since the series stands where it does counts as done: it cannot be looked up.
    ///
    /// # Errors
    /// Slack was not told, or not all of it. The same call again is always safe if `in_doubt` is given where
    /// [`SlackError::may_have_happened`].
    pub async fn tell(
        &self,
        notice: &Notice,
        key: &str,
        known: Option<&Place>,
        in_doubt: Option<Timestamp>,
    ) -> Result<Place, SlackError> {
        match &self.settings {
            Settings::Bot { api, token, channel } => {
                let bot = Bot { http: &self.http, api, token, channel, key };
                let told = tokio::time::timeout(WHOLE_LIMIT, bot.tell(notice, known, in_doubt)).await;
                told.map_err(|_| SlackError::TooLong { limit: WHOLE_LIMIT })?
            }
            Settings::Webhook { url } => self.tell_webhook(url, notice, known, in_doubt).await,
        }
    }

    async fn tell_webhook(
        &self,
        url: &SecretString,
        notice: &Notice,
        known: Option<&Place>,
        in_doubt: Option<Timestamp>,
    ) -> Result<Place, SlackError> {
        // What was over may begin again: a base moves, and what did not apply is tested.
        let (revision, attempt, stands) = (notice.revision, notice.attempt, notice.standing.word());
        let test = format!("r{revision}.a{attempt}.{stands}");
        let known = known.cloned().unwrap_or_default();
        if !notice.standing.is_over() || known.said.as_ref() == Some(&test) {
            return Ok(known);
        }
        // A doubt from before the series stood here is about something else.
        if in_doubt.is_none_or(|since| since < notice.since) {
            let request = self.http.post(url.expose_secret()).json(&message(notice));
            call::webhook(WEBHOOK, request).await?;
        }
        Ok(Place { said: Some(test), ..known })
    }
}
