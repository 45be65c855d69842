//! `ferrule plugin state`: what the plugins of a connector keep, as its worker shows it. Read only.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, ColorChoice};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::runtime::Handle;

use super::paint::Paint;
use super::say::say;

/// How long the worker may take.
const LIMIT: Duration = Duration::from_secs(90);

/// Characters of base64 that are shown of a value; --json has all.
const SHOWN: usize = 64;

/// What stands below the options.
pub const HELP: &str = "\
The worker shows state only with ferrule.rest.state.enable=true; `ferrule dev` has it on. Keys and
values that are no text are in base64, and beside it stands what the bytes can be read as in the form
that the SDK gives them: numbers are little-endian, and a text has its length in front, in 32 bits.
What they are, only the plugin knows. A long value is cut; --json has all of it.

The exit code is 0 when there is any, 1 when there is none, 2 when it cannot be seen.";

#[derive(Args)]
pub struct StateArgs {
    /// The connector.
    connector: String,
    /// The REST address of a worker.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8083")]
    worker: Url,
    /// Only of the transform of this alias.
    #[arg(long, value_name = "ALIAS")]
    transform: Option<String>,
    /// Only of partitions of this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Only of partitions of this number.
    #[arg(long, value_name = "N")]
    partition: Option<i32>,
    /// Only keys that start with this.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Most entries.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// One entry a line, as JSON.
    #[arg(long)]
    json: bool,
    /// Whether to colour.
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

#[derive(Deserialize)]
struct Answer {
    state: Vec<Json>,
}

/// An entry of the worker's answer.
#[derive(Deserialize)]
struct Entry {
    transform: String,
    topic: String,
    partition: i32,
    clock: Option<i64>,
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    expires_at: Option<i64>,
}

/// Shows the state; whether there is any.
pub fn run(args: &StateArgs, runtime: &Handle) -> Result<bool> {
    let entries = runtime.block_on(ask(args))?;
    if args.json {
        for entry in &entries {
            say!("{entry}");
        }
        return Ok(!entries.is_empty());
    }
    let paint = Paint::new(args.color);
    let mut before = None;
    for entry in &entries {
        let entry = Entry::deserialize(entry).context("the worker's answer is not understood")?;
        let store = (entry.transform, entry.topic, entry.partition);
        if before.as_ref() != Some(&store) {
            let (transform, topic, partition) = &store;
            let title = paint.bold(format_args!("{transform}  {topic}-{partition}"));
            match entry.clock {
                Some(clock) => say!("{title}  {}", paint.dim(format_args!("clock {clock}"))),
                None => say!("{title}"),
            }
            before = Some(store);
        }
        let key = text(entry.key, entry.key_base64);
        let value = text(entry.value, entry.value_base64);
        let expires = entry.expires_at.map(|at| format!("  expires {at}"));
        let expires = paint.dim(expires.unwrap_or_default());
        say!("  {} = {value}{expires}", paint.green(key));
    }
    let count = entries.len();
    let more = match u32::try_from(count) == Ok(args.limit) {
        true => "; there may be more: see --limit",
        false => "",
    };
    say!("{}", paint.dim(format_args!("{count} entries{more}")));
    Ok(count > 0)
}

/// Control characters are shown, not sent to the terminal.
fn text(plain: Option<String>, base64: Option<String>) -> String {
    match (plain, base64) {
        (Some(text), _) if text.contains(char::is_control) => {
            format!("\"{}\"", text.escape_debug())
        }
        (Some(text), _) => text,
        (None, base64) => {
            let base64 = base64.unwrap_or_default();
            let bytes = STANDARD.decode(&base64).unwrap_or_default();
            let start = base64.get(..SHOWN).unwrap_or(&base64);
            let rest = match start.len() < base64.len() {
                true => format!("… of {} bytes", bytes.len()),
                false => String::new(),
            };
            match reading(&bytes) {
                Some(reading) => format!("base64:{start}{rest}  (reads as {reading})"),
                None => format!("base64:{start}{rest}"),
            }
        }
    }
}

/// What bytes can be read as, in the form of the SDK.
fn reading(bytes: &[u8]) -> Option<String> {
    match bytes {
        [byte] => Some(byte.to_string()),
        &[a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d]).to_string()),
        bytes => match <[u8; 8]>::try_from(bytes) {
            Ok(bytes) => Some(number(bytes)),
            Err(_) => texts(bytes),
        },
    }
}

/// A whole number, or one with a fraction: as whole numbers those are beyond what anything counts.
fn number(bytes: [u8; 8]) -> String {
    let (whole, float) = (i64::from_le_bytes(bytes), f64::from_le_bytes(bytes));
    match whole.unsigned_abs() < 1 << 53 {
        true => whole.to_string(),
        false => format!("{float:?}"),
    }
}

/// The texts in a value of several parts, each behind its length.
fn texts(bytes: &[u8]) -> Option<String> {
    let mut texts = Vec::new();
    let mut at = 0;
    while let Some((length, rest)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let text = rest
            .get(..length)
            .and_then(|text| std::str::from_utf8(text).ok());
        match text.filter(|text| !text.is_empty() && !text.contains(char::is_control)) {
            Some(text) => {
                texts.push(format!("{text:?}"));
                at += 4 + length;
            }
            None => at += 1,
        }
    }
    if texts.is_empty() {
        // Keys are often made of texts with separators of the plugin's own.
        let runs = bytes.split(|byte| !(b' '..=b'~').contains(byte));
        let runs = runs.filter(|run| run.len() >= 4);
        texts.extend(runs.map(|run| format!("{:?}", String::from_utf8_lossy(run))));
    }
    texts.truncate(8);
    (!texts.is_empty()).then(|| format!("… {} …", texts.join(" … ")))
}

async fn ask(args: &StateArgs) -> Result<Vec<Json>> {
    let mut url = args.worker.clone();
    let path = ["connectors", &args.connector, "state"];
    let Ok(mut segments) = url.path_segments_mut() else {
        bail!("{} is not the address of a worker", args.worker);
    };
    segments.pop_if_empty().extend(path);
    drop(segments);
    let partition = args.partition.map(|number| number.to_string());
    for (name, value) in [
        ("transform", &args.transform),
        ("topic", &args.topic),
        ("partition", &partition),
        ("prefix", &args.prefix),
        ("limit", &Some(args.limit.to_string())),
    ] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    // An error is: there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(LIMIT).build()?;
    let answer = client.get(url).send().await;
    let answer = answer.map_err(reqwest::Error::without_url);
    let answer =
        answer.with_context(|| format!("the worker at {} does not answer", args.worker))?;
    let status = answer.status();
    let body: Json = answer.json().await.unwrap_or_default();
    if !status.is_success() {
        let message = body["message"].as_str().unwrap_or("no message");
        bail!("the worker answers {status}: {message}");
    }
    let answer: Answer = serde_json::from_value(body).with_context(|| {
        format!(
            "{} does not answer as a worker of Ferrule does",
            args.worker
        )
    })?;
    Ok(answer.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_sdk_can_be_read() {
        let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        for (bytes, expect) in [
            (21.5_f64.to_le_bytes().to_vec(), Some("21.5")),
            ((-3_i64).to_le_bytes().to_vec(), Some("-3")),
            (7_u32.to_le_bytes().to_vec(), Some("7")),
            (vec![1], Some("1")),
            (
                [vec![1; 9], text("u-1"), vec![0xff], text("é")].concat(),
                Some(r#"… "u-1" … "é" …"#),
            ),
            (b"s\0vehicle-000\0\0".to_vec(), Some(r#"… "vehicle-000" …"#)),
            (vec![0xff; 30], None),
            (Vec::new(), None),
        ] {
            assert_eq!(reading(&bytes).as_deref(), expect, "{bytes:?}");
        }
    }
}
