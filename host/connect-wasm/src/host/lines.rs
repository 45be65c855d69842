//! The log of a plugin: cut, counted, and told whose it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bindings::ferrule::transform::log::Level;
use crate::host::Identity;
use crate::host::secrets::Secrets;

/// What is longer is cut.
const LINE_BYTES: usize = 1024;
/// No place of a panic is longer.
const PLACE_BYTES: usize = 200;
/// Lines in a window; what is more is counted.
const LINES: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Lines {
    identity: Arc<Identity>,
    since: Instant,
    written: u32,
    left_out: u64,
    panic: Option<Panic>,
    secrets: Arc<Secrets>,
}

/// What a plugin said of its panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panic {
    /// File, line and column, if it told them as Rust does.
    pub(crate) place: Option<String>,
    /// The rest, which may quote a value of a record.
    pub(crate) message: String,
}

impl Panic {
    /// From a line such as `panicked at src/lib.rs:1:2:`, and what follows it.
    fn new(line: &str) -> Option<Self> {
        let told = line.strip_prefix("panicked at ")?;
        let (place, message) = told.split_once('\n').unwrap_or(("", told));
        let place = place.trim_end_matches(':');
        let mut parts = place.rsplitn(3, ':');
        let mut number = || parts.next().is_some_and(|part| part.parse::<u32>().is_ok());
        let is_place = number() && number() && place.len() <= PLACE_BYTES;
        Some(Self {
            place: is_place.then(|| place.to_owned()),
            message: message.replace('\n', " "),
        })
    }
}

impl Lines {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            since: Instant::now(),
            written: 0,
            left_out: 0,
            panic: None,
            secrets: Arc::default(),
        }
    }

    /// What no line may tell from now on.
    pub(crate) fn hide(&mut self, secrets: Arc<Secrets>) {
        self.secrets = secrets;
    }

    pub(crate) fn write(&mut self, level: Level, message: &str) {
        // A line that is left out costs next to nothing. A panic is told all the same.
        let is_full = self.written >= LINES && self.since.elapsed() < WINDOW;
        if is_full && !matches!(level, Level::Error) {
            self.left_out += 1;
            return;
        }
        // First, lest a cut leave a part of one.
        let message = self.secrets.hide(message);
        let message = cut(&message);
        let panic = matches!(level, Level::Error).then(|| Panic::new(message));
        let level = if let Some(Some(panic)) = panic {
            self.panic = Some(panic);
            // It may quote a value (Invariant 6): the error that follows tells its place.
            Level::Debug
        } else {
            level
        };
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
    pub(crate) fn take_panic(&mut self) -> Option<Panic> {
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
        let panic = lines.take_panic().unwrap();
        assert_eq!(panic.place.as_deref(), Some("a.rs:1:2"));
        assert_eq!(panic.message, "why");
        lines.write(Level::Error, "panicked at the value 12:13");
        let panic = lines.take_panic().unwrap();
        assert_eq!((panic.place, &*panic.message), (None, "the value 12:13"));
    }

    #[test]
    fn a_secret_is_hidden_also_where_a_line_is_cut() {
        let mut lines = Lines::new(Arc::new(Identity {
            connector: "c".into(),
            task: 0,
            transform: "t".into(),
            plugin: "p".into(),
        }));
        lines.hide(Arc::new(Secrets::new(["canary".to_owned()])));
        let told = format!("panicked at a.rs:1:2:\n{}canary", " ".repeat(998));
        lines.write(Level::Error, &told);
        let message = lines.take_panic().unwrap().message;
        assert!(!message.contains("can"), "{message}");
    }
}
