//! `patchlift.toml`: the example, and what is refused.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use patchlift::config::{ChecksOn, Config, ConfigError};
use patchlift::policy::Senders;
use patchlift_publish::Credential;
use secrecy::ExposeSecret;

const EXAMPLE: &str = include_str!("../../patchlift.example.toml");

const MINIMAL: &str = r#"
state_dir = "state"
[[server]]
name = "ozlabs"
url = "https://patchwork.ozlabs.org"
[[server.project]]
name = "linuxppc-dev"
[[tree]]
name = "powerpc"
url = "linux.git"
"#;

/// Hardware beside what is in [`MINIMAL`].
const HARDWARE: &str = r#"
[mirror]
url = "https://github.com/example/linux.git"
[github]
repository = "example/linux"
token = { file = "token" }
[[box]]
name = "p8"
labels = ["power8"]
"#;

/// A folder with a configuration and a secret that is readable by its owner.
fn folder(text: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("patchlift.toml"), text).unwrap();
    fs::write(dir.path().join("token"), "s3cret\n").unwrap();
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n";
    fs::write(dir.path().join("key.pem"), key).unwrap();
    fs::write(dir.path().join("webhook"), "https://hooks.slack.example/services/T0/B0/s3cret\n").unwrap();
    for name in ["token", "key.pem", "webhook"] {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::load(&folder(text).path().join("patchlift.toml"))
}

/// What is wrong, without the folder's name: `7: server.url: …`.
fn problems(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong { problems }) => problems
            .iter()
            .map(|problem| {
                let text = problem.to_string();
                text.split_once("patchlift.toml:").unwrap().1.to_owned()
            })
            .collect(),
        Err(other) => panic!("{other}"),
    }
}

/// One problem, which says all of this.
fn refused(text: &str, expected: &[&str]) {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:#?}\nof {text}");
    for part in expected {
        assert!(problems[0].contains(part), "{:?} lacks {part:?}", problems[0]);
    }
}

/// [`MINIMAL`] with a line more in its `[[server]]`.
fn server(line: &str) -> String {
    MINIMAL.replace("[[server.project]]", &format!("{line}\n[[server.project]]"))
}

fn project(line: &str) -> String {
    MINIMAL.replace("[[tree]]", &format!("{line}\n[[tree]]"))
}

#[test]
fn a_short_file_is_enough() {
    let config = load(MINIMAL).unwrap();
    assert!(config.state_dir.is_absolute() && config.state_dir.ends_with("state"));
    assert!(Path::new(&config.trees[0].url).is_absolute(), "{}", config.trees[0].url);
    assert_eq!(config.trees[0].branches, ["master"]);
    let server = &config.servers[0];
    assert_eq!(server.client.url.as_str(), "https://patchwork.ozlabs.org/");
    assert_eq!(server.poll, Duration::from_secs(60));
    let project = &server.projects[0];
    assert_eq!(project.bases[0].rev, "powerpc/master");
    assert_eq!((project.checks, project.use_base_commit), (ChecksOn::All, true));
    assert_eq!(project.rules.senders, Senders::All, "nothing is run");
    assert!(config.github.is_none() && config.mirror.is_none() && config.boxes.is_empty());
}

#[test]
fn with_hardware_only_known_senders_run() {
    let config = load(&format!("{MINIMAL}{HARDWARE}")).unwrap();
    let senders = &config.servers[0].projects[0].rules.senders;
    assert_eq!(*senders, Senders::Known { listed: Vec::new(), commits: 3 });
    let github = config.github.as_ref().unwrap();
    let Credential::Token(token) = &github.credential else { panic!("{github:?}") };
    assert_eq!(token.expose_secret(), "s3cret", "without its line end");
    assert_eq!(github.mirror, "https://github.com/example/linux.git");
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn the_example_is_a_configuration() {
    load(EXAMPLE).unwrap();
}

/// The example with every key that is commented out taken in, and its secrets where this test has them.
fn everything() -> String {
    let is_key = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if is_key(key) => key,
        _ => line,
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("/etc/patchlift/patchwork-token", "token")
        .replace("/etc/patchlift/github-token", "token")
        .replace("/etc/patchlift/webhook-secret", "token")
        .replace("/etc/patchlift/github-app.pem", "key.pem")
        .replace("/etc/patchlift/slack-token", "token")
        .replace("/etc/patchlift/slack-webhook", "webhook")
        .replace("/etc/patchlift/mail-password", "token")
        .replace("/etc/patchlift/mail.pem", "key.pem")
}

/// The example with a GitHub App and a bot in Slack, or with a personal token and a webhook: each excludes the other.
fn whole_examples() -> [String; 2] {
    let off = |line: &str, section: &str, with_app: bool| match section {
        "[github]" => with_app && line.starts_with("token = "),
        "[github.app]" => !with_app,
        "[slack]" if with_app => line.starts_with("webhook = "),
        "[slack]" => line.starts_with("token = ") || line.starts_with("channel = "),
        _ => false,
    };
    [true, false].map(|with_app| {
        let (mut section, mut lines) = (String::new(), Vec::new());
        for line in everything().lines() {
            if line.starts_with('[') {
                section = line.to_owned();
            }
            // Taken out, and its line kept: problems are told by line.
            lines.push(if off(line, &section, with_app) { format!("#{line}") } else { line.to_owned() });
        }
        let whole = lines.join("\n");
        if with_app { whole } else { whole.replace("checks = \"check-runs\"", "checks = \"statuses\"") }
    })
}

#[test]
fn the_whole_example_is_a_configuration_too() {
    for whole in whole_examples() {
        let config = load(&whole).unwrap();
        assert_eq!(config.boxes[0].name, "p8");
        assert_eq!(config.servers[0].projects[0].bases.len(), 2);
        assert_eq!(config.on_github.unwrap().repository, "example/linux-ci");
        assert_eq!(config.mail.unwrap().1.from.address, "ci@example.org");
    }
    let both = problems(&everything()).join("\n");
    assert!(both.contains("github.token: the App of [github.app] needs no token"), "{both}");
    assert!(both.contains("slack.token: give either token and channel of a bot, or a webhook"), "{both}");
}

#[test]
fn what_the_example_calls_a_default_is_one() {
    // Where the example shows an example instead, the comment in front says so.
    let mut lines: Vec<&str> = Vec::new();
    let mut defaults = 0;
    let mut explained = "";
    for line in EXAMPLE.lines() {
        let key = line.strip_prefix('#').filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()));
        match key {
            // Sections that are off stay off.
            Some(_) if explained.to_lowercase().contains("an example") => {}
            Some(key) if !lines.contains(&"# off") => {
                lines.push(key);
                defaults += 1;
            }
            _ => {
                if line.starts_with("#[") {
                    lines.push("# off");
                } else if line.starts_with('[') {
                    lines.retain(|line| *line != "# off");
                    lines.push(line);
                } else {
                    lines.push(line);
                }
            }
        }
        if key.is_none() {
            explained = line;
        }
    }
    let written = load(&lines.join("\n")).unwrap();
    let plain = load(EXAMPLE).unwrap();
    let show = |config: &Config| format!("{:?} {:?} {:?}", config.servers, config.trees, config.at_once);
    assert_eq!(show(&written), show(&plain));
    assert!(defaults > 15, "{defaults}");
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let text = r#"
state_dir = 7
comitter = "x"
[[server]]
name = "a b"
url = "http://example.org/"
pol = "60 s"
settle = "60"
[[server.project]]
bases = ["powerpc/nxt"]
checks = "some"
[[tree]]
name = "powerpc"
url = "https://me:s3cret@example.org/linux.git"
branches = ["next"]
"#;
    let problems = problems(text);
    let expected = [
        "2: state_dir: expected text",
        "3: comitter: the file's top has no such key; did you mean \"committer\"?",
        "5: server.name: a name has",
        "6: server.url: http would send the token",
        "7: server.pol: [server] has no such key; did you mean \"poll\"?",
        "8: server.settle: \"60\" is no time",
        "9: server.project.name: missing",
        "10: server.project.bases: \"powerpc/nxt\" is no branch of a [[tree]]",
        "11: server.project.checks: expected \"all\"",
        "14: tree.url: ",
    ];
    for expected in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected}\n{problems:#?}");
    }
    assert!(!problems.join("").contains("s3cret"), "{problems:#?}");
}

#[test]
fn wrong_values_say_what_would_be_right() {
    refused(&server("poll = 60"), &["6: server.poll: expected text in quotes, found integer"]);
    refused(&server("poll = \"10 ms\""), &["from 100 ms to 1 days"]);
    refused(&server("backlog = -1"), &["server.backlog: has to be from 0 to"]);
    refused(&server("overlap = 1.5"), &["expected a whole number, found float"]);
    refused(&server("max_json = \"10\""), &["10 MiB"]);
    refused(&server("api = \"1.1\""), &["1.2", "1.3"]);
    refused(&server("user_agent = \"a\\nb\""), &["visible ASCII"]);
    refused(&server("state_dir = \"x\""), &["it belongs to the file's top"]);
    refused(&project("use_base_commit = \"yes\""), &["expected true or false"]);
    refused(&project("check_context = \"a b\""), &["letters, digits"]);
    refused(&project("labels = \"power8\""), &["expected a list"]);
    refused(&project("bases = []"), &["empty"]);
    refused(&project("[server.project.policy]\nguarded = [\"a[\"]"), &["guarded", "glob"]);
    refused(&project("[server.project.policy]\nsenders = \"all\"\ncommits = 1"), &["leaves nothing"]);
    refused(&project("[server.project.policy]\nlisted = [\"Ada\"]"), &["expected an address"]);
    refused(&MINIMAL.replace("powerpc\"", "../etc\""), &["tree.name: a name has"]);
    refused(&format!("{MINIMAL}branches = [\"a..b\"]"), &["no name of a branch"]);
    refused(&format!("{MINIMAL}branches = [\"a\", \"a\"]"), &["comes twice"]);
    refused(&format!("committer = \"me\"\n{MINIMAL}"), &["Name <address>"]);
}

#[test]
fn what_is_missing_is_named() {
    let missing = problems("");
    for key in ["state_dir: missing", "server: missing", "tree: missing"] {
        assert!(missing.iter().any(|problem| problem.contains(key)), "{missing:#?}");
    }
    refused(
        &MINIMAL.replace("[[server.project]]\nname = \"linuxppc-dev\"", ""),
        &["3: server.project: missing"],
    );
    refused(&MINIMAL.replace("url = \"linux.git\"", ""), &["8: tree.url: missing"]);
}

#[test]
fn hardware_needs_all_its_parts() {
    let whole = format!("{MINIMAL}{HARDWARE}");
    let without = |from: &str, to: &str| {
        let (head, rest) = whole.split_once(from).unwrap();
        format!("{head}{}", rest.split_once(to).map_or("", |(_, tail)| tail))
    };
    refused(&without("[[box]]", "[\"power8\"]"), &["github: there is no [[box]]"]);
    refused(&without("[mirror]", "linux.git\""), &["github: a run needs branches on GitHub"]);
    refused(&whole.replace("token = { file = \"token\" }", ""), &["github.token: missing"]);
    refused(&whole.replace("[[tree]]", "labels = [\"power9\"]\n[[tree]]"), &["no [[box]] has all of power9"]);
    refused(&whole.replace("example/linux\"", "linux\""), &["owner/name"]);
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let problem = problems(&server("token = \"hunter2hunter2\"")).join("\n");
    assert!(problem.contains("server.token: a secret does not belong into this file"), "{problem}");
    assert!(problem.contains("{ file = ") && !problem.contains("hunter2"), "{problem}");
}

#[test]
fn a_secret_that_cannot_be_had_is_said() {
    refused(&server("token = { file = \"nowhere\" }"), &["nowhere: No such file"]);
    refused(
        &server("token = { env = \"PATCHLIFT_NO_SUCH_VARIABLE\" }"),
        &["PATCHLIFT_NO_SUCH_VARIABLE; set it"],
    );
    refused(&server("token = { }"), &["exactly one place"]);
    refused(&server("token = { file = \"token\", env = \"HOME\" }"), &["exactly one place"]);
    refused(&server("token = { fil = \"token\" }"), &["a secret has one of"]);
}

#[test]
fn who_only_looks_opens_no_secret() {
    let dir = folder(&format!("{MINIMAL}{HARDWARE}"));
    fs::remove_file(dir.path().join("token")).unwrap();
    let path = dir.path().join("patchlift.toml");
    assert!(Config::load(&path).is_err());
    let credential = Config::look(&path).unwrap().github.unwrap().credential;
    assert!(matches!(credential, Credential::Token(token) if token.expose_secret().is_empty()));
}

/// No key is in the list of keys that nothing reads: a value of a kind that no key takes is refused at each.
#[test]
fn every_key_is_read() {
    let keys: usize = whole_examples().iter().map(|whole| keys_that_are_read(whole)).sum();
    assert!(keys > 120, "{keys}");
}

fn keys_that_are_read(whole: &str) -> usize {
    let lines: Vec<&str> = whole.lines().collect();
    let mut keys = 0;
    for (place, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        let wrong = format!("{key} = 1979-05-27");
        let mut text = lines.clone();
        text[place] = &wrong;
        let problems = problems(&text.join("\n"));
        let here = format!("{}: ", place + 1);
        let said = |problem: &String| problem.starts_with(&here) && problem.contains(key);
        assert!(problems.iter().any(said), "{key} {problems:#?}");
        keys += 1;
    }
    keys
}

#[test]
fn a_secret_file_is_checked() {
    use std::os::unix::fs::PermissionsExt;
    let dir = folder(&server("token = { file = \"token\" }"));
    let [config, token] = ["patchlift.toml", "token"].map(|name| dir.path().join(name));
    assert_eq!(
        Config::load(&config).unwrap().servers[0].client.token.as_ref().unwrap().expose_secret(),
        "s3cret"
    );
    for (contents, mode, expected) in
        [("\n", 0o600, "is empty"), ("two words\n", 0o600, "more than one"), ("s3cret\n", 0o604, "chmod o=")]
    {
        fs::write(&token, contents).unwrap();
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        let error = Config::load(&config).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
    }
}

/// The bridge with a configuration that is wrong; it ends before it does anything.
fn bridge_refuses(text: &str, credentials: Option<&Path>) -> String {
    let dir = folder(text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchlift"));
    command.args(["run", "--config"]).arg(dir.path().join("patchlift.toml"));
    command.env_remove("CREDENTIALS_DIRECTORY");
    if let Some(credentials) = credentials {
        command.env("CREDENTIALS_DIRECTORY", credentials);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!dir.path().join("state").exists());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_systemd_credential_is_read_from_its_folder() {
    let with = |name: &str| server(&format!("token = {{ credential = \"{name}\" }}"));
    assert!(bridge_refuses(&with("patchwork"), None).contains("add LoadCredential= to the unit"));
    let credentials = tempfile::tempdir().unwrap();
    fs::write(credentials.path().join("patchwork"), "two words").unwrap();
    let refused = |name| bridge_refuses(&with(name), Some(credentials.path()));
    assert!(refused("patchwork").contains("patchwork holds more than one secret"));
    assert!(refused("../patchwork").contains("no slash"));
    assert!(refused("other").contains("No such file"));
}

#[test]
fn every_problem_has_a_line_of_its_own_on_the_screen() {
    let said = bridge_refuses("state_dir = 7\nstate = \"x\"\n", None);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines.iter().all(|line| line.starts_with("patchlift: /") && line.contains("patchlift.toml:")));
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    for (text, line) in [("a = \n", "1: "), ("\n\n[[server]\n", "3: "), ("x = 1\nx = 2\n", "2: ")] {
        let problems = problems(text);
        assert!(problems.iter().any(|problem| problem.starts_with(line)), "{text:?} {problems:#?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("patchlift.toml");
    fs::write(&path, b"ok = 1\n\xff").unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("toml:2: not UTF-8"));
    fs::write(&path, "#".repeat(2 << 20)).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
    assert!(matches!(Config::load(&dir.path().join("none")), Err(ConfigError::Read { .. })));
    assert!(matches!(Config::load(dir.path()), Err(ConfigError::Read { .. })));
}
