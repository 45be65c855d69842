//! `ferrule plugin test`: records through a plugin in the worker's host, and what becomes of each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ColorChoice};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;

use super::events::{self, Event};
use super::host::Host;
use super::paint::Paint;
use super::records::SourceArgs;
use super::say::say;
use super::show::{self, Summary};

/// What stands below the options.
pub const HELP: &str = "\
A line of --input is a record; what it leaves out follows from the lines before it:

  {\"value\": {\"speed\": 12}}
  {\"topic\": \"t\", \"partition\": 1, \"offset\": 7, \"timestamp\": 1704067200000,
   \"key\": \"k\", \"value\": null, \"headers\": {\"h\": \"text\"}}
  {\"value_bytes\": \"AAEC\"}      base64, with -D value.converter=ByteArrayConverter

Keys are text and values are JSON without schemas, unless -D or --connector names other converters.
The exit code is 0 when every record went through, or when all is as --expect says; 1 when not;
2 when nothing could be tried.";

#[derive(Args)]
pub struct TestArgs {
    /// The plugin.
    file: PathBuf,
    #[command(flatten)]
    source: SourceArgs,
    /// What is to become of the records, as JSON lines.
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// Write the file of --expect instead of comparing with it.
    #[arg(long, requires = "expect")]
    bless: bool,
    /// Most records that the plugin gets at once.
    #[arg(long, value_name = "N", default_value_t = 500)]
    batch: usize,
    /// Whether to colour.
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// Runs the test; whether it went well.
pub fn run(args: &TestArgs, runtime: &Handle) -> Result<bool> {
    let counters = count()?;
    let paint = Paint::new(args.color);
    let host = Host::open(&args.file)?;
    let source = args.source.read(&host.info.name, runtime)?;
    let mut transform = host.transform(&source.config)?;
    let events = events::run(transform.as_mut(), source.samples, args.batch)?;
    let plugin = format!("{} {}", host.info.name, host.info.version);
    for event in &events {
        for line in show::event(event, &plugin, paint) {
            say!("{line}");
        }
    }
    for (name, number) in own_metrics(&counters.render()) {
        say!("{} {name} = {number}", paint.dim("metric"));
    }
    let summary = Summary::of(&events);
    say!("{}", paint.bold(&summary));
    let golden: Vec<String> = events
        .iter()
        .map(|event: &Event| event.golden(&plugin).to_string())
        .collect();
    match &args.expect {
        None => Ok(summary.failed == 0),
        Some(file) if args.bless => {
            let text = golden.iter().map(|line| format!("{line}\n"));
            std::fs::write(file, text.collect::<String>())
                .with_context(|| format!("could not write {}", file.display()))?;
            say!("wrote {}", file.display());
            Ok(true)
        }
        Some(file) => compare(file, &golden, paint),
    }
}

fn count() -> Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new();
    builder
        .install_recorder()
        .context("could not start metrics")
}

/// The plugin's own metrics, by their name and labels' order.
fn own_metrics(rendered: &str) -> Vec<(String, String)> {
    let lines = rendered.lines().filter_map(|line| {
        let rest = line.strip_prefix(connect_wasm::meters::PLUGIN_PREFIX)?;
        let (name, rest) = rest.split_once('{')?;
        let number = rest.rsplit_once("} ")?.1;
        Some((name.to_owned(), number.to_owned()))
    });
    let mut metrics: Vec<_> = lines.collect();
    metrics.sort();
    metrics
}

/// Compares with the golden file, line by line: an event has one, and they come in order.
fn compare(file: &Path, golden: &[String], paint: Paint) -> Result<bool> {
    let name = || {
        let file = file.display();
        format!("could not read {file}; --bless writes what happens now")
    };
    let text = std::fs::read_to_string(file).with_context(name)?;
    let expected: Vec<&str> = text.lines().collect();
    let mut good = true;
    for at in 0..expected.len().max(golden.len()) {
        let (expected, made) = (expected.get(at), golden.get(at));
        let (expect_json, made_json) = (expected.map(|line| parse(line)), made.map(|l| parse(l)));
        if expect_json == made_json {
            continue;
        }
        good = false;
        say!("{}:{}", file.display(), at + 1);
        if let Some(line) = expected {
            say!("{}", paint.red(format_args!("- {line}")));
        }
        if let Some(line) = made {
            say!("{}", paint.green(format_args!("+ {line}")));
        }
    }
    if good {
        say!(
            "{}",
            paint.green(format_args!("as {} says", file.display()))
        );
    } else {
        say!(
            "not as {} says; --bless accepts what happens now",
            file.display()
        );
    }
    Ok(good)
}

/// The order of fields and blanks do not count.
fn parse(line: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(line).map_err(|_| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_own_metrics_are_found() {
        let text = "# TYPE ferrule_plugin_seen counter\n\
                    ferrule_plugin_seen{connector=\"test\",task=\"0\"} 4\n\
                    ferrule_transform_records_in_total{connector=\"test\"} 4\n";
        assert_eq!(own_metrics(text), [("seen".to_owned(), "4".to_owned())]);
    }
}
