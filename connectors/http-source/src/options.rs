//! The options.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result, Validator,
    read_config_file,
};
use connect_http::{ListenerSettings, PathTemplate, Protection};
use hyper::{Method, StatusCode};

use crate::response::Template;
use crate::schema::JsonSchema;

pub(crate) const IDEMPOTENCY: &str = "idempotency.key";
const SCHEMA: &str = "value.schema";
const SCHEMA_FILE: &str = "value.schema.file";

/// `idempotency.key`: what the header `Idempotency-Key` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Idempotency {
    Ignored,
    Optional,
    Required,
}

impl Choice for Idempotency {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ignored", Self::Ignored),
        ("optional", Self::Optional),
        ("required", Self::Required),
    ];
}

/// `http.method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpMethod {
    Post,
    Put,
    Patch,
}

impl Choice for HttpMethod {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("PATCH", Self::Patch),
    ];
}

/// The options, parsed.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) listener: ListenerSettings,
    pub(crate) protection: Arc<Protection>,
    pub(crate) method: Method,
    pub(crate) path: PathTemplate,
    pub(crate) topic: Arc<str>,
    /// The names on the way to the field that is the key.
    pub(crate) key_field: Option<Vec<String>>,
    pub(crate) schema: Option<JsonSchema>,
    pub(crate) template: Template,
    pub(crate) limits: Limits,
    pub(crate) idempotency: Idempotency,
    pub(crate) window: Duration,
    pub(crate) most_keys: usize,
}

/// What bounds requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    /// A second; none: as many as come.
    pub(crate) rate: Option<u32>,
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
    pub(crate) response_time: Duration,
    pub(crate) unavailable: StatusCode,
    pub(crate) retry_after: u64,
}

/// The declarations.
pub(crate) fn config_def() -> ConfigDef {
    let groups = [
        ("Requests", requests()),
        ("Records", records()),
        ("Limits", limits()),
        ("Idempotency", idempotency()),
    ];
    let mut keys = Vec::new();
    for (group, own) in groups {
        keys.extend(own.into_iter().map(|key| key.group(group)));
    }
    keys.extend(connect_http::keys());
    ConfigDef::new(keys)
}

fn requests() -> Vec<ConfigKey> {
    vec![
        ConfigKey::required(
            "http.path",
            ConfigType::String,
            "The path that takes requests, such as /api/activity/log.",
        )
        .validator(Validator::Check(|text| {
            path(text).map(drop).map_err(|e| e.to_string())
        }))
        .importance(Importance::High),
        ConfigKey::choice(
            "http.method",
            HttpMethod::Post,
            "The method of the requests.",
        ),
        ConfigKey::new(
            "http.response.status",
            ConfigType::Int,
            "202",
            "The status of the answer to a request whose record Kafka has acknowledged.",
        )
        .validator(Validator::Between(200.0, 299.0)),
        ConfigKey::new(
            "http.response.body",
            ConfigType::String,
            r#"{"status":"queued"}"#,
            "The body of that answer, JSON. {{topic}}, {{partition}} and {{offset}} stand for \
             where the record is.",
        ),
        ConfigKey::new(
            "http.unavailable.status",
            ConfigType::Int,
            "503",
            "The status of the answer where Kafka does not acknowledge. Such a record may be in \
             the topic all the same.",
        )
        .validator(Validator::Between(500.0, 599.0)),
        ConfigKey::new(
            "http.response.timeout.ms",
            ConfigType::Int,
            "10000",
            "How long Kafka may take before a request is answered with http.unavailable.status.",
        )
        .validator(Validator::AtLeast(1)),
    ]
}

fn records() -> Vec<ConfigKey> {
    vec![
        ConfigKey::required(
            "topic",
            ConfigType::String,
            "The topic that the bodies go to.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::nullable(
            "key.field",
            ConfigType::String,
            "The field of the body that is the record's key, such as user_id or vehicle.id: a \
             text, an integer or a boolean, which every request must have. Without it, records \
             have no key.",
        ),
        ConfigKey::nullable(
            SCHEMA,
            ConfigType::String,
            "A JSON Schema that bodies must meet, as text. A schema with a keyword that is not \
             supported is refused.",
        )
        .validator(Validator::Check(|text| parse_schema(text).map(drop))),
        ConfigKey::nullable(
            SCHEMA_FILE,
            ConfigType::String,
            "The file of such a schema, in place of value.schema.",
        )
        .validator(Validator::Check(|file| {
            schema_file(file).map(drop).map_err(|error| error.chain())
        })),
    ]
}

fn limits() -> Vec<ConfigKey> {
    let number = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::Int, default, doc)
    };
    vec![
        number(
            "http.max.body.bytes",
            "1000000",
            "Bytes that a body may have; a larger one is answered with 413.",
        )
        .validator(Validator::AtLeast(1)),
        number(
            "http.rate.limit",
            "0",
            "Requests a second, with as many at once; those beyond are answered with 429. 0: no \
             limit.",
        )
        .validator(Validator::AtLeast(0)),
        number(
            "http.max.in.flight.requests",
            "10000",
            "Requests that may wait for Kafka; those beyond are answered with 503.",
        )
        .validator(Validator::AtLeast(1)),
        number(
            "http.max.in.flight.bytes",
            "33554432",
            "Bytes of their bodies; what is beyond is answered with 503.",
        )
        .validator(Validator::AtLeast(1)),
        number(
            "http.retry.after.seconds",
            "1",
            "The Retry-After of answers that ask for patience.",
        )
        .validator(Validator::AtLeast(1)),
    ]
}

fn idempotency() -> Vec<ConfigKey> {
    vec![
        ConfigKey::choice(
            IDEMPOTENCY,
            Idempotency::Optional,
            "What the header Idempotency-Key means. optional: a request with a key that was taken \
             within the window is answered as the first one was, and is not written again, \
             or with 422 if its body is another. required: a request without one is answered with 400. ignored: nothing. But for \
             ignored, the connector has one task.",
        ),
        ConfigKey::new(
            "idempotency.window.ms",
            ConfigType::Long,
            "300000",
            "How long a key is remembered, also by a worker that is started again: so much of the \
             topic's end is read then.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "idempotency.max.keys",
            ConfigType::Int,
            "500000",
            "Keys that are remembered; where there are as many within the window, requests with \
             new ones are answered with 503.",
        )
        .validator(Validator::AtLeast(1)),
    ]
}

fn path(text: &str) -> Result<PathTemplate> {
    let path = PathTemplate::parse("http.path", text)?;
    let has_names = path.names().next().is_some();
    match has_names {
        false => Ok(path),
        true => Err(Error::config(
            "http.path: names in braces are of no use here",
        )),
    }
}

fn parse_schema(text: &str) -> std::result::Result<JsonSchema, String> {
    let schema = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    JsonSchema::new(&schema)
}

fn schema_file(file: &str) -> Result<JsonSchema> {
    let unread = |cause| Error::config(format!("{SCHEMA_FILE}: {file}")).with_source(cause);
    let bytes = read_config_file(Path::new(file)).map_err(unread)?;
    let text = String::from_utf8_lossy(&bytes);
    parse_schema(&text).map_err(|why| Error::config(format!("{SCHEMA_FILE}: {file}: {why}")))
}

fn schema(config: &Config) -> Result<Option<JsonSchema>> {
    match (
        config.optional_text(SCHEMA),
        config.optional_text(SCHEMA_FILE),
    ) {
        (None, None) => Ok(None),
        (Some(text), None) => match parse_schema(text) {
            Ok(schema) => Ok(Some(schema)),
            Err(why) => Err(Error::config(format!("{SCHEMA}: {why}"))),
        },
        (None, Some(file)) => schema_file(file).map(Some),
        (Some(_), Some(_)) => Err(Error::config(format!(
            "{SCHEMA} and {SCHEMA_FILE} exclude each other"
        ))),
    }
}

/// What the header means, as a config says.
pub(crate) fn idempotency_of(config: &Config) -> Idempotency {
    config.choice(IDEMPOTENCY)
}

impl Settings {
    /// Of a parsed config.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that names the option at fault.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let method = config.choice::<HttpMethod>("http.method");
        let method = match method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Put => Method::PUT,
            HttpMethod::Patch => Method::PATCH,
        };
        let status = |key: &str| {
            let code = u16::try_from(config.integer(key)).unwrap_or(0);
            StatusCode::from_u16(code).map_err(|_| Error::config(format!("{key}: no status")))
        };
        let size = |key| usize::try_from(config.integer(key)).unwrap_or(usize::MAX);
        let millis = |key| Duration::from_millis(config.integer(key).unsigned_abs());
        let key_field = config.optional_text("key.field").filter(|f| !f.is_empty());
        let rate = u32::try_from(config.integer("http.rate.limit")).unwrap_or(u32::MAX);
        Ok(Self {
            listener: ListenerSettings::new(config)?,
            protection: Arc::new(Protection::new(config, &[method.as_str()])?),
            method,
            path: path(config.text("http.path"))?,
            topic: config.text("topic").into(),
            key_field: key_field.map(|field| field.split('.').map(str::to_owned).collect()),
            schema: schema(config)?,
            template: Template::new(
                status("http.response.status")?,
                config.text("http.response.body"),
            ),
            limits: Limits {
                body_bytes: size("http.max.body.bytes"),
                rate: (rate > 0).then_some(rate),
                requests: size("http.max.in.flight.requests"),
                bytes: size("http.max.in.flight.bytes"),
                response_time: millis("http.response.timeout.ms"),
                unavailable: status("http.unavailable.status")?,
                retry_after: config.integer("http.retry.after.seconds").unsigned_abs(),
            },
            idempotency: idempotency_of(config),
            window: millis("idempotency.window.ms"),
            most_keys: size("idempotency.max.keys"),
        })
    }
}
