//! `contract_15`: our commands and outputs, byte by byte as GitHub's own `@actions/core` writes them.

use std::path::Path;
use std::process::Command;

use patchlift_action::workflow::{command, output_entry};
use serde_json::{Value, json};

use crate::npm;

/// Reads cases from stdin and prints for each what the package makes of it.
const SCRIPT: &str = r#"
import * as core from "@actions/core";
import { readFileSync, writeFileSync } from "node:fs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const written = [];
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (text) => { written.push(text); return true; };
const answers = cases.map(({ message, title, file, name, value }) => {
  written.length = 0;
  core.error(message, { title, file, startLine: 3, endLine: 4, startColumn: 5 });
  const error = written.join("");
  written.length = 0;
  core.startGroup(message);
  const group = written.join("");
  writeFileSync(process.env.GITHUB_OUTPUT, "");
  core.setOutput(name, value);
  return { error, group, output: readFileSync(process.env.GITHUB_OUTPUT, "utf8") };
});
write(JSON.stringify(answers));
"#;

/// What the package makes of the cases.
fn asked(dir: &Path, cases: &[Value]) -> Vec<Value> {
    let input = dir.join("cases.json");
    std::fs::write(&input, serde_json::to_vec(cases).expect("it is JSON")).expect("it is written");
    let output = Command::new("node")
        .arg("answer.mjs")
        .current_dir(dir)
        .env("GITHUB_OUTPUT", dir.join("output"))
        .stdin(std::fs::File::open(&input).expect("it is there"))
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it answers in JSON")
}

#[test]
fn contract_15_commands_and_outputs_are_githubs_own() {
    let Some(dir) = npm::installed("actions-core", &["@actions/core@3.0.1"]) else { return };
    std::fs::write(dir.join("answer.mjs"), SCRIPT).expect("it is written");
    let texts = [
        "plain",
        "t:1,2",
        "a%b\r\nline2",
        "100%25 %0A %3A",
        "::error::x",
        "\n\n\r",
        " leading and trailing ",
        "tab\tand, comma: colon; semicolon = equals",
        "ä € 😀 \u{202e}",
        "EOF",
        "ghadelimiter_0",
        "name<<EOF\nvalue\nEOF",
        "a=b\nc=d",
        "]##[error]x",
    ];
    let mut cases = Vec::new();
    for (at, message) in texts.iter().enumerate() {
        for (title, file) in [(texts[(at + 1) % texts.len()], "arch/powerpc/kvm/a,b:c.c"), (message, "x")] {
            let value = texts[(at + 5) % texts.len()];
            cases.push(
                json!({ "message": message, "title": title, "file": file, "name": "report", "value": value }),
            );
        }
    }
    let answers = asked(&dir, &cases);
    assert_eq!(answers.len(), cases.len());
    for (case, theirs) in cases.iter().zip(&answers) {
        let text = |key: &str| case[key].as_str().expect("a text");
        let properties =
            [("title", text("title")), ("file", text("file")), ("line", "3"), ("endLine", "4"), ("col", "5")];
        assert_eq!(command("error", &properties, text("message")) + "\n", theirs["error"], "{case}");
        assert_eq!(command("group", &[], text("message")) + "\n", theirs["group"], "{case}");
        let output = theirs["output"].as_str().expect("a text");
        let (_, rest) = output.split_once("<<").expect("a delimiter");
        let delimiter = rest.lines().next().expect("a line");
        let ours = output_entry(text("name"), text("value"), delimiter).expect("it is good");
        assert_eq!(ours, output, "{case}");
    }
}
