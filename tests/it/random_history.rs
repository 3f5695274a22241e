//! Small random histories with everything that trees can hold, written with `git fast-import`.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use fastrand::Rng;

use crate::git_repo::GitRepo;

/// A file: its mode as fast-import writes it, and its content (for a submodule: the commit's id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    mode: &'static str,
    content: Vec<u8>,
}

/// A tree by path.
pub(crate) type Files = BTreeMap<Vec<u8>, File>;

/// The commits of one case, by their short names below `refs/case/`.
pub(crate) struct History {
    pub(crate) patches: usize,
}

const NAMES: &[&[u8]] = &[
    b"a.c",
    b"b.c",
    b"README",
    b"dir/a.c",
    b"dir/b.h",
    b"dir/sub/deep.c",
    b"dir2/a.c",
    b"with space",
    b"q\"uote",
    b"tab\tname",
    b"\xc3\xbcml",
    b"latin\xe9",
    b"dir",
    b"dir/sub",
    b"x.bin",
    b"dir2/link",
    b"mod",
    b"b",
];

const LINES: &[&[u8]] = &[
    b"int a;",
    b"int b;",
    b"",
    b"",
    b"{",
    b"}",
    b"\treturn 0;",
    b"  two blanks",
    b"#include <x.h>",
    b"/* comment */",
    b"trailing  ",
    b"caf\xe9",
    b"\xe2\x82\xac",
    b"-- ",
    b"--- a/x",
    b"+++ b/x",
    b"@@ -1 +1 @@",
    b"diff --git a/x b/x",
    b"From me",
    b"same",
    b"same",
];

/// Lines that mails do not carry unharmed, or that look like parts of a diff.
const STRANGE_LINES: &[&[u8]] =
    &[b"crlf\r", b"\\ No newline at end of file", b"From x Mon Sep 17 00:00:00 2001", b"nul \0 here"];

fn percent(rng: &mut Rng, chance: u8) -> bool {
    rng.u8(..100) < chance
}

fn line(rng: &mut Rng) -> &'static [u8] {
    // One in two hundred, so that most files of some dozens of lines have none.
    if rng.u8(..200) == 0 { pick(rng, STRANGE_LINES) } else { pick(rng, LINES) }
}

fn pick<'a>(rng: &mut Rng, from: &[&'a [u8]]) -> &'a [u8] {
    from[rng.usize(..from.len())]
}

/// A base, a topic of some commits on it, and a target to apply them to.
pub(crate) fn make(rng: &mut Rng, repo: &GitRepo) -> History {
    let mut stream = Vec::new();
    let mut base = Files::new();
    for _ in 0..rng.usize(3..12) {
        create(rng, &mut base);
    }
    commit(rng, &mut stream, "base", 1, None, &base);
    let patches = rng.usize(1..4);
    let mut topic = vec![base.clone()];
    for number in 0..patches {
        let mut files = topic[number].clone();
        for _ in 0..rng.usize(1..4) {
            edit(rng, &mut files);
        }
        if files == topic[number] {
            files.entry(b"always".to_vec()).or_insert(text_file(rng)).content.extend_from_slice(b"new\n");
        }
        commit(rng, &mut stream, "topic", number + 2, Some(number + 1), &files);
        topic.push(files);
    }
    let from = match rng.u8(..10) {
        0..6 => 0,
        6..8 => rng.usize(..=patches),
        _ => patches,
    };
    let mut target = topic[from].clone();
    for _ in 0..if percent(rng, 20) { 0 } else { rng.usize(1..3) } {
        edit(rng, &mut target);
    }
    commit(rng, &mut stream, "target", 100, Some(from + 1), &target);
    let mut command = repo.command();
    let mut child =
        command.args(["fast-import", "--quiet", "--force"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&stream).unwrap();
    assert!(child.wait().unwrap().success());
    History { patches }
}

fn commit(
    rng: &mut Rng,
    stream: &mut Vec<u8>,
    name: &str,
    mark: usize,
    parent: Option<usize>,
    files: &Files,
) {
    let author = pick(
        rng,
        &[b"A U Thor <a@example.com>", b"J\xc3\xb6rg <j@example.com>", b"\"Q, R\" <q@example.com>"],
    );
    let zone = rng.i32(-12..14);
    let when = format!(" {} {zone:+03}00\n", 1_600_000_000 + rng.u32(..1_000_000));
    let subjects: [&[u8]; 6] =
        [b"topic", b"[tag] topic", b"\xc3\xbcber", b"a: b", b"Re: x", b"very long subject ".repeat(8).leak()];
    let bodies: [&[u8]; 4] = [
        b"",
        b"\nWhy.\n\nSigned-off-by: A <a@example.com>\n",
        b"\n  indented\n\n\n\nmore\n",
        b"\nFrom here\n>From there\n",
    ];
    let message = [pick(rng, &subjects), b"\n", pick(rng, &bodies)].concat();
    stream.extend_from_slice(format!("commit refs/case/{name}\nmark :{mark}\nauthor ").as_bytes());
    stream.extend_from_slice(
        &[author, when.as_bytes(), b"committer C <c@example.com>", when.as_bytes()].concat(),
    );
    stream.extend_from_slice(format!("data {}\n", message.len()).as_bytes());
    stream.extend_from_slice(&message);
    stream.push(b'\n');
    if let Some(parent) = parent {
        stream.extend_from_slice(format!("from :{parent}\n").as_bytes());
    }
    stream.extend_from_slice(b"deleteall\n");
    for (path, file) in files {
        let quoted: String = path.iter().map(|byte| format!("\\{byte:03o}")).collect();
        if file.mode == "160000" {
            let id = String::from_utf8_lossy(&file.content);
            stream.extend_from_slice(format!("M 160000 {id} \"{quoted}\"\n").as_bytes());
            continue;
        }
        stream.extend_from_slice(
            format!("M {} inline \"{quoted}\"\ndata {}\n", file.mode, file.content.len()).as_bytes(),
        );
        stream.extend_from_slice(&file.content);
        stream.push(b'\n');
    }
}

/// Is there room for a file at this path?
fn free(files: &Files, path: &[u8]) -> bool {
    let below = [path, b"/"].concat();
    !files.contains_key(path)
        && !files
            .keys()
            .any(|other| other.starts_with(&below) || path.starts_with(&[other, &b"/"[..]].concat()))
}

fn create(rng: &mut Rng, files: &mut Files) {
    let path = pick(rng, NAMES);
    if !free(files, path) {
        return;
    }
    let file = match rng.u8(..100) {
        0..4 => File { mode: "120000", content: pick(rng, &[b"a.c", b"../x", b"dir"]).to_vec() },
        4..7 => File { mode: "160000", content: format!("{:040x}", rng.u128(..)).into_bytes() },
        7..12 => binary_file(rng),
        12..15 => File { mode: "100644", content: Vec::new() },
        _ => text_file(rng),
    };
    files.insert(path.to_vec(), file);
}

fn binary_file(rng: &mut Rng) -> File {
    let content = (0..rng.usize(1..400)).map(|_| rng.u8(..) & 0x83).collect();
    File { mode: "100644", content }
}

fn text_file(rng: &mut Rng) -> File {
    let count = if percent(rng, 10) { rng.usize(..3) } else { rng.usize(10..80) };
    // Numbered lines give places that are told apart; the others repeat.
    let numbered = rng.bool();
    let mut content = Vec::new();
    for number in 0..count {
        if numbered && percent(rng, 70) {
            content.extend_from_slice(format!("line {number}").as_bytes());
        } else {
            content.extend_from_slice(line(rng));
        }
        content.push(b'\n');
    }
    if percent(rng, 10) {
        content.pop();
    }
    File { mode: if percent(rng, 15) { "100755" } else { "100644" }, content }
}

fn edit(rng: &mut Rng, files: &mut Files) {
    let Some(path) = files.keys().nth(rng.usize(..files.len().max(1))).cloned() else {
        return create(rng, files);
    };
    match rng.u8(..100) {
        0..55 => change(rng, files, &path),
        55..68 => create(rng, files),
        68..75 => {
            files.remove(&path);
        }
        75..84 => {
            let file = files.remove(&path).unwrap();
            let new = pick(rng, NAMES);
            let place = if free(files, new) { new.to_vec() } else { path };
            files.insert(place.clone(), file);
            if rng.bool() {
                change(rng, files, &place);
            }
        }
        84..88 => {
            let (file, new) = (files[&path].clone(), pick(rng, NAMES));
            if free(files, new) {
                files.insert(new.to_vec(), file);
            }
        }
        88..94 => {
            let file = files.get_mut(&path).unwrap();
            file.mode = match file.mode {
                "100644" => "100755",
                "100755" => "100644",
                other => other,
            };
        }
        _ => {
            // Another type of file under the same name.
            files.remove(&path);
            let file = match rng.u8(..3) {
                0 => File { mode: "120000", content: b"a.c".to_vec() },
                1 => binary_file(rng),
                _ => text_file(rng),
            };
            files.insert(path, file);
        }
    }
}

fn change(rng: &mut Rng, files: &mut Files, path: &[u8]) {
    let file = files.get_mut(path).unwrap();
    match file.mode {
        "160000" => file.content = format!("{:040x}", rng.u128(..)).into_bytes(),
        "120000" => file.content = pick(rng, &[b"b.c", b"dir/a.c", b"nowhere"]).to_vec(),
        _ if file.content.contains(&0) => {
            let at = rng.usize(..file.content.len());
            file.content[at] = rng.u8(..);
        }
        _ => change_lines(rng, &mut file.content),
    }
}

fn change_lines(rng: &mut Rng, content: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = content.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=lines.len());
        let line = [line(rng), b"\n"].concat();
        match rng.u8(..3) {
            0 if at < lines.len() => lines[at] = line,
            1 if at < lines.len() => {
                lines.remove(at);
            }
            _ => lines.insert(at, line),
        }
    }
    *content = lines.concat();
    match rng.u8(..30) {
        0 => drop(content.pop()),
        1 => *content = String::from_utf8_lossy(content).replace('\n', "\r\n").into_bytes(),
        _ => {}
    }
}
