//! What the parameters of the three Java classes say.

use std::time::Duration;

use connect_api::{Error, Result, Secret};
use reqwest::Url;
use tracing::warn;

use super::super::http::Trust;
use super::super::lenses::{decode_by_key, keep_for, refuse_files};
use super::super::parameters::Parameters;
use super::{JCUSTENBORDER, LENSES};

const DEFAULT_ADDRESS: &str = "http://localhost:8200";
const KUBERNETES_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const METHODS: &str = "token, approle, kubernetes, userpass, ldap, jwt or github is expected";
/// The paths under which databases make users are never those of KV, as in Lenses' class.
const DATABASE: &str = "database/creds/";

/// A Vault, and how to read it.
#[derive(Debug)]
pub(super) struct Settings {
    /// The provider's name.
    pub(super) name: String,
    pub(super) address: Url,
    pub(super) namespace: Option<String>,
    pub(super) trust: Trust,
    pub(super) login: Login,
    /// 1 or 2.
    engine: u64,
    /// How many parts of a path are the mount of its engine.
    depth: usize,
    /// How often a token is renewed at least.
    pub(super) renewal: Duration,
    /// How long what has no lease is kept; none: not at all.
    pub(super) keep_for: Option<Duration>,
    pub(super) retries: u64,
    pub(super) retry_after: Duration,
    /// Whether the names of keys say how values are encoded.
    keys_tell_encoding: bool,
}

/// How a token is had.
#[derive(Debug)]
pub(super) enum Login {
    Token(Secret),
    AppRole {
        mount: String,
        role: String,
        secret: Secret,
    },
    /// The file is read at each login: Kubernetes writes new tokens to it.
    Kubernetes {
        path: String,
        role: String,
        token_file: String,
    },
    UserPass {
        mount: String,
        user: String,
        password: Secret,
    },
    Jwt {
        mount: String,
        role: String,
        token: Secret,
    },
    GitHub {
        mount: String,
        token: Secret,
    },
}

impl Login {
    /// Whether there can be another token when one has ended.
    pub(super) fn is_login(&self) -> bool {
        !matches!(self, Self::Token(_))
    }
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Settings {
    pub(super) fn new(class: &str, given: &Parameters, variable: Variable<'_>) -> Result<Self> {
        match class {
            LENSES => Self::of_lenses(given),
            JCUSTENBORDER => {
                let by = given.text("vault.login.by").unwrap_or("Token");
                if !by.eq_ignore_ascii_case("token") {
                    return Err(given.invalid("vault.login.by", "Token is expected"));
                }
                let login = Login::Token(token(given, "vault.token", variable)?);
                Self::of_driver(given, variable, login)
            }
            _ => Self::of_driver(given, variable, confluent_login(given, variable)?),
        }
    }

    fn of_lenses(given: &Parameters) -> Result<Self> {
        refuse_files(given)?;
        let mut settings = Self {
            engine: given.number("vault.engine.version", 2)?,
            depth: depth(given)?,
            renewal: renewal(given)?,
            keep_for: keep_for(given)?,
            keys_tell_encoding: true,
            ..Self::plain(given, "vault.addr", lenses_login(given)?, &|_| None)?
        };
        // As in Vault's driver for Java, stores go before PEM.
        if let Some(store) = given.text("vault.ssl.truststore.location") {
            settings.trust.file = Some(store.to_owned());
        }
        let password = given.secret("vault.ssl.keystore.password");
        let pem = given.text("vault.client.pem");
        let keys = given.text("vault.ssl.keystore.location").or(pem);
        settings.trust.shown = keys.map(|file| (file.to_owned(), password));
        settings.retries = 0;
        if !matches!(settings.engine, 1 | 2) {
            return Err(given.invalid("vault.engine.version", "1 or 2 is expected"));
        }
        Ok(settings)
    }

    /// The classes of Custenborder and Confluent, which share the parameters of their driver.
    fn of_driver(given: &Parameters, variable: Variable<'_>, login: Login) -> Result<Self> {
        given.refuse(
            &["vault.prefix"],
            "it is not put before paths, whatever its documentation says: write each path whole",
        )?;
        given.without_effect(
            &[
                "vault.secret.minimum.ttl.ms",
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
        let mut settings = Self::plain(given, "vault.address", login, variable)?;
        settings.retries = given.number("vault.max.retries", 5)?;
        let after = given.number("vault.retry.interval.ms", 2000)?;
        settings.retry_after = Duration::from_millis(after);
        if !given.flag("vault.ssl.verify.enabled", true)? {
            let key = given.key("vault.ssl.verify.enabled");
            warn!(
                key,
                "whoever answers at the address is taken for Vault, and is shown the token"
            );
            settings.trust.is_blind = true;
        }
        Ok(settings)
    }

    fn plain(
        given: &Parameters,
        address: &str,
        login: Login,
        variable: Variable<'_>,
    ) -> Result<Self> {
        let text = given.text(address).map(str::to_owned);
        let text = text.or_else(|| variable("VAULT_ADDR"));
        let text = text.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let url = Url::parse(&text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let no_url = || given.invalid(address, "a URL such as https://vault:8200 is expected");
        let pem = given.text("vault.pem").map(str::to_owned);
        Ok(Self {
            name: given.provider().to_owned(),
            address: url.ok_or_else(no_url)?,
            namespace: given.text("vault.namespace").map(str::to_owned),
            trust: Trust {
                file: pem.or_else(|| variable("VAULT_SSL_CERT")),
                is_blind: false,
                shown: None,
            },
            login,
            engine: 2,
            depth: 1,
            renewal: Duration::from_secs(600),
            keep_for: None,
            retries: 0,
            retry_after: Duration::ZERO,
            keys_tell_encoding: false,
        })
    }

    /// The address without a password that may stand in it.
    pub(super) fn shown_address(&self) -> String {
        let host = self.address.host_str().unwrap_or_default();
        let port = self.address.port_or_known_default().unwrap_or_default();
        format!("{}://{host}:{port}", self.address.scheme())
    }

    /// Whether a path is one of the KV engine of version 2.
    pub(super) fn is_versioned(&self, path: &str) -> bool {
        self.engine == 2 && !path.starts_with(DATABASE)
    }

    /// The path of the API: for version 2 of KV `data` comes behind the mount.
    pub(super) fn api_path(&self, path: &str) -> String {
        let path = path.trim_matches('/');
        if !self.is_versioned(path) {
            return path.to_owned();
        }
        let (path, version) = path.split_at(path.find('?').unwrap_or(path.len()));
        let parts = path.split('/').filter(|part| !part.is_empty());
        let mut parts: Vec<&str> = parts.collect();
        if !parts.is_empty() {
            parts.insert(self.depth.min(parts.len()), "data");
        }
        parts.join("/") + version
    }

    /// A value as Lenses' class gives it: a key that begins with `base64` has such a value.
    pub(super) fn decoded(&self, key: &str, value: &str) -> Result<String> {
        match self.keys_tell_encoding {
            true => decode_by_key(key, value),
            false => Ok(value.to_owned()),
        }
    }
}

/// `token.renewal.ms`; oftener than each second is of no use.
fn renewal(given: &Parameters) -> Result<Duration> {
    let time = given.number("token.renewal.ms", 600_000)?;
    Ok(Duration::from_millis(time.max(1000)))
}

fn depth(given: &Parameters) -> Result<usize> {
    let depth = given.number("vault.prefix.depth", 1)?;
    let depth = usize::try_from(depth).ok().filter(|depth| *depth > 0);
    depth.ok_or_else(|| given.invalid("vault.prefix.depth", "a number from 1 on is expected"))
}

fn token(given: &Parameters, key: &str, variable: Variable<'_>) -> Result<Secret> {
    if let Some(token) = given.secret(key) {
        return Ok(token);
    }
    let token = variable("VAULT_TOKEN").filter(|token| !token.trim().is_empty());
    let token = token.ok_or_else(|| {
        given.invalid(
            key,
            "a value is expected here, or in the environment variable VAULT_TOKEN",
        )
    })?;
    connect_api::keep_secrets([token.trim()], &|part| part != token.trim());
    Ok(Secret::new(token.trim()))
}

/// A parameter, or its default.
fn or(given: &Parameters, key: &str, default: &str) -> String {
    given.text(key).unwrap_or(default).to_owned()
}

fn lenses_login(given: &Parameters) -> Result<Login> {
    let required = |key: &str| given.required(key).map(str::to_owned);
    let secret = |key: &str| given.required_secret(key);
    let method = or(given, "vault.auth.method", "token").to_ascii_lowercase();
    let login = match method.as_str() {
        "token" => Login::Token(secret("vault.token")?),
        "approle" => Login::AppRole {
            mount: or(given, "app.role.path", "approle"),
            role: required("app.role.id")?,
            secret: secret("app.role.secret.id")?,
        },
        "kubernetes" => Login::Kubernetes {
            path: or(given, "kubernetes.auth.path", "auth/kubernetes"),
            role: required("kubernetes.role")?,
            token_file: or(given, "kubernetes.token.path", KUBERNETES_TOKEN),
        },
        "userpass" => Login::UserPass {
            mount: or(given, "mount", "userpass"),
            user: required("username")?,
            password: secret("password")?,
        },
        "ldap" => Login::UserPass {
            mount: or(given, "ldap.mount", "ldap"),
            user: required("ldap.username")?,
            password: secret("ldap.password")?,
        },
        "jwt" => Login::Jwt {
            mount: required("jwt.provider")?,
            role: required("jwt.role")?,
            token: secret("jwt")?,
        },
        "github" => Login::GitHub {
            mount: or(given, "github.mount", "github"),
            token: secret("github.token")?,
        },
        _ => return Err(given.invalid("vault.auth.method", METHODS)),
    };
    // Settings of the other methods change nothing, as in the Java class.
    for key in OF_LENSES_LOGINS {
        given.text(key);
    }
    Ok(login)
}

const OF_LENSES_LOGINS: &[&str] = &[
    "vault.token",
    "app.role.path",
    "app.role.id",
    "app.role.secret.id",
    "kubernetes.auth.path",
    "kubernetes.role",
    "kubernetes.token.path",
    "mount",
    "username",
    "password",
    "ldap.mount",
    "ldap.username",
    "ldap.password",
    "jwt.provider",
    "jwt.role",
    "jwt",
    "github.mount",
    "github.token",
    "aws.role",
    "aws.request.url",
    "aws.request.headers",
    "aws.request.body",
    "aws.mount",
    "gcp.role",
    "gcp.jwt",
    "cert.mount",
];

fn confluent_login(given: &Parameters, variable: Variable<'_>) -> Result<Login> {
    let method = or(given, "vault.auth.method", "Token").to_ascii_lowercase();
    let mount = |default: &str| or(given, "vault.auth.mount", default);
    let required = |key: &str| given.required(key).map(str::to_owned);
    let user = |mount: String| {
        Ok::<_, Error>(Login::UserPass {
            mount,
            user: required("vault.auth.username")?,
            password: given.required_secret("vault.auth.password")?,
        })
    };
    let login = match method.as_str() {
        "token" => Login::Token(token(given, "vault.auth.token", variable)?),
        "approle" => Login::AppRole {
            mount: mount("approle"),
            role: required("vault.auth.role")?,
            secret: given.required_secret("vault.auth.secret")?,
        },
        "userpass" => user(mount("userpass"))?,
        "ldap" => user(mount("ldap"))?,
        _ => {
            let why = "Token, AppRole, UserPass or LDAP is expected";
            return Err(given.invalid("vault.auth.method", why));
        }
    };
    for key in ["token", "mount", "role", "secret", "username", "password"] {
        given.text(&format!("vault.auth.{key}"));
    }
    Ok(login)
}
