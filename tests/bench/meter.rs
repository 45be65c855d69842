//! CPU time and memory of processes, as Linux counts them in /proc (proc(5)).

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second: USER_HZ, which is 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// CPU seconds that a process has used, with those of its children that have ended.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold blanks; what follows it does not.
    let fields = stat
        .rsplit(')')
        .next()
        .context("malformed stat")?
        .split_whitespace();
    // utime, stime, cutime and cstime are fields 14 to 17; the state, after the name, is field 3.
    let ticks = fields
        .skip(11)
        .take(4)
        .map(|f| f.parse::<f64>().unwrap_or(0.0))
        .sum::<f64>();
    Ok(ticks / TICKS)
}

/// CPU seconds of a process and of all its children, ended or not.
pub fn family_cpu_seconds(pid: u32) -> Result<f64> {
    let mut total = cpu_seconds(pid)?;
    for child in children(pid)? {
        // One that ends meanwhile is counted with its parent next time.
        total += cpu_seconds(child).unwrap_or(0.0);
    }
    Ok(total)
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect())
}

/// The greatest resident memory of a process since it was last reset, in MiB.
pub fn peak_rss(pid: u32) -> Result<f64> {
    Ok(status(pid, "VmHWM")? / 1024.0)
}

/// The resident memory of a process, in MiB.
pub fn rss(pid: u32) -> Result<f64> {
    Ok(status(pid, "VmRSS")? / 1024.0)
}

/// The threads of a process.
pub fn threads(pid: u32) -> Result<f64> {
    status(pid, "Threads")
}

/// The files and sockets that a process has open.
pub fn open_files(pid: u32) -> Result<f64> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count() as f64)
}

/// The number of a line in /proc/PID/status, without its unit.
fn status(pid: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .with_context(|| format!("no {name} in the status"))?;
    let number = line.split_whitespace().next();
    Ok(number.context("malformed status")?.parse()?)
}

/// Begins a new measurement of [`peak_rss`].
pub fn reset_peak_rss(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("cannot reset the peak memory")
}
