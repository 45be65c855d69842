//! Config providers: `${provider:path:key}` in a config stands for a value that is kept elsewhere,
//! in files, the environment, Vault, AWS Secrets Manager or Kubernetes (KIP-297).
//!
//! What they give is used to validate and to start tasks, and is asked for anew each time. It is
//! never stored and never answered (Invariant 9). Asking may take seconds where a service is asked:
//! callers are on threads that may block. `docs/secrets.md` has all classes and parameters.

mod directory;
mod environment;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod kept;
mod kubernetes;
mod lenses;
mod parameters;
mod remote;
mod secrets_manager;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use connect_api::{Error, Properties, Result, keep_secrets};
use regex::{Captures, Regex};
use tracing::warn;

use directory::DirectoryProvider;
use environment::EnvironmentProvider;
use file::FileProvider;
use parameters::Parameters;
use remote::{Asked, ProviderRuntime, RemoteProvider};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").unwrap_or_else(|e| panic!("{e}"))
});

/// The classes that a provider may have.
pub const CLASSES: &[&str] = &[
    "org.apache.kafka.common.config.provider.FileConfigProvider",
    "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    vault::LENSES,
    vault::JCUSTENBORDER,
    vault::CONFLUENT,
    secrets_manager::LENSES,
    secrets_manager::JCUSTENBORDER,
    secrets_manager::CONFLUENT,
    secrets_manager::AWS,
    kubernetes::SECRETS,
    kubernetes::CONFIG_MAPS,
];

/// What providers gave, by the key that it stands in.
pub type Provided = BTreeMap<String, Vec<String>>;

/// The values of a path, by their keys.
type Values = BTreeMap<String, String>;

/// The providers that the worker declares.
#[derive(Debug)]
pub struct ConfigProviders {
    providers: Vec<(String, Provider)>,
    /// Where services are asked; none where no provider asks one.
    runtime: Option<ProviderRuntime>,
}

#[derive(Debug)]
enum Provider {
    Local(Box<dyn LocalProvider>),
    Remote(Arc<dyn RemoteProvider>),
}

/// Who looks up values on this machine.
trait LocalProvider: std::fmt::Debug + Send + Sync {
    /// The values of the keys, without those that are not there.
    ///
    /// # Errors
    /// When the path cannot be read.
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values>;
}

/// What is asked of a provider, all keys of a path at once: they belong together, as the name and
/// the password of a user that Vault makes.
struct Request<'a> {
    provider: &'a Provider,
    path: String,
    keys: BTreeSet<String>,
    /// The first option that asks for it.
    option: &'a str,
}

impl ConfigProviders {
    /// The providers of the worker's properties. No service is asked yet.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a class that is not known, or a parameter that cannot
    /// be used.
    pub fn new(worker: &Properties) -> Result<Self> {
        let mut declared = Self {
            providers: Vec::new(),
            runtime: None,
        };
        let (mut locals, mut remotes) = (Vec::new(), Vec::new());
        for name in names(worker) {
            let key = format!("config.providers.{name}.class");
            let class = worker.get(&key).map_or("", |class| class.trim());
            match class.rsplit('.').next().unwrap_or(class) {
                "FileConfigProvider" | "DirectoryConfigProvider" | "EnvVarConfigProvider" => {
                    locals.push((name, class));
                }
                _ => remotes.push((name, class, key)),
            }
        }
        for (name, class) in locals {
            let parameters = Parameters::new(worker, name);
            let provider = Provider::Local(local(class, &parameters)?);
            declared.providers.push((name.to_owned(), provider));
        }
        for (name, class, key) in remotes {
            // A token may be in a file or a variable: those providers are there already.
            let mut parameters = Parameters::new(worker, name);
            parameters.resolve(&declared)?;
            let provider = remote(class, &parameters)?.ok_or_else(|| {
                let known = "docs/secrets.md has those that are";
                Error::config(format!("{key}: {class} is not known; {known}"))
            })?;
            parameters.warn_of_unknown();
            let runtime = match declared.runtime.take() {
                Some(runtime) => runtime,
                None => ProviderRuntime::start()?,
            };
            Arc::clone(&provider).start(runtime.handle());
            declared.runtime = Some(runtime);
            declared
                .providers
                .push((name.to_owned(), Provider::Remote(provider)));
        }
        Ok(declared)
    }

    /// Whether a value has a placeholder of one of the providers.
    pub fn provides(&self, value: &str) -> bool {
        let mut found = PLACEHOLDER.captures_iter(value);
        found.any(|found| self.named(&found).is_some())
    }

    /// What was given for these properties is refused where it is used: a service is asked the next
    /// time, whatever was to be kept.
    pub fn forget(&self, properties: &Properties) {
        for found in properties
            .values()
            .flat_map(|v| PLACEHOLDER.captures_iter(v))
        {
            if let Some(Provider::Remote(provider)) = self.named(&found) {
                provider.forget(found.get(3).map_or("", |path| path.as_str()));
            }
        }
    }

    fn named(&self, found: &Captures<'_>) -> Option<&Provider> {
        let name = found.get(1).map_or("", |name| name.as_str());
        let mut named = self.providers.iter().filter(|(known, _)| known == name);
        named.next().map(|(_, provider)| provider)
    }

    /// The properties with their placeholders replaced. One that names an unknown provider stays as
    /// it is, as in Kafka Connect, and so does a key that a file, a folder or the environment does
    /// not have. It may block for as long as services are given to answer.
    ///
    /// # Errors
    /// When a provider cannot read what it is pointed to, or a service does not have it.
    pub fn resolve(&self, properties: &Properties) -> Result<Properties> {
        self.provide(properties).map(|(resolved, _)| resolved)
    }

    /// The same, and what the providers gave: that may be told nowhere (Invariant 9).
    ///
    /// # Errors
    /// When a provider cannot read what it is pointed to, or a service does not have it.
    pub fn provide(&self, properties: &Properties) -> Result<(Properties, Provided)> {
        let found = self.ask(properties)?;
        let mut provided = Provided::new();
        let resolved = properties.iter().map(|(key, value)| {
            let mut given = Vec::new();
            let replaced = PLACEHOLDER.replace_all(value, |placeholder: &Captures<'_>| {
                let part = |index| placeholder.get(index).map_or("", |m| m.as_str());
                let values = found.get(&(part(1), part(3)));
                match values.and_then(|values| values.get(part(4))) {
                    Some(value) => {
                        given.push(value.clone());
                        value.clone()
                    }
                    None => part(0).to_owned(),
                }
            });
            let replaced = replaced.into_owned();
            if !given.is_empty() {
                provided.insert(key.clone(), given);
            }
            (key.clone(), replaced)
        });
        let resolved = resolved.collect();
        // What the config says openly elsewhere is no secret, such as the name of a topic.
        let open = |text: &str| {
            let others = properties
                .iter()
                .filter(|(key, _)| !provided.contains_key(*key));
            let mut items = others.flat_map(|(_, value)| value.split(',').map(str::trim));
            items.any(|item| item == text)
        };
        keep_secrets(provided.values().flatten().map(String::as_str), &open);
        Ok((resolved, provided))
    }

    /// Asks for all that the placeholders name, services at the same time.
    fn ask<'a>(&self, properties: &'a Properties) -> Result<BTreeMap<(&'a str, &'a str), Values>> {
        let mut requests: BTreeMap<(&str, &str), Request<'_>> = BTreeMap::new();
        let mut order = Vec::new();
        for (option, value) in properties {
            for found in PLACEHOLDER.captures_iter(value) {
                let Some(provider) = self.named(&found) else {
                    continue;
                };
                let part = |index| found.get(index).map_or("", |m| m.as_str());
                let place = (part(1), part(3));
                let request = requests.entry(place).or_insert_with(|| {
                    order.push(place);
                    Request {
                        provider,
                        path: place.1.to_owned(),
                        keys: BTreeSet::new(),
                        option,
                    }
                });
                request.keys.insert(part(4).to_owned());
            }
        }
        // First all are sent, then each is waited for, in the order of the options.
        let sent = order.into_iter().filter_map(|place| {
            let request = requests.remove(&place)?;
            Some((place, request.option, self.send(request)))
        });
        let sent: Vec<_> = sent.collect();
        let answers = sent.into_iter().map(|(place, option, sent)| {
            let values = match sent {
                Sent::Answered(values) => values,
                Sent::Asked(asked) => asked.wait(),
            };
            Ok((place, values.map_err(|error| error.context(option))?))
        });
        answers.collect()
    }

    fn send(&self, request: Request<'_>) -> Sent {
        let Request {
            provider,
            path,
            keys,
            ..
        } = request;
        match (provider, &self.runtime) {
            (Provider::Local(provider), _) => Sent::Answered(provider.get(&path, &keys)),
            (Provider::Remote(provider), Some(runtime)) => {
                Sent::Asked(runtime.ask(Arc::clone(provider), path, keys))
            }
            (Provider::Remote(_), None) => {
                Sent::Answered(Err(Error::fatal("no thread asks config providers")))
            }
        }
    }
}

enum Sent {
    Answered(Result<Values>),
    Asked(Asked),
}

fn names(worker: &Properties) -> impl Iterator<Item = &str> {
    let names = worker.get("config.providers").map_or("", String::as_str);
    let names = names.split(',').map(str::trim);
    names.filter(|name| !name.is_empty())
}

fn local(class: &str, parameters: &Parameters) -> Result<Box<dyn LocalProvider>> {
    let allowed = parameters.paths("allowed.paths");
    let simple = class.rsplit('.').next().unwrap_or(class);
    if simple != "EnvVarConfigProvider" && allowed.is_empty() {
        let key = parameters.key("allowed.paths");
        warn!(
            key,
            "not set: whoever may write a config may name any file of this machine"
        );
    }
    Ok(match simple {
        "FileConfigProvider" => Box::new(FileProvider::new(allowed)),
        "DirectoryConfigProvider" => Box::new(DirectoryProvider::new(allowed)),
        _ => Box::new(EnvironmentProvider::new(parameters)?),
    })
}

/// None for a class that is not known. Java's plugins are found by their simple names, too, where
/// only one class has that name.
fn remote(class: &str, parameters: &Parameters) -> Result<Option<Arc<dyn RemoteProvider>>> {
    let simple = |known: &&&str| known.rsplit('.').next() == Some(class);
    let mut named = CLASSES.iter().filter(simple);
    let class = match (named.next(), named.next()) {
        (Some(only), None) => only,
        _ => class,
    };
    Ok(Some(match class {
        vault::LENSES | vault::JCUSTENBORDER | vault::CONFLUENT => {
            Arc::new(vault::Vault::new(class, parameters)?)
        }
        secrets_manager::LENSES
        | secrets_manager::JCUSTENBORDER
        | secrets_manager::CONFLUENT
        | secrets_manager::AWS => Arc::new(secrets_manager::SecretsManagerProvider::new(
            class, parameters,
        )?),
        kubernetes::SECRETS | kubernetes::CONFIG_MAPS => {
            Arc::new(kubernetes::KubernetesProvider::new(class, parameters)?)
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
pub(crate) mod tests;
