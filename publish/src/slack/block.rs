//! The little of Slack's Block Kit that is needed, and its limits.

use serde::Serialize;

use crate::slack::markup::size;

/// Most blocks of a message.
pub const BLOCKS_MAX: usize = 50;
/// Longest text of a header.
pub const HEADER_MAX: usize = 150;
/// Longest text of a section.
pub const SECTION_MAX: usize = 3000;
/// Most fields of a section, and elements of a context.
pub const FIELDS_MAX: usize = 10;
/// Longest text of a field.
pub const FIELD_MAX: usize = 2000;
/// All blocks together. Slack does not document it: above about 13 200 characters it answers `msg_blocks_too_long`
/// (slackapi/bolt-js#2509).
pub const ALL_MAX: usize = 12_900;
/// Longest text that stands for the blocks in notifications. Slack cuts at 40 000; nobody reads so much there.
pub const TEXT_MAX: usize = 1000;

/// What is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What stands for it in notifications, and where blocks cannot be shown. Escaped.
    pub text: String,
    /// What is shown.
    pub blocks: Vec<Block>,
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// A heading.
    Header {
        /// Plain text.
        text: Text,
    },
    /// A paragraph.
    Section {
        /// The text.
        text: Text,
    },
    /// Short texts in two columns.
    #[serde(rename = "section")]
    Fields {
        /// The texts, label and value in one.
        fields: Vec<Text>,
    },
    /// Small print.
    Context {
        /// The texts.
        elements: Vec<Text>,
    },
    /// A line.
    Divider,
}

/// A text in a block. Escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Text {
    /// Text without any markup.
    PlainText {
        /// The text.
        text: String,
        /// Whether `:name:` becomes a picture. Never: subjects begin with `KVM: PPC:`.
        emoji: bool,
    },
    /// Text with Slack's markup.
    Mrkdwn {
        /// The text.
        text: String,
        /// Whether names and addresses in it stay text. Always.
        verbatim: bool,
    },
}

impl Text {
    /// Text without markup.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::PlainText { text: text.into(), emoji: false }
    }

    /// Text with markup.
    pub fn markup(text: impl Into<String>) -> Self {
        Self::Mrkdwn { text: text.into(), verbatim: true }
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PlainText { text, .. } | Self::Mrkdwn { text, .. } => text,
        }
    }
}

impl Block {
    fn texts(&self) -> &[Text] {
        match self {
            Self::Header { text } | Self::Section { text } => std::slice::from_ref(text),
            Self::Fields { fields: texts } | Self::Context { elements: texts } => texts,
            Self::Divider => &[],
        }
    }

    /// What it takes in JSON, in bytes; a little more than that.
    fn size(&self) -> usize {
        // The names and marks around a block and around each text.
        30 + self.texts().iter().map(|text| 50 + size(text.as_str())).sum::<usize>()
    }
}

/// Blocks under [`ALL_MAX`]: one that would not fit is left out, and so is one without text.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    size: usize,
}

impl Blocks {
    pub(crate) fn push(&mut self, block: Block) {
        let size = block.size();
        let empty = block != Block::Divider && block.texts().iter().all(|text| text.as_str().is_empty());
        if empty || self.blocks.len() == BLOCKS_MAX || self.size + size > ALL_MAX {
            return;
        }
        self.size += size;
        self.blocks.push(block);
    }

    pub(crate) fn section(&mut self, text: impl Into<String>) {
        self.push(Block::Section { text: Text::markup(text) });
    }

    pub(crate) fn finish(self, text: String) -> Message {
        Message { text, blocks: self.blocks }
    }
}
