//! How far it is, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::send::Counts;

const BAR: usize = 30;
/// How often a terminal is drawn, and how often a line is written elsewhere.
const DRAW: Duration = Duration::from_millis(100);
const LINE: Duration = Duration::from_secs(5);

/// What shows it.
pub struct Progress {
    total: Option<u64>,
    started: Instant,
    shown: Instant,
    interval: Duration,
    is_terminal: bool,
}

impl Progress {
    /// Of so many records, where that is known.
    pub fn new(total: Option<u64>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let now = Instant::now();
        Self {
            total,
            started: now,
            shown: now,
            interval: if is_terminal { DRAW } else { LINE },
            is_terminal,
        }
    }

    /// Shows it, if it is time to.
    pub fn show(&mut self, counts: &Counts) {
        if self.shown.elapsed() < self.interval {
            return;
        }
        self.shown = Instant::now();
        let line = line(self.total, counts, self.elapsed());
        let mut out = std::io::stderr().lock();
        // Nobody is there to be told when it cannot be written.
        let _ = match self.is_terminal {
            true => write!(out, "\r\x1b[2K{line}"),
            false => writeln!(out, "{line}"),
        };
        let _ = out.flush();
    }

    /// Leaves the bar behind.
    pub fn end(&mut self, counts: &Counts) {
        if self.is_terminal {
            self.shown = self.started;
            self.interval = Duration::ZERO;
            self.show(counts);
            eprintln!();
        }
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

fn line(total: Option<u64>, counts: &Counts, elapsed: Duration) -> String {
    let done = counts.acknowledged;
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let failed = match counts.failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let seconds = elapsed.as_secs();
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let part = (done as f64 / total as f64).min(1.0);
            let full = (part * BAR as f64) as usize;
            let bar = format!("{}{}", "#".repeat(full), "-".repeat(BAR - full));
            let percent = (part * 100.0) as u64;
            format!("[{bar}] {percent:3} %  {done}/{total}  {rate:.0}/s  {seconds} s{failed}")
        }
        None => format!(
            "{done} acknowledged of {} sent  {rate:.0}/s  {seconds} s{failed}",
            counts.sent
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_it_is_far() {
        let counts = |acknowledged| Counts {
            sent: 100,
            acknowledged,
            failed: 1,
        };
        let shown = line(Some(100), &counts(50), Duration::from_secs(10));
        assert!(shown.contains("###############---------------"), "{shown}");
        assert!(
            shown.contains(" 50 %  50/100  5/s  10 s, 1 failed"),
            "{shown}"
        );
        let shown = line(None, &counts(50), Duration::from_secs(10));
        assert!(shown.starts_with("50 acknowledged of 100 sent"), "{shown}");
    }
}
