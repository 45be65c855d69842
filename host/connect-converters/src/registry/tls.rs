//! TLS to the Schema Registry, in the names of Kafka's clients. Certificates and keys are PEM.

use std::path::Path;

use connect_api::{
    Config, ConfigKey, ConfigType, Error, Importance, Result, Validator, read_config_file,
};
use reqwest::{Certificate, Client, ClientBuilder, Identity};

const TRUST_TYPE: &str = "schema.registry.ssl.truststore.type";
const TRUST_FILE: &str = "schema.registry.ssl.truststore.location";
const TRUST_TEXT: &str = "schema.registry.ssl.truststore.certificates";
const KEY_TYPE: &str = "schema.registry.ssl.keystore.type";
const KEY_FILE: &str = "schema.registry.ssl.keystore.location";
const KEY_TEXT: &str = "schema.registry.ssl.keystore.key";
const CHAIN_TEXT: &str = "schema.registry.ssl.keystore.certificate.chain";
const HOSTNAMES: &str = "schema.registry.ssl.endpoint.identification.algorithm";

/// The options.
pub(super) fn config_keys() -> Vec<ConfigKey> {
    let only_pem = || Validator::OneOfIgnoreCase(vec!["PEM".into()]);
    let keys = vec![
        ConfigKey::new(
            TRUST_TYPE,
            ConfigType::String,
            "PEM",
            "Only PEM: a JKS or PKCS12 store is turned into it by keytool and openssl.",
        )
        .validator(only_pem()),
        ConfigKey::nullable(
            TRUST_FILE,
            ConfigType::String,
            "A PEM file of the certificates to trust instead of the system's.",
        ),
        ConfigKey::nullable(
            TRUST_TEXT,
            ConfigType::Password,
            "The certificates to trust, as PEM text instead of a file.",
        ),
        ConfigKey::new(
            KEY_TYPE,
            ConfigType::String,
            "PEM",
            "Only PEM, as with the certificates to trust.",
        )
        .validator(only_pem()),
        ConfigKey::nullable(
            KEY_FILE,
            ConfigType::String,
            "A PEM file of the client's certificate chain and its private key, not encrypted.",
        ),
        ConfigKey::nullable(
            KEY_TEXT,
            ConfigType::Password,
            "The client's private key as PEM text instead of a file, not encrypted.",
        ),
        ConfigKey::nullable(
            CHAIN_TEXT,
            ConfigType::Password,
            "The client's certificate chain as PEM text, with the key.",
        ),
        ConfigKey::new(
            HOSTNAMES,
            ConfigType::String,
            "https",
            "https: the certificate must be of the registry's host. Empty: of any host.",
        )
        .validator(Validator::OneOfIgnoreCase(vec!["https".into(), "".into()])),
    ];
    let keys = keys.into_iter();
    keys.map(|key| key.importance(Importance::Low)).collect()
}

/// A client that trusts and shows what the options say.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when a file cannot be read, or is no PEM.
pub(super) fn client(config: &Config) -> Result<ClientBuilder> {
    let mut builder = Client::builder();
    if let Some(trusted) = given(config, TRUST_FILE, TRUST_TEXT)? {
        let trusted = Certificate::from_pem_bundle(&trusted.pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| invalid(trusted.key, "it has no certificate in PEM"))?;
        builder = builder.tls_certs_only(trusted);
    }
    if let Some(mut identity) = given(config, KEY_FILE, KEY_TEXT)? {
        if let Some(chain) = config.secret(CHAIN_TEXT) {
            identity.pem.extend_from_slice(b"\n");
            identity.pem.extend_from_slice(chain.expose().as_bytes());
        }
        let why = "it has no certificate and private key in PEM, or the key is encrypted";
        let identity = Identity::from_pem(&identity.pem).map_err(|_| invalid(identity.key, why))?;
        builder = builder.identity(identity);
    }
    if config.text(HOSTNAMES).is_empty() {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}

/// PEM text, and the option that it is from.
struct Given {
    key: &'static str,
    pem: Vec<u8>,
}

fn given(config: &Config, file: &'static str, text: &'static str) -> Result<Option<Given>> {
    if let Some(text_given) = config.secret(text) {
        return Ok(Some(Given {
            key: text,
            pem: text_given.expose().as_bytes().to_vec(),
        }));
    }
    let Some(path) = config.optional_text(file) else {
        return Ok(None);
    };
    let pem = read_config_file(Path::new(path)).map_err(|error| {
        let why = format!("{path} cannot be read: {error}");
        invalid(file, &why)
    })?;
    Ok(Some(Given { key: file, pem }))
}

fn invalid(key: &str, why: &str) -> Error {
    Error::config(format!("Invalid value for configuration {key}: {why}"))
}
