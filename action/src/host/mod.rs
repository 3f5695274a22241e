//! Running commands and moving files on the box.

mod ssh;

pub(crate) use ssh::hex;
pub use ssh::{HostError, RemoteExit, SshHost};
