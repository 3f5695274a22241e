//! Every key there is, by its table. A key that is not here is refused; `patchlift.example.toml` explains each.

/// The names of tables, as they are written, and their keys.
pub(super) const TABLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "at_once",
            "box",
            "committer",
            "github",
            "mail",
            "mirror",
            "server",
            "slack",
            "state_dir",
            "tree",
            "webhook",
        ],
    ),
    (
        "server",
        &[
            "answer_limit",
            "api",
            "backlog",
            "connect_limit",
            "contact",
            "give_up_after",
            "max_json",
            "max_mbox",
            "name",
            "overlap",
            "poll",
            "project",
            "reconcile_every",
            "requests_at_once",
            "settle",
            "token",
            "url",
            "user_agent",
            "whole_limit",
        ],
    ),
    (
        "server.project",
        &[
            "archive",
            "bases",
            "check_context",
            "checks",
            "labels",
            "name",
            "policy",
            "priority",
            "use_base_commit",
        ],
    ),
    (
        "server.project.policy",
        &[
            "commanders",
            "commits",
            "decline",
            "guarded",
            "hold",
            "listed",
            "max_bytes",
            "max_files",
            "max_patches",
            "senders",
        ],
    ),
    ("tree", &["branches", "fetch_every", "name", "url"]),
    ("mirror", &["expire_after", "max_branches", "pause", "token", "url"]),
    (
        "github",
        &[
            "api",
            "app",
            "branch",
            "cancel_limit",
            "checks",
            "ci_commit",
            "mirror",
            "mirror_repository",
            "pause",
            "poll",
            "pull_requests",
            "queued_limit",
            "repository",
            "run_limit",
            "token",
            "trigger",
            "workflow",
        ],
    ),
    ("github.app", &["id", "installation", "key"]),
    ("slack", &["api", "channel", "token", "webhook"]),
    (
        "mail",
        &[
            "allow",
            "always_to",
            "contact",
            "from",
            "list",
            "password",
            "port",
            "say_all",
            "say_success",
            "server",
            "tls",
            "trusted",
            "user",
        ],
    ),
    ("box", &["labels", "name"]),
    ("webhook", &["listen", "secret"]),
];

/// The keys of a secret, wherever one stands.
pub(super) const SECRET: &[&str] = &["credential", "env", "file"];

/// The keys of a table.
pub(super) fn of(table: &str) -> &'static [&'static str] {
    TABLES.iter().find(|(name, _)| *name == table).map_or(&[], |(_, keys)| keys)
}

/// What to say of a key that is not in a table.
pub(super) fn unknown(table: &str, known: &[&str], key: &str) -> String {
    let place = if table.is_empty() { "the file's top".to_owned() } else { format!("[{table}]") };
    let elsewhere = || TABLES.iter().find(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name);
    if let Some(close) = closest(known, key) {
        return format!("{place} has no such key; did you mean {close:?}?");
    }
    match elsewhere() {
        Some("") => format!("{place} has no such key; it belongs to the file's top, before every table"),
        Some(other) => format!("{place} has no such key; it belongs to [{other}]"),
        None => format!("{place} has no such key; it has {}", known.join(", ")),
    }
}

/// The known key that was probably meant: two letters off at most, and fewer for short ones.
fn closest<'k>(known: &[&'k str], key: &str) -> Option<&'k str> {
    let bounded = key.get(..40.min(key.len())).unwrap_or_default();
    let distance = |known: &&&str| strsim::damerau_levenshtein(known, &bounded.to_lowercase());
    known.iter().min_by_key(distance).filter(|best| distance(best) <= 2.min(best.len() / 2)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_comes_with_what_was_meant() {
        for (table, key, expected) in [
            ("server", "pol", "did you mean \"poll\"?"),
            ("server", "Settle", "did you mean \"settle\"?"),
            ("tree", "branch", "did you mean \"branches\"?"),
            ("", "statedir", "did you mean \"state_dir\"?"),
            ("server.project", "workflow", "it belongs to [github]"),
            ("server", "state_dir", "the file's top"),
            ("box", "colour", "it has labels, name"),
            ("box", "ö", "it has labels, name"),
        ] {
            let words = unknown(table, of(table), key);
            assert!(words.contains(expected), "{words}");
        }
    }

    #[test]
    fn the_example_has_every_key() {
        let example = include_str!("../../patchlift.example.toml");
        for (table, keys) in TABLES {
            // The lines of this table only: the same name may stand in several.
            let mut inside = table.is_empty();
            let mut found = Vec::new();
            for line in example.lines().map(|line| line.strip_prefix('#').unwrap_or(line)) {
                let header = line.trim_matches(['[', ']']);
                if line.starts_with('[') {
                    inside = header == *table;
                    found.extend(
                        header.rsplit_once('.').filter(|(parent, _)| parent == table).map(|pair| pair.1),
                    );
                    found.extend((table.is_empty() && !header.contains('.')).then_some(header));
                } else if let Some((key, _)) = line.split_once(" = ").filter(|_| inside) {
                    found.push(key);
                }
            }
            for key in *keys {
                assert!(found.contains(key), "{key} of [{table}] is not in the example");
            }
        }
    }

    #[test]
    fn keys_stand_in_order_and_once() {
        for (table, keys) in TABLES {
            assert!(keys.is_sorted_by(|a, b| a < b), "{table}");
        }
    }
}
