//! Secrets: never in the configuration itself, but in a file, the environment or a systemd credential.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::de::DeValue;

use super::reader::Table;

/// No token is longer.
const MAX: u64 = 64 << 10;

const WAY_OUT: &str =
    "write { file = \"/path\" }, { env = \"NAME\" } or { credential = \"name\" } (systemd) instead";

/// The secret of a key; `None` where there is none, or a problem was noted.
pub(super) fn read(table: &Table<'_, '_>, key: &str) -> Option<SecretString> {
    read_as(table, key, checked)
}

/// A private key, which has many lines.
pub(super) fn read_key(table: &Table<'_, '_>, key: &str) -> Option<SecretString> {
    read_as(table, key, checked_key)
}

/// A secret of one line.
///
/// # Errors
/// It cannot be read, is open to everybody, or is no secret; what to do about it.
pub(crate) fn from_file(path: &Path) -> Result<SecretString, String> {
    guarded(path, checked)
}

/// The private key of an App: the whole file.
///
/// # Errors
/// As [`from_file`].
pub(crate) fn key_from_file(path: &Path) -> Result<SecretString, String> {
    guarded(path, checked_key)
}

/// What makes a secret of a text, told where it was found.
type Check = fn(&str, &str) -> Result<SecretString, String>;

fn read_as(table: &Table<'_, '_>, key: &str, check: Check) -> Option<SecretString> {
    let value = table.any(key)?;
    let DeValue::Table(values) = value.get_ref() else {
        // What stands there is most likely the secret: it is not repeated.
        table.problem(&value.span(), key, format!("a secret does not belong into this file; {WAY_OUT}"));
        return None;
    };
    let below = table.secret(key, values, value.span().start)?;
    let own = |text: &str| Ok(text.to_owned());
    let (file, env, credential) =
        (below.read("file", own), below.read("env", own), below.read("credential", own));
    let found = match (file, env, credential) {
        (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(_)) if !table.file.secrets => {
            Ok(SecretString::from(""))
        }
        (Some(file), None, None) => guarded(&table.file.relative(&file.value), check),
        (None, Some(env), None) => from_environment(&env.value, check),
        (None, None, Some(credential)) => from_credential(&credential.value, check),
        _ => Err(format!("a secret comes from exactly one place; {WAY_OUT}")),
    };
    match found {
        Ok(secret) => Some(secret),
        Err(what) => {
            table.problem(&value.span(), key, what);
            None
        }
    }
}

fn from_environment(name: &str, check: Check) -> Result<SecretString, String> {
    match std::env::var(name) {
        Ok(text) => check(&text, &format!("the environment's {name}")),
        Err(std::env::VarError::NotPresent) => Err(format!("the environment has no {name}; set it")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment's {name} is no text")),
    }
}

fn from_credential(name: &str, check: Check) -> Result<SecretString, String> {
    let Some(dir) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Err("there are no systemd credentials; add LoadCredential= to the unit".to_owned());
    };
    if name.contains('/') || name.starts_with('.') {
        return Err("the name of a credential has no slash and no dot in front".to_owned());
    }
    contents(&PathBuf::from(dir).join(name), check)
}

/// The content of a file that not everybody may read.
fn guarded(path: &Path, check: Check) -> Result<SecretString, String> {
    let mode =
        fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.permissions().mode();
    if mode & 0o007 != 0 {
        let path = path.display();
        return Err(format!("{path} is open to everybody on this machine; run: chmod o= {path}"));
    }
    contents(path, check)
}

fn contents(path: &Path, check: Check) -> Result<SecretString, String> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX).read_to_string(&mut text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    check(&text, &path.display().to_string())
}

/// A secret goes into a header: one line of visible ASCII.
pub(crate) fn checked(text: &str, place: &str) -> Result<SecretString, String> {
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("{place} is empty; put the secret there"));
    }
    if secret.len() as u64 >= MAX || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{place} holds more than one secret: blanks, line ends or letters that are not ASCII"
        ));
    }
    Ok(SecretString::from(secret))
}

fn checked_key(text: &str, place: &str) -> Result<SecretString, String> {
    let is_key = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") && text.is_ascii();
    is_key.then(|| SecretString::from(text)).ok_or_else(|| {
        format!("{place} holds no private key; put the .pem file there that GitHub gave for the App")
    })
}
