//! The options of a listener, the same for each connector that has one.

use connect_api::{
    Config, ConfigKey, ConfigType, ConfigValue, Error, Importance, Properties, Result, Secret,
    Validator,
};

use crate::cors::{Cors, CorsConfig, OriginPattern};
use crate::protection::Protection;
use crate::tls::TlsConfig;

const LISTENER: &str = "http.listener";
const CONNECTIONS: &str = "http.max.connections";
const TOKENS: &str = "http.bearer.tokens";
const ORIGINS: &str = "access.control.allow.origin";

/// Where a connector listens.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// host:port.
    pub address: String,
    /// None: in the clear.
    pub tls: Option<TlsConfig>,
    /// How many connections there may be.
    pub connections: usize,
    /// The options that all who share the listener must have alike.
    pub(crate) shared: Properties,
}

/// The declarations.
pub fn keys() -> Vec<ConfigKey> {
    let mut keys = vec![
        ConfigKey::new(
            LISTENER,
            ConfigType::String,
            "http://127.0.0.1:8080",
            "Where it listens: http://host:port or https://host:port. The default takes only \
             clients of this machine. Connectors of a worker that name the same address share it, \
             each with its own paths.",
        )
        .validator(Validator::Check(|text| address(text).map(drop)))
        .importance(Importance::High),
        ConfigKey::new(
            CONNECTIONS,
            ConfigType::Int,
            "1000",
            "How many connections the listener has at most. Where there are too many, the oldest \
             that waits for its client is closed.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::nullable(
            TOKENS,
            ConfigType::Password,
            "Tokens, with commas between them, one of which a request must show: Authorization: \
             Bearer …. Without it, no token is asked for.",
        ),
        ConfigKey::new(
            ORIGINS,
            ConfigType::String,
            "",
            "Origins whose pages may send requests and read the answers, with commas between them: \
             https://ui.example.com, https://*.example.com or *.",
        )
        .validator(Validator::Check(|text| {
            origins(text).map(drop).map_err(|error| error.to_string())
        })),
    ];
    keys.extend(ssl_keys());
    keys.into_iter().map(|key| key.group("Listener")).collect()
}

fn ssl_keys() -> Vec<ConfigKey> {
    let text = |name: &'static str, doc| ConfigKey::nullable(name, ConfigType::String, doc);
    let secret = |name: &'static str, doc| ConfigKey::nullable(name, ConfigType::Password, doc);
    vec![
        text(
            "ssl.keystore.location",
            "A PEM, PKCS12 or JKS file with the key and the certificates of an https listener. It is \
             read again when it changes.",
        ),
        text(
            "ssl.keystore.type",
            "PEM, PKCS12 or JKS; by default what the file looks like.",
        ),
        secret(
            "ssl.keystore.password",
            "The password of a PKCS12 or JKS file.",
        ),
        secret(
            "ssl.key.password",
            "The password of a private key in PEM or JKS.",
        ),
        secret(
            "ssl.keystore.key",
            "The private key in PEM, in place of a file.",
        ),
        text(
            "ssl.keystore.certificate.chain",
            "The certificates in PEM, beside ssl.keystore.key.",
        ),
        text(
            "ssl.truststore.location",
            "A PEM, PKCS12 or JKS file with the authorities whose certificates clients may show.",
        ),
        text(
            "ssl.truststore.type",
            "PEM, PKCS12 or JKS; by default what the file looks like.",
        ),
        secret(
            "ssl.truststore.password",
            "The password of a PKCS12 or JKS file.",
        ),
        text(
            "ssl.truststore.certificates",
            "The authorities in PEM, in place of a file.",
        ),
        text(
            "ssl.client.auth",
            "Whether clients show a certificate: none, requested or required. Default: none.",
        ),
        text(
            "ssl.enabled.protocols",
            "TLSv1.2, TLSv1.3 or both, which is the default.",
        ),
        text(
            "ssl.cipher.suites",
            "The cipher suites that may be used, by IANA's names.",
        ),
    ]
}

/// A listener's address, and whether it speaks TLS.
struct Address {
    https: bool,
    at: String,
}

fn address(text: &str) -> std::result::Result<Address, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err("only http and https are known".into()),
    };
    let rest = rest.trim_end_matches('/');
    let expected = "http://host:port is expected";
    let (host, port) = rest.rsplit_once(':').ok_or(expected)?;
    port.parse::<u16>().map_err(|_| expected)?;
    let host = match host {
        "" => "0.0.0.0",
        host => host,
    };
    Ok(Address {
        https,
        at: format!("{host}:{port}"),
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(',').map(str::trim);
    words.filter(|word| !word.is_empty())
}

fn origins(text: &str) -> Result<Vec<OriginPattern>> {
    words(text).map(OriginPattern::parse).collect()
}

/// Adds what no single option can tell.
pub fn validate(properties: &Properties, values: &mut [ConfigValue]) {
    let text = properties.get(LISTENER).map(String::as_str);
    let Ok(Address { https, .. }) = address(text.unwrap_or("http://127.0.0.1:8080")) else {
        return;
    };
    let ssl = ssl_of(properties);
    let problem = match (https, ssl.keys().next()) {
        (true, _) => TlsConfig::new(&ssl, "").err().map(|error| error.chain()),
        (false, Some(key)) => Some(format!(
            "{key} is set, and {LISTENER} does not begin with https://"
        )),
        (false, None) => None,
    };
    let value = values.iter_mut().find(|value| value.name == LISTENER);
    if let (Some(problem), Some(value)) = (problem, value) {
        value.errors.push(problem);
    }
}

fn ssl_of(properties: &Properties) -> Properties {
    let ssl = |(key, value): (&String, &String)| {
        (key.starts_with("ssl.") && !value.is_empty()).then(|| (key.clone(), value.clone()))
    };
    properties.iter().filter_map(ssl).collect()
}

impl ListenerSettings {
    /// Of a parsed config.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for what is missing for TLS.
    pub fn new(config: &Config) -> Result<Self> {
        let of_address = |why| Error::config(format!("{LISTENER}: {why}"));
        let Address { https, at } = address(config.text(LISTENER)).map_err(of_address)?;
        let mut ssl = Properties::new();
        for key in ssl_keys() {
            let value = match key.kind {
                ConfigType::Password => config.secret(&key.name).map(Secret::expose),
                _ => config.optional_text(&key.name),
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                ssl.insert(key.name.clone().into_owned(), value.to_owned());
            }
        }
        let tls = match https {
            true => Some(TlsConfig::new(&ssl, "")?),
            false => None,
        };
        let connections = usize::try_from(config.integer(CONNECTIONS)).unwrap_or(1);
        let mut shared = ssl;
        shared.insert(LISTENER.into(), format!("{https} {at}"));
        shared.insert(CONNECTIONS.into(), connections.to_string());
        Ok(Self {
            address: at,
            tls,
            connections,
            shared,
        })
    }
}

impl Protection {
    /// Of a parsed config; pages of the origins that it names may send these methods.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for an origin that is none.
    pub fn new(config: &Config, methods: &[&str]) -> Result<Self> {
        let tokens = config.secret(TOKENS).map(|secret| {
            let tokens = words(secret.expose()).map(Secret::new);
            tokens.collect::<Vec<_>>()
        });
        let tokens = tokens.unwrap_or_default();
        if config.secret(TOKENS).is_some() && tokens.is_empty() {
            return Err(Error::config(format!("{TOKENS}: no token is in it")));
        }
        Ok(Self {
            tokens,
            cors: Cors::new(CorsConfig {
                origins: origins(config.text(ORIGINS))?,
                methods: methods.iter().map(|&method| method.to_owned()).collect(),
            }),
        })
    }
}
