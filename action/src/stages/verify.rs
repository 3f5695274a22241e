//! What runs is the kernel that was built: boot id, release, build id, and no second boot in between.

use patchlift_report::{Fault, Lane};

use crate::boot_watch;
use crate::cancel::Stop;
use crate::host::HostError;
use crate::kernel::Built;
use crate::notes;
use crate::run::{Done, Failure, Run, SHORT};
use crate::stages::install_host_kernel::built;
use crate::stages::watched::{crash_now, crashed, failure, host_lost};

/// What the box says it runs.
struct Running {
    release: String,
    build_id: Option<String>,
    boot_id: String,
    tainted: String,
}

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let built = built(run, lane)?;
    let running = {
        let crashed = || crash_now(run).is_some();
        look(run, cancel.at_first().or_when(&crashed)).map_err(|error| host_lost(run, lane, &error))?
    };
    compare(run, lane, &built, &running)?;
    if let Some(event) = crash_now(run) {
        return Err(crashed(run, lane, &event));
    }
    Ok(Done::default()
        .fact("release", running.release)
        .fact("build id", built.build_id)
        .fact("boot id", running.boot_id)
        .fact("tainted", running.tainted))
}

fn look(run: &Run, stop: Stop<'_>) -> Result<Running, HostError> {
    let ssh = run.ssh()?;
    Ok(Running {
        release: ssh.read_text(&["uname", "-r"], SHORT, stop)?,
        build_id: notes::build_id(&ssh.read(&["cat", "/sys/kernel/notes"], SHORT, stop)?),
        boot_id: boot_watch::boot_id(&ssh, stop)?,
        tainted: ssh.read_text(&["cat", "/proc/sys/kernel/tainted"], SHORT, stop)?,
    })
}

fn compare(run: &Run, lane: Lane, built: &Built, running: &Running) -> Result<(), Failure> {
    let lab = |reason: String| Err(Failure::new(Fault::Infrastructure, reason).log("console.log"));
    let release = &running.release;
    let announced = run.boot_mark.map(|mark| run.console.banners_since(mark)).unwrap_or_default();
    if *release != built.release {
        // Only a kernel that was seen to start can have reset the box.
        return if announced.contains(&built.release) {
            Err(failure(run, lane, format!("{release} runs: the kernel under test reset the box")))
        } else {
            lab(format!("{release} runs, and {} never announced itself on the console", built.release))
        };
    }
    if running.build_id.as_deref() != Some(&built.build_id) {
        let found = running.build_id.as_deref().unwrap_or("none");
        return lab(format!("build id {found} runs, {} was built", built.build_id));
    }
    if run.boot_id.as_ref() != Some(&running.boot_id) {
        return Err(failure(run, lane, "it booted a second time by itself"));
    }
    Ok(())
}
