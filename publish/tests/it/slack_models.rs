//! Every message read by Slack's own models, which refuse what Slack would refuse.

use std::io::Write as _;
use std::process::{Command, Stdio};

use patchlift_publish::slack::{Message, details, message};
use patchlift_publish::{Notice, notice_sample};
use serde_json::{Value, json};

use crate::giants::giants;
use crate::tools::{beside, python};

fn messages(notice: &Notice) -> impl Iterator<Item = Message> {
    std::iter::once(message(notice)).chain(details(notice))
}

/// Everything that is said in Slack of the samples and of the giants.
fn all() -> Vec<Message> {
    let samples = notice_sample::all().into_iter().map(|(_, notice)| notice);
    samples.chain(giants()).flat_map(|notice| messages(&notice).collect::<Vec<_>>()).collect()
}

/// What the models say of these messages; `None` where they are not installed.
fn complaints(messages: &[Value]) -> Option<String> {
    let mut child = Command::new(python()?)
        .arg(beside("slack_models.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
    // They answer at the end of a line: both pipes could fill up.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn contract_18_slacks_own_models_take_every_message() {
    let messages: Vec<_> = all().iter().map(|message| serde_json::to_value(message).unwrap()).collect();
    assert!(messages.len() > 100, "{}", messages.len());
    if let Some(complaints) = complaints(&messages) {
        assert_eq!(complaints, "");
    }
    // The models do complain.
    let text = json!({"type": "plain_text", "text": "x".repeat(151), "emoji": false});
    let long = json!({"text": "x", "blocks": [{"type": "header", "text": text}]});
    if let Some(complaints) = complaints(&[long]) {
        assert!(complaints.contains("150"), "{complaints}");
    }
}

#[test]
fn no_giant_mentions_anybody_or_ends_its_markup() {
    for message in all() {
        let sent = serde_json::to_string(&message).unwrap();
        assert!(!sent.contains("<!") && !sent.contains("<@") && !sent.contains("<#"), "{sent}");
        assert!(sent.len() < 14_500, "{} bytes, text and blocks", sent.len());
        for block in &message.blocks {
            let block = serde_json::to_value(block).unwrap();
            let text = block["text"]["text"].as_str().unwrap_or("");
            if block["text"]["type"] != "mrkdwn" {
                continue;
            }
            assert!(text.matches("```").count() % 2 == 0, "{text}");
            let spans = text.lines().filter(|line| line.starts_with("• "));
            spans.for_each(|line| assert_eq!(line.matches('`').count(), 2, "{line}"));
        }
    }
}

/// What matters is in the message however long the rest is.
#[test]
fn giants_keep_what_matters() {
    for notice in giants() {
        let message = message(&notice);
        let shown = serde_json::to_string(&message).unwrap();
        let gist = notice.gist();
        assert!(shown.contains(gist.symbol), "{shown}");
        assert!(shown.contains(&gist.blame), "{shown}");
        assert!(shown.contains("|Run>"), "{shown}");
    }
}
