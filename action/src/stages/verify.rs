//! What runs is the kernel that was built: boot id, release, build id, and no second boot in between.

use patchlift_report::{Fault, Lane};

use crate::boot_watch;
use crate::notes;
use crate::run::{Done, Failure, Run, SHORT, fault_of};
use crate::stages::install_host_kernel::built;

pub(super) fn run(run: &mut Run, lane: Lane) -> Result<Done, Failure> {
    let cancel = run.cancel.clone();
    let stop = cancel.at_first();
    let built = built(run, lane)?;
    let ssh = run.ssh()?;
    let release = ssh.read_text(&["uname", "-r"], SHORT, stop)?;
    if release == run.inputs.machine.boot.known_good_release {
        let reason = format!("the box is back on {release}: the kernel under test reset it");
        return Err(Failure::new(fault_of(lane), reason).excerpt(run.console.tail(30)).log("console.log"));
    }
    if release != built.release {
        let reason = format!("{release} runs, {} was booted", built.release);
        return Err(Failure::new(Fault::Infrastructure, reason));
    }
    let build_id = notes::build_id(&ssh.read(&["cat", "/sys/kernel/notes"], SHORT, stop)?);
    if build_id.as_deref() != Some(&built.build_id) {
        let found = build_id.unwrap_or_else(|| "none".to_owned());
        let reason = format!("build id {found} runs, {} was built", built.build_id);
        return Err(Failure::new(Fault::Infrastructure, reason));
    }
    let boot_id = boot_watch::boot_id(&ssh, stop)?;
    if run.boot_id.as_ref() != Some(&boot_id) {
        let reason = "it booted a second time by itself";
        return Err(Failure::new(fault_of(lane), reason).excerpt(run.console.tail(30)).log("console.log"));
    }
    if let Some(event) = run.boot_mark.and_then(|mark| run.console.fatal_since(mark)) {
        return Err(super::boot::crashed(run, lane, &event));
    }
    let tainted = ssh.read_text(&["cat", "/proc/sys/kernel/tainted"], SHORT, stop)?;
    Ok(Done::default()
        .fact("release", release)
        .fact("build id", built.build_id)
        .fact("boot id", boot_id)
        .fact("tainted", tainted))
}
