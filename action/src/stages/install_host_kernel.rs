//! The kernel is on the box; the default boot entry is untouched.

use std::time::Duration;

use patchlift_report::{Fault, Lane};

use crate::host::HostError;
use crate::run::{Done, Failure, Run};
use crate::stages::ON_BOX;

/// 10 MB take 3.4 s to an emulated box; a distribution's kernel is five times as large.
const UPLOAD_LIMIT: Duration = Duration::from_secs(300);

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let stop = cancel.at_first();
    let built = built(run, lane)?;
    let image = std::fs::read(&built.image).map_err(|error| {
        Failure::new(Fault::Infrastructure, format!("cannot read {}: {error}", built.image.display()))
    })?;
    let guest =
        crate::guest::initramfs(&run.dir, &run.inputs.recipe.cross_compile, stop).map_err(Failure::from)?;
    // Kept beside the report for whoever wants to repeat the test; nothing of this run reads it.
    let _ = std::fs::write(run.dir.join("guest.cpio"), &guest);
    let (path, guest_path) = paths(&built.release);
    run.progress.note(&path);
    let ssh = run.ssh()?;
    ssh.put(&image, &path, UPLOAD_LIMIT, stop).map_err(full_disk)?;
    ssh.put(&guest, &guest_path, UPLOAD_LIMIT, stop).map_err(full_disk)?;
    Ok(Done::default().fact("on the box", path).fact("size", format!("{:.1} MB", image.len() as f64 / 1e6)))
}

/// Kernel and guest's initramfs of a release, on the box.
pub(super) fn paths(release: &str) -> (String, String) {
    let dir = format!("{ON_BOX}/{}", crate::text::slug(release, 64));
    (format!("{dir}/vmlinux"), format!("{dir}/guest.cpio"))
}

/// The kernel that an earlier stage of this lane built.
pub(super) fn built(run: &Run, lane: Lane) -> Result<crate::kernel::Built, Failure> {
    let missing = || Failure::new(Fault::Infrastructure, "there is no kernel to use: the build left none");
    run.built.get(&lane).cloned().ok_or_else(missing)
}

/// A full disk of the box is named: it is the most likely reason, and the operator's to mend.
fn full_disk(error: HostError) -> Failure {
    match &error {
        HostError::Failed { said, .. } if said.contains("No space left") => {
            Failure::new(Fault::Infrastructure, format!("the disk of the box is full: clean up {ON_BOX}"))
        }
        _ => error.into(),
    }
}
