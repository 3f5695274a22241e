//! The HTML page: needs nothing else, can be read by everybody, and answers first what is asked first.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use patchlift_report::{Ending, sample, words};
use sha2::{Digest as _, Sha256};

const CSS: &str = include_str!("../../templates/report.css");

#[test]
fn the_policy_allows_this_style_sheet_and_nothing_else() {
    let html = sample::report(Ending::Passed).to_html();
    let hash = BASE64_STANDARD.encode(Sha256::digest(CSS));
    let policy = format!(
        "content=\"default-src &#39;none&#39;; style-src &#39;sha256-{hash}&#39;; base-uri &#39;none&#39;; form-action &#39;none&#39;\""
    )
    .replace("&#39;", "'");
    assert!(html.contains(&policy), "set CSS_HASH in html.rs to sha256-{hash}");
    let styles = html.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).unwrap().0;
    assert_eq!(styles, CSS, "the browser hashes what stands between the tags, to the byte");
    for request in ["<script", "src=", "url(", "@import", "<link", "<iframe", " style="] {
        assert!(!html.contains(request), "{request}");
    }
}

#[test]
fn what_is_asked_first_stands_before_everything_else() {
    for ending in sample::ENDINGS {
        let report = sample::report(ending);
        let html = report.to_html();
        let (head, _) = html.split_once("</header>").unwrap();
        let escaped = |text: &str| text.replace('\'', "&#39;");
        for answer in [
            words::ending(ending),
            &report.verdict.title,
            &report.series.title,
            "v2, 3 patches, by Ada Example",
            "tested on p8-lab-1, POWER8",
            words::blame(ending),
            words::who_acts(ending),
            &words::box_state(&report),
        ] {
            assert!(head.contains(&escaped(answer)), "{ending:?}: {answer:?} is not in the head");
        }
    }
}

#[test]
fn only_the_decisive_trace_is_open() {
    let html = sample::report(Ending::DoesNotBoot).to_html();
    assert_eq!(html.matches("<details open>").count(), 1);
    let mut calm = sample::report(Ending::DoesNotBoot);
    calm.verdict.ending = Ending::Passed;
    assert_eq!(calm.to_html().matches("<details open>").count(), 0);
}

#[test]
fn only_web_addresses_are_linked() {
    for (url, linked) in [
        (Some("https://lore.kernel.org/r/20261120@x/"), true),
        (Some("javascript:alert(1)"), false),
        (Some("data:text/html,x"), false),
        (Some("https://x/\" onclick=\"y"), false),
        (None, false),
    ] {
        let mut report = sample::report(Ending::Passed);
        report.series.url = url.map(str::to_owned);
        assert_eq!(report.to_html().contains("<a href="), linked, "{url:?}");
        assert_eq!(report.to_markdown().contains("<http"), linked, "{url:?}");
    }
}

/// WCAG 2.2, 1.4.3: 4.5 to 1 for text.
#[test]
fn every_text_colour_can_be_read_in_both_schemes() {
    let (light, dark) = CSS.split_once("@media (prefers-color-scheme: dark)").unwrap();
    for (scheme, css) in [("light", light), ("dark", dark)] {
        for ink in ["ink", "soft", "good", "bad", "warn", "calm", "link"] {
            for paper in ["page", "card", "code"] {
                let ratio = contrast(colour(css, ink), colour(css, paper));
                assert!(ratio >= 4.5, "{scheme}: {ink} on {paper} is {ratio:.2} to 1");
            }
        }
    }
}

fn colour(css: &str, name: &str) -> [u8; 3] {
    let hex = css.split_once(&format!("--{name}: #")).unwrap().1.split(';').next().unwrap();
    let digits: Vec<u8> = hex.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    match digits[..] {
        [r, g, b] => [r * 17, g * 17, b * 17],
        [a, b, c, d, e, f] => [a * 16 + b, c * 16 + d, e * 16 + f],
        _ => panic!("#{hex}"),
    }
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance(rgb: [u8; 3]) -> f64 {
    let [r, g, b] = rgb.map(|channel| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}
