//! Reports in which every field that can hold any text holds a hostile one.

use std::collections::HashMap;
use std::sync::LazyLock;

use patchlift_report::{Ending, Report, sample};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, sample as pick};
use serde_json::Value;

/// Strings that break something somewhere if nobody takes care.
pub(crate) const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</pre></details></style></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; &#60;b&#62;",
    "```\n# heading\n```",
    "````",
    "``` `` ` ends in a tick `",
    "| a | b \\| c | `|` | \\\\| |",
    "@everyone #1 octo/repo#2 https://evil.example/ www.evil.example ada@evil.example",
    "[x](javascript:alert(1)) ![y](https://evil.example/y.png) <https://evil.example>",
    "<!-- --> <!DOCTYPE html> <?php ?>",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m red",
    "abc\u{202e}def\u{200b}ghi\u{feff}\u{e0041}",
    "line one\r\n::add-mask::line two\u{2028}three\u{85}four",
    "{{ 7 * 7 }} {% raw %} ${jndi}",
    "$x^2$ *bold* _em_ ~~gone~~ :boom: - [ ] task",
    "\u{0}\u{1}\u{7f}\t\u{b}tabs\tand nulls",
    "漢字 e\u{301} 👩‍👩‍👧 عربي",
];

/// `ending`'s sample with `text` in every string that takes it: enums and times stay what they are.
pub(crate) fn poisoned(ending: Ending, text: &str) -> Report {
    let mut value = serde_json::to_value(sample::report(ending)).unwrap();
    for path in places(ending) {
        *value.pointer_mut(path).unwrap() = Value::from(text);
    }
    serde_json::from_value(value).unwrap()
}

/// The places in `ending`'s sample that take any text.
fn places(ending: Ending) -> &'static [String] {
    static PLACES: LazyLock<HashMap<Ending, Vec<String>>> =
        LazyLock::new(|| sample::ENDINGS.into_iter().map(|ending| (ending, find_places(ending))).collect());
    &PLACES[&ending]
}

fn find_places(ending: Ending) -> Vec<String> {
    let value = serde_json::to_value(sample::report(ending)).unwrap();
    let mut paths = Vec::new();
    strings(&value, &mut String::new(), &mut paths);
    paths.retain(|path| {
        let mut changed = value.clone();
        *changed.pointer_mut(path).unwrap() = Value::from("any text");
        serde_json::from_value::<Report>(changed).is_ok()
    });
    paths
}

fn strings(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let mut child = |name: String, value: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&name);
        strings(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::String(_) => found.push(path.clone()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| child(index.to_string(), item));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, item)| child(name.clone(), item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Any text, rich in what is dangerous.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        pick::select(HOSTILE).prop_map(str::to_owned),
        pick::select(
            &[
                "<", ">", "&", "\"", "'", "`", "|", "\\", "\n", "\t", " ", "@a", "#1", "](", "&#", "\u{1b}",
                "-->"
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

pub(crate) fn any_ending() -> impl Strategy<Value = Ending> {
    pick::select(&sample::ENDINGS[..])
}

#[test]
fn every_place_for_text_is_poisoned() {
    let report = poisoned(Ending::FailsTests, "<x>");
    let json = String::from_utf8(report.to_json().unwrap()).unwrap();
    // All that is left are enums, times and field names: the sample's own words are gone.
    for word in ["Ada", "p8-lab-1", "kvm-guest-boots", "book3s", "example.org", "6.18.0"] {
        assert!(!json.contains(word), "{word} survived");
    }
    assert!(json.matches("<x>").count() > 60);
}
