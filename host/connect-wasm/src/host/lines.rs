//! The log of a plugin: cut, counted, and told whose it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bindings::ferrule::transform::log::Level;
use crate::host::Identity;

/// What is longer is cut.
const LINE_BYTES: usize = 1024;
/// Lines in a window; what is more is counted.
const LINES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Lines {
    identity: Arc<Identity>,
    since: Instant,
    written: u32,
    left_out: u64,
    panic: Option<String>,
}

impl Lines {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            since: Instant::now(),
            written: 0,
            left_out: 0,
            panic: None,
        }
    }

    pub(crate) fn write(&mut self, level: Level, message: &str) {
        let message = cut(message);
        if matches!(level, Level::Error) && message.starts_with("panicked at") {
            self.panic = Some(message.replace('\n', " "));
        }
        if self.since.elapsed() >= WINDOW {
            if self.left_out > 0 {
                let text = format!("{} lines of the plugin were left out", self.left_out);
                self.emit(Level::Warn, &text);
            }
            (self.since, self.written, self.left_out) = (Instant::now(), 0, 0);
        }
        if self.written < LINES {
            self.written += 1;
            self.emit(level, message);
        } else {
            self.left_out += 1;
        }
    }

    /// What a panic hook wrote last; the SDK's does.
    pub(crate) fn take_panic(&mut self) -> Option<String> {
        self.panic.take()
    }

    fn emit(&self, level: Level, message: &str) {
        let Identity {
            connector,
            task,
            transform,
            plugin,
        } = &*self.identity;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "ferrule::plugin",
                    connector, task, transform, plugin, "{message}"
                )
            };
        }
        match level {
            Level::Trace => line!(trace),
            Level::Debug => line!(debug),
            Level::Info => line!(info),
            Level::Warn => line!(warn),
            Level::Error => line!(error),
        }
    }
}

fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LINE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters_and_limited_in_number() {
        let long = "é".repeat(LINE_BYTES);
        assert_eq!(cut(&long).len(), LINE_BYTES);
        assert_eq!(cut(&format!("a{long}")).len(), LINE_BYTES - 1);
        let mut lines = Lines::new(Arc::new(Identity {
            connector: "c".into(),
            task: 0,
            transform: "t".into(),
            plugin: "p".into(),
        }));
        for _ in 0..LINES + 5 {
            lines.write(Level::Info, "line");
        }
        assert_eq!((lines.written, lines.left_out), (LINES, 5));
        lines.write(Level::Error, "panicked at a.rs:1:2:\nwhy");
        assert_eq!(
            lines.take_panic().as_deref(),
            Some("panicked at a.rs:1:2: why")
        );
    }
}
