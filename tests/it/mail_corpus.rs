//! Recorded mails with what `git mailinfo -u` makes of them: author, subject, date, message and patch, byte for byte.

use std::path::{Path, PathBuf};

use patchlift::mail::{Content, Options, read};

use crate::test_data;

/// The lines of git's info output.
pub(crate) fn info(content: &Content) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |name: &str, value: &[u8]| text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    if let Some(author) = &content.author {
        line("Author", &author.name);
        line("Email", &author.email);
    }
    if let Some(subject) = &content.subject {
        line("Subject", subject);
    }
    if let Some(date) = &content.date {
        line("Date", date);
    }
    text.push(b'\n');
    text
}

fn with_extension(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// What differs from the recorded result; a missing `.info` means that the mail must fail.
fn differs(mail: &Path) -> Option<String> {
    let recorded = |extension: &str| std::fs::read(mail.with_extension(extension)).ok();
    let read = read(&std::fs::read(mail).unwrap(), Options::default());
    let problem = match (read, recorded("info")) {
        (Err(_), None) => return None,
        (Ok(_), None) => "must fail".to_owned(),
        (Err(error), Some(_)) => format!("failed: {error}"),
        (Ok(content), Some(expected)) => {
            let got = [("info", info(&content)), ("msg", content.message), ("patch", content.patch)];
            let expected = [Some(expected), recorded("msg"), recorded("patch")];
            let wrong =
                got.iter().zip(expected).find(|((_, got), expected)| Some(got) != expected.as_ref())?;
            let ((what, got), expected) = wrong;
            let expected = String::from_utf8_lossy(&expected.unwrap_or_default()).into_owned();
            format!("{what}:\n{}\nexpected:\n{expected}", String::from_utf8_lossy(got))
        }
    };
    Some(format!("{}: {problem}", mail.display()))
}

fn check(folder: &str, extension: &str, at_least: usize) {
    let Some(folder) = test_data::folder(folder) else { return };
    let mails = with_extension(&folder, extension);
    assert!(mails.len() >= at_least, "only {} mails in {}", mails.len(), folder.display());
    let wrong: Vec<String> = mails.iter().filter_map(|mail| differs(mail)).collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), mails.len(), wrong.join("\n"));
}

#[test]
fn gits_own_samples_are_read_as_git_reads_them() {
    check("mailinfo", "eml", 5);
}

#[test]
fn recorded_mails_are_read_as_git_reads_them() {
    check("apply/mailinfo", "mail", 100);
}
