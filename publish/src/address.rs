//! Whether an address may be given a secret.

/// Whether nobody on the way can read what is sent there: https, or http on this machine. User names, passwords and
/// questions in addresses end up in logs, so there may be none.
pub(crate) fn keeps_secrets(address: &str) -> bool {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
        address.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    (local || address.starts_with("https://")) && !address.contains(['@', '?', '#'])
}
