//! Config providers: `${file:/path:key}`, `${dir:/path:file}`, `${env:NAME}`.
//!
//! What they give is used to validate and to start tasks. It is never stored and never answered
//! (Invariant 9).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use connect_api::{Error, Properties, Result, keep_secrets, read_config_file};
use regex::{Captures, Regex};
use tracing::warn;

use crate::config::parse_properties;

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").unwrap_or_else(|e| panic!("{e}"))
});

/// What providers gave, by the key that it stands in.
pub type Provided = BTreeMap<String, Vec<String>>;

/// The providers that the worker declares.
#[derive(Debug)]
pub struct ConfigProviders(Vec<(String, Provider)>);

#[derive(Debug)]
enum Provider {
    File { allowed: Vec<PathBuf> },
    Directory { allowed: Vec<PathBuf> },
    Environment { allowed: Option<Regex> },
}

impl ConfigProviders {
    /// The providers of the worker's properties.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a class that is not known or a parameter that is
    /// none.
    pub fn new(worker: &Properties) -> Result<Self> {
        let names = worker.get("config.providers").map_or("", String::as_str);
        let names = names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let provider = |name: &str| {
            let key = format!("config.providers.{name}.class");
            let class = worker.get(&key).map_or("", |class| class.trim());
            let parameter =
                |parameter: &str| worker.get(&format!("config.providers.{name}.param.{parameter}"));
            let allowed = || {
                let paths = parameter("allowed.paths").map_or("", String::as_str);
                paths
                    .split(',')
                    .map(str::trim)
                    .filter(|p| !p.is_empty())
                    .map(PathBuf::from)
            };
            let simple = class.rsplit('.').next().unwrap_or(class);
            let of_files = matches!(simple, "FileConfigProvider" | "DirectoryConfigProvider");
            if of_files && allowed().next().is_none() {
                let key = format!("config.providers.{name}.param.allowed.paths");
                warn!(
                    key,
                    "not set: whoever may write a config may name any file of this machine"
                );
            }
            let provider = match simple {
                "FileConfigProvider" => Provider::File {
                    allowed: allowed().collect(),
                },
                "DirectoryConfigProvider" => Provider::Directory {
                    allowed: allowed().collect(),
                },
                "EnvVarConfigProvider" => {
                    let pattern = parameter("allowlist.pattern").map(|p| format!("^(?:{p})$"));
                    let pattern = pattern.map(|p| Regex::new(&p)).transpose();
                    let allowed = pattern.map_err(|cause| {
                        Error::config(format!("config.providers.{name}: allowlist.pattern"))
                            .with_source(cause)
                    })?;
                    Provider::Environment { allowed }
                }
                _ => return Err(Error::config(format!("{key}: {class} is not known"))),
            };
            Ok((name.to_owned(), provider))
        };
        names.map(provider).collect::<Result<_>>().map(Self)
    }

    /// Whether a value has a placeholder of one of the providers.
    pub fn provides(&self, value: &str) -> bool {
        let mut found = PLACEHOLDER.captures_iter(value);
        found.any(|found| {
            let named = found.get(1).map(|name| name.as_str());
            self.0.iter().any(|(name, _)| Some(name.as_str()) == named)
        })
    }

    /// The properties with their placeholders replaced. One that names an unknown provider or a
    /// key that is not there stays as it is, as in Kafka Connect.
    ///
    /// # Errors
    /// When a provider cannot read what it is pointed to.
    pub fn resolve(&self, properties: &Properties) -> Result<Properties> {
        self.provide(properties).map(|(resolved, _)| resolved)
    }

    /// The same, and what the providers gave: that may be told nowhere (Invariant 9).
    ///
    /// # Errors
    /// When a provider cannot read what it is pointed to.
    pub fn provide(&self, properties: &Properties) -> Result<(Properties, Provided)> {
        let mut provided = Provided::new();
        let resolved = properties.iter().map(|(key, value)| {
            let mut given = Vec::new();
            let value = self.resolve_value(value, &mut given);
            let value = value.map_err(|e| e.context(key))?;
            if !given.is_empty() {
                provided.insert(key.clone(), given);
            }
            Ok((key.clone(), value))
        });
        let resolved = resolved.collect::<Result<_>>()?;
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

    fn resolve_value(&self, value: &str, secrets: &mut Vec<String>) -> Result<String> {
        let mut error = None;
        let resolved = PLACEHOLDER.replace_all(value, |found: &Captures<'_>| {
            let part = |index| found.get(index).map_or("", |m| m.as_str());
            let provider = self.0.iter().find(|(name, _)| name == part(1));
            let given = provider.map(|(_, provider)| provider.get(part(3), part(4)));
            match given.transpose() {
                Ok(given) => match given.flatten() {
                    Some(given) => {
                        secrets.push(given.clone());
                        given
                    }
                    None => part(0).to_owned(),
                },
                Err(cause) => {
                    error.get_or_insert(cause);
                    String::new()
                }
            }
        });
        let resolved = resolved.into_owned();
        error.map_or(Ok(resolved), Err)
    }
}

impl Provider {
    fn get(&self, path: &str, key: &str) -> Result<Option<String>> {
        match self {
            Self::File { allowed } => {
                let text = read(Path::new(path), allowed)?;
                let properties = text.map(|text| parse_properties(&text)).transpose()?;
                Ok(properties.and_then(|mut properties| properties.remove(key)))
            }
            Self::Directory { allowed } => {
                let name = Path::new(key);
                let plain = matches!(
                    name.components().collect::<Vec<_>>()[..],
                    [Component::Normal(_)]
                );
                let file = Path::new(path).join(name);
                if plain && file.is_file() {
                    read(&file, allowed)
                } else {
                    Ok(None)
                }
            }
            Self::Environment { .. } if !path.is_empty() => Err(Error::config(
                "the provider of environment variables takes no path",
            )),
            Self::Environment { allowed } => {
                let may = allowed.as_ref().is_none_or(|pattern| pattern.is_match(key));
                Ok(may.then(|| std::env::var(key).ok()).flatten())
            }
        }
    }
}

/// None when the path lies outside of the allowed ones.
fn read(path: &Path, allowed: &[PathBuf]) -> Result<Option<String>> {
    let failed = |cause| {
        let text = format!("could not read {}", path.display());
        // Whoever writes the file may be late, or about to write it again.
        Error::config(text).with_source(cause).transient()
    };
    if !allowed.is_empty() {
        // Links and `..` must not lead out.
        let real = path.canonicalize().map_err(failed)?;
        let within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|f| real.starts_with(f));
        if !allowed.iter().any(within) {
            warn!(path = %path.display(), "the path lies outside of allowed.paths");
            return Ok(None);
        }
    }
    let bytes = read_config_file(path).map_err(failed)?;
    let text = String::from_utf8(bytes);
    let invalid = |_| Error::config(format!("{} is not text in UTF-8", path.display()));
    text.map(Some).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn providers(folder: &Path) -> ConfigProviders {
        let class = |name: &str| format!("org.apache.kafka.common.config.provider.{name}");
        let pairs = [
            ("config.providers", "file,dir,env".to_owned()),
            ("config.providers.file.class", class("FileConfigProvider")),
            (
                "config.providers.file.param.allowed.paths",
                folder.display().to_string(),
            ),
            (
                "config.providers.dir.class",
                class("DirectoryConfigProvider"),
            ),
            ("config.providers.env.class", class("EnvVarConfigProvider")),
            (
                "config.providers.env.param.allowlist.pattern",
                "CARGO_.*".to_owned(),
            ),
        ];
        let properties = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        ConfigProviders::new(&properties).unwrap()
    }

    #[test]
    fn placeholders_are_replaced_and_what_is_unknown_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("db.properties"), "password=p:w\n").unwrap();
        std::fs::write(folder.path().join("token"), "t\n").unwrap();
        let path = folder.path().display();
        let name = std::env::var("CARGO_PKG_NAME").unwrap();
        for (given, expect) in [
            (
                format!("a${{file:{path}/db.properties:password}}b"),
                "ap:wb",
            ),
            (format!("${{dir:{path}:token}}"), "t\n"),
            (format!("${{dir:{path}:../token}}"), "-"),
            ("${env:CARGO_PKG_NAME}".to_owned(), name.as_str()),
            ("${env:PATH}".to_owned(), "-"),
            ("${vault:x:y}".to_owned(), "-"),
            (format!("${{file:{path}/db.properties:user}}"), "-"),
            ("${file:/etc/hostname:x}".to_owned(), "-"),
        ] {
            let properties = Properties::from([("k".to_owned(), given.clone())]);
            let (resolved, provided) = providers(folder.path()).provide(&properties).unwrap();
            assert_eq!(provided.contains_key("k"), expect != "-");
            for part in provided.values().flatten() {
                assert!(resolved["k"].contains(part) && !given.contains(part));
            }
            let expect = if expect == "-" { &given } else { expect };
            assert_eq!(resolved["k"], expect);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_that_names_the_key() {
        let properties = Properties::from([("k".to_owned(), "${file:/no/such:x}".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let error = providers(folder.path()).resolve(&properties).unwrap_err();
        assert!(
            error.to_string().starts_with("k: could not read /no/such"),
            "{error}"
        );
        assert!(error.is_transient(), "the file may come");
    }
}
