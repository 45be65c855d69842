//! `listeners.https.ssl.*`: what HTTPS is made of, in Kafka's names.

use std::path::PathBuf;

use connect_api::{Error, Properties, Result, Secret};
use connect_keystore::StoreFormat;

fn with_prefix(properties: &Properties, prefix: &str) -> Properties {
    let stripped = |(key, value): (&String, &String)| {
        Some((key.strip_prefix(prefix)?.to_owned(), value.clone()))
    };
    properties.iter().filter_map(stripped).collect()
}

/// Whether clients show a certificate: `ssl.client.auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They may.
    Requested,
    /// They must.
    Required,
}

/// Where keys and certificates are.
#[derive(Clone, Debug)]
pub enum StoreSource {
    /// In a file, which is read again when it changes.
    File(PathBuf),
    /// In the properties, as PEM: certificates, and for a keystore the private key in front.
    Inline(Secret),
}

/// A keystore or a truststore.
#[derive(Clone, Debug)]
pub struct Store {
    /// Where it is.
    pub source: StoreSource,
    /// Its format; none: what the file looks like.
    pub format: Option<StoreFormat>,
    /// The password of a PKCS12 or JKS file.
    pub password: Option<Secret>,
    /// The password of a private key in PEM or JKS.
    pub key_password: Option<Secret>,
}

/// What HTTPS listeners need.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The worker's key and certificates.
    pub keystore: Store,
    /// Whose certificates clients may show.
    pub truststore: Option<Store>,
    /// Whether clients must.
    pub client_auth: ClientAuth,
    /// `TLSv1.2`, `TLSv1.3`: those that may be spoken.
    pub protocols: Vec<String>,
    /// The cipher suites that may be used, by IANA's names; empty: all.
    pub cipher_suites: Vec<String>,
}

/// The keys that HTTPS knows, without prefix.
const KNOWN: &[&str] = &[
    "ssl.cipher.suites",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Java's own, which protect nothing.
const WITHOUT_EFFECT: &[&str] = &[
    "ssl.endpoint.identification.algorithm",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

impl TlsConfig {
    /// Reads the settings with the prefix, `listeners.https.`; when none has it, those without a
    /// prefix, as Kafka Connect does.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for what is missing, and for what is not known: a
    /// listener that protects less than was asked for is worse than none.
    pub fn new(properties: &Properties, prefix: &str) -> Result<Self> {
        let mut own = with_prefix(properties, prefix);
        let name = if own.is_empty() {
            own.extend(properties.clone());
            own.retain(|key, _| KNOWN.contains(&key.as_str()));
            ""
        } else {
            let asked = properties.get("ssl.client.auth");
            if asked.is_some_and(|auth| auth != "none") && !own.contains_key("ssl.client.auth") {
                return Err(Error::config(format!(
                    "ssl.client.auth has no effect beside other options that begin with {prefix}: \
                     set {prefix}ssl.client.auth"
                )));
            }
            prefix
        };
        for key in own.keys().map(String::as_str) {
            if !KNOWN.contains(&key) && !WITHOUT_EFFECT.contains(&key) {
                return Err(Error::config(format!(
                    "{name}{key} is not supported by the HTTPS of this worker"
                )));
            }
        }
        let settings = Settings { own, prefix: name };
        let keystore = settings.keystore()?;
        let keystore = keystore.ok_or_else(|| {
            Error::config(format!(
                "an https listener needs {prefix}ssl.keystore.location, or \
                 {prefix}ssl.keystore.key and {prefix}ssl.keystore.certificate.chain"
            ))
        })?;
        let truststore = settings.truststore()?;
        let client_auth = settings.client_auth()?;
        if client_auth != ClientAuth::None && truststore.is_none() {
            return Err(Error::config(format!(
                "{name}ssl.client.auth needs {name}ssl.truststore.location: whose certificates are \
                 taken"
            )));
        }
        Ok(Self {
            keystore,
            truststore,
            client_auth,
            protocols: settings.protocols()?,
            cipher_suites: settings.list("ssl.cipher.suites"),
        })
    }

    /// Whether any setting asks for HTTPS, or for certificates of clients.
    pub fn is_asked_for(properties: &Properties, prefix: &str) -> bool {
        let client_auth = properties.get("ssl.client.auth");
        client_auth.is_some_and(|auth| !auth.trim().eq_ignore_ascii_case("none"))
            || !with_prefix(properties, prefix).is_empty()
    }
}

/// The settings without their prefix, and the prefix for errors.
struct Settings<'a> {
    own: Properties,
    prefix: &'a str,
}

impl Settings<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        let text = self.own.get(key).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    }

    fn password(&self, key: &str) -> Option<Secret> {
        let text = self.own.get(key).filter(|text| !text.is_empty());
        text.map(|text| Secret::new(text.as_str()))
    }

    fn list(&self, key: &str) -> Vec<String> {
        let items = self.text(key).unwrap_or_default().split(',').map(str::trim);
        let items = items.filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    fn format(&self, key: &str) -> Result<Option<StoreFormat>> {
        let format = self.text(key).map_or(Ok(None), StoreFormat::parse);
        format.map_err(|why| Error::config(format!("{}{key}: {why}", self.prefix)))
    }

    fn keystore(&self) -> Result<Option<Store>> {
        let key = self.text("ssl.keystore.key");
        let chain = self.text("ssl.keystore.certificate.chain");
        let source = match (self.text("ssl.keystore.location"), key, chain) {
            (Some(location), None, None) => StoreSource::File(location.into()),
            (None, Some(key), Some(chain)) => {
                StoreSource::Inline(Secret::new(format!("{key}\n{chain}")))
            }
            (None, None, None) => return Ok(None),
            _ => {
                return Err(Error::config(format!(
                    "{0}ssl.keystore.location stands alone, and {0}ssl.keystore.key stands beside \
                     {0}ssl.keystore.certificate.chain",
                    self.prefix
                )));
            }
        };
        Ok(Some(Store {
            format: self.format_of("ssl.keystore.type", &source)?,
            source,
            password: self.password("ssl.keystore.password"),
            key_password: self.password("ssl.key.password"),
        }))
    }

    fn truststore(&self) -> Result<Option<Store>> {
        let certificates = self.text("ssl.truststore.certificates");
        let source = match (self.text("ssl.truststore.location"), certificates) {
            (Some(location), None) => StoreSource::File(location.into()),
            (None, Some(certificates)) => StoreSource::Inline(Secret::new(certificates)),
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Error::config(format!(
                    "{0}ssl.truststore.location and {0}ssl.truststore.certificates exclude each \
                     other",
                    self.prefix
                )));
            }
        };
        Ok(Some(Store {
            format: self.format_of("ssl.truststore.type", &source)?,
            source,
            password: self.password("ssl.truststore.password"),
            key_password: None,
        }))
    }

    fn format_of(&self, key: &str, source: &StoreSource) -> Result<Option<StoreFormat>> {
        let given = self.format(key)?;
        match source {
            StoreSource::File(_) => Ok(given),
            StoreSource::Inline(_) => Ok(Some(StoreFormat::Pem)),
        }
    }

    fn client_auth(&self) -> Result<ClientAuth> {
        let given = self.text("ssl.client.auth").map(str::to_ascii_lowercase);
        match given.as_deref() {
            None | Some("none") => Ok(ClientAuth::None),
            Some("requested") => Ok(ClientAuth::Requested),
            Some("required") => Ok(ClientAuth::Required),
            Some(_) => Err(Error::config(format!(
                "{}ssl.client.auth: none, requested or required is expected",
                self.prefix
            ))),
        }
    }

    fn protocols(&self) -> Result<Vec<String>> {
        let both = ["TLSv1.2", "TLSv1.3"];
        let given = self.list("ssl.enabled.protocols");
        if given.is_empty() {
            return Ok(both.map(str::to_owned).to_vec());
        }
        match given.iter().find(|one| !both.contains(&one.as_str())) {
            None => Ok(given),
            Some(other) => Err(Error::config(format!(
                "{}ssl.enabled.protocols: {other} is not supported; TLSv1.2 and TLSv1.3 are",
                self.prefix
            ))),
        }
    }
}
