//! Limits for a process: of memory and of processor time, by control groups, where this user may
//! make them; else of its address space alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::names;
use crate::process::guarded;

/// What a process may have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// MiB of memory.
    pub memory_mib: Option<u64>,
    /// Thousandths of a core.
    pub cpu_thousandths: Option<u64>,
}

/// A resource: where systems have its controller, and the file of a group that takes the limit, in
/// the second version of control groups (cgroups(7)) and in the first.
struct Controller {
    places: [(&'static str, &'static str); 2],
}

const MEMORY: Controller = Controller {
    places: [
        ("/sys/fs/cgroup", "memory.max"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ],
};

const CPU: Controller = Controller {
    places: [
        ("/sys/fs/cgroup", "cpu.max"),
        ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"),
    ],
};

/// Microseconds in which a process may have its part of a core: the kernel's default.
const PERIOD: u64 = 100_000;

/// Control groups that are there as long as this is.
pub(crate) struct ControlGroups {
    limits: Limits,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

impl Controller {
    /// A group with this limit; none where there is no controller, or no right to it.
    fn group(&self, limit: &str) -> Option<PathBuf> {
        self.places.into_iter().find_map(|(controller, file)| {
            let group = Path::new(controller).join(names::unique("ferrule"));
            std::fs::create_dir(&group).ok()?;
            // The kernel makes it where the folder belongs to the controller.
            let file = group.join(file);
            if file.exists() && std::fs::write(file, limit).is_ok() {
                return Some(group);
            }
            let _ = std::fs::remove_dir(&group);
            None
        })
    }
}

impl ControlGroups {
    /// A process that takes more memory is killed; one that takes more time waits.
    pub(crate) fn new(limits: Limits) -> Self {
        let memory = limits.memory_mib.map(|mib| (mib << 20).to_string());
        // The second version takes the period beside it, which is the default.
        let cpu = limits
            .cpu_thousandths
            .map(|part| (part * PERIOD / 1000).to_string());
        Self {
            limits,
            memory: memory.and_then(|limit| MEMORY.group(&limit)),
            cpu: cpu.and_then(|limit| CPU.group(&limit)),
        }
    }

    /// Whether the kernel keeps every limit that was asked for.
    pub(crate) fn are_kept(&self) -> bool {
        self.memory.is_some() == self.limits.memory_mib.is_some()
            && self.cpu.is_some() == self.limits.cpu_thousandths.is_some()
    }

    /// A command that runs a program within the limits.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let groups: Vec<&PathBuf> = self.memory.iter().chain(&self.cpu).collect();
        if let (None, Some(mib)) = (&self.memory, self.limits.memory_mib) {
            let mut limited = guarded(Path::new("prlimit"));
            limited.arg(format!("--as={0}:{0}", mib << 20)).arg(program);
            return limited;
        }
        let mut limited = guarded(Path::new("sh"));
        let enter = r#"while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done"#;
        limited
            .args(["-ec", &format!(r#"{enter}; shift; exec "$@""#), "sh"])
            .args(groups)
            .arg("--")
            .arg(program);
        limited
    }

    /// The most memory that the control group has counted, in MiB; none without a group.
    pub(crate) fn peak_mib(&self) -> Result<Option<u64>> {
        let Some(group) = &self.memory else {
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

impl Drop for ControlGroups {
    fn drop(&mut self) {
        // Their process has ended; what is left of a group says nothing any more.
        for group in self.memory.iter().chain(&self.cpu) {
            let _ = std::fs::remove_dir(group);
        }
    }
}
