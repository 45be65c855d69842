//! Records of a file: lines of JSON, and the converters that make bytes of them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use clap::Args;
use connect_api::{Converter, Datum, Properties, RecordPart, Value, mask};
use connect_converters::{ConverterContext, build, converter};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;

use super::fields::FieldPath;
use super::is_stdin;
use crate::schema::RegistryArgs;

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

/// What is written where nothing else is asked for.
const DEFAULTS: [(&str, &str); 3] = [
    ("key.converter", STRING),
    ("value.converter", JSON),
    ("value.converter.schemas.enable", "false"),
];

/// A record to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// Its topic.
    pub topic: String,
    /// Its partition; none: by the key.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970; none: now.
    pub timestamp: Option<i64>,
    /// Its headers, as text.
    pub headers: Vec<(String, String)>,
    /// The JSON that its value was made of.
    pub json: Option<Vec<u8>>,
    /// What is to become of it, of one that was made up.
    pub made: Option<super::generate::Made>,
}

#[derive(Args)]
pub struct InputArgs {
    /// Records as JSON lines; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The lines are whole records, not values alone.
    #[arg(long)]
    records: bool,
    /// The field of values that becomes the key; names with dots between lead into it.
    #[arg(long, value_name = "FIELD")]
    key_field: Option<FieldPath>,
    /// The class that writes keys.
    #[arg(long, value_name = "CLASS")]
    key_converter: Option<String>,
    /// The class that writes values: JsonConverter, AvroConverter, StringConverter, …
    #[arg(long, value_name = "CLASS")]
    value_converter: Option<String>,
    /// An option of a converter, such as value.converter.basic.auth.user.info=me:secret.
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = crate::property)]
    properties: Vec<(String, String)>,
    /// The Connect schema of values: a file such as connectors/schemas/TOPIC-value.json.
    #[arg(long, value_name = "FILE")]
    value_schema: Option<PathBuf>,
    /// A connector's file, whose topic and converters are taken.
    #[arg(long, value_name = "FILE")]
    connector: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

impl InputArgs {
    /// Whether none of the options is given that are about a file.
    pub fn is_unused(&self) -> bool {
        self.file.is_none()
            && !self.records
            && self.key_field.is_none()
            && self.value_schema.is_none()
            && self.connector.is_none()
            && self.key_converter.is_none()
            && self.value_converter.is_none()
    }

    /// The options of the registry, for what is made up.
    pub fn registry_options(&self) -> Result<Properties> {
        let mut options = self.registry.options()?;
        for (key, value) in &self.properties {
            let key = key.strip_prefix("value.converter.").unwrap_or(key);
            options.insert(key.to_owned(), value.clone());
        }
        Ok(options)
    }

    /// The topic: the one that is named, or that of the connector.
    pub fn topic(&self, named: Option<&str>) -> Result<String> {
        if let Some(topic) = named {
            return Ok(topic.to_owned());
        }
        let Some(file) = &self.connector else {
            bail!("which topic? Name it with --topic");
        };
        let config = connector(file)?;
        let topics = config.get("topics").map(String::as_str).unwrap_or_default();
        let mut topics = topics.split(',').map(str::trim).filter(|it| !it.is_empty());
        match (topics.next(), topics.next()) {
            (Some(only), None) => Ok(only.to_owned()),
            _ => bail!(
                "{} does not read one topic: name it with --topic",
                file.display()
            ),
        }
    }

    /// The records of the file, read as they are asked for.
    pub fn records<'a>(
        &'a self,
        topic: &str,
        runtime: &Handle,
    ) -> Result<Box<dyn Iterator<Item = Result<Outgoing>> + 'a>> {
        let file = self.file.as_ref().context("there is no file")?;
        let lines: Box<dyn BufRead> = match is_stdin(file) {
            true => Box::new(std::io::stdin().lock()),
            false => {
                let opened = File::open(file).with_context(|| file.display().to_string())?;
                Box::new(BufReader::new(opened))
            }
        };
        let mut encoder = self.encoder(topic, runtime)?;
        let topic = topic.to_owned();
        let lines = lines.lines().enumerate();
        let records = lines.filter_map(move |(index, line)| {
            let line = match line {
                Ok(line) if line.trim().is_empty() => return None,
                Ok(line) => line,
                Err(error) => return Some(Err(error.into())),
            };
            let read = self.record(&line, &topic, &mut encoder);
            Some(read.with_context(|| format!("{}, line {}", file.display(), index + 1)))
        });
        Ok(Box::new(records))
    }

    fn record(&self, line: &str, topic: &str, encoder: &mut Encoder) -> Result<Outgoing> {
        let mut outgoing = Outgoing {
            topic: topic.to_owned(),
            ..Outgoing::default()
        };
        let mut key = None;
        let value = if self.records {
            let whole: Line<'_> = serde_json::from_str(line).context("it is no record")?;
            outgoing.partition = whole.partition;
            outgoing.timestamp = whole.timestamp;
            for (name, value) in whole.headers {
                let text = match value {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                outgoing.headers.push((name, text));
            }
            key = whole.key;
            whole.value.map_or("null", RawValue::get)
        } else {
            line
        };
        outgoing.json = Some(value.as_bytes().to_vec());
        if let Some(field) = &self.key_field {
            let json: Json = serde_json::from_str(value).context("it is no JSON")?;
            let found = field.find(&json).filter(|found| !found.is_null());
            let missing = || anyhow!("the field {} of --key-field is missing", field.name());
            key = Some(found.cloned().ok_or_else(missing)?);
        }
        outgoing.key = match &key {
            Some(key) => encoder.key(topic, key)?,
            None => None,
        };
        outgoing.value = encoder.value(topic, value)?;
        Ok(outgoing)
    }

    fn encoder(&self, topic: &str, runtime: &Handle) -> Result<Encoder> {
        let mut properties: Properties = DEFAULTS
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        if let Some(file) = &self.connector {
            let config = connector(file)?;
            for part in ["key.converter", "value.converter"] {
                if config.contains_key(part) {
                    properties.retain(|key, _| key != part && !is_option(key, part));
                }
                let own = config
                    .iter()
                    .filter(|(key, _)| *key == part || is_option(key, part));
                properties.extend(own.map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        for (part, class) in [
            ("key.converter", &self.key_converter),
            ("value.converter", &self.value_converter),
        ] {
            if let Some(class) = class {
                properties.retain(|key, _| !is_option(key, part));
                properties.insert(part.to_owned(), class.clone());
            }
        }
        for (name, value) in self.registry.options()? {
            for part in ["key.converter", "value.converter"] {
                if properties
                    .get(part)
                    .is_some_and(|class| is_class(class, AVRO))
                {
                    properties.insert(format!("{part}.{name}"), value.clone());
                }
            }
        }
        properties.extend(self.properties.iter().cloned());
        let schema = self.schema(topic)?;
        Encoder::new(&properties, schema.as_deref(), runtime)
    }

    /// The schema of values: the one that is named, or declared beside the connector.
    fn schema(&self, topic: &str) -> Result<Option<String>> {
        let beside = |file: &PathBuf| {
            let folder = file.parent().unwrap_or(Path::new(""));
            folder.join("schemas").join(format!("{topic}-value.json"))
        };
        let declared = self
            .connector
            .as_ref()
            .map(beside)
            .filter(|file| file.is_file());
        let Some(file) = self.value_schema.clone().or(declared) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(&file);
        text.map(Some).with_context(|| file.display().to_string())
    }
}

/// Whether a key is an option of the converter of `part`.
fn is_option(key: &str, part: &str) -> bool {
    key.strip_prefix(part)
        .is_some_and(|rest| rest.starts_with('.'))
}

fn is_class(given: &str, class: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    matches!(given.trim(), given if given == class || given == simple)
}

/// A record as a line has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    key: Option<Json>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    partition: Option<i32>,
    timestamp: Option<i64>,
    #[serde(default)]
    headers: Map<String, Json>,
}

/// The config of a connector's file: `{"name": …, "config": {…}}`, or the config alone.
fn connector(file: &Path) -> Result<Properties> {
    let named = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(named)?;
    let json: Json = serde_json::from_str(&text).with_context(named)?;
    let config = json.get("config").unwrap_or(&json);
    let config = config.as_object();
    let config = config.with_context(|| format!("{} is no connector's config", file.display()))?;
    let mut properties = Properties::new();
    for (key, value) in config {
        let text = match value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        properties.insert(key.clone(), text);
    }
    Ok(properties)
}

/// Makes bytes of JSON.
pub struct Encoder {
    /// Reads the JSON; none: a line is text or bytes as it is.
    reader: Option<Box<dyn Converter>>,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    takes_text: bool,
    /// Whether JSON is sent as it is, once it is known to be some.
    keeps_json: bool,
}

impl Encoder {
    /// By the converters that properties name; values are of this schema, where there is one.
    pub fn new(properties: &Properties, schema: Option<&str>, runtime: &Handle) -> Result<Self> {
        let named = |key: &str| {
            let class = properties.get(key).cloned().unwrap_or_default();
            let prefix = format!("{key}.");
            let options = properties.iter().filter_map(|(name, value)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))
            });
            (class, options.collect::<Properties>())
        };
        let made = |key: &str, part: RecordPart| {
            let (class, options) = named(key);
            let context = ConverterContext {
                runtime: runtime.clone(),
                part,
            };
            ensure!(
                !options.values().any(|value| value.contains("${")),
                "{key}: an option names a config provider, which a worker asks: give its value \
                 with -D {key}.…=…"
            );
            build(&class, &options, &context)
                .map_err(|error| anyhow!("{key}: {}", mask(error.chain())))
        };
        let (class, options) = named("value.converter");
        let is_json = is_class(&class, JSON);
        let enabled = options
            .get("schemas.enable")
            .is_none_or(|flag| flag != "false");
        let with_schema = is_class(&class, AVRO) || (is_json && enabled);
        ensure!(
            schema.is_none() || with_schema || is_json,
            "{class} writes no schema: leave out --value-schema"
        );
        let takes_text = is_class(&class, STRING);
        let reader = match takes_text || class.trim().ends_with("ByteArrayConverter") {
            true => None,
            false => Some(json_reader(with_schema, schema, runtime)?),
        };
        if let Some(unknown) = [&class]
            .into_iter()
            .find(|class| converter(class).is_none())
        {
            bail!("value.converter: class {unknown} could not be found");
        }
        Ok(Self {
            reader,
            key: made("key.converter", RecordPart::Key)?,
            value: made("value.converter", RecordPart::Value)?,
            takes_text,
            keeps_json: is_json && !enabled && schema.is_none(),
        })
    }

    /// The bytes of a key.
    pub fn key(&mut self, topic: &str, key: &Json) -> Result<Option<Vec<u8>>> {
        let value = match key {
            Json::Null => return Ok(None),
            Json::String(text) => Value::from(&**text),
            Json::Bool(flag) => Value::Boolean(*flag),
            Json::Number(number) if number.is_i64() => {
                Value::Int(number.as_i64().unwrap_or_default())
            }
            Json::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
            other => Value::Json(other.to_string().into()),
        };
        let datum = Datum::schemaless(value);
        let written = self.key.from_connect_data(topic, &datum);
        let written = written.map_err(|error| anyhow!("the key: {}", error.chain()))?;
        Ok(written.map(Cow::into_owned))
    }

    /// The bytes of a value.
    pub fn value(&mut self, topic: &str, text: &str) -> Result<Option<Vec<u8>>> {
        let given = Bytes::copy_from_slice(text.as_bytes());
        let datum = match &mut self.reader {
            Some(_) if text.trim() == "null" => Datum::NULL,
            Some(reader) => reader
                .to_connect_data(topic, Some(&given))
                .map_err(|error| anyhow!("the value: {}", error.chain()))?,
            None if self.takes_text => Datum::schemaless(Value::from(text)),
            None => Datum::schemaless(Value::Bytes(given)),
        };
        // The digits of numbers would not all come out as they are.
        if self.keeps_json && !datum.value.is_null() {
            return Ok(Some(text.as_bytes().to_vec()));
        }
        let written = self.value.from_connect_data(topic, &datum);
        let written = written.map_err(|error| {
            let class = self
                .value
                .class_name()
                .rsplit('.')
                .next()
                .unwrap_or_default();
            anyhow!("{class}: {}", mask(error.chain()))
        })?;
        Ok(written.map(Cow::into_owned))
    }
}

/// Reads the JSON of lines: payloads of a schema, envelopes of one, or JSON without any.
fn json_reader(
    with_schema: bool,
    schema: Option<&str>,
    runtime: &Handle,
) -> Result<Box<dyn Converter>> {
    let mut options = Properties::new();
    let enabled = with_schema || schema.is_some();
    options.insert("schemas.enable".into(), enabled.to_string());
    if let Some(schema) = schema {
        options.insert("schema.content".into(), schema.to_owned());
    }
    let context = ConverterContext {
        runtime: runtime.clone(),
        part: RecordPart::Value,
    };
    build(JSON, &options, &context).map_err(|error| anyhow!("the schema: {}", error.chain()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "struct", "name": "a.B", "fields": [
        {"field": "id", "type": "int32", "optional": false},
        {"field": "note", "type": "string", "optional": true}]}"#;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        let all = DEFAULTS.iter().chain(pairs);
        all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Runtime::new().unwrap()
    }

    #[test]
    fn json_without_a_schema_stays_as_it_is() {
        let runtime = runtime();
        let mut encoder = Encoder::new(&properties(&[]), None, runtime.handle()).unwrap();
        let line = r#"{"a": 1.50, "b": [null]}"#;
        let written = encoder.value("t", line).unwrap();
        assert_eq!(written.as_deref(), Some(line.as_bytes()));
        assert_eq!(encoder.value("t", "null").unwrap(), None);
        assert!(encoder.value("t", "{\"a\":").is_err());
        let key = |encoder: &mut Encoder, json: Json| encoder.key("t", &json).unwrap();
        assert_eq!(
            key(&mut encoder, Json::from("x")).as_deref(),
            Some(&b"x"[..])
        );
        assert_eq!(key(&mut encoder, Json::from(7)).as_deref(), Some(&b"7"[..]));
        assert_eq!(key(&mut encoder, Json::Null), None);
    }

    #[test]
    fn a_schema_makes_an_envelope() {
        let runtime = runtime();
        let enabled = properties(&[("value.converter.schemas.enable", "true")]);
        let mut encoder = Encoder::new(&enabled, Some(SCHEMA), runtime.handle()).unwrap();
        let written = encoder
            .value("t", r#"{"id": 7, "note": null}"#)
            .unwrap()
            .unwrap();
        let json: Json = serde_json::from_slice(&written).unwrap();
        assert_eq!(json["payload"]["id"], 7);
        assert_eq!(json["schema"]["name"], "a.B");
        let told = encoder
            .value("t", r#"{"id": "x"}"#)
            .unwrap_err()
            .to_string();
        assert!(told.contains("id"), "{told}");
    }

    #[test]
    fn text_is_text() {
        let runtime = runtime();
        let text = properties(&[("value.converter", "StringConverter")]);
        let text: Properties = text
            .into_iter()
            .filter(|(key, _)| key != "value.converter.schemas.enable")
            .collect();
        let mut encoder = Encoder::new(&text, None, runtime.handle()).unwrap();
        let written = encoder.value("t", "{not json").unwrap();
        assert_eq!(written.as_deref(), Some(&b"{not json"[..]));
        let schema = Encoder::new(&text, Some(SCHEMA), runtime.handle());
        assert!(schema.is_err());
        let unknown = properties(&[("value.converter", "com.example.Mine")]);
        assert!(Encoder::new(&unknown, None, runtime.handle()).is_err());
    }
}
