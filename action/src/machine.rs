//! The description of one box: `box.toml`, checked.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The version of `box.toml` that is understood.
const FORMAT: u32 = 1;

/// A box under test: how to reach it, how to switch it, how to boot it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Version of this file's format, 1.
    format: u32,
    /// What the operator calls it: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// How to log in to it.
    pub ssh: SshAccess,
    /// How to switch it on and off and to read its console.
    pub bmc: BmcAccess,
    /// How to boot it.
    pub boot: Boot,
    /// How a guest is started on it.
    pub kvm: Kvm,
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshAccess {
    /// Name or address.
    pub host: String,
    /// TCP port.
    #[serde(default = "default_ssh_port")]
    pub port: u16,
    /// A user who may load kernels, that is root.
    pub user: String,
    /// The private key, in OpenSSH's or PEM format, without a passphrase.
    pub key_file: PathBuf,
    /// The only host keys that are accepted, in OpenSSH's `known_hosts` format.
    pub known_hosts_file: PathBuf,
}

fn default_ssh_port() -> u16 {
    22
}

/// How to reach the BMC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BmcAccess {
    /// IPMI 2.0 over the network, through `ipmitool -I lanplus`.
    Ipmi {
        /// Name or address.
        host: String,
        /// UDP port.
        #[serde(default = "default_ipmi_port")]
        port: u16,
        /// User of the BMC.
        user: String,
        /// File with the password, readable by its owner only: a password never goes on a command line.
        password_file: PathBuf,
        /// Cipher suite; without it every call of ipmitool loses 10 s in asking for the list.
        #[serde(default = "default_cipher_suite")]
        cipher_suite: u8,
    },
}

fn default_ipmi_port() -> u16 {
    623
}

/// AES-128 with HMAC-SHA1: the one that every IPMI 2.0 BMC has (IPMI 2.0, table 22-20).
fn default_cipher_suite() -> u8 {
    3
}

/// How to boot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Command line of the kernel under test.
    pub command_line: String,
    /// `uname -r` of the kernel that the box boots by itself.
    pub known_good_release: String,
}

/// How a guest is started.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kvm {
    /// QEMU on the box.
    #[serde(default = "default_qemu")]
    pub qemu: String,
    /// Added to `-M pseries,accel=kvm,`; an emulated box has to give up Spectre capabilities here.
    #[serde(default)]
    pub machine_options: String,
    /// Memory of the guest in MiB.
    #[serde(default = "default_guest_memory")]
    pub memory_mib: u32,
}

fn default_qemu() -> String {
    "/usr/bin/qemu-system-ppc64".to_owned()
}

fn default_guest_memory() -> u32 {
    1024
}

/// Why a box can't be used as described.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The file can't be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, a key that does not exist, a value of the wrong type. The source names line and key.
    #[error("{} is not a box description", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: toml::de::Error,
    },
    /// A value that can't work.
    #[error("{}: {key}: {problem}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its table.
        key: &'static str,
        /// What is wrong and what it should be.
        problem: String,
    },
}

impl Machine {
    /// Reads and checks a box description.
    ///
    /// # Errors
    /// [`MachineError`], which names the file, and the line or the key.
    pub fn read(path: &Path) -> Result<Self, MachineError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| MachineError::Read { path: path.to_owned(), source })?;
        let machine: Self =
            toml::from_str(&text).map_err(|source| MachineError::Parse { path: path.to_owned(), source })?;
        machine.problem().map_or(Ok(()), |(key, problem)| {
            Err(MachineError::Value { path: path.to_owned(), key, problem })
        })?;
        Ok(machine)
    }

    /// The first value that can't work.
    fn problem(&self) -> Option<(&'static str, String)> {
        let BmcAccess::Ipmi { password_file, .. } = &self.bmc;
        let safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.format != FORMAT {
            return Some(("format", format!("is {}, this program reads {FORMAT}", self.format)));
        }
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(safe) {
            return Some(("name", "must be 1 to 40 letters, digits, dots, dashes or underscores".to_owned()));
        }
        if self.kvm.memory_mib < 256 {
            return Some((
                "kvm.memory_mib",
                "must be 256 at least: a smaller guest does not boot".to_owned(),
            ));
        }
        if self.boot.known_good_release.trim().is_empty() {
            return Some((
                "boot.known_good_release",
                "must name the kernel the box boots by itself".to_owned(),
            ));
        }
        let files = [
            ("ssh.key_file", &self.ssh.key_file, true),
            ("ssh.known_hosts_file", &self.ssh.known_hosts_file, false),
            ("bmc.password_file", password_file, true),
        ];
        files
            .into_iter()
            .find_map(|(key, file, secret)| file_problem(file, secret).map(|problem| (key, problem)))
    }
}

/// What is wrong with a file that the box needs.
fn file_problem(file: &Path, secret: bool) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    match std::fs::metadata(file) {
        Err(error) => Some(format!("{shown} cannot be read: {error}")),
        Ok(meta) if !meta.is_file() => Some(format!("{shown} is not a file")),
        Ok(meta) if secret && meta.permissions().mode() & 0o077 != 0 => {
            Some(format!("{shown} can be read by others: chmod 600 it"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::chain;
    use std::os::unix::fs::PermissionsExt;

    fn write_box(dir: &Path, edit: impl Fn(String) -> String) -> PathBuf {
        for file in ["key", "password", "known_hosts"] {
            let path = dir.join(file);
            std::fs::write(&path, "x").expect("it is written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode is set");
        }
        let text = format!(
            "format = 1\nname = \"p8\"\n[ssh]\nhost = \"127.0.0.1\"\nuser = \"root\"\nkey_file = \"{0}/key\"\n\
             known_hosts_file = \"{0}/known_hosts\"\n[bmc]\nkind = \"ipmi\"\nhost = \"127.0.0.1\"\nuser = \"u\"\n\
             password_file = \"{0}/password\"\n[boot]\ncommand_line = \"console=hvc0\"\n\
             known_good_release = \"6.1.0\"\n[kvm]\n",
            dir.display()
        );
        let path = dir.join("box.toml");
        std::fs::write(&path, edit(text)).expect("it is written");
        path
    }

    #[test]
    fn defaults_are_the_usual_ports() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let machine = Machine::read(&write_box(dir.path(), |text| text)).expect("it is good");
        assert_eq!(machine.ssh.port, 22);
        let BmcAccess::Ipmi { port, cipher_suite, .. } = machine.bmc;
        assert_eq!((port, cipher_suite), (623, 3));
    }

    #[test]
    fn every_error_names_file_and_key() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        type Edit = fn(String) -> String;
        let cases: [(Edit, &str); 6] = [
            (|text| text.replace("format = 1", "format = 2"), "format: is 2, this program reads 1"),
            (|text| text.replace("\"p8\"", "\"../p8\""), "name: must be 1 to 40 letters"),
            (|text| text.replace("user = \"u\"", "user = \"u\"\npasword = \"x\""), "unknown field `pasword`"),
            (|text| text.replace("\"6.1.0\"", "6"), "line 15"),
            (|text| text.replace("/key\"", "/nokey\""), "ssh.key_file: "),
            (|text| text.replace("[kvm]", "[kvm]\nmemory_mib = 10"), "kvm.memory_mib: must be 256 at least"),
        ];
        for (edit, expected) in cases {
            let path = write_box(dir.path(), edit);
            let text = chain(&Machine::read(&path).expect_err(expected));
            assert!(text.contains(expected) && text.contains("box.toml"), "{text}\nlacks: {expected}");
        }
    }

    #[test]
    fn a_password_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = write_box(dir.path(), |text| text);
        std::fs::set_permissions(dir.path().join("password"), std::fs::Permissions::from_mode(0o644))
            .expect("its mode is set");
        let text = chain(&Machine::read(&path).expect_err("it is refused"));
        assert!(text.contains("bmc.password_file") && text.contains("chmod 600"), "{text}");
    }
}
