//! Java's keystores and truststores of a client: librdkafka takes PEM, so that is made of them.

use std::path::Path;

use connect_api::{Error, Properties, Result, Secret, read_config_file};
use connect_keystore::{Passwords, StoreFormat, certificates, identity, to_pem};
use rdkafka::config::ClientConfig;

const TRUST: &str = "ssl.truststore.";
const KEYS: &str = "ssl.keystore.";
const KEY_PASSWORD: &str = "ssl.key.password";

/// Whether a setting is about a store.
pub(crate) fn is_about_store(setting: &str) -> bool {
    setting.starts_with(TRUST) || setting.starts_with(KEYS)
}

/// Whether a setting may have a value, as far as it can be told without the others.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] without its name.
pub(crate) fn check_value(setting: &str, value: &str) -> Result<()> {
    match setting
        .strip_prefix(TRUST)
        .or_else(|| setting.strip_prefix(KEYS))
    {
        Some("type") => StoreFormat::parse(value).map(drop).map_err(Error::config),
        _ => Ok(()),
    }
}

/// Reads the stores that a client's settings name, and gives what is in them to the client library.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the setting and what is wrong with its file.
pub(crate) fn open(config: &mut ClientConfig, properties: &Properties) -> Result<()> {
    refuse_contradictions(properties)?;
    let trust = Store::new(properties, TRUST)?;
    if let Some(pem) = properties.get("ssl.truststore.certificates") {
        config.set("ssl.ca.pem", pem);
    } else if let Some(bytes) = trust.bytes()? {
        let found = certificates(&bytes, trust.format, trust.passwords());
        let pem = found.and_then(|found| to_pem(&found));
        config.set("ssl.ca.pem", pem.map_err(|why| trust.invalid(&why))?);
    } else if let Some(folder) = trust.location {
        config.set("ssl.ca.location", folder);
    }
    let mut keys = Store::new(properties, KEYS)?;
    let of_key = properties.get(KEY_PASSWORD);
    keys.key_password = of_key.map(|text| Secret::new(text.as_str()));
    if let Some(key) = properties.get("ssl.keystore.key") {
        config.set("ssl.key.pem", key);
        if let Some(chain) = properties.get("ssl.keystore.certificate.chain") {
            config.set("ssl.certificate.pem", chain);
        }
    } else if let Some(bytes) = keys.bytes()? {
        let found = identity(&bytes, keys.format, keys.passwords());
        let pem = found.and_then(|found| Ok((to_pem(&found.chain)?, found.key_pem()?)));
        let (chain, key) = pem.map_err(|why| keys.invalid(&why))?;
        config.set("ssl.certificate.pem", chain);
        config.set("ssl.key.pem", key.expose());
        // The key is not encrypted any more.
        config.remove(KEY_PASSWORD);
    }
    Ok(())
}

/// Refuses, as Java's clients do, what gives one thing twice or a half of a pair.
fn refuse_contradictions(properties: &Properties) -> Result<()> {
    let is_given = |key: &str| properties.get(key).is_some_and(|value| !value.is_empty());
    for (text, file) in [
        ("ssl.truststore.certificates", "ssl.truststore.location"),
        ("ssl.keystore.key", "ssl.keystore.location"),
    ] {
        if is_given(text) && is_given(file) {
            return Err(Error::config(format!(
                "{text}: {file} is given too, and one of them is wanted"
            )));
        }
    }
    let (key, chain) = ("ssl.keystore.key", "ssl.keystore.certificate.chain");
    match is_given(key) == is_given(chain) {
        true => Ok(()),
        false => Err(Error::config(format!(
            "{key}: it and {chain} must be given together"
        ))),
    }
}

/// What the settings say of a store.
struct Store<'a> {
    prefix: &'static str,
    location: Option<&'a str>,
    format: Option<StoreFormat>,
    password: Option<Secret>,
    key_password: Option<Secret>,
}

impl<'a> Store<'a> {
    fn new(properties: &'a Properties, prefix: &'static str) -> Result<Self> {
        let of = |name: &str| properties.get(&format!("{prefix}{name}"));
        let format = of("type").map_or(Ok(None), |name| StoreFormat::parse(name));
        let format = format.map_err(|why| Error::config(format!("{prefix}type: {why}")))?;
        let location = of("location").map(String::as_str);
        Ok(Self {
            prefix,
            location: location.filter(|path| !path.is_empty()),
            format,
            password: of("password").map(|text| Secret::new(text.as_str())),
            key_password: None,
        })
    }

    fn passwords(&self) -> Passwords<'_> {
        Passwords {
            store: self.password.as_ref(),
            key: self.key_password.as_ref(),
        }
    }

    /// The file; none: there is none, or it is a folder of certificates.
    fn bytes(&self) -> Result<Option<Vec<u8>>> {
        let Some(path) = self.location.map(Path::new).filter(|path| !path.is_dir()) else {
            return Ok(None);
        };
        let read = read_config_file(path).map(Some);
        read.map_err(|cause| self.invalid("cannot be used").with_source(cause))
    }

    fn invalid(&self, why: &str) -> Error {
        let (prefix, path) = (self.prefix, self.location.unwrap_or_default());
        Error::config(format!("{prefix}location: the file {path} {why}"))
    }
}

#[cfg(test)]
mod tests;
