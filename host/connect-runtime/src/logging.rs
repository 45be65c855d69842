//! Logging: its format, and its levels, which `/admin/loggers` shows and changes.

mod lines;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use connect_api::{Error, Result};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use lines::Lines;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// A level, in Kafka Connect's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing.
    Off,
    /// A person is needed.
    Error,
    /// It went on.
    Warn,
    /// A state has changed.
    Info,
    /// What happens inside.
    Debug,
    /// All of it.
    Trace,
}

impl Level {
    /// The word on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }

    /// The level of a word, in any case. FATAL and ALL are log4j's.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "OFF" => Some(Self::Off),
            "FATAL" | "ERROR" => Some(Self::Error),
            "WARN" => Some(Self::Warn),
            "INFO" => Some(Self::Info),
            "DEBUG" => Some(Self::Debug),
            "TRACE" | "ALL" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// The level of a logger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    /// The level.
    pub level: Level,
    /// When it was changed, in milliseconds since 1970.
    pub last_modified: Option<u64>,
}

/// The levels of all loggers. A logger is a module's path; `root` is all of them.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    filter: Option<reload::Handle<EnvFilter, Registry>>,
    /// The level of the audit log.
    audit: Level,
}

const ROOT: &str = "root";
/// The target of the audit log. It is logged at its level of the start: whoever may change levels
/// over REST must not hide what they do there.
pub(crate) const AUDIT: &str = "ferrule::audit";
/// Bytes of a logger's name.
const NAME_LIMIT: usize = 128;
/// Loggers that are kept: those that are known, and some that were set.
const MOST_LOGGERS: usize = 128;
/// The loggers that are shown before any is changed: the crates of the worker that log, and the
/// parts of the largest. `cargo test -p tidy` compares them with the crates.
const KNOWN: &[&str] = &[
    "blackhole_sink",
    "connect_aws",
    "connect_http",
    "connect_kafka",
    "connect_runtime",
    "connect_runtime::herder",
    "connect_runtime::rest",
    "connect_runtime::sink_task",
    "connect_runtime::source_task",
    "connect_wasm",
    "file_stream_source",
    "http_query",
    "http_source",
    "librdkafka",
    "postgres_sink",
];

impl Loggers {
    /// Loggers that nothing listens to.
    pub fn detached() -> Self {
        Self::new(Level::Info, Level::Info, None)
    }

    fn new(root: Level, audit: Level, filter: Option<reload::Handle<EnvFilter, Registry>>) -> Self {
        let level = LoggerLevel {
            level: root,
            last_modified: None,
        };
        let names = KNOWN.iter().copied().chain([ROOT]).map(str::to_owned);
        Self {
            levels: Mutex::new(names.map(|name| (name, level)).collect()),
            filter,
            audit,
        }
    }

    /// Starts logging to standard output. `directives` is a level, or what `RUST_LOG` may hold.
    ///
    /// # Errors
    /// When the directives are not understood, or logging was started before.
    pub fn start(format: LogFormat, directives: &str) -> Result<Self> {
        let invalid = |cause| Error::config("the log level").with_source(cause);
        let filter = EnvFilter::try_new(directives).map_err(invalid)?;
        let root = match filter.max_level_hint() {
            Some(LevelFilter::OFF) => Level::Off,
            Some(LevelFilter::ERROR) => Level::Error,
            Some(LevelFilter::WARN) => Level::Warn,
            Some(LevelFilter::DEBUG) => Level::Debug,
            Some(LevelFilter::TRACE) => Level::Trace,
            _ => Level::Info,
        };
        let (filter, handle) = reload::Layer::new(filter);
        let registry = tracing_subscriber::registry().with(filter);
        let started = match format {
            LogFormat::Human => {
                let lines = match std::io::stdout().is_terminal() {
                    true => Lines::Painted,
                    false => Lines::Plain,
                };
                let layer = fmt::layer().with_ansi(false).with_writer(lines);
                registry.with(layer).try_init()
            }
            LogFormat::Json => {
                let layer = fmt::layer().json().with_writer(Lines::Json);
                registry.with(layer).try_init()
            }
        };
        lines::tell_panics();
        started.map_err(|cause| Error::fatal("could not start logging").with_source(cause))?;
        Ok(Self::new(root, audit_level(directives, root), Some(handle)))
    }

    /// All loggers that are not off, by name.
    pub fn all(&self) -> BTreeMap<String, LoggerLevel> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = levels
            .iter()
            .filter(|(_, logger)| logger.level != Level::Off);
        shown
            .map(|(name, logger)| (name.clone(), *logger))
            .collect()
    }

    /// One logger: its own level, or that of the closest one above it that was set.
    pub fn get(&self, name: &str) -> Option<LoggerLevel> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        levels.get(name).copied()
    }

    /// Sets the level of a logger and of those below it; the names of those whose level changed.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the name cannot be a logger's, or there are too
    /// many.
    pub fn set(&self, name: &str, level: Level) -> Result<Vec<String>> {
        check_name(name)?;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        if !levels.contains_key(name) && levels.len() >= MOST_LOGGERS {
            return Err(Error::config(format!(
                "{MOST_LOGGERS} loggers are set already; set the level of a part that has {name}, or \
                 of root"
            )));
        }
        let mut changed = levels.clone();
        let own = LoggerLevel {
            level: effective(&levels, name),
            last_modified: None,
        };
        changed.entry(name.to_owned()).or_insert(own);
        let below = format!("{name}{}", if is_javas(name) { "." } else { "::" });
        let mut affected = Vec::new();
        for (logger, current) in &mut changed {
            // One that has the level already keeps its time, and is not told.
            let is_meant = name == ROOT || logger == name || logger.starts_with(&below);
            if is_meant && current.level != level {
                *current = LoggerLevel {
                    level,
                    last_modified: Some(now),
                };
                affected.push(logger.clone());
            }
        }
        if let Some(filter) = &self.filter {
            let own = changed.iter().filter(|(logger, _)| !is_javas(logger));
            let directives = own.map(|(logger, level)| match logger.as_str() {
                ROOT => level.level.name().to_owned(),
                logger => format!("{logger}={}", level.level.name()),
            });
            let audit = format!("{AUDIT}={}", self.audit.name());
            let directives = directives.chain([audit]).collect::<Vec<_>>().join(",");
            let invalid = |cause| Error::config(format!("logger {name}")).with_source(cause);
            let new = EnvFilter::from_str(&directives).map_err(invalid)?;
            let gone = |cause| Error::fatal("could not change the level").with_source(cause);
            filter.reload(new).map_err(gone)?;
        }
        *levels = changed;
        Ok(affected)
    }
}

/// The level of a logger that was not set itself: that of the closest one above it.
fn effective(levels: &BTreeMap<String, LoggerLevel>, name: &str) -> Level {
    let separator = if is_javas(name) { "." } else { "::" };
    let mut above = name;
    loop {
        if let Some(known) = levels.get(above) {
            return known.level;
        }
        match above.rsplit_once(separator) {
            Some((rest, _)) => above = rest,
            None => return levels.get(ROOT).map_or(Level::Info, |root| root.level),
        }
    }
}

/// The level that the directives give the audit log: its own, or that of everything.
fn audit_level(directives: &str, root: Level) -> Level {
    let own = directives.split(',').rev().find_map(|directive| {
        let (target, level) = directive.trim().split_once('=')?;
        (target == AUDIT).then(|| Level::from_name(level)).flatten()
    });
    own.unwrap_or(root)
}

/// Whether a name is a Java class's or package's. Clients of Kafka Connect set the levels of those
/// that they know, and take a refusal for a worker that is not well: they are kept, and told again.
fn is_javas(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '-');
    let is_segment = |segment: &str| !segment.is_empty() && segment.chars().all(is_part);
    name.contains(['.', '$', '-']) && name.split('.').all(is_segment)
}

/// A logger is a module's path, or one of Java's.
fn check_name(name: &str) -> Result<()> {
    let is_segment = |segment: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !segment.is_empty() && segment.chars().all(is_part)
    };
    let is_module = name.split("::").all(is_segment) && name != AUDIT;
    if name.len() <= NAME_LIMIT && (is_module || is_javas(name)) {
        return Ok(());
    }
    let start: String = name.chars().take(NAME_LIMIT).collect();
    Err(Error::config(format!(
        "{start:?} is no logger whose level can be set; a module's path is, such as \
         connect_runtime::herder"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_javas_are_kept_and_told() {
        let loggers = Loggers::new(Level::Info, Level::Info, None);
        for name in ["org.reflections.util", "org.reflections", "a.B$C-d"] {
            assert_eq!(loggers.set(name, Level::Error).unwrap(), [name]);
        }
        let affected = loggers.set("org.reflections", Level::Warn).unwrap();
        assert_eq!(affected, ["org.reflections", "org.reflections.util"]);
        assert!(
            loggers
                .set("org.reflections", Level::Warn)
                .unwrap()
                .is_empty()
        );
        // One that has its level from above does not change by being given the same.
        assert!(
            loggers
                .set("org.reflections.x", Level::Warn)
                .unwrap()
                .is_empty()
        );
        let affected = loggers.set("org.reflections.x", Level::Info).unwrap();
        assert_eq!(affected, ["org.reflections.x"]);
        let affected = loggers.set("org.reflections", Level::Warn).unwrap();
        assert_eq!(affected, ["org.reflections.x"]);
        assert_eq!(loggers.all()["org.reflections.util"].level, Level::Warn);
        for name in ["org..x", ".x", "x.", "a.b::c", "a.b=c", "a.b,c", "-", ""] {
            let refused = loggers.set(name, Level::Warn).is_err();
            assert_eq!(refused, name != "-", "{name}");
        }
    }

    #[test]
    fn the_audit_log_has_a_level_of_its_own_or_that_of_all() {
        for (directives, expect) in [
            ("warn", Level::Warn),
            ("warn,ferrule::audit=info", Level::Info),
            ("ferrule::audit=off, warn", Level::Off),
        ] {
            assert_eq!(audit_level(directives, Level::Warn), expect, "{directives}");
        }
    }

    #[test]
    fn only_names_of_modules_are_kept_and_not_for_ever() {
        let loggers = Loggers::detached();
        for name in [
            "",
            "a b",
            "a=debug",
            "a,b",
            "[x]",
            "a::",
            "::a",
            "a\u{1b}[31m",
            "org.apache.kafka::x",
            "ferrule::audit",
        ] {
            assert!(loggers.set(name, Level::Debug).is_err(), "{name}");
        }
        assert!(loggers.set(&"x".repeat(129), Level::Debug).is_err());
        let before = loggers.all().len();
        for number in 0..10_000 {
            let _ = loggers.set(&format!("module{number}"), Level::Debug);
        }
        assert!(before < MOST_LOGGERS && loggers.all().len() == MOST_LOGGERS);
        // Those that are there can be set still.
        assert!(loggers.set("connect_wasm", Level::Debug).is_ok());
        assert!(loggers.set("module1", Level::Warn).is_ok());
    }
}
