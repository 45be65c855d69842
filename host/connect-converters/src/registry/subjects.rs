//! What a tool asks a Schema Registry of its subjects: which schema is the last one of a subject,
//! whether another one is compatible with it, and to register one. With the options of the
//! converters, credentials and TLS among them.

use connect_api::{ConfigDef, Error, Properties, Result, mask};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value as Json, json};

use super::options::{URL, client_keys};
use super::{Credentials, TIMEOUT, bounded, credentials, install_tls_provider, tls};

/// Characters that are told of what a registry says.
const MAX_MESSAGE: usize = 2000;

/// A kind of schemas that registries keep: `schemaType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFormat {
    /// `AVRO`.
    Avro,
    /// `JSON`: JSON Schema.
    Json,
    /// `PROTOBUF`.
    Protobuf,
}

impl SchemaFormat {
    /// The registry's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    /// What it is called in sentences.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "Avro",
            Self::Json => "JSON Schema",
            Self::Protobuf => "Protobuf",
        }
    }
}

/// A schema to register or to compare.
#[derive(Clone, Copy, Debug)]
pub struct SchemaText<'a> {
    /// Its kind.
    pub format: SchemaFormat,
    /// Its text.
    pub text: &'a str,
}

impl SchemaText<'_> {
    fn body(self) -> Json {
        // Registries that are older than the other kinds take Avro without a word.
        match self.format {
            SchemaFormat::Avro => json!({ "schema": self.text }),
            format => json!({ "schema": self.text, "schemaType": format.word() }),
        }
    }
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredVersion {
    /// Counted from 1 within the subject.
    pub version: u32,
    /// The id that records name.
    pub id: u32,
    /// The registry's word for the kind; `AVRO` where it says none.
    pub format: String,
    /// The text.
    pub text: String,
}

/// What a registry says of a schema beside the last version of its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compatibility {
    /// There is no version yet.
    NoVersion,
    /// It may be registered.
    Compatible,
    /// It may not, with what the registry says of it; several say nothing.
    Incompatible(Vec<String>),
}

/// A client of a Schema Registry.
pub struct RegistryClient {
    client: Client,
    urls: Vec<Url>,
    credentials: Credentials,
    headers: HeaderMap,
}

impl RegistryClient {
    /// The names of the options that [`RegistryClient::new`] takes.
    pub fn option_names() -> Vec<String> {
        let def = ConfigDef::new(client_keys());
        def.keys().iter().map(|key| key.name.to_string()).collect()
    }

    /// A client of these options of the converters, `schema.registry.url` among them.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when an option is missing or refused.
    pub fn new(options: &Properties) -> Result<Self> {
        let config = ConfigDef::new(client_keys()).parse(options)?;
        let unusable =
            || Error::config(format!("Invalid value for configuration {URL}: not a URL"));
        let urls = config.list(URL).iter();
        let urls = urls.map(|url| Url::parse(url.trim_end_matches('/')).map_err(|_| unusable()));
        install_tls_provider();
        let client = tls::client(&config)?
            .redirect(bounded::same_server())
            .timeout(TIMEOUT);
        Ok(Self {
            client: client.build().map_err(|_| unusable())?,
            urls: urls.collect::<Result<_>>()?,
            credentials: Credentials::new(&config)?,
            headers: credentials::headers(&config)?.into_iter().collect(),
        })
    }

    /// The last version of a subject; none where there is no such subject.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when no registry answers,
    /// [`connect_api::ErrorKind::Config`] when it refuses to.
    pub async fn latest(&self, subject: &str) -> Result<Option<RegisteredVersion>> {
        let path = ["subjects", subject, "versions", "latest"];
        match self.ask(Method::GET, &path, None).await? {
            Answer::Ok(version) => registered(&version).map(Some),
            Answer::Refused(refused) if refused.status == 404 => Ok(None),
            Answer::Refused(refused) => Err(refused.error()),
        }
    }

    /// The version of a subject that has this schema, if there is one.
    ///
    /// # Errors
    /// As for [`Self::latest`].
    pub async fn find(
        &self,
        subject: &str,
        schema: SchemaText<'_>,
    ) -> Result<Option<RegisteredVersion>> {
        let path = ["subjects", subject];
        match self.ask(Method::POST, &path, Some(schema.body())).await? {
            Answer::Ok(version) => registered(&version).map(Some),
            Answer::Refused(refused) if refused.status == 404 => Ok(None),
            Answer::Refused(refused) => Err(refused.error()),
        }
    }

    /// Registers a schema, and gives its id; one that is there already has its id.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the registry finds it incompatible or invalid; else as
    /// for [`Self::latest`].
    pub async fn register(&self, subject: &str, schema: SchemaText<'_>) -> Result<u32> {
        let path = ["subjects", subject, "versions"];
        match self.ask(Method::POST, &path, Some(schema.body())).await? {
            Answer::Ok(answer) => number(&answer, "id"),
            Answer::Refused(refused) => Err(refused.error()),
        }
    }

    /// Whether the registry would take a schema as the next version of a subject.
    ///
    /// # Errors
    /// As for [`Self::register`].
    pub async fn compatibility(
        &self,
        subject: &str,
        schema: SchemaText<'_>,
    ) -> Result<Compatibility> {
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        let answer = match self.ask(Method::POST, &path, Some(schema.body())).await? {
            Answer::Ok(answer) => answer,
            Answer::Refused(refused) if refused.status == 404 => {
                return Ok(Compatibility::NoVersion);
            }
            Answer::Refused(refused) => return Err(refused.error()),
        };
        if answer["is_compatible"].as_bool() == Some(true) {
            return Ok(Compatibility::Compatible);
        }
        let told = answer["messages"].as_array().into_iter().flatten();
        let told = told.map(|message| match message.as_str() {
            Some(text) => clipped(text),
            None => clipped(&message.to_string()),
        });
        Ok(Compatibility::Incompatible(told.collect()))
    }

    /// Asks one registry after the other, until one answers.
    async fn ask(&self, method: Method, path: &[&str], body: Option<Json>) -> Result<Answer> {
        let mut why = Error::config(format!("{URL} names no registry"));
        for base in &self.urls {
            let mut url = base.clone();
            let Ok(mut segments) = url.path_segments_mut() else {
                return Err(Error::config(format!("{URL}: not a URL of HTTP")));
            };
            segments.pop_if_empty().extend(path);
            drop(segments);
            if path.first() == Some(&"compatibility") {
                url.set_query(Some("verbose=true"));
            }
            let request = self.client.request(method.clone(), url);
            let request = request.header("Accept", "application/vnd.schemaregistry.v1+json");
            let request = match &body {
                Some(body) => request.json(body),
                None => request,
            };
            match self.send(request).await? {
                Ok(answer) => return Answer::read(answer).await,
                Err(error) => why = unanswered(base, &error),
            }
        }
        Err(why)
    }

    /// Sends a request with what is to be shown; another token once, where one is refused.
    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Result<Response>> {
        let request = request.headers(self.headers.clone());
        let request = match &self.credentials {
            Credentials::OfUrl => request,
            Credentials::Basic { user, password } => request.basic_auth(user, Some(password)),
            Credentials::Bearer(token) => request.bearer_auth(token),
            Credentials::OAuth(tokens) => {
                let token = tokens.token().await?;
                let again = request.try_clone();
                let answer = request.bearer_auth(token.value.expose()).send().await;
                let is_refused = |answer: &Response| answer.status() == StatusCode::UNAUTHORIZED;
                match (answer.as_ref().is_ok_and(is_refused), again) {
                    (true, Some(again)) => {
                        let token = tokens.instead_of(&token).await?;
                        again.bearer_auth(token.value.expose())
                    }
                    _ => return Ok(answer),
                }
            }
        };
        Ok(request.send().await)
    }
}

/// An answer of a registry.
enum Answer {
    Ok(Json),
    Refused(Refused),
}

/// A status of HTTP that is none of success, and what the registry says of it.
struct Refused {
    status: u16,
    message: String,
}

impl Answer {
    async fn read(mut answer: Response) -> Result<Self> {
        let status = answer.status();
        let mut body = Vec::new();
        let broken = |_| Error::retriable("the Schema Registry does not end its answer");
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > bounded::MAX_ANSWER {
                return Err(Error::data(format!(
                    "the answer of the Schema Registry is larger than {} MiB",
                    bounded::MAX_ANSWER >> 20
                )));
            }
            body.extend_from_slice(&chunk);
        }
        let json: Json = serde_json::from_slice(&body).unwrap_or_default();
        Ok(match status.is_success() {
            true => Self::Ok(json),
            false => Self::Refused(Refused {
                status: status.as_u16(),
                message: clipped(json["message"].as_str().unwrap_or("it does not say why")),
            }),
        })
    }
}

impl Refused {
    /// Why the registry does not do what it is asked for.
    fn error(self) -> Error {
        let Self { status, message } = self;
        match status {
            409 => Error::data(format!(
                "the Schema Registry finds it incompatible: {message}"
            )),
            422 => Error::data(format!("the Schema Registry refuses it: {message}")),
            401 | 403 => Error::config(format!(
                "HTTP {status} from the Schema Registry: the credentials do not suffice; see \
                 basic.auth.user.info and bearer.auth.*"
            )),
            408 | 425 | 429 | 500.. => {
                Error::retriable(format!("HTTP {status} from the Schema Registry: {message}"))
            }
            _ => Error::config(format!("HTTP {status} from the Schema Registry: {message}")),
        }
    }
}

fn registered(answer: &Json) -> Result<RegisteredVersion> {
    let text = answer["schema"].as_str();
    let text = text.ok_or_else(|| Error::retriable("the Schema Registry gave no schema"))?;
    Ok(RegisteredVersion {
        version: number(answer, "version")?,
        id: number(answer, "id")?,
        format: answer["schemaType"].as_str().unwrap_or("AVRO").to_owned(),
        text: text.to_owned(),
    })
}

fn number(answer: &Json, name: &str) -> Result<u32> {
    let number = answer[name].as_u64().and_then(|id| u32::try_from(id).ok());
    number.ok_or_else(|| Error::retriable(format!("the Schema Registry gave no {name}")))
}

fn clipped(text: &str) -> String {
    // First: half of a secret is no longer known as one.
    mask(text).chars().take(MAX_MESSAGE).collect()
}

/// The place of a registry, without what its URL may have of a login.
fn unanswered(url: &Url, error: &reqwest::Error) -> Error {
    let place = match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        _ => URL.to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    let mut why = None;
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            why = Some(io.kind().to_string());
        }
        cause = error.source();
    }
    let why = why.unwrap_or_else(|| match error.is_timeout() {
        true => "timed out".into(),
        false => "the connection failed".into(),
    });
    Error::retriable(format!(
        "the Schema Registry at {place} does not answer: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_behind_what_hides_its_secrets() {
        let secret = "7c1d-registry-secret";
        connect_api::keep_secrets([secret], &|_| false);
        for length in MAX_MESSAGE - secret.len()..=MAX_MESSAGE {
            let told = clipped(&format!("{} {secret} is refused", "x".repeat(length)));
            assert!(
                !told.contains("7c1d") && told.len() <= MAX_MESSAGE,
                "{told}"
            );
        }
    }
}
