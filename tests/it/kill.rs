//! The bridge is killed at every moment that matters, and its disk and its servers fail: it ends in the same place.

mod mails;
mod proxy;
mod scenario;
mod shim;
mod stand_in;
