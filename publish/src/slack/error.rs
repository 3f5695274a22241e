//! Why something was not said in Slack, and what to do about it.

use std::time::Duration;

use crate::slack::client::Place;

/// Why Slack was not told, or not all of it. No text of it holds the token or the webhook's address.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// The address of the API cannot be used.
    #[error("{url:?} is no address for a token: https is needed, or http on this machine")]
    BadApi {
        /// What was given.
        url: String,
    },
    /// The address of the webhook cannot be used. It is a secret, so it is not shown.
    #[error("the incoming webhook's address cannot be used: https is needed, or http on this machine")]
    BadWebhook,
    /// The channel is not given by its ID.
    #[error(
        "{channel:?} is not a channel's ID (C0123ABCD): it stands below \"About\" in the channel's details"
    )]
    BadChannel {
        /// What was given.
        channel: String,
    },
    /// The client could not be set up.
    #[error("cannot set up the Slack client")]
    Client(#[source] reqwest::Error),
    /// No answer, or one that broke off.
    #[error("no answer from Slack to {doing}")]
    Unreachable {
        /// What was asked.
        doing: &'static str,
        /// Why; its address is taken out.
        #[source]
        source: reqwest::Error,
    },
    /// It took too long in all.
    #[error("telling Slack of one series took longer than {} s", limit.as_secs())]
    TooLong {
        /// How long it was waited for.
        limit: Duration,
    },
    /// Slack asks to wait.
    #[error("Slack asks to wait before {doing}: {}", seconds(*.wait))]
    RateLimited {
        /// What was asked.
        doing: &'static str,
        /// How long, where Slack says so.
        wait: Option<Duration>,
    },
    /// Slack is out of order.
    #[error("Slack answers {doing} with status {status}")]
    OutOfOrder {
        /// What was asked.
        doing: &'static str,
        /// The HTTP status, 5xx.
        status: u16,
    },
    /// Something that is not Slack's own refusal: a proxy, or a wrong address.
    #[error("{doing} is answered with status {status}, and not in Slack's words: is the address right?")]
    Status {
        /// What was asked.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is not what Slack documents.
    #[error("Slack's answer to {doing} cannot be read")]
    Unreadable {
        /// What was asked.
        doing: &'static str,
    },
    /// Slack said no.
    #[error("Slack refuses {doing} ({code}): {}", advice(code, needed))]
    Refused {
        /// What was asked.
        doing: &'static str,
        /// Slack's word for it.
        code: String,
        /// The scope that is missing, where Slack names one; empty otherwise.
        needed: String,
    },
    /// The message that may have been posted was not among the newest ones, and there are more.
    #[error("too many messages in the channel since {since} to look for an earlier message among them")]
    TooManyMessages {
        /// From when on it was looked for.
        since: jiff::Timestamp,
    },
    /// The message is there, its details are not.
    #[error("the message is in Slack, its details are not")]
    Details {
        /// Where the message is; to be kept, and given to the next call.
        place: Box<Place>,
        /// Why.
        #[source]
        source: Box<SlackError>,
    },
}

fn seconds(wait: Option<Duration>) -> String {
    wait.map_or_else(|| "it does not say how long".to_owned(), |wait| format!("{} s", wait.as_secs()))
}

/// What stays refused until somebody acts, by Slack's word for it, and what they have to do.
const LASTING: &[(&[&str], &str)] = &[
    (
        &[
            "invalid_auth",
            "not_authed",
            "token_revoked",
            "token_expired",
            "account_inactive",
            "org_login_required",
        ],
        "the token is no longer valid: install the app again and store its new token",
    ),
    (
        &["not_allowed_token_type", "metadata_must_be_sent_from_app"],
        "a bot token of an app is needed, it begins with xoxb-",
    ),
    (
        &["missing_scope", "no_permission"],
        "add the scope to the app and install it again (it needs chat:write, and channels:history, or \
         groups:history for a private channel, to find its own messages again)",
    ),
    (
        &["channel_not_found"],
        "check the channel's ID; an app finds a private channel only as a member: invite it",
    ),
    (&["not_in_channel"], "invite the app into the channel: /invite @its-name"),
    (&["is_archived", "channel_is_archived"], "the channel is archived: bring it back or name another one"),
    (
        &[
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "action_prohibited",
            "team_access_not_granted",
            "ekm_access_denied",
            "access_denied",
        ],
        "the workspace does not allow it: its administrator has to",
    ),
    (
        &["no_service", "no_service_id", "no_team", "invalid_token", "user_not_found"],
        "the incoming webhook is gone: make a new one and store its address",
    ),
    (
        &[
            "msg_too_long",
            "msg_blocks_too_long",
            "invalid_blocks",
            "invalid_blocks_format",
            "invalid_payload",
            "no_text",
            "invalid_arguments",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "metadata_too_large",
        ],
        "the message breaks a rule of Slack's: that is a mistake of this program, please report it",
    ),
];

/// What goes away by itself.
const PASSING: &[&str] = &[
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "rollup_error",
    "thread_not_found",
    "cannot_reply_to_message",
];

fn advice(code: &str, needed: &str) -> String {
    let known = LASTING.iter().find(|(codes, _)| codes.contains(&code));
    let text = known.map_or_else(
        || {
            if PASSING.contains(&code) {
                "it goes away by itself"
            } else {
                "look it up in Slack's documentation"
            }
        },
        |(_, advice)| *advice,
    );
    if needed.is_empty() { text.to_owned() } else { format!("{needed} is missing: {text}") }
}

impl SlackError {
    /// Whether Slack may have done what it was asked although it did not say so.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !(source.is_connect() || source.is_builder()),
            Self::OutOfOrder { .. } | Self::Unreadable { .. } | Self::TooLong { .. } => true,
            // Slack documents of both that a part may be done.
            Self::Refused { code, .. } => ["internal_error", "fatal_error"].contains(&code.as_str()),
            Self::Details { source, .. } => source.may_have_happened(),
            _ => false,
        }
    }

    /// How long Slack asks to wait before anything else is asked of it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait, .. } => *wait,
            Self::Details { source, .. } => source.retry_after(),
            _ => None,
        }
    }

    /// Whether asking again is useless before somebody has acted.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::BadApi { .. } | Self::BadWebhook | Self::BadChannel { .. } | Self::Client(_) => true,
            Self::TooManyMessages { .. } => true,
            Self::Status { status, .. } => *status != 408,
            Self::Refused { code, .. } => !PASSING.contains(&code.as_str()),
            Self::Details { source, .. } => source.is_lasting(),
            Self::Unreachable { .. } | Self::RateLimited { .. } | Self::OutOfOrder { .. } => false,
            Self::Unreadable { .. } | Self::TooLong { .. } => false,
        }
    }

    /// What is in Slack although the call failed; to be kept, and given to the next call.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Details { place, .. } => Some(place),
            _ => None,
        }
    }

    /// Whether the message that was to be changed cannot be changed any more.
    pub(super) fn is_gone(&self) -> bool {
        let gone = ["message_not_found", "cant_update_message", "edit_window_closed"];
        matches!(self, Self::Refused { code, .. } if gone.contains(&code.as_str()))
    }

    /// Whether the message whose thread was to be continued is not there any more.
    pub(super) fn is_orphan(&self) -> bool {
        let orphan = ["thread_not_found", "cannot_reply_to_message"];
        matches!(self, Self::Refused { code, .. } if orphan.contains(&code.as_str()))
    }
}
