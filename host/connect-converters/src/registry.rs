//! The Schema Registry: schemas by id, with those that they refer to.
//!
//! No error holds the text of its cause: it may name the URL, and that a user and a password.

mod bounded;
mod credentials;
pub(crate) mod frame;
pub(crate) mod heads;
pub(crate) mod options;
pub(crate) mod readable;
pub(crate) mod schemas;
mod subject;
pub(crate) mod subjects;
mod tls;
mod unknown;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use connect_api::{Config, Error, Result};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_id, perform_sr_call,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, RegisteredReference, RegisteredSchema, SchemaType, SrCall,
};

use credentials::{Authorizing, Credentials, WithHeaders};
use options::{NORMALIZE, URL};
use subjects::SchemaFormat;

const TIMEOUT: Duration = Duration::from_secs(10);
/// For a schema with all that it refers to.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(30);
/// A schema that refers to more is refused.
const MAX_REFERENCES: usize = 1000;

/// A schema as it was registered.
#[derive(Debug)]
pub(crate) struct Registered {
    pub text: String,
    /// Those that it refers to, each after those that it refers to itself.
    pub references: Vec<Reference>,
}

/// A schema that another one refers to.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// What the other one calls it: the name of a type, a path or a URL.
    pub name: String,
    pub text: String,
}

/// A schema that is to be found under a subject.
#[derive(Clone, Debug)]
pub(crate) struct ToWrite {
    pub subject: String,
    pub text: String,
    pub format: SchemaFormat,
}

/// The last version of a subject, under which records are written.
pub(crate) type Latest = Registered;

/// What the registry has for a schema to write with.
#[derive(Debug)]
pub(crate) struct Found {
    pub id: u32,
    /// The version whose id it is, where that is the last one and not the schema itself.
    pub latest: Option<Latest>,
}

/// What the registry says of something that it is asked for.
#[derive(Debug)]
pub(crate) enum Lookup<T> {
    Found(T),
    /// It does not have it, or something that it refers to; it may have it later.
    Unknown(Error),
}

impl<T> Lookup<T> {
    fn of(answer: std::result::Result<T, Refusal>) -> Result<Self> {
        match answer {
            Ok(found) => Ok(Self::Found(found)),
            Err(Refusal::Unknown(error)) => Ok(Self::Unknown(error)),
            Err(Refusal::Other(error)) => Err(error),
        }
    }
}

/// Why a request has no answer to go on with.
enum Refusal {
    Unknown(Error),
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The error of a record whose schema the registry does not have.
fn unknown() -> Error {
    Error::data("the Schema Registry does not have it")
}

/// What becomes of a schema to write with that the registry does not have under its subject:
/// `auto.register.schemas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unregistered {
    /// It is registered.
    Register,
    /// Its records cannot be written.
    Refuse,
    /// Its records are written under the last version of the subject: `use.latest.version`.
    UseLatest,
}

/// The registry as a converter asks it: the converter's thread waits for the answer.
#[derive(Debug)]
pub(crate) struct BlockingRegistry {
    registry: Arc<Registry>,
    runtime: tokio::runtime::Handle,
}

impl BlockingRegistry {
    pub(crate) fn new(config: &Config, runtime: tokio::runtime::Handle) -> Result<Self> {
        Ok(Self {
            registry: Arc::new(Registry::new(config)?),
            runtime,
        })
    }

    /// The schema of an id: see [`Registry::schema`].
    pub(crate) fn schema(&self, id: u32, format: SchemaFormat) -> Result<Lookup<Registered>> {
        let registry = Arc::clone(&self.registry);
        self.wait(async move {
            let fetching = tokio::time::timeout(SCHEMA_TIMEOUT, registry.schema(id, format));
            let late = |_| Error::retriable("the Schema Registry does not answer: timed out");
            Lookup::of(fetching.await.map_err(late)?)
        })
    }

    /// The id of a schema under a subject: see [`Registry::id`].
    pub(crate) fn id(&self, schema: ToWrite, unregistered: Unregistered) -> Result<Lookup<Found>> {
        let registry = Arc::clone(&self.registry);
        self.wait(async move {
            let looking = tokio::time::timeout(SCHEMA_TIMEOUT, registry.id(&schema, unregistered));
            let late = |_| Error::retriable("the Schema Registry does not answer: timed out");
            Lookup::of(looking.await.map_err(late)?)
        })
    }

    /// Asks on the runtime's threads: `block_on` would panic on the thread of a sink that writes
    /// to Kafka, which runs the sink's own futures.
    fn wait<T: Send + 'static>(
        &self,
        ask: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = mpsc::channel();
        self.runtime.spawn(async move {
            // Nobody waits any more once the converter's thread is gone.
            let _ = answer.send(ask.await);
        });
        let given_up = |_| {
            Err(Error::retriable(
                "the request to the Schema Registry was given up",
            ))
        };
        answered.recv().unwrap_or_else(given_up)
    }
}

#[derive(Debug)]
struct Registry {
    settings: SrSettings,
}

impl Registry {
    fn new(config: &Config) -> Result<Self> {
        let mut urls = config
            .list(URL)
            .iter()
            .map(|url| url.trim_end_matches('/').to_owned());
        let unusable =
            || Error::config(format!("Invalid value for configuration {URL}: not a URL"));
        let mut builder = SrSettings::new_builder(urls.next().ok_or_else(unusable)?);
        for url in urls {
            builder.add_url(url);
        }
        let mut authorizing = None;
        match Credentials::new(config)? {
            Credentials::OfUrl => {}
            Credentials::Basic { user, password } => {
                builder.set_basic_authorization(&user, Some(&password));
            }
            Credentials::Bearer(token) => {
                builder.set_token_authorization(&token);
            }
            Credentials::OAuth(tokens) => authorizing = Some(Authorizing(tokens)),
        }
        builder.set_timeout(TIMEOUT);
        install_tls_provider();
        builder.with_middleware(bounded::BoundedAnswers);
        if config.flag(NORMALIZE) {
            builder.with_middleware(bounded::Normalizing);
        }
        let headers = credentials::headers(config)?;
        if !headers.is_empty() {
            builder.with_middleware(WithHeaders(headers));
        }
        if let Some(authorizing) = authorizing {
            builder.with_middleware(authorizing);
        }
        let client = tls::client(config)?.redirect(bounded::same_server());
        let settings = builder.build_with(client).map_err(|_| unusable())?;
        Ok(Self { settings })
    }

    /// The id of a schema under a subject, where it is registered unless it is only looked for.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the registry does not have it, or refuses it; else as
    /// for [`Registry::schema`].
    async fn id(
        &self,
        schema: &ToWrite,
        unregistered: Unregistered,
    ) -> std::result::Result<Found, Refusal> {
        let subject = &schema.subject;
        let body = match schema.format {
            // Registries that are older than the other kinds take Avro without a word.
            SchemaFormat::Avro => serde_json::json!({ "schema": schema.text }),
            format => serde_json::json!({ "schema": schema.text, "schemaType": format.word() }),
        };
        let body = body.to_string();
        let call = match unregistered {
            Unregistered::Register => SrCall::PostNew(subject, &body),
            Unregistered::Refuse => SrCall::PostForVersion(subject, &body),
            Unregistered::UseLatest => return self.latest(schema).await,
        };
        let answer = perform_sr_call(&self.settings, call).await;
        let answer = answer.map_err(|error| match status(&error.error) {
            Some(409) => Error::data("the Schema Registry finds the schema incompatible").into(),
            Some(422) => Error::data("the Schema Registry refuses the schema as invalid").into(),
            _ => explain(&error),
        })?;
        let id = answer.id.ok_or_else(nameless)?;
        Ok(Found { id, latest: None })
    }

    /// The last version of the subject that a schema would be registered under.
    async fn latest(&self, schema: &ToWrite) -> std::result::Result<Found, Refusal> {
        let answer = perform_sr_call(&self.settings, SrCall::GetLatest(&schema.subject)).await;
        let answer = answer.map_err(|error| explain(&error))?;
        let id = answer.id.ok_or_else(nameless)?;
        let latest = self.schema(id, schema.format).await?;
        Ok(Found {
            id,
            latest: Some(latest),
        })
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when there is none or it is of another format,
    /// [`connect_api::ErrorKind::Retriable`] when the registry does not answer,
    /// [`connect_api::ErrorKind::Config`] when it refuses to.
    async fn schema(
        &self,
        id: u32,
        format: SchemaFormat,
    ) -> std::result::Result<Registered, Refusal> {
        let found = get_schema_by_id(id, &self.settings)
            .await
            .map_err(|e| explain(&e))?;
        let mut references = Vec::new();
        let mut seen = HashSet::new();
        let text = text_of(&found, format)?.to_owned();
        // Depth first, without recursion: `Done` marks that all before it was pushed.
        let mut open: Vec<Step> = steps(&found, None);
        while let Some(step) = open.pop() {
            match step {
                Step::Done(reference) => references.push(reference),
                Step::Fetch(reference) => {
                    let name = reference.name.clone();
                    let place = (name.clone(), reference.subject.clone(), reference.version);
                    if !seen.insert(place) {
                        continue;
                    }
                    if seen.len() > MAX_REFERENCES {
                        return Err(Error::data("the schema refers to too many others").into());
                    }
                    let found = get_referenced_schema(&self.settings, &reference)
                        .await
                        .map_err(|e| explain(&e).context("a schema that it refers to"))?;
                    let text = text_of(&found, format)?.to_owned();
                    open.extend(steps(&found, Some(Reference { name, text })));
                }
            }
        }
        Ok(Registered { text, references })
    }
}

fn nameless() -> Refusal {
    Error::retriable("the Schema Registry gave no id").into()
}

/// What is left to do for the references of a schema.
enum Step {
    Fetch(RegisteredReference),
    /// All that it refers to is there.
    Done(Reference),
}

/// A stack: what the schema refers to is done before the schema itself.
fn steps(schema: &RegisteredSchema, own: Option<Reference>) -> Vec<Step> {
    let own = own.map(Step::Done).into_iter();
    own.chain(schema.references.iter().rev().cloned().map(Step::Fetch))
        .collect()
}

fn text_of(schema: &RegisteredSchema, format: SchemaFormat) -> Result<&str> {
    let found = match schema.schema_type {
        SchemaType::Avro => Some(SchemaFormat::Avro),
        SchemaType::Json => Some(SchemaFormat::Json),
        SchemaType::Protobuf => Some(SchemaFormat::Protobuf),
        _ => None,
    };
    if found == Some(format) {
        return Ok(&schema.schema);
    }
    Err(Error::data(format!(
        "the schema is not of type {}",
        format.word()
    )))
}

/// reqwest takes the process's TLS provider; ring is the one that the rest of the worker has.
fn install_tls_provider() {
    // It fails when there is one already, and that one does.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What became of a request, and whose fault it is. A record is only blamed when the registry says
/// that it has no such schema; a wrong path is a 404 without that word, and the config's fault.
fn explain(error: &SRCError) -> Refusal {
    if let Some(error) = credentials::no_token(error) {
        return Refusal::Other(error);
    }
    let code = error
        .source()
        .and_then(|source| source.downcast_ref::<RawError>())
        .map(|raw| raw.error_code);
    Refusal::Other(match (status(&error.error), code) {
        (Some(404), Some(40401..=40499)) => return Refusal::Unknown(unknown()),
        (Some(404), _) => Error::config(format!(
            "HTTP 404 from the Schema Registry without a word on schemas: does {URL} have the \
             right path?"
        )),
        (Some(status @ (408 | 425 | 429 | 500..)), _) => {
            Error::retriable(format!("HTTP {status} from the Schema Registry"))
        }
        (Some(status @ (401 | 403)), _) => Error::config(format!(
            "HTTP {status} from the Schema Registry: the credentials do not suffice"
        )),
        (Some(status @ 300..=399), _) => Error::config(format!(
            "HTTP {status} from the Schema Registry: it leads to another server, and credentials \
             are not sent there; let {URL} name that server"
        )),
        (Some(status), _) => Error::config(format!("HTTP {status} from the Schema Registry")),
        (None, _) if bounded::is_too_large(error) => Error::data(format!(
            "the answer of the Schema Registry is larger than {} MiB",
            bounded::MAX_ANSWER >> 20
        )),
        (None, _) => Error::retriable(format!(
            "the Schema Registry does not answer: {}",
            reason(error)
        )),
    })
}

impl Refusal {
    fn context(self, doing: &str) -> Self {
        match self {
            Self::Unknown(error) => Self::Unknown(error.context(doing)),
            Self::Other(error) => Self::Other(error.context(doing)),
        }
    }
}

/// The status, which the client tells in its message alone.
fn status(message: &str) -> Option<u16> {
    let (_, after) = message.split_once("failed with status ")?;
    after.get(..3)?.parse().ok()
}

fn reason(error: &SRCError) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind().to_string();
        }
        if let Some(http) = bounded::client_error(error) {
            if http.is_timeout() {
                return "timed out".into();
            }
            if http.is_decode() {
                return "not with a schema".into();
            }
        }
        cause = error.source();
    }
    "the request failed".into()
}

#[cfg(test)]
pub(crate) mod tests;
