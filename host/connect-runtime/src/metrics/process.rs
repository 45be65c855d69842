//! What the process takes of the system, under the names of Prometheus' own clients: the nearest
//! thing to the metrics of a JVM.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::exposition::{Exposition, Kind};

/// Ticks of a second in `/proc`: a constant of Linux's interface (`USER_HZ`, man 7 time).
const TICKS: f64 = 100.0;

/// Writes what there is; on another system than Linux, nothing.
pub(super) fn process(text: &mut Exposition) {
    let Some(process) = Process::read() else {
        return;
    };
    let Process {
        cpu,
        threads,
        started,
        virtual_memory,
        resident_memory,
    } = process;
    let help = "Seconds of processors that the worker has used.";
    text.single("process_cpu_seconds_total", Kind::Counter, help, cpu);
    let help = "Bytes of memory that the worker has.";
    text.single(
        "process_resident_memory_bytes",
        Kind::Gauge,
        help,
        resident_memory,
    );
    let help = "Bytes of address space that the worker has.";
    text.single(
        "process_virtual_memory_bytes",
        Kind::Gauge,
        help,
        virtual_memory,
    );
    let help = "Threads of the worker.";
    text.single("process_threads", Kind::Gauge, help, threads);
    if let Some(started) = started {
        let help = "When the worker started, in seconds since 1970.";
        text.single("process_start_time_seconds", Kind::Gauge, help, started);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let help = "File descriptors that are open.";
        text.single("process_open_fds", Kind::Gauge, help, open.count() as f64);
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        let help = "File descriptors that may be open.";
        text.single("process_max_fds", Kind::Gauge, help, limit as f64);
    }
}

/// When the process started, in seconds since 1970; none: the system does not say.
pub(super) fn started_at() -> Option<f64> {
    Process::read()?.started
}

struct Process {
    cpu: f64,
    threads: f64,
    started: Option<f64>,
    virtual_memory: f64,
    resident_memory: f64,
}

impl Process {
    /// The fields of `/proc/self/stat` (man 5 proc) behind the name, which may hold anything.
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // The state, field 3, is the first of them.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let boot = fs::read_to_string("/proc/stat").ok();
        let boot = boot.as_deref().and_then(boot_time);
        let started = boot
            .zip(field(22))
            .map(|(boot, ticks)| boot + ticks / TICKS);
        Some(Self {
            cpu: (field(14)? + field(15)?) / TICKS,
            threads: field(20)?,
            started,
            virtual_memory: field(23)?,
            resident_memory: resident_memory()?,
        })
    }
}

fn resident_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn boot_time(stat: &str) -> Option<f64> {
    let mut lines = stat.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_process_is_seen() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let seen = Process::read().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let started = seen.started.unwrap();
        assert!(
            started > 0.0 && started <= now.as_secs_f64() + 1.0,
            "{started}"
        );
        assert!(seen.threads >= 1.0 && seen.resident_memory > 1e5);
        assert!(seen.virtual_memory >= seen.resident_memory);
    }
}
