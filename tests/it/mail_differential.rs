//! Random mails, read by us and by the real `git mailinfo`: both must say the same.

use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use patchlift::mail::{Content, Options, read};

use crate::mail_corpus::info;
use crate::random_mail::random_mail;
use crate::test_data::cases;

/// What `git mailinfo` says of a mail; `None`: it fails.
fn gits_answer(dir: &Path, mail: &[u8], options: Options) -> Option<[Vec<u8>; 3]> {
    std::fs::write(dir.join("mail"), mail).unwrap();
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.args(["mailinfo", "-u"]);
    if options.scissors {
        command.arg("--scissors");
    }
    if options.strip_quoted_cr {
        command.arg("--quoted-cr=strip");
    }
    command
        .args(["msg", "patch"])
        .stdin(std::fs::File::open(dir.join("mail")).unwrap())
        .stderr(Stdio::null());
    let output = command.output().unwrap();
    let file = |name: &str| std::fs::read(dir.join(name)).unwrap();
    output.status.success().then(|| [output.stdout, file("msg"), file("patch")])
}

fn our_answer(mail: &[u8], options: Options) -> Option<[Vec<u8>; 3]> {
    let content: Content = read(mail, options).ok()?;
    Some([info(&content), content.message, content.patch])
}

#[test]
fn random_mails_are_read_as_git_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    // Ten mails cost git about as much as one series.
    for seed in 0..cases(30) * 10 {
        let mut rng = Rng::with_seed(seed);
        let mail = random_mail(&mut rng);
        let options = Options { scissors: rng.u8(..) < 60, strip_quoted_cr: rng.u8(..) < 60 };
        let (ours, gits) = (our_answer(&mail, options), gits_answer(dir.path(), &mail, options));
        if ours != gits {
            wrong.push((mail, format!("seed {seed}, {options:?}"), ours, gits));
        }
    }
    // The shortest mail says most.
    wrong.sort_by_key(|(mail, ..)| mail.len());
    if let Some((mail, which, ours, gits)) = wrong.first() {
        let text = |answer: &Option<[Vec<u8>; 3]>| match answer {
            Some(parts) => String::from_utf8_lossy(&parts.join(&b"\n====\n"[..])).into_owned(),
            None => "failed".into(),
        };
        panic!(
            "{} differ\n{which}\n#### mail\n{}\n#### ours\n{}\n#### git's\n{}",
            wrong.len(),
            mail.escape_ascii().to_string().replace("\\n", "\n"),
            text(ours),
            text(gits)
        );
    }
}
