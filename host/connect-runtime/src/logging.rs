//! Logging: its format, and its levels, which `/admin/loggers` shows and changes.

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
}

const ROOT: &str = "root";
/// The loggers that are shown before any is changed: the crates of the worker that log, and the
/// parts of the largest. `cargo test -p tidy` compares them with the crates.
const KNOWN: &[&str] = &[
    "blackhole_sink",
    "connect_kafka",
    "connect_runtime",
    "connect_runtime::herder",
    "connect_runtime::rest",
    "connect_runtime::sink_task",
    "connect_runtime::source_task",
    "connect_wasm",
    "file_stream_source",
    "librdkafka",
    "postgres_sink",
];

impl Loggers {
    /// Loggers that nothing listens to.
    pub fn detached() -> Self {
        Self::new(Level::Info, None)
    }

    fn new(root: Level, filter: Option<reload::Handle<EnvFilter, Registry>>) -> Self {
        let level = LoggerLevel {
            level: root,
            last_modified: None,
        };
        let names = KNOWN.iter().copied().chain([ROOT]).map(str::to_owned);
        Self {
            levels: Mutex::new(names.map(|name| (name, level)).collect()),
            filter,
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
                let colours = std::io::stdout().is_terminal();
                registry.with(fmt::layer().with_ansi(colours)).try_init()
            }
            LogFormat::Json => registry.with(fmt::layer().json()).try_init(),
        };
        started.map_err(|cause| Error::fatal("could not start logging").with_source(cause))?;
        Ok(Self::new(root, Some(handle)))
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

    /// Sets the level of a logger and of those below it; the names of those that changed.
    ///
    /// # Errors
    /// When the name cannot be a logger's.
    pub fn set(&self, name: &str, level: Level) -> Result<Vec<String>> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = levels.clone();
        changed.entry(name.to_owned()).or_insert(LoggerLevel {
            level,
            last_modified: Some(now),
        });
        let below = format!("{name}::");
        let mut affected = Vec::new();
        for (logger, current) in &mut changed {
            if name == ROOT || logger == name || logger.starts_with(&below) {
                // Setting a level that is set already leaves its time as it was.
                if current.level != level {
                    *current = LoggerLevel {
                        level,
                        last_modified: Some(now),
                    };
                }
                affected.push(logger.clone());
            }
        }
        if let Some(filter) = &self.filter {
            let directives = changed.iter().map(|(logger, level)| match logger.as_str() {
                ROOT => level.level.name().to_owned(),
                logger => format!("{logger}={}", level.level.name()),
            });
            let directives = directives.collect::<Vec<_>>().join(",");
            let invalid = |cause| Error::config(format!("logger {name}")).with_source(cause);
            let new = EnvFilter::from_str(&directives).map_err(invalid)?;
            let gone = |cause| Error::fatal("could not change the level").with_source(cause);
            filter.reload(new).map_err(gone)?;
        }
        *levels = changed;
        Ok(affected)
    }
}
