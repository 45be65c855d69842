//! Secrets and config maps of Kubernetes, by its API: `${secrets:namespace/name:key}`. Strimzi's
//! classes. Secrets that are mounted as files are the matter of DirectoryConfigProvider.

use std::collections::BTreeSet;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::{Error, Result, keep_secrets};
use connect_client::read_file;
use regex::Regex;
use reqwest::{Client, Url};
use tokio::sync::OnceCell;

use super::Values;
use super::http::{Answer, Trust, client, send};
use super::parameters::Parameters;
use super::remote::RemoteProvider;

/// Strimzi's class for secrets.
pub(super) const SECRETS: &str = "io.strimzi.kafka.KubernetesSecretConfigProvider";
/// Strimzi's class for config maps.
pub(super) const CONFIG_MAPS: &str = "io.strimzi.kafka.KubernetesConfigMapConfigProvider";

/// Where Kubernetes puts what a pod needs to ask its API.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API server, and one kind of what it has.
#[derive(Debug)]
pub(super) struct KubernetesProvider {
    kind: Kind,
    /// Between the values of a pattern.
    separator: String,
    place: Place,
    client: OnceCell<Client>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Secret,
    ConfigMap,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }
}

/// Where the API server is, and what it is shown: of the pod, or as the variables of Java's
/// Kubernetes client say.
#[derive(Clone, Debug)]
struct Place {
    address: Option<String>,
    namespace: Option<String>,
    namespace_file: String,
    token: Option<String>,
    token_file: String,
    trust: Trust,
}

impl Place {
    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let of_pod = || {
            let host = get("KUBERNETES_SERVICE_HOST")?;
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host
            };
            let port = get("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".into());
            Some(format!("https://{host}:{port}"))
        };
        let token = get("KUBERNETES_AUTH_TOKEN");
        if let Some(token) = &token {
            keep_secrets([&**token], &|part| part != token);
        }
        let ca_file = get("KUBERNETES_CERTS_CA_FILE");
        let trusts_all = get("KUBERNETES_TRUST_CERTIFICATES");
        Self {
            address: get("KUBERNETES_MASTER").or_else(of_pod),
            namespace: get("KUBERNETES_NAMESPACE"),
            namespace_file: format!("{SERVICE_ACCOUNT}/namespace"),
            token,
            token_file: format!("{SERVICE_ACCOUNT}/token"),
            trust: Trust {
                file: Some(ca_file.unwrap_or_else(|| format!("{SERVICE_ACCOUNT}/ca.crt"))),
                is_blind: trusts_all.is_some_and(|all| all.eq_ignore_ascii_case("true")),
                shown: None,
            },
        }
    }
}

impl KubernetesProvider {
    pub(super) fn new(class: &str, given: &Parameters) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Self::at(class, given, Place::of(&variable)))
    }

    fn at(class: &str, given: &Parameters, place: Place) -> Self {
        let kind = if class == SECRETS {
            Kind::Secret
        } else {
            Kind::ConfigMap
        };
        let separator = given.text("separator").unwrap_or("\n");
        Self {
            kind,
            separator: separator.to_owned(),
            place,
            client: OnceCell::new(),
        }
    }

    /// `namespace/name`, or `name` in the pod's own namespace.
    async fn url(&self, path: &str) -> Result<Url> {
        let is_name = |part: &str| {
            let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !part.is_empty() && part.chars().all(may) && !matches!(part, "." | "..")
        };
        let wrong = |why: &str| Error::config(format!("{}: {path}: {why}", self.whom()));
        let (namespace, name) = match path.split_once('/') {
            Some((namespace, name)) => (namespace.to_owned(), name),
            None => (self.own_namespace().await?, path),
        };
        if !is_name(&namespace) || !is_name(name) {
            return Err(wrong("<namespace>/<name> or <name> is expected"));
        }
        let Some(address) = &self.place.address else {
            let why = "this is no pod of Kubernetes; set KUBERNETES_MASTER, or mount the secret as \
                       files and read them by DirectoryConfigProvider";
            return Err(wrong(why));
        };
        let kind = self.kind.words();
        let url = format!(
            "{}/api/v1/namespaces/{namespace}/{kind}/{name}",
            address.trim_end_matches('/')
        );
        Url::parse(&url).map_err(|_| wrong("KUBERNETES_MASTER is no URL"))
    }

    async fn own_namespace(&self) -> Result<String> {
        if let Some(namespace) = &self.place.namespace {
            return Ok(namespace.clone());
        }
        let read = read_file(&self.place.namespace_file).await;
        let bytes = read.map_err(|error| error.context(self.whom()))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The file is read each time: Kubernetes writes new tokens to it.
    async fn token(&self) -> Result<String> {
        if let Some(token) = &self.place.token {
            return Ok(token.clone());
        }
        let read = read_file(&self.place.token_file).await;
        let bytes = read.map_err(|error| error.context(self.whom()))?;
        let token = String::from_utf8_lossy(&bytes).trim().to_owned();
        keep_secrets([&*token], &|part| part != token);
        Ok(token)
    }

    async fn read(&self, path: &str) -> Result<Values> {
        let url = self.url(path).await?;
        let client = self.client.get_or_try_init(|| client(&self.place.trust));
        let client = client.await.map_err(|error| error.context(self.whom()))?;
        let request = client.get(url).bearer_auth(self.token().await?);
        let request = request.header("accept", "application/json");
        let answer = send(request, &self.whom()).await?;
        match answer.status {
            200 => self.values(path, &answer),
            _ => Err(self.refusal(path, &answer)),
        }
    }

    fn values(&self, path: &str, answer: &Answer) -> Result<Values> {
        let mut values = Values::new();
        let Some(data) = answer.body["data"].as_object() else {
            return Ok(values);
        };
        for (key, value) in data {
            let text = value.as_str().unwrap_or_default();
            let text = match self.kind {
                Kind::ConfigMap => Some(text.to_owned()),
                Kind::Secret => STANDARD
                    .decode(text)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok()),
            };
            // A key that nobody asks for may hold bytes, as a keystore.
            values.extend(text.map(|text| (key.clone(), text)));
        }
        if values.is_empty() && !data.is_empty() {
            let error = format!("{}: {path} has no text in UTF-8", self.whom());
            return Err(Error::config(error).transient());
        }
        Ok(values)
    }

    fn refusal(&self, path: &str, answer: &Answer) -> Error {
        let kind = self.kind.words();
        let next = match answer.status {
            404 => format!("there is none of {kind} with this name in this namespace"),
            401 => "see the token of the pod's service account".into(),
            403 => format!("the service account needs a role with get on {kind}"),
            _ => "see the API server".into(),
        };
        let (whom, status) = (self.whom(), answer.status);
        let error = format!("{whom}, asked for {path}, answers {status}: {next}");
        match status {
            429 | 500.. => Error::retriable(error),
            _ => Error::config(error).transient(),
        }
    }

    /// The value of a key, or the values of all keys that a pattern matches, in their order.
    fn value(&self, path: &str, key: &str, values: &Values) -> Result<String> {
        if let Some(value) = values.get(key) {
            return Ok(value.clone());
        }
        let matched: Vec<&str> = match pattern(key) {
            Some(pattern) => values
                .iter()
                .filter(|(key, _)| pattern.is_match(key))
                .map(|(_, value)| value.as_str())
                .collect(),
            None => Vec::new(),
        };
        if matched.is_empty() {
            let error = format!("{}: {path} has no key {key}", self.whom());
            return Err(Error::config(error).transient());
        }
        Ok(matched.join(&self.separator))
    }
}

/// The pattern that a key is: `*`, `?` and `[…]`, as in names of files. None for a plain key.
fn pattern(key: &str) -> Option<Regex> {
    if !key.contains(['*', '?', '[']) {
        return None;
    }
    let mut regex = String::from("^");
    for c in key.chars() {
        match c {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' | ']' | '-' => regex.push(c),
            '!' => regex.push('^'),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    Regex::new(&format!("{regex}$")).ok()
}

/// The value of a key of an answer, or of keys that a pattern matches, for the fuzz targets.
///
/// # Errors
/// As where a worker reads it.
#[cfg(feature = "fuzzing")]
pub fn kubernetes(is_secret: bool, key: &str, status: u16, body: &[u8]) -> Result<String> {
    let class = if is_secret { SECRETS } else { CONFIG_MAPS };
    let given = Parameters::new(&connect_api::Properties::new(), "k");
    let provider = KubernetesProvider::at(class, &given, Place::of(&|_| None));
    let body = serde_json::from_slice(body).unwrap_or_default();
    let answer = Answer { status, body };
    if answer.status != 200 {
        return Err(provider.refusal("a/b", &answer));
    }
    let values = provider.values("a/b", &answer)?;
    provider.value("a/b", key, &values)
}

#[async_trait]
impl RemoteProvider for KubernetesProvider {
    fn whom(&self) -> String {
        let place = self
            .place
            .address
            .as_deref()
            .unwrap_or("an unknown address");
        format!("Kubernetes at {place}")
    }

    async fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        let values = self.read(path).await?;
        let selected = keys.iter().map(|key| {
            let value = self.value(path, key, &values)?;
            Ok((key.clone(), value))
        });
        selected.collect()
    }
}

#[cfg(test)]
mod tests;
