//! Everything outside the bridge: Patchwork and GitHub as models behind HTTP, real git repositories.

pub(crate) mod github;
pub(crate) mod patchwork;
pub(crate) mod people;
pub(crate) mod process;
pub(crate) mod real_patchwork;
