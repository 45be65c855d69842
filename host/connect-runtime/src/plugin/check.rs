//! `ferrule plugin check`: what a file is, before it meets a worker.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ColorChoice};
use connect_api::{ConfigKey, Validator};
use connect_wasm::{Inspection, PluginInfo, componentize, inspect};

use super::host::Host;
use super::paint::Paint;
use super::say::say;

#[derive(Args)]
pub struct CheckArgs {
    /// The plugin.
    file: PathBuf,
    /// Also tell how long a worker takes to load it: compiled anew, and from its cache.
    #[arg(long)]
    timing: bool,
    /// Whether to colour.
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// Shows the file; whether a worker would take it.
pub fn run(args: &CheckArgs) -> Result<bool> {
    let paint = Paint::new(args.color);
    let name = || format!("could not read {}", args.file.display());
    let bytes = std::fs::read(&args.file).with_context(name)?;
    let seen = inspect(&bytes);
    let component = componentize(&bytes).map_or(0, |component| component.len());
    let row = |name: &str, text: &str| say!("{} {text}", paint.bold(format_args!("{name:9}")));
    match &seen {
        Ok(seen) => file(seen, bytes.len(), component, &row),
        Err(_) => row("size", &format!("{} bytes", bytes.len())),
    }
    // The inspection's own error would say less than the host's.
    let host = match Host::open(&args.file) {
        Ok(host) => host,
        Err(error) => {
            row("refused", &paint.red(format_args!("{error:#}")));
            return Ok(false);
        }
    };
    describe(&host.info, &row);
    if args.timing {
        let (cold, warm) = timing(&args.file)?;
        row(
            "loading",
            &format!(
                "{:.1} ms compiled anew, {:.1} ms from the cache",
                millis(cold),
                millis(warm)
            ),
        );
    }
    row("good", &paint.green("a worker takes it"));
    Ok(true)
}

type Row<'a> = &'a dyn Fn(&str, &str);

fn file(seen: &Inspection, size: usize, component: usize, row: Row<'_>) {
    let form = if seen.is_core_module {
        format!("{size} bytes, a core module; {component} bytes as a component")
    } else {
        format!("{size} bytes, a component")
    };
    row("size", &form);
    row("contract", seen.contract_version().unwrap_or("none"));
    for (title, names) in [("imports", &seen.imports), ("exports", &seen.exports)] {
        let mut title = title;
        for name in names {
            row(title, name);
            title = "";
        }
        if names.is_empty() {
            row(title, "nothing");
        }
    }
}

fn describe(info: &PluginInfo, row: Row<'_>) {
    row("sha256", &info.sha256);
    row("plugin", &format!("{} {}", info.name, info.version));
    row("", &info.documentation);
    let reads = &info.reads;
    let parts = [
        (reads.key, "key"),
        (reads.value, "value"),
        (reads.headers, "headers"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|part| part.0)
        .map(|part| part.1)
        .collect();
    row(
        "reads",
        if parts.is_empty() {
            "nothing".to_owned()
        } else {
            parts.join(", ")
        }
        .as_str(),
    );
    if let Some(fields) = &reads.fields {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        row("", &format!("  of the value's row: {}", fields.join(", ")));
    }
    let yes = |is: bool| if is { "yes" } else { "no" };
    row("ticks", yes(info.ticks));
    row("stateful", yes(info.stateful));
    let mut title = "config";
    for key in info.config_def.keys() {
        row(title, &config_key(key));
        row("", &format!("  {}", key.doc));
        title = "";
    }
}

fn config_key(key: &ConfigKey) -> String {
    let default = match &key.default {
        None => "required".to_owned(),
        Some(None) => "no default".to_owned(),
        Some(Some(default)) => format!("default {default:?}"),
    };
    let valid = match &key.validator {
        Validator::NonEmpty => ", not empty".to_owned(),
        Validator::OneOf(texts) => format!(", one of {}", texts.join(", ")),
        Validator::Between(least, most) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    let kind = key.kind.name().to_ascii_lowercase();
    format!("{}: {kind}, {default}{valid}", key.name)
}

/// How long it takes to load a file from nothing, and then once more from the cache on disk.
pub fn timing(file: &Path) -> Result<(Duration, Duration)> {
    let cache = tempfile::tempdir().context("no folder for compiled code")?;
    let load = || -> Result<Duration> {
        let begin = Instant::now();
        Host::open_with_cache(file, Some(cache.path().to_owned()))?;
        Ok(begin.elapsed())
    };
    Ok((load()?, load()?))
}

/// Milliseconds, for people.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
