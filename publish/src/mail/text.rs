//! The text of a reply. What others wrote is indented: a line of it at the margin could be taken for a patch or for
//! an answer's end by whoever reads the list with a program.

use patchlift_report::clean::{line, web_url};
use patchlift_report::text::wrap;
use patchlift_report::words::{self, LINE_MAX};
use patchlift_report::{Ending, Fault, Report};

use crate::gist::{new_failures, tests_in_one_line};
use crate::notice::Notice;
use crate::notice_words::titled;

/// Columns of what is wrapped. Consoles, commands and addresses are not: they would lose their sense.
const COLUMNS: usize = 72;
/// Longest line of a console, in characters.
const CONSOLE_LINE: usize = 160;
/// Most lines of console or compiler: a mail is no log.
const EVIDENCE_MAX: usize = 25;
/// Most failures and most commands.
const LIST_MAX: usize = 20;
const INDENT: &str = "    ";

pub(super) fn text(notice: &Notice, contact: Option<&str>) -> String {
    let gist = notice.gist();
    let report = notice.report.as_deref();
    let mut page = Page::default();
    page.prose(introduction(report));
    page.quoted([titled(notice), format!("({})", notice.shown_size())]);
    if gist.reasons.is_empty() {
        page.prose(&format!(
            "{}.",
            [&gist.state, &gist.what].map(String::as_str).join(": ").trim_end_matches(": ")
        ));
        page.prose(&gist.more);
    } else {
        page.prose(&format!("{}. {}", gist.state, gist.more));
        page.list("", &gist.reasons);
    }
    page.prose(format!("{} {}", gist.blame, gist.who_acts).trim());
    if let Some(report) = report {
        page.list("What fails here and not on the base:", &new_failures(report));
        commands(&mut page, report);
        tested(&mut page, notice, report);
        evidence(&mut page, report);
    }
    links(&mut page, notice);
    page.end(contact);
    page.out
}

fn introduction(report: Option<&Report>) -> &'static str {
    let tested = report.is_some_and(|report| {
        let ending = report.verdict.ending;
        ending == Ending::Passed || ending.fault() == Some(Fault::Series)
    });
    if tested {
        "This series was tested on a POWER8 box:"
    } else {
        "This series was to be tested on a POWER8 box:"
    }
}

/// Paragraphs, an empty line between any two.
#[derive(Default)]
struct Page {
    out: String,
}

impl Page {
    fn paragraph(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines: Vec<_> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return;
        }
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        for text in lines {
            self.out.push_str(text.trim_end());
            self.out.push('\n');
        }
    }

    fn prose(&mut self, text: &str) {
        self.paragraph(wrap(text, COLUMNS));
    }

    fn quoted(&mut self, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().flat_map(|text| wrap(&text, COLUMNS - INDENT.len()));
        self.paragraph(lines.map(|text| format!("{INDENT}{text}")));
    }

    /// Lines as they are, indented.
    fn verbatim(&mut self, title: &str, lines: impl IntoIterator<Item = String>) {
        let mut lines = lines.into_iter().map(|text| format!("{INDENT}{text}")).peekable();
        if lines.peek().is_some() {
            self.prose(title);
            self.paragraph(lines);
        }
    }

    fn list(&mut self, title: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.prose(title);
        let mut lines = Vec::new();
        for item in items.iter().take(LIST_MAX) {
            let wrapped = wrap(item, COLUMNS - INDENT.len() - 2);
            lines.extend(
                wrapped
                    .into_iter()
                    .enumerate()
                    .map(|(number, text)| format!("{INDENT}{}{text}", if number == 0 { "* " } else { "  " })),
            );
        }
        if items.len() > LIST_MAX {
            lines.push(format!("{INDENT}and {} more", items.len() - LIST_MAX));
        }
        self.paragraph(lines);
    }

    fn rows(&mut self, title: &str, rows: &[(&str, String)]) {
        let columns = 10;
        let mut lines = Vec::new();
        for (label, value) in rows {
            let wrapped = wrap(value, COLUMNS - INDENT.len() - columns);
            lines.extend(wrapped.into_iter().enumerate().map(|(number, text)| {
                format!("{INDENT}{:<columns$}{text}", if number == 0 { label } else { "" })
            }));
        }
        if !lines.is_empty() {
            self.prose(title);
            self.paragraph(lines);
        }
    }

    /// The signature, behind the mark that mail programs know.
    fn end(&mut self, contact: Option<&str>) {
        self.out.push_str("\n-- \n");
        let mut text =
            "A program wrote this. It tests series from the list on a POWER8 box and reads no answers."
                .to_owned();
        if let Some(contact) = contact {
            text.push_str(&format!(" Questions: {}", line(contact, 200)));
        }
        for text in wrap(&text, COLUMNS) {
            self.out.push_str(&text);
            self.out.push('\n');
        }
    }
}

fn tested(page: &mut Page, notice: &Notice, report: &Report) {
    let kernel = report.kernel.as_ref().map(|kernel| line(&kernel.release, LINE_MAX));
    let rows = [
        ("Base", notice.shown_base()),
        ("Commit", Some(patchlift_report::clean::short_hex(&report.head))),
        ("Box", notice.shown_box()),
        ("Kernel", kernel),
        ("Tests", tests_in_one_line(report)),
        ("Time", Some(words::duration(report.seconds()))),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .filter_map(|(label, value)| value.filter(|value| !value.is_empty()).map(|value| (label, value)))
        .collect();
    page.rows("What was tested, on what:", &rows);
}

fn evidence(page: &mut Page, report: &Report) {
    let Some(evidence) = report.evidence() else { return };
    let lines = evidence.telling().take(EVIDENCE_MAX).map(|text| line(text, CONSOLE_LINE));
    page.verbatim(&format!("{}:", evidence.from), lines);
}

fn commands(page: &mut Page, report: &Report) {
    let commands = report.reproduce.iter().take(LIST_MAX).map(|command| line(command, LINE_MAX));
    page.verbatim("To repeat it:", commands);
}

fn links(page: &mut Page, notice: &Notice) {
    let links = &notice.links;
    let links = [
        ("Report", &links.page),
        ("Run", &links.run),
        ("Branch", &links.branch),
        ("Series", &links.patchwork),
    ];
    let rows = links.into_iter().filter_map(|(label, url)| {
        let url = url.as_deref().and_then(web_url)?;
        Some(format!("{label:<10}{url}"))
    });
    page.verbatim("More:", rows);
}
