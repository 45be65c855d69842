//! The settings of the REST API: where it listens, and who may speak to it.

use std::path::PathBuf;

use connect_api::{Config, Error, Properties, Result};
use connect_http::tls::TlsConfig;
use connect_http::{ConnectionLimits, CorsConfig, OriginPattern};

use super::listeners::{Listener, Scheme};
use crate::rest::HeaderRule;

/// Kafka's class for users and passwords.
const BASIC_AUTH: &str =
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

/// Where `/admin` is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListeners {
    /// Where everything is.
    Shared,
    /// Nowhere.
    Off,
    /// On addresses of its own.
    Own(Vec<Listener>),
}

/// Whose names a request may call the worker by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHosts {
    /// Any name.
    pub all: bool,
    /// These, in small letters, without a port.
    pub names: Vec<String>,
    /// All listeners are bound to loopback: no other name can be the worker's.
    pub loopback_only: bool,
}

/// The settings of the REST API.
#[derive(Debug)]
pub struct RestConfig {
    /// `listeners`.
    pub listeners: Vec<Listener>,
    /// `admin.listeners`.
    pub admin_listeners: AdminListeners,
    /// For `listeners` with https.
    pub tls: Option<TlsConfig>,
    /// For `admin.listeners` with https.
    pub admin_tls: Option<TlsConfig>,
    /// `ferrule.rest.allowed.hosts` and what is known without it.
    pub hosts: AllowedHosts,
    /// `access.control.allow.*`.
    pub cors: CorsConfig,
    /// `response.http.headers.config`.
    pub headers: Vec<HeaderRule>,
    /// The JAAS file, where users and passwords are asked for.
    pub jaas_file: Option<PathBuf>,
    /// `ferrule.rest.tokens.file`.
    pub tokens_file: Option<PathBuf>,
    /// `ferrule.rest.roles.file`.
    pub roles_file: Option<PathBuf>,
    /// `ferrule.rest.max.connections*`.
    pub limits: ConnectionLimits,
    /// `ferrule.audit.topic`.
    pub audit_topic: Option<String>,
}

impl RestConfig {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for whatever was asked for and cannot be had.
    pub(super) fn new(config: &Config, properties: &Properties) -> Result<Self> {
        let listeners = parse_listeners("listeners", config.list("listeners"))?;
        let admin_listeners = admin_listeners(properties, &listeners)?;
        let (tls, admin_tls) = tls(properties, &listeners, &admin_listeners)?;
        let audit_topic = config.optional_text("ferrule.audit.topic");
        Ok(Self {
            hosts: allowed_hosts(config, &listeners, &admin_listeners),
            listeners,
            admin_listeners,
            tls,
            admin_tls,
            cors: cors(config)?,
            headers: HeaderRule::parse_all(config.text("response.http.headers.config"))?,
            jaas_file: jaas_file(config)?,
            tokens_file: path(config, "ferrule.rest.tokens.file"),
            roles_file: path(config, "ferrule.rest.roles.file"),
            limits: ConnectionLimits {
                total: count(config, "ferrule.rest.max.connections"),
                per_peer: count(config, "ferrule.rest.max.connections.per.peer"),
            },
            audit_topic: audit_topic.filter(|t| !t.is_empty()).map(str::to_owned),
        })
    }
}

fn count(config: &Config, key: &str) -> usize {
    usize::try_from(config.integer(key)).unwrap_or(usize::MAX)
}

fn parse_listeners(option: &str, listeners: &[String]) -> Result<Vec<Listener>> {
    let parsed = listeners.iter().map(|text| Listener::parse(option, text));
    parsed.collect()
}

fn admin_listeners(properties: &Properties, listeners: &[Listener]) -> Result<AdminListeners> {
    let Some(given) = properties.get("admin.listeners") else {
        return Ok(AdminListeners::Shared);
    };
    let given = given.split(',').map(|text| text.trim().to_owned());
    let given: Vec<String> = given.filter(|text| !text.is_empty()).collect();
    let own = parse_listeners("admin.listeners", &given)?;
    // Port 0 is any free one, and another each time.
    let is_shared = |one: &Listener| listeners.contains(one) && !one.address.ends_with(":0");
    Ok(match own.is_empty() {
        true => AdminListeners::Off,
        false if own.iter().all(is_shared) => AdminListeners::Shared,
        false => AdminListeners::Own(own),
    })
}

/// The TLS of the listeners, and of the admin listeners.
fn tls(
    properties: &Properties,
    listeners: &[Listener],
    admin: &AdminListeners,
) -> Result<(Option<TlsConfig>, Option<TlsConfig>)> {
    let is_https = |listener: &Listener| listener.scheme == Scheme::Https;
    let admin_https = match admin {
        AdminListeners::Own(own) => own.iter().any(is_https),
        AdminListeners::Shared | AdminListeners::Off => false,
    };
    let https = listeners.iter().any(is_https);
    let part = |https: bool, prefix: &str| {
        https
            .then(|| TlsConfig::new(properties, prefix))
            .transpose()
    };
    let unused = |prefix: &str, option: &str| {
        let why = format!(
            "{prefix}* or ssl.client.auth is set, and no address in {option} begins with https://"
        );
        Err(Error::config(why))
    };
    if !https && !admin_https && TlsConfig::is_asked_for(properties, "listeners.https.") {
        return unused("listeners.https.", "listeners");
    }
    let of_admin = "admin.listeners.https.";
    if !admin_https && !super::with_prefix(properties, of_admin).is_empty() {
        return unused(of_admin, "admin.listeners");
    }
    Ok((
        part(https, "listeners.https.")?,
        part(admin_https, of_admin)?,
    ))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(',').map(str::trim);
    words.filter(|word| !word.is_empty())
}

fn allowed_hosts(config: &Config, listeners: &[Listener], admin: &AdminListeners) -> AllowedHosts {
    let given = words(config.text("ferrule.rest.allowed.hosts"));
    let mut names: Vec<String> = given.map(str::to_ascii_lowercase).collect();
    let all = names.iter().any(|name| name == "*");
    names.extend(
        config
            .optional_text("rest.advertised.host.name")
            .map(str::to_ascii_lowercase),
    );
    let own: &[Listener] = match admin {
        AdminListeners::Own(own) => own,
        AdminListeners::Shared | AdminListeners::Off => &[],
    };
    let bound = || listeners.iter().chain(own).map(Listener::host);
    names.extend(bound().map(str::to_ascii_lowercase));
    let loopback_only = bound().all(|host| {
        let address = host.parse::<std::net::IpAddr>();
        address.map_or_else(
            |_| host.eq_ignore_ascii_case("localhost"),
            |address| address.is_loopback(),
        )
    });
    AllowedHosts {
        all,
        names,
        loopback_only,
    }
}

fn cors(config: &Config) -> Result<CorsConfig> {
    let origins = words(config.text("access.control.allow.origin")).map(OriginPattern::parse);
    let origins = origins.collect::<Result<Vec<_>>>()?;
    let methods = words(config.text("access.control.allow.methods"));
    let mut methods: Vec<String> = methods.map(str::to_ascii_uppercase).collect();
    let known = |method: &String| {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        known.contains(&method.as_str())
    };
    if let Some(odd) = methods.iter().find(|method| !known(method)) {
        let why = format!("access.control.allow.methods: {odd} is not a method of the REST API");
        return Err(Error::config(why));
    }
    if methods.is_empty() {
        methods = ["GET", "POST", "HEAD"].map(str::to_owned).to_vec();
    }
    Ok(CorsConfig { origins, methods })
}

/// Where the users are, when `rest.extension.classes` asks for them.
fn jaas_file(config: &Config) -> Result<Option<PathBuf>> {
    let mut asked = false;
    for class in words(config.text("rest.extension.classes")) {
        if class != BASIC_AUTH && class != "BasicAuthSecurityRestExtension" {
            return Err(Error::config(format!(
                "rest.extension.classes: {class} is not supported, and without it the REST API may \
                 be open to anybody; {BASIC_AUTH} is"
            )));
        }
        asked = true;
    }
    // A file that the worker's own option names is wanted; Java's may be there for Kafka's clients.
    let javas = || path(config, "java.security.auth.login.config").filter(|_| asked);
    match path(config, "ferrule.rest.jaas.file").or_else(javas) {
        None if asked => Err(Error::config(
            "rest.extension.classes asks for users: name their JAAS file by \
             ferrule.rest.jaas.file, or by KAFKA_OPTS=-Djava.security.auth.login.config=…",
        )),
        file => Ok(file),
    }
}

fn path(config: &Config, key: &str) -> Option<PathBuf> {
    let text = config.optional_text(key).map(str::trim);
    text.filter(|text| !text.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use crate::config::WorkerConfig;
    use crate::config::tests::minimal;

    /// Settings, and a part of the reason why the worker does not start with them.
    const REFUSED: &[(&[(&str, &str)], &str)] = &[
        (
            &[("rest.extension.classes", "com.example.Ldap")],
            "com.example.Ldap is not supported",
        ),
        (
            &[("rest.extension.classes", super::BASIC_AUTH)],
            "name their JAAS file",
        ),
        (
            &[("listeners", "https://:8443")],
            "needs listeners.https.ssl.keystore.location",
        ),
        (
            &[("listeners.https.ssl.keystore.location", "x")],
            "no address in listeners begins with https://",
        ),
        (
            &[("ssl.client.auth", "required")],
            "no address in listeners begins with https://",
        ),
        (
            &[("admin.listeners.https.ssl.keystore.location", "x")],
            "no address in admin.listeners",
        ),
        (&[("admin.listeners", "ftp://x:1")], "admin.listeners: ftp"),
        (
            &[
                ("listeners", "https://:1"),
                ("listeners.https.ssl.keystore.location", "x"),
                ("listeners.https.ssl.engine.factory.class", "x"),
            ],
            "ssl.engine.factory.class is not supported",
        ),
        (
            &[
                ("listeners", "https://:1"),
                ("listeners.https.ssl.keystore.location", "x"),
                ("ssl.client.auth", "required"),
            ],
            "set listeners.https.ssl.client.auth",
        ),
        (
            &[
                ("listeners", "https://:1"),
                ("listeners.https.ssl.keystore.location", "x"),
                ("listeners.https.ssl.client.auth", "maybe"),
            ],
            "none, requested or required",
        ),
        (
            &[
                ("listeners", "https://:1"),
                ("listeners.https.ssl.keystore.location", "x"),
                ("listeners.https.ssl.enabled.protocols", "TLSv1.1,TLSv1.2"),
            ],
            "TLSv1.1 is not supported",
        ),
        (&[("access.control.allow.origin", "ui")], "an origin"),
        (&[("access.control.allow.methods", "STEAL")], "STEAL"),
        (&[("response.http.headers.config", "deny")], "an action"),
        (
            &[("rest.advertised.listener", "https")],
            "listeners has none",
        ),
    ];

    #[test]
    fn protection_that_cannot_be_had_keeps_the_worker_from_starting() {
        for (settings, part) in REFUSED {
            let error = WorkerConfig::new(&minimal(settings)).unwrap_err();
            assert!(error.to_string().contains(part), "{settings:?}: {error}");
        }
    }

    #[test]
    fn admin_listeners_may_be_the_listeners() {
        for (given, expect) in [
            ("http://127.0.0.1:8083", super::AdminListeners::Shared),
            (" ", super::AdminListeners::Off),
        ] {
            let config = WorkerConfig::new(&minimal(&[("admin.listeners", given)]));
            assert_eq!(config.unwrap().rest().admin_listeners, expect);
        }
    }

    #[test]
    fn kafkas_clients_do_not_get_what_is_the_rest_apis() {
        let config = WorkerConfig::new(&minimal(&[
            ("admin.listeners", "http://:9999"),
            ("admin.retries", "3"),
            ("ssl.client.auth", "none"),
        ]));
        let admin = config.unwrap().client_properties("admin.");
        assert_eq!(admin["retries"], "3");
        assert!(!admin.contains_key("listeners") && !admin.contains_key("ssl.client.auth"));
    }
}
