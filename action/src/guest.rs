//! The smallest guest: a kernel, an init of our own, no disk, no network.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::cancel::Stop;
use crate::machine::Kvm;
use crate::process::{self, Exit, ProcessError};

const INIT_C: &str = include_str!("guest/init.c");

/// Compiling one small file.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// Why the guest's initramfs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The compiler can't be run.
    #[error("cannot compile the guest's init")]
    Process(#[source] ProcessError),
    /// The compiler said no: a static C library for the target is missing.
    #[error("the guest's init does not compile ({exit}): {said}; is libc6-dev-ppc64el-cross installed?")]
    Compile {
        /// How it ended.
        exit: Exit,
        /// Its last line.
        said: String,
    },
    /// The run was told to stop.
    #[error("stopped while making the guest")]
    Stopped,
    /// A file can't be written or read.
    #[error("cannot make {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Compiles the guest's init in `dir` and wraps it into an initramfs (cpio, "newc").
///
/// # Errors
/// See [`GuestError`]: all of them are the lab's.
pub fn initramfs(dir: &Path, cross_compile: &str, stop: Stop<'_>) -> Result<Vec<u8>, GuestError> {
    let (source, program) = (dir.join("guest-init.c"), dir.join("guest-init"));
    let file_error = |path: &Path| {
        let path = path.to_owned();
        move |source| GuestError::File { path, source }
    };
    std::fs::write(&source, INIT_C).map_err(file_error(&source))?;
    let compiler = format!("{cross_compile}gcc");
    let mut command = process::command(&compiler, &["-static", "-Os", "-s", "-o"]);
    command.arg(&program).arg(&source);
    let output = process::capture(&mut command, COMPILE_LIMIT, stop).map_err(GuestError::Process)?;
    if output.exit == Exit::Stopped {
        return Err(GuestError::Stopped);
    }
    if !output.exit.success() {
        let said = output.text.lines().last().unwrap_or("nothing").to_owned();
        return Err(GuestError::Compile { exit: output.exit, said });
    }
    let init = std::fs::read(&program).map_err(file_error(&program))?;
    for file in [&source, &program] {
        std::fs::remove_file(file).map_err(file_error(file))?;
    }
    archive(&init).map_err(file_error(&program))
}

/// An archive with `/init` only; the kernel itself provides `/dev/console`.
fn archive(init: &[u8]) -> io::Result<Vec<u8>> {
    let size = u32::try_from(init.len()).map_err(io::Error::other)?;
    let entry = cpio::newc::Builder::new("init").mode(0o100_755).ino(1).nlink(1);
    let mut writer = entry.write(Vec::new(), size);
    io::Write::write_all(&mut writer, init)?;
    cpio::newc::trailer(writer.finish()?)
}

/// The command that runs the guest on the box. `accel=kvm` has no fallback: a guest that runs, runs under KVM.
pub fn command_line(kvm: &Kvm, kernel: &str, initrd: &str, nonce: &str, limit: Duration) -> Vec<String> {
    let machine = if kvm.machine_options.is_empty() {
        "pseries,accel=kvm".to_owned()
    } else {
        format!("pseries,accel=kvm,{}", kvm.machine_options)
    };
    let limit = limit.as_secs().to_string();
    let memory = kvm.memory_mib.to_string();
    let append = format!("console=hvc0 panic=-1 patchlift.nonce={nonce}");
    [
        "timeout",
        "-k",
        "5",
        &limit,
        &kvm.qemu,
        "-M",
        &machine,
        "-cpu",
        "host",
        "-nodefaults",
        "-nographic",
        "-vga",
        "none",
        "-net",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
        "-monitor",
        "none",
        "-m",
        &memory,
        "-kernel",
        kernel,
        "-initrd",
        initrd,
        "-append",
        &append,
    ]
    .map(str::to_owned)
    .into()
}

/// What the guest's init said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// `uname -r` in the guest.
    pub release: String,
    /// `cpu` of its `/proc/cpuinfo`.
    pub cpu: String,
}

/// Reads the init's line, if it is one and repeats `nonce`: an old or a made-up line does not.
pub fn greeting(line: &str, nonce: &str) -> Option<Greeting> {
    let rest = line.split_once("PATCHLIFT-GUEST ")?.1;
    let value = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    if value("nonce")? != nonce {
        return None;
    }
    Some(Greeting { release: value("release")?.to_owned(), cpu: value("cpu")?.to_owned() })
}

/// The compiler's version line; also tells whether it is there at all.
///
/// # Errors
/// Where it can't be run.
pub fn compiler_version(cross_compile: &str, stop: Stop<'_>) -> Result<String, GuestError> {
    let compiler = format!("{cross_compile}gcc");
    let mut command: Command = process::command(&compiler, &["--version"]);
    let output = process::capture(&mut command, COMPILE_LIMIT, stop).map_err(GuestError::Process)?;
    match output.exit {
        Exit::Stopped => return Err(GuestError::Stopped),
        exit if !exit.success() => {
            let said = output.text.lines().last().unwrap_or("nothing").to_owned();
            return Err(GuestError::Compile { exit, said });
        }
        _ => {}
    }
    Ok(output.text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_nonce_counts() {
        let line = "[    2.3] PATCHLIFT-GUEST nonce=abc release=6.1.0-x machine=ppc64le cpu=POWER8";
        let expected = Greeting { release: "6.1.0-x".to_owned(), cpu: "POWER8".to_owned() };
        assert_eq!(greeting(line, "abc"), Some(expected));
        assert_eq!(greeting(line, "abd"), None);
        assert_eq!(greeting("PATCHLIFT-GUEST nonce=abc", "abc"), None);
        assert_eq!(greeting("nothing", "abc"), None);
    }

    #[test]
    fn the_archive_is_read_by_cpio() {
        let archive = archive(b"#!/bin/true\n").expect("it is made");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.cpio");
        std::fs::write(&path, &archive).expect("it is written");
        let output =
            Command::new("cpio").args(["-itv", "--quiet", "-F"]).arg(&path).output().expect("cpio runs");
        let listing = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && listing.contains("-rwxr-xr-x") && listing.contains("init"),
            "{listing}"
        );
    }

    #[test]
    fn the_box_gives_up_capabilities_only_where_told() {
        let mut kvm = Kvm {
            qemu: "/usr/bin/qemu-system-ppc64".to_owned(),
            machine_options: String::new(),
            memory_mib: 512,
        };
        let limit = Duration::from_secs(60);
        assert!(command_line(&kvm, "/k", "/i", "n", limit).contains(&"pseries,accel=kvm".to_owned()));
        kvm.machine_options = "cap-cfpc=broken".to_owned();
        assert!(
            command_line(&kvm, "/k", "/i", "n", limit)
                .contains(&"pseries,accel=kvm,cap-cfpc=broken".to_owned())
        );
    }
}
