//! What commands that only look have in common: they need no secret, take no lock and write nothing.

use std::io;

use super::bridge::{BridgeError, ConfigArg};
use crate::config::{self, Config};
use crate::store::Store;

/// The configuration, and the store to look at.
pub(super) fn open(arg: &ConfigArg) -> Result<(Config, Store), BridgeError> {
    let config = Config::look(&config::locate(arg.config.as_deref())?)?;
    let store = Store::read_only(&config.state_dir)?;
    Ok((config, store))
}

/// Who closes the pipe has seen enough.
pub(super) fn printed(result: io::Result<()>) -> Result<(), BridgeError> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
