//! A limit of memory for a process: by a control group, where this user may make one, else by its
//! address space.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::names;
use crate::process::guarded;

/// Where systems have the controller of memory, and the file of a group that takes the limit: the
/// second version of control groups (cgroups(7)), and the first.
const CONTROLLERS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// A control group that is there as long as this is.
pub(crate) struct MemoryLimit {
    bytes: u64,
    group: Option<PathBuf>,
}

impl MemoryLimit {
    /// A limit of so many MiB. A process that goes beyond is killed in a control group; without one
    /// it gets no more memory.
    pub(crate) fn mib(mib: u64) -> Self {
        let bytes = mib << 20;
        let group = CONTROLLERS.into_iter().find_map(|(controller, file)| {
            let group = Path::new(controller).join(names::unique("ferrule"));
            std::fs::create_dir(&group).ok()?;
            // The kernel makes it where the folder belongs to the controller of memory.
            let file = group.join(file);
            if file.exists() && std::fs::write(file, bytes.to_string()).is_ok() {
                return Some(group);
            }
            let _ = std::fs::remove_dir(&group);
            None
        });
        Self { bytes, group }
    }

    /// A command that runs a program within the limit.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(group) = &self.group else {
            let mut limited = guarded(Path::new("prlimit"));
            limited
                .arg(format!("--as={0}:{0}", self.bytes))
                .arg(program);
            return limited;
        };
        let mut limited = guarded(Path::new("sh"));
        limited
            .args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#])
            .arg(group)
            .arg(program);
        limited
    }

    /// The most memory that the control group has counted, in MiB; none without a group.
    pub(crate) fn peak_mib(&self) -> Result<Option<u64>> {
        let Some(group) = &self.group else {
            return Ok(None);
        };
        let files = ["memory.peak", "memory.max_usage_in_bytes"];
        let text = files
            .iter()
            .find_map(|file| std::fs::read_to_string(group.join(file)).ok())
            .context("the control group does not tell its peak")?;
        Ok(Some(text.trim().parse::<u64>()? >> 20))
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Its process has ended; what is left of the group says nothing any more.
        if let Some(group) = &self.group {
            let _ = std::fs::remove_dir(group);
        }
    }
}
