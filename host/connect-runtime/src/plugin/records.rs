//! Where the records of a test come from: JSON lines, or a topic that is only read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use connect_api::{
    Offset, Properties, RawHeader, RawRecord, Result as ApiResult, SinkRecord, Timestamp,
    TimestampType, TopicPartition,
};
use connect_runtime::sample::{SampleConverters, read_topic};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;

use super::pair;

/// The timestamp of a first record that has none: 2024-01-01T00:00:00Z. Always the same, so that a
/// test gives the same result tomorrow.
const FIRST_TIMESTAMP: i64 = 1_704_067_200_000;
const TOPIC: &str = "test";
const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

#[derive(Args)]
pub struct SourceArgs {
    /// Records as JSON lines; `-` is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "topic")]
    input: Option<PathBuf>,
    /// The lines are values alone, not records.
    #[arg(long, requires = "input")]
    values: bool,
    /// A topic to read, without a group and without commits.
    #[arg(long, conflicts_with = "input")]
    topic: Option<String>,
    /// Where Kafka is.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9092")]
    bootstrap: String,
    /// Most records of each partition of the topic.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// The newest records of the topic instead of the oldest.
    #[arg(long, requires = "topic")]
    newest: bool,
    /// A connector's config as it is posted: its converters and its keys for the plugin.
    #[arg(long, value_name = "FILE")]
    connector: Option<PathBuf>,
    /// A key of the plugin.
    #[arg(short, long = "config", value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// A converter or its option, such as value.converter=…, or consumer.… for Kafka's client.
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
}

/// A record as it came, and as a transform gets it.
pub struct Sample {
    /// Its partition.
    pub topic_partition: Arc<TopicPartition>,
    /// Its bytes.
    pub raw: RawRecord,
    /// What the converters made of it.
    pub record: ApiResult<SinkRecord>,
}

/// What a test starts from.
pub struct Source {
    /// The plugin's keys.
    pub config: Vec<(String, String)>,
    /// The records, in order.
    pub samples: Vec<Sample>,
}

impl SourceArgs {
    /// Reads the records and the plugin's keys.
    pub fn read(&self, plugin: &str, runtime: &Handle) -> Result<Source> {
        let mut properties = self.defaults();
        let mut config = Vec::new();
        if let Some(file) = &self.connector {
            let connector = connector(file)?;
            config = plugin_keys(&connector, plugin)
                .with_context(|| format!("{} has no transform {plugin}", file.display()))?;
            properties.extend(connector);
        }
        config.extend(self.config.iter().cloned());
        properties.extend(self.properties.iter().cloned());
        let mut converters = SampleConverters::new(&properties, runtime)?;
        let raw = self.raw(&properties)?;
        let samples = raw.into_iter().map(|(topic_partition, raw)| Sample {
            record: converters.convert(&topic_partition, &raw),
            topic_partition,
            raw,
        });
        Ok(Source {
            config,
            samples: samples.collect(),
        })
    }

    /// JSON without schemas, as of the worker's default.
    fn defaults(&self) -> Properties {
        let pairs = [
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            ),
            ("value.converter", JSON_CONVERTER),
            ("value.converter.schemas.enable", "false"),
        ];
        let pairs = pairs.into_iter();
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn raw(&self, properties: &Properties) -> Result<Vec<(Arc<TopicPartition>, RawRecord)>> {
        match (&self.topic, &self.input) {
            (Some(topic), _) => {
                let mut client =
                    Properties::from([("bootstrap.servers".to_owned(), self.bootstrap.clone())]);
                for prefix in ["consumer.override.", "consumer."] {
                    let settings = properties.iter();
                    client.extend(settings.filter_map(|(key, value)| {
                        Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))
                    }));
                }
                client.retain(|key, _| !key.starts_with("override."));
                let partitions = read_topic(&client, topic, self.limit, self.newest)?;
                let each = |(topic_partition, records): (Arc<TopicPartition>, Vec<RawRecord>)| {
                    let records = records.into_iter();
                    records.map(move |raw| (Arc::clone(&topic_partition), raw))
                };
                Ok(partitions.into_iter().flat_map(each).collect())
            }
            (None, Some(file)) => {
                let name = || format!("could not read {}", file.display());
                let text = if file == Path::new("-") {
                    std::io::read_to_string(std::io::stdin()).with_context(name)?
                } else {
                    std::fs::read_to_string(file).with_context(name)?
                };
                let form = Form {
                    values: self.values,
                    key_is_json: is_json(properties, "key.converter"),
                    value_is_json: is_json(properties, "value.converter"),
                };
                lines(&text, form).with_context(|| file.display().to_string())
            }
            (None, None) => bail!("--input or --topic is needed"),
        }
    }
}

/// How lines are read.
#[derive(Clone, Copy)]
struct Form {
    values: bool,
    key_is_json: bool,
    value_is_json: bool,
}

fn is_json(properties: &Properties, key: &str) -> bool {
    properties
        .get(key)
        .is_some_and(|class| class.trim().ends_with("JsonConverter"))
}

/// A record as a line has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    /// Null is no timestamp.
    #[serde(default, deserialize_with = "some")]
    timestamp: Option<Option<i64>>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    key_bytes: Option<String>,
    value_bytes: Option<String>,
    #[serde(default)]
    headers: Map<String, Json>,
}

fn some<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Option<i64>>, D::Error> {
    Option::deserialize(d).map(Some)
}

type Raw = (Arc<TopicPartition>, RawRecord);

fn lines(text: &str, form: Form) -> Result<Vec<Raw>> {
    let mut records: Vec<Raw> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let record = if form.values {
            let value: &RawValue = serde_json::from_str(line)
                .with_context(|| format!("line {} is no JSON", number + 1))?;
            Line {
                value: Some(value),
                ..serde_json::from_str("{}")?
            }
        } else {
            serde_json::from_str(line).with_context(|| {
                format!(
                    "line {} is no record: give topic, partition, offset, timestamp, key, value, \
                     headers (all optional), or --values for lines that are values alone",
                    number + 1
                )
            })?
        };
        let record = raw(record, form, &records);
        records.push(record.with_context(|| format!("line {}", number + 1))?);
    }
    Ok(records)
}

/// What a line does not say follows from the lines before it.
fn raw(line: Line<'_>, form: Form, before: &[Raw]) -> Result<Raw> {
    let topic = line.topic.as_deref().unwrap_or(TOPIC);
    let partition = line.partition.unwrap_or(0);
    let last = before.iter().rev();
    let mut last = last.filter(|(s, _)| *s.topic == *topic && s.partition == partition);
    let last = last.next();
    let topic_partition = match last {
        Some((topic_partition, _)) => Arc::clone(topic_partition),
        None => Arc::new(TopicPartition::new(topic, partition)),
    };
    let next = last.map_or(Offset(0), |(_, raw)| raw.offset.next());
    let offset = line.offset.map_or(next, Offset);
    ensure!(
        offset >= next,
        "offset {offset} comes after {}",
        next.previous()
    );
    let newest = before.iter().filter_map(|(_, raw)| raw.timestamp).max();
    let timestamp = match line.timestamp {
        Some(timestamp) => timestamp.map(Timestamp),
        None => Some(Timestamp(
            newest.map_or(FIRST_TIMESTAMP, |newest| newest.0 + 1),
        )),
    };
    let headers = line.headers.into_iter().map(|(name, value)| RawHeader {
        name: name.as_str().into(),
        value: match value {
            Json::Null => None,
            Json::String(text) => Some(text.into()),
            other => Some(other.to_string().into()),
        },
    });
    let record = RawRecord {
        offset,
        key: bytes(line.key, line.key_bytes, form.key_is_json).context("key")?,
        value: bytes(line.value, line.value_bytes, form.value_is_json).context("value")?,
        headers: headers.collect(),
        timestamp,
        timestamp_type: match timestamp {
            Some(_) => TimestampType::CreateTime,
            None => TimestampType::None,
        },
    };
    Ok((topic_partition, record))
}

/// The bytes that Kafka would have: JSON text for a converter of JSON; for any other, a text is
/// itself.
fn bytes(given: Option<&RawValue>, base64: Option<String>, json: bool) -> Result<Option<Bytes>> {
    match (given.map(RawValue::get), base64) {
        (Some(_), Some(_)) => bail!("given twice, as JSON and as bytes"),
        (None, Some(text)) => Ok(Some(decode(&text)?.into())),
        (None | Some("null"), None) => Ok(None),
        (Some(text), None) if text.starts_with('"') && !json => {
            let text: String = serde_json::from_str(text)?;
            Ok(Some(text.into()))
        }
        (Some(text), None) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
    }
}

fn decode(base64: &str) -> Result<Vec<u8>> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64);
    decoded.map_err(|_| anyhow::anyhow!("the bytes are not base64"))
}

/// A config as POSTed, or as it is PUT.
fn connector(file: &Path) -> Result<Properties> {
    let name = || format!("could not read {}", file.display());
    let text = std::fs::read_to_string(file).with_context(name)?;
    let mut json: Json = serde_json::from_str(&text).with_context(name)?;
    let json = json
        .get_mut("config")
        .map_or_else(|| Json::Null, Json::take);
    let json = if json.is_null() {
        serde_json::from_str(&text)?
    } else {
        json
    };
    let map: Map<String, Json> = serde_json::from_value(json).with_context(name)?;
    let pairs = map.into_iter().map(|(key, value)| match value {
        Json::String(text) => (key, text),
        other => (key, other.to_string()),
    });
    Ok(pairs.collect())
}

/// The keys of the first transform that is the plugin.
fn plugin_keys(connector: &Properties, plugin: &str) -> Option<Vec<(String, String)>> {
    let aliases = connector.get("transforms")?.split(',').map(str::trim);
    let mut prefixes = aliases.map(|alias| format!("transforms.{alias}."));
    let prefix = prefixes.find(|prefix| {
        let class = connector.get(&format!("{prefix}type"));
        class.is_some_and(|class| class.trim() == plugin)
    })?;
    let keys = connector.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix(&prefix)?;
        let own = !matches!(key, "type" | "predicate" | "negate");
        own.then(|| (key.to_owned(), value.clone()))
    });
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        values: false,
        key_is_json: false,
        value_is_json: true,
    };

    #[test]
    fn what_a_line_leaves_out_follows_from_those_before() {
        let text = "{\"value\": {\"a\": 1}}\n\n\
                    {\"partition\": 2, \"offset\": 7, \"timestamp\": 5, \"key\": \"k\"}\n\
                    {\"partition\": 2, \"timestamp\": null, \"headers\": {\"h\": \"x\", \"n\": 1}}\n\
                    {\"value\": \"text\", \"key_bytes\": \"AP8=\"}";
        let records = lines(text, FORM).unwrap();
        let told: Vec<_> = records
            .iter()
            .map(|(topic_partition, raw)| {
                (
                    topic_partition.to_string(),
                    raw.offset.0,
                    raw.timestamp.map(|at| at.0),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("test-0".to_owned(), 0, Some(FIRST_TIMESTAMP)),
                ("test-2".to_owned(), 7, Some(5)),
                ("test-2".to_owned(), 8, None),
                ("test-0".to_owned(), 1, Some(FIRST_TIMESTAMP + 1)),
            ]
        );
        assert_eq!(records[0].1.value.as_deref(), Some(&b"{\"a\": 1}"[..]));
        assert_eq!(records[1].1.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(records[2].1.headers[1].value.as_deref(), Some(&b"1"[..]));
        assert_eq!(records[3].1.value.as_deref(), Some(&b"\"text\""[..]));
        assert_eq!(records[3].1.key.as_deref(), Some(&b"\0\xff"[..]));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, expect) in [
            ("{}\n{\"speed\": 1}", "line 2 is no record"),
            ("{\"offset\": 5}\n{\"offset\": 5}", "line 2"),
            ("{\"value\": 1, \"value_bytes\": \"\"}", "line 1"),
            ("{\"value_bytes\": \"?\"}", "line 1"),
        ] {
            let error = format!("{:#}", lines(text, FORM).unwrap_err());
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn the_keys_of_the_plugins_transform_are_found() {
        let config = [
            ("transforms", "a, b"),
            ("transforms.a.type", "other"),
            ("transforms.b.type", "mine"),
            ("transforms.b.limit", "5"),
            ("transforms.b.predicate", "p"),
        ];
        let config = config.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let config = Properties::from(config);
        let keys = plugin_keys(&config, "mine").unwrap();
        assert_eq!(keys, [("limit".to_owned(), "5".to_owned())]);
        assert!(plugin_keys(&config, "none").is_none());
    }
}
