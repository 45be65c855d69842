//! AWS Secrets Manager: `${aws:database/main:password}`. A secret is a JSON object whose fields are
//! the keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, Result};
use connect_aws::{
    Credentials, CredentialsProvider, Environment, Role, SecretValue, SecretVersion,
    SecretsManager, Settings,
};
use serde_json::{Map, Value as Json};

use super::Values;
use super::http::text;
use super::kept::Kept;
use super::lenses::{decode_by_key, keep_for, refuse_files};
use super::parameters::Parameters;
use super::remote::RemoteProvider;

/// Lenses' class.
pub(super) const LENSES: &str = "io.lenses.connect.secrets.providers.AWSSecretProvider";
/// Jeremy Custenborder's class.
pub(super) const JCUSTENBORDER: &str =
    "com.github.jcustenborder.kafka.config.aws.SecretsManagerConfigProvider";
/// Confluent's class.
pub(super) const CONFLUENT: &str =
    "io.confluent.csid.config.provider.aws.SecretsManagerConfigProvider";
/// AWS's own class.
pub(super) const AWS: &str = "com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider";

/// What the values of a path have in a secret that is one text (Lenses' `secret.type=string`).
const ONLY_KEY: &str = "value";

/// Secrets Manager, as one of the Java classes reads it.
#[derive(Debug)]
pub(super) struct SecretsManagerProvider {
    secrets: SecretsManager,
    /// Who is asked, and where.
    whom: String,
    style: Style,
    /// What is put before each path.
    prefix: Option<String>,
    keep_for: Option<Duration>,
    kept: Kept,
}

/// In what the classes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Lenses {
        is_text: bool,
    },
    /// `?version=` behind a path names a version (Confluent).
    Versions,
    /// A path is encoded as in a URL, and a key may have options behind it.
    Aws {
        missing: Missing,
    },
}

/// `NotFoundStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    IsEmpty,
    Fails,
}

impl SecretsManagerProvider {
    pub(super) fn new(class: &str, given: &Parameters) -> Result<Self> {
        Self::within(class, given, Environment::of_process())
    }

    fn within(class: &str, given: &Parameters, environment: Environment) -> Result<Self> {
        let mut settings = Settings {
            environment,
            ..Settings::default()
        };
        let mut made = Made::default();
        let style = match class {
            LENSES => of_lenses(given, &mut settings, &mut made)?,
            AWS => of_aws(given, &mut settings, &mut made)?,
            _ => of_others(given, &mut settings, &mut made)?,
        };
        let at = match (&made.endpoint, &settings.region) {
            (Some(endpoint), _) => format!(" at {endpoint}"),
            (None, Some(region)) => format!(" in {region}"),
            (None, None) => String::new(),
        };
        let credentials = Arc::new(CredentialsProvider::new(settings));
        Ok(Self {
            whom: format!("AWS Secrets Manager{at}"),
            secrets: SecretsManager::new(credentials, made.endpoint),
            style,
            prefix: made.prefix,
            keep_for: made.keep_for,
            kept: Kept::default(),
        })
    }

    async fn read(&self, path: &str) -> Result<Option<Values>> {
        if let Some(values) = self.kept.get(path) {
            return Ok(Some(values));
        }
        let (id, version) = self.secret_id(path)?;
        let value = self.secrets.get(&id, &version).await;
        let Some(value) = value.map_err(|error| self.named(&id, error))? else {
            return Ok(None);
        };
        let values = self.values(&id, value)?;
        if let Some(time) = self.keep_for {
            self.kept.keep(path, values.clone(), time);
        }
        Ok(Some(values))
    }

    /// Errors about credentials do not say by themselves what they were for.
    fn named(&self, id: &str, error: Error) -> Error {
        match error.to_string().starts_with("AWS Secrets Manager") {
            true => error,
            false => error.context(format!("{}, asked for {id}", self.whom)),
        }
    }

    fn secret_id(&self, path: &str) -> Result<(String, SecretVersion)> {
        let mut version = SecretVersion::default();
        let path = match (self.style, path.split_once("?version=")) {
            (Style::Versions, Some((path, id))) => {
                version.id = Some(id.to_owned());
                path
            }
            _ => path,
        };
        let id = match (self.style, &self.prefix) {
            (Style::Aws { .. }, _) => url_decoded(path)
                .ok_or_else(|| Error::config(format!("{}: {path} is no path", self.whom())))?,
            (_, Some(prefix)) => format!("{}/{path}", prefix.trim_end_matches('/')),
            (_, None) => path.to_owned(),
        };
        Ok((id, version))
    }

    /// What a secret holds. It is never told what does not fit.
    fn values(&self, id: &str, value: SecretValue) -> Result<Values> {
        let wrong = |why: &str| {
            let next = "a JSON object whose fields are the keys is expected";
            Error::config(format!("{}: {id} {why}; {next}", self.whom())).transient()
        };
        let text_of = match value {
            SecretValue::Text(text) => text,
            SecretValue::Binary(bytes) => {
                String::from_utf8(bytes).map_err(|_| wrong("is no text"))?
            }
        };
        if self.style == (Style::Lenses { is_text: true }) {
            return Ok(Values::from([(ONLY_KEY.to_owned(), text_of)]));
        }
        let fields: Map<String, Json> =
            serde_json::from_str(&text_of).map_err(|_| wrong("is no JSON object"))?;
        let values = fields
            .iter()
            .filter_map(|(key, value)| Some((key, text(value)?)));
        Ok(values.map(|(key, value)| (key.clone(), value)).collect())
    }

    /// The value of a key, as the class gives it.
    fn value(&self, path: &str, key: &str, values: Option<&Values>) -> Result<String> {
        // AWS's class has options behind a key: `?ttl=` is when Kafka Connect restarts.
        let name = match self.style {
            Style::Aws { .. } => key.split('?').next().unwrap_or(key),
            _ => key,
        };
        match (values.and_then(|values| values.get(name)), self.style) {
            (Some(value), Style::Lenses { is_text: false }) => {
                decode_by_key(name, value).map_err(|error| error.context(path).context(self.whom()))
            }
            (Some(value), _) => Ok(value.clone()),
            (
                None,
                Style::Aws {
                    missing: Missing::IsEmpty,
                },
            ) => Ok(String::new()),
            (None, _) => {
                let what = match values {
                    Some(_) => format!("{path} has no key {name}"),
                    None => format!("there is no secret {path}; see its name and the region"),
                };
                Err(Error::config(format!("{}: {what}", self.whom())).transient())
            }
        }
    }
}

#[async_trait]
impl RemoteProvider for SecretsManagerProvider {
    fn whom(&self) -> String {
        self.whom.clone()
    }

    fn forget(&self, path: &str) {
        self.kept.forget(path);
    }

    async fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        let values = self.read(path).await?;
        let selected = keys.iter().map(|key| {
            let value = self.value(path, key, values.as_ref())?;
            Ok((key.clone(), value))
        });
        selected.collect()
    }
}

/// The value of a key of a secret, as one of the classes gives it, for the fuzz targets.
///
/// # Errors
/// As where a worker reads it.
#[cfg(feature = "fuzzing")]
pub fn secrets_manager(class: &str, path: &str, key: &str, secret: SecretValue) -> Result<String> {
    let options = [
        ("aws.region", "eu-west-1"),
        ("aws.access.key", "AKIA"),
        ("aws.secret.key", "not-asked-for"),
    ];
    let options = options.map(|(option, value)| {
        let option = format!("config.providers.a.param.{option}");
        (option, value.to_owned())
    });
    let given = connect_api::Properties::from(options);
    let given = Parameters::new(&given, "a");
    let provider = SecretsManagerProvider::within(class, &given, Environment::of([("", ""); 0]))?;
    let (id, _) = provider.secret_id(path)?;
    let values = provider.values(&id, secret)?;
    provider.value(path, key, Some(&values))
}

/// What is not a matter of credentials.
#[derive(Default)]
struct Made {
    endpoint: Option<String>,
    prefix: Option<String>,
    keep_for: Option<Duration>,
}

fn of_lenses(given: &Parameters, settings: &mut Settings, made: &mut Made) -> Result<Style> {
    settings.region = Some(given.required("aws.region")?.to_owned());
    let method = given.text("aws.auth.method").unwrap_or("credentials");
    match method.to_ascii_lowercase().as_str() {
        "credentials" => {
            let id = given.required("aws.access.key")?;
            let secret = given.required_secret("aws.secret.key")?;
            settings.keys = Some(Credentials::new(id, secret.expose()));
        }
        "default" => {
            let why = "aws.auth.method is default";
            given.without_effect(&["aws.access.key", "aws.secret.key"], why);
        }
        _ => return Err(given.invalid("aws.auth.method", "credentials or default is expected")),
    }
    refuse_files(given)?;
    made.keep_for = keep_for(given)?;
    made.endpoint = given.text("aws.endpoint.override").map(str::to_owned);
    match given
        .text("secret.type")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None | Some("json") => Ok(Style::Lenses { is_text: false }),
        Some("string") => Ok(Style::Lenses { is_text: true }),
        Some(_) => Err(given.invalid("secret.type", "json or string is expected")),
    }
}

fn of_aws(given: &Parameters, settings: &mut Settings, made: &mut Made) -> Result<Style> {
    settings.region = given.text("region").map(str::to_owned);
    made.endpoint = given.text("endpoint").map(str::to_owned);
    let missing = match given.text("NotFoundStrategy") {
        None | Some("ignore") => Missing::IsEmpty,
        Some("fail") => Missing::Fails,
        Some(_) => return Err(given.invalid("NotFoundStrategy", "ignore or fail is expected")),
    };
    Ok(Style::Aws { missing })
}

fn of_others(given: &Parameters, settings: &mut Settings, made: &mut Made) -> Result<Style> {
    settings.region = given.text("aws.region").map(str::to_owned);
    made.prefix = given.text("secret.prefix").map(str::to_owned);
    given.without_effect(
        &[
            "secret.ttl.ms",
            "polling.enabled",
            "polling.interval.seconds",
            "thread.count",
        ],
        "a secret is asked for each time that it is used",
    );
    given.without_effect(
        &["retry.count", "retry.interval.seconds", "timeout.seconds"],
        "a failed task is started again by its own rules",
    );
    let session_name = given.text("aws.sts.session.name").map(str::to_owned);
    match (given.text("aws.access.key"), given.text("aws.sts.role.arn")) {
        (Some(id), role) => {
            let secret = given.required_secret("aws.secret.key")?;
            settings.keys = Some(Credentials::new(id, secret.expose()));
            if role.is_some() {
                let why = "aws.access.key is set, and the keys are used as they are";
                given.without_effect(&["aws.sts.role.arn"], why);
            }
        }
        (None, Some(arn)) => {
            settings.role = Some(Role {
                arn: arn.to_owned(),
                session_name,
                external_id: None,
            });
        }
        (None, None) => {}
    }
    Ok(Style::Versions)
}

/// A text as `java.net.URLDecoder` reads it; none where it is not encoded so.
fn url_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
