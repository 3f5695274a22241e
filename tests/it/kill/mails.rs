//! Mails as people send them: made by the real git from a real repository.

use std::collections::BTreeMap;

use patchlift::mbox;

use crate::git_repo::GitRepo;

/// How one series is sent.
#[derive(Debug, Clone)]
pub(crate) struct Posting<'a> {
    /// Stands in every Message-ID, so it is unlike all others.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) sender: &'a str,
    /// What stands in the brackets besides the counter: `PATCH v2`.
    pub(crate) prefix: &'a str,
    /// What each patch writes: path and content.
    pub(crate) patches: Vec<(String, String)>,
}

/// The person whose series run without a question.
pub(crate) const KNOWN: &str = "Known Sender <known@example.com>";

impl<'a> Posting<'a> {
    /// One patch of a known sender.
    pub(crate) fn of(id: &'a str, title: &'a str, path: &str, content: &str) -> Self {
        let patches = vec![(path.to_owned(), content.to_owned())];
        Self { id, title, sender: KNOWN, prefix: "PATCH", patches }
    }

    /// One patch more.
    pub(crate) fn and(mut self, path: &str, content: &str) -> Self {
        self.patches.push((path.to_owned(), content.to_owned()));
        self
    }

    /// From somebody else.
    pub(crate) fn from(self, sender: &'a str) -> Self {
        Self { sender, ..self }
    }

    /// With another prefix.
    pub(crate) fn tagged(self, prefix: &'a str) -> Self {
        Self { prefix, ..self }
    }

    /// The mails: a cover letter where there is more than one patch, then the patches, all in one thread.
    pub(crate) fn mails(&self, repo: &GitRepo, base: &str) -> Vec<Vec<u8>> {
        repo.git(&["checkout", "-q", "--detach", base]);
        for (number, (path, content)) in (1..).zip(&self.patches) {
            repo.write(path, content);
            repo.git(&["add", "-A"]);
            let title =
                if number == 1 { self.title.to_owned() } else { format!("{}, step {number}", self.title) };
            let message = format!("{title}\n\nWhat it is for.\n\nSigned-off-by: {}", self.sender);
            repo.git(&[
                "commit",
                "-q",
                "-m",
                &message,
                "--author",
                self.sender,
                "--date",
                "1650000000 +0200",
            ]);
        }
        let prefix = format!("--subject-prefix={}", self.prefix);
        let mailbox = repo.format_patch(base, &[&prefix]);
        let count = self.patches.len();
        let mut mails = Vec::new();
        if count > 1 {
            mails.push(self.cover(count));
        }
        for (number, mail) in (1..).zip(mbox::split(&mailbox)) {
            mails.push(self.threaded(number, count, &mail));
        }
        mails
    }

    fn cover(&self, count: usize) -> Vec<u8> {
        let Self { id, title, sender, prefix, .. } = self;
        format!(
            "Message-ID: <{id}-0@example.com>\nFrom: {sender}\nDate: Fri, 15 Apr 2022 06:00:00 +0000\nSubject: [{prefix} 0/{count}] {title}\n\nAbout {title}.\n"
        )
        .into_bytes()
    }

    /// The mail with its ids; the line before its headers goes.
    fn threaded(&self, number: usize, count: usize, mail: &[u8]) -> Vec<u8> {
        let headers = mail.iter().position(|&byte| byte == b'\n').map_or(mail, |end| &mail[end + 1..]);
        let id = self.id;
        let mut out = format!("Message-ID: <{id}-{number}@example.com>\n").into_bytes();
        if count > 1 {
            out.extend(
                format!("In-Reply-To: <{id}-0@example.com>\nReferences: <{id}-0@example.com>\n").bytes(),
            );
        }
        out.extend(headers);
        out
    }
}

/// The same mails with other Message-IDs: sent again.
pub(crate) fn resent(mails: &[Vec<u8>], id: &str, again: &str) -> Vec<Vec<u8>> {
    let change = |mail: &Vec<u8>| {
        let text = String::from_utf8(mail.clone()).unwrap();
        text.replace(&format!("<{id}-"), &format!("<{again}-"))
            .replace("[PATCH", "[PATCH RESEND")
            .into_bytes()
    };
    mails.iter().map(change).collect()
}

/// The same mails, not saying for which commit they are.
pub(crate) fn without_base(mails: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let change = |mail: Vec<u8>| {
        let text = String::from_utf8(mail).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("base-commit: "));
        lines.collect::<String>().into_bytes()
    };
    mails.into_iter().map(change).collect()
}

/// A mail that somebody wrote by hand.
pub(crate) fn by_hand(id: &str, sender: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "Message-ID: <{id}@example.com>\nFrom: {sender}\nDate: Fri, 15 Apr 2022 07:00:00 +0000\nSubject: {subject}\n\n{text}"
    )
    .into_bytes()
}

/// A repository with `count` files `f1.c`, `f2.c`, … of thirty lines each.
pub(crate) fn upstream(count: usize) -> (GitRepo, String) {
    let repo = GitRepo::new();
    for number in 1..=count {
        repo.write(&format!("f{number}.c"), &file(number, &BTreeMap::new()));
    }
    repo.write(".github/workflows/ci.yml", "on: push\n");
    let base = repo.commit("base");
    (repo, base)
}

/// File `f<number>.c` with some of its thirty lines changed.
pub(crate) fn file(number: usize, changed: &BTreeMap<usize, &str>) -> String {
    let line =
        |at: usize| changed.get(&at).map_or_else(|| format!("f{number} line {at}"), ToString::to_string);
    (1..=30).map(|at| line(at) + "\n").collect()
}
