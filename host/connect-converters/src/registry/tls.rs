//! TLS to the Schema Registry, in the names of Kafka's clients.

use std::path::Path;

use connect_api::{
    Config, ConfigKey, ConfigType, Error, Importance, Result, Validator, read_config_file,
};
use connect_keystore::{Passwords, StoreFormat};
use reqwest::{Client, ClientBuilder};

const TRUST_TYPE: &str = "schema.registry.ssl.truststore.type";
const TRUST_FILE: &str = "schema.registry.ssl.truststore.location";
const TRUST_PASSWORD: &str = "schema.registry.ssl.truststore.password";
const TRUST_TEXT: &str = "schema.registry.ssl.truststore.certificates";
const KEY_TYPE: &str = "schema.registry.ssl.keystore.type";
const KEY_FILE: &str = "schema.registry.ssl.keystore.location";
const KEY_STORE_PASSWORD: &str = "schema.registry.ssl.keystore.password";
const KEY_PASSWORD: &str = "schema.registry.ssl.key.password";
const KEY_TEXT: &str = "schema.registry.ssl.keystore.key";
const CHAIN_TEXT: &str = "schema.registry.ssl.keystore.certificate.chain";
const HOSTNAMES: &str = "schema.registry.ssl.endpoint.identification.algorithm";

/// The options.
pub(super) fn config_keys() -> Vec<ConfigKey> {
    let format = || Validator::Check(|text| StoreFormat::parse(text).map(drop));
    let keys = vec![
        ConfigKey::new(
            TRUST_TYPE,
            ConfigType::String,
            "JKS",
            "PEM, PKCS12 or JKS. With the last one, the default, it is what the file looks like.",
        )
        .validator(format()),
        ConfigKey::nullable(
            TRUST_FILE,
            ConfigType::String,
            "A file of the certificates to trust instead of the system's: PEM, PKCS12 or JKS.",
        ),
        ConfigKey::nullable(
            TRUST_PASSWORD,
            ConfigType::Password,
            "The password of a PKCS12 or JKS file of certificates.",
        ),
        ConfigKey::nullable(
            TRUST_TEXT,
            ConfigType::Password,
            "The certificates to trust, as PEM text instead of a file.",
        ),
        ConfigKey::new(
            KEY_TYPE,
            ConfigType::String,
            "JKS",
            "As with the certificates to trust.",
        )
        .validator(format()),
        ConfigKey::nullable(
            KEY_FILE,
            ConfigType::String,
            "A file of the client's private key and its certificate chain: PEM, PKCS12 or JKS.",
        ),
        ConfigKey::nullable(
            KEY_STORE_PASSWORD,
            ConfigType::Password,
            "The password of a PKCS12 or JKS file with a key.",
        ),
        ConfigKey::nullable(
            KEY_PASSWORD,
            ConfigType::Password,
            "The password of the private key in a JKS file or in PEM, where it has one of its own.",
        ),
        ConfigKey::nullable(
            KEY_TEXT,
            ConfigType::Password,
            "The client's private key as PEM text instead of a file.",
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
/// [`connect_api::ErrorKind::Config`] naming the option whose file cannot be used.
pub(super) fn client(config: &Config) -> Result<ClientBuilder> {
    let mut builder = Client::builder();
    if let Some(trusted) = Given::new(config, TRUST_FILE, TRUST_TEXT, TRUST_TYPE)? {
        let passwords = Passwords {
            store: config.secret(TRUST_PASSWORD),
            key: None,
        };
        let with = connect_client::trusting(builder, &trusted.bytes, trusted.format, passwords);
        builder = with.map_err(|why| trusted.invalid(&why))?;
    }
    if let Some(mut own) = Given::new(config, KEY_FILE, KEY_TEXT, KEY_TYPE)? {
        if let Some(chain) = config.secret(CHAIN_TEXT) {
            own.bytes.extend_from_slice(b"\n");
            own.bytes.extend_from_slice(chain.expose().as_bytes());
        }
        let passwords = Passwords {
            store: config.secret(KEY_STORE_PASSWORD),
            key: config.secret(KEY_PASSWORD),
        };
        let with = connect_client::showing(builder, &own.bytes, own.format, passwords);
        builder = with.map_err(|why| own.invalid(&why))?;
    }
    if config.text(HOSTNAMES).is_empty() {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}

/// A store, and the option that it is from.
struct Given {
    key: &'static str,
    name: String,
    bytes: Vec<u8>,
    format: Option<StoreFormat>,
}

impl Given {
    fn new(
        config: &Config,
        file: &'static str,
        text: &'static str,
        format: &'static str,
    ) -> Result<Option<Self>> {
        if let Some(given) = config.secret(text) {
            return Ok(Some(Self {
                key: text,
                name: "it".to_owned(),
                bytes: given.expose().as_bytes().to_vec(),
                format: Some(StoreFormat::Pem),
            }));
        }
        let Some(path) = config.optional_text(file) else {
            return Ok(None);
        };
        let bytes = read_config_file(Path::new(path)).map_err(|error| {
            let why = format!("{path} cannot be read: {error}");
            invalid(file, &why)
        })?;
        let format = StoreFormat::parse(config.text(format));
        Ok(Some(Self {
            key: file,
            name: path.to_owned(),
            bytes,
            format: format.map_err(|why| invalid(file, &why))?,
        }))
    }

    fn invalid(&self, why: &str) -> Error {
        invalid(self.key, &format!("{} {why}", self.name))
    }
}

fn invalid(key: &str, why: &str) -> Error {
    Error::config(format!("Invalid value for configuration {key}: {why}"))
}
