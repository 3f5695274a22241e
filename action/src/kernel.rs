//! Building a kernel on the controller: out of tree, incremental, its configuration checked.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::build_log::{BuildLog, CompileError, tree_names};
use crate::cancel::Stop;
use crate::host::hex;
use crate::inputs::Recipe;
use crate::process::{self, Exit, ProcessError};

/// A build folder belongs to one recipe and one compiler: its name is their hash.
pub fn recipe_hash(recipe: &Recipe, compiler: &str) -> String {
    let mut hash = Sha256::new();
    for part in [recipe.defconfig.as_str(), recipe.cross_compile.as_str(), compiler] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    for fragment in &recipe.fragments {
        hash.update(fragment.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize()).chars().take(16).collect()
}

/// The options that the fragments ask for, as lines of a `.config`: later fragments win.
pub fn requested_options(fragments: &[String]) -> Vec<String> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for line in fragments.iter().flat_map(|fragment| fragment.lines()).map(str::trim) {
        let (name, line) =
            match line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
                Some(name) => (format!("CONFIG_{name}"), line.to_owned()),
                None => match line.split_once('=') {
                    Some((name, "n")) if name.starts_with("CONFIG_") => {
                        (name.to_owned(), format!("# {name} is not set"))
                    }
                    Some((name, _)) if name.starts_with("CONFIG_") => (name.to_owned(), line.to_owned()),
                    _ => continue,
                },
            };
        wanted.retain(|(other, _)| *other != name);
        wanted.push((name, line));
    }
    wanted.into_iter().map(|(_, line)| line).collect()
}

/// The requested lines that a finished `.config` lacks. An option that is off may also be absent from it.
pub fn dropped_options<'a>(requested: &'a [String], config: &str) -> Vec<&'a str> {
    let lines: std::collections::HashSet<&str> = config.lines().collect();
    let missing =
        |line: &&str| match line.strip_prefix("# ").and_then(|rest| rest.strip_suffix(" is not set")) {
            Some(name) => ["y", "m"].iter().any(|value| lines.contains(format!("{name}={value}").as_str())),
            None => !lines.contains(line),
        };
    requested.iter().map(String::as_str).filter(missing).collect()
}

/// A finished kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// `uname -r`.
    pub release: String,
    /// GNU build id, hex digits.
    pub build_id: String,
    /// Compiler's version line.
    pub compiler: String,
    /// SHA-256 of the `.config`.
    pub config_sha256: String,
    /// The image without its symbols.
    pub image: PathBuf,
    /// Size of the image in bytes.
    pub image_bytes: u64,
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A tool can't be run.
    #[error("cannot build")]
    Process(#[source] ProcessError),
    /// A file can't be written or read.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The controller ran out of something.
    #[error("the controller cannot go on: {line}")]
    Controller {
        /// The line of the log.
        line: String,
    },
    /// Kconfig dropped options that were asked for.
    #[error("Kconfig dropped {count} of the requested options: {shown}")]
    Config {
        /// How many.
        count: usize,
        /// The first ones.
        shown: String,
    },
    /// What is tested would be a module.
    #[error(
        "KVM-HV is configured as a module, and modules are not put on the box: ask for CONFIG_KVM_BOOK3S_64_HV=y, and for the drivers of its disk and network, in a fragment"
    )]
    Modular,
    /// The code does not compile.
    #[error("{}", match .errors.first() { Some(error) => error.to_string(), None => format!("make ended with {exit}") })]
    Compile {
        /// How make ended.
        exit: Exit,
        /// The errors found in the log, in order.
        errors: Vec<CompileError>,
        /// The lines around the first error.
        excerpt: Vec<String>,
    },
    /// It did not end in its time.
    #[error("the build did not end in its time")]
    TimedOut,
    /// The image has no build id.
    #[error("{} has no build id: what boots could not be proven", .path.display())]
    NoBuildId {
        /// The image.
        path: PathBuf,
    },
    /// The run was told to stop.
    #[error("stopped while building")]
    Stopped,
}

/// One build: which tree, into which folder, as which release.
#[derive(Debug)]
pub struct Build<'a> {
    /// The source tree.
    pub tree: &'a Path,
    /// The build folder.
    pub out: &'a Path,
    /// Where compiler results are kept between builds.
    pub ccache: &'a Path,
    /// How.
    pub recipe: &'a Recipe,
    /// Appended to the version: `-pl1001-0123456789ab`.
    pub local_version: &'a str,
    /// The build's log.
    pub log: &'a Path,
    /// Where a copy of the finished `.config` is left.
    pub config_copy: &'a Path,
    /// Time limit of each make.
    pub limit: std::time::Duration,
}

impl Build<'_> {
    /// `make` in the tree, with a fixed identity so that the same source gives the same object, and without
    /// any variable of ours: build scripts come from a mailing list.
    fn make(&self, args: &[&str]) -> Command {
        let cross = &self.recipe.cross_compile;
        let jobs = format!("-j{}", self.recipe.jobs);
        let mut command = process::command("nice", &["-n", "5", "make", &jobs, "ARCH=powerpc"]);
        command.arg(format!("O={}", self.out.display())).arg(format!("CROSS_COMPILE={cross}"));
        command.arg(format!("LOCALVERSION={}", self.local_version));
        if on_path("ccache") {
            command.arg(format!("CC=ccache {cross}gcc")).env("CCACHE_DIR", self.ccache);
            command.env("CCACHE_BASEDIR", self.tree).env("CCACHE_MAXSIZE", "4G");
        }
        command
            .env("KBUILD_BUILD_TIMESTAMP", "1970-01-01")
            .env("KBUILD_BUILD_USER", "patchlift")
            .env("KBUILD_BUILD_HOST", "patchlift")
            .args(args)
            .current_dir(self.tree);
        command
    }

    fn run(
        &self,
        mut command: Command,
        stop: Stop<'_>,
        seen: &mut dyn FnMut(&str),
    ) -> Result<(), BuildError> {
        let mut log = BuildLog::default();
        let places = tree_names(self.tree, self.out);
        let exit = process::run_logged(&mut command, self.log, self.limit, stop, |line| {
            let line = places.iter().fold(line.to_owned(), |line, place| line.replace(place, ""));
            log.line(&line);
            seen(&line);
        })
        .map_err(BuildError::Process)?;
        match exit {
            exit if exit.success() => Ok(()),
            Exit::Stopped => Err(BuildError::Stopped),
            Exit::TimedOut => Err(BuildError::TimedOut),
            Exit::Signal(signal) => {
                Err(BuildError::Controller { line: format!("make was killed by signal {signal}") })
            }
            exit => Err(log.failure(exit)),
        }
    }

    /// Configures, checks the configuration, compiles, and strips the image. `seen` is given every line of
    /// the build for progress.
    ///
    /// # Errors
    /// See [`BuildError`]; whose fault they are is the caller's to say.
    pub fn build(
        &self,
        compiler: &str,
        stop: Stop<'_>,
        seen: &mut dyn FnMut(&str),
    ) -> Result<Built, BuildError> {
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::File { path, source }
        };
        for dir in [self.out, self.ccache] {
            std::fs::create_dir_all(dir).map_err(file_error(dir))?;
        }
        self.configure(stop, seen)?;
        self.run(self.make(&["vmlinux"]), stop, seen)?;

        let config_path = self.out.join(".config");
        let config = std::fs::read(&config_path).map_err(file_error(&config_path))?;
        let release_path = self.out.join("include/config/kernel.release");
        let release = std::fs::read_to_string(&release_path).map_err(file_error(&release_path))?;
        let image = self.out.join("vmlinux.stripped");
        let mut strip = process::command(&format!("{}objcopy", self.recipe.cross_compile), &["-S"]);
        strip.arg(self.out.join("vmlinux")).arg(&image);
        self.run(strip, stop, &mut |_| {})?;
        let bytes = std::fs::read(&image).map_err(file_error(&image))?;
        let build_id = crate::notes::build_id_of_image(&bytes)
            .ok_or_else(|| BuildError::NoBuildId { path: image.clone() })?;
        Ok(Built {
            release: release.trim().to_owned(),
            build_id,
            compiler: compiler.to_owned(),
            config_sha256: hex(&Sha256::digest(&config)),
            image,
            image_bytes: bytes.len() as u64,
        })
    }

    fn configure(&self, stop: Stop<'_>, seen: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::File { path, source }
        };
        let all = self.recipe.fragments.join("\n");
        let fragment = self.out.join("patchlift.fragment");
        std::fs::write(&fragment, &all).map_err(file_error(&fragment))?;
        let config_path = self.out.join(".config");
        let mut first = self.make(&[&self.recipe.defconfig]);
        // Kconfig reads this file for the all*config targets only.
        first.env("KCONFIG_ALLCONFIG", &fragment);
        self.run(first, stop, seen)?;
        if !self.recipe.defconfig.starts_with("all") {
            let mut config = std::fs::read_to_string(&config_path).map_err(file_error(&config_path))?;
            config.push_str(&all);
            std::fs::write(&config_path, config).map_err(file_error(&config_path))?;
            self.run(self.make(&["olddefconfig"]), stop, seen)?;
        }
        std::fs::copy(&config_path, self.config_copy).map_err(file_error(self.config_copy))?;
        let config = std::fs::read_to_string(&config_path).map_err(file_error(&config_path))?;
        if config.lines().any(|line| line == "CONFIG_KVM_BOOK3S_64_HV=m") {
            return Err(BuildError::Modular);
        }
        let requested = requested_options(&self.recipe.fragments);
        let dropped = dropped_options(&requested, &config);
        if dropped.is_empty() {
            return Ok(());
        }
        let shown = dropped.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        Err(BuildError::Config { count: dropped.len(), shown })
    }
}

/// Whether a program can be found.
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_options_are_found() {
        let fragments = [
            "CONFIG_A=y\nCONFIG_B=m\n# a comment\nCONFIG_C=n\n".to_owned(),
            "# CONFIG_A is not set\nCONFIG_D=\"x\"\n".to_owned(),
        ];
        let requested = requested_options(&fragments);
        assert_eq!(
            requested,
            ["CONFIG_B=m", "# CONFIG_C is not set", "# CONFIG_A is not set", "CONFIG_D=\"x\""]
        );
        let config = "CONFIG_B=y\n# CONFIG_C is not set\nCONFIG_A=y\nCONFIG_D=\"x\"\n";
        assert_eq!(dropped_options(&requested, config), ["CONFIG_B=m", "# CONFIG_A is not set"]);
    }

    #[test]
    fn a_recipe_is_known_by_all_its_parts() {
        let recipe = Recipe {
            defconfig: "allnoconfig".into(),
            fragments: vec!["a".into()],
            cross_compile: String::new(),
            jobs: 1,
        };
        let same = Recipe { jobs: 8, ..recipe.clone() };
        let other = Recipe { fragments: vec!["b".into()], ..recipe.clone() };
        assert_eq!(recipe_hash(&recipe, "gcc 12"), recipe_hash(&same, "gcc 12"));
        assert_ne!(recipe_hash(&recipe, "gcc 12"), recipe_hash(&other, "gcc 12"));
        assert_ne!(recipe_hash(&recipe, "gcc 12"), recipe_hash(&recipe, "gcc 13"));
    }
}
