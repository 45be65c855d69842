//! `connection.url`: the addresses that libpq and the JDBC driver take.

mod iam;
mod parameters;

use std::borrow::Cow;
use std::time::Duration;

use connect_api::Secret;
use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use iam::Wrapper;

use crate::session::{Certificates, ClientFiles, Iam, IamOptions, Login, Servers};

/// Where and how to connect, except for the credentials that have keys of their own.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// How to connect, to the first host.
    pub options: PgConnectOptions,
    /// The hosts and their ports, in the order in which they are tried.
    pub hosts: Vec<(String, u16)>,
    /// Settings of the server.
    pub settings: Vec<(String, String)>,
    /// Whom to trust, and who connects.
    pub certificates: Certificates,
    /// How tokens are made that stand for the password.
    pub iam: Option<IamOptions>,
    /// Parameters that are passed over, each with what there is instead, as far as there is.
    pub ignored: Vec<String>,
    /// `stringtype=unspecified`: a text is what Postgres reads of it.
    pub reads_texts: bool,
}

impl Target {
    /// The servers, for whom the options name, who goes before who is in the address.
    pub fn servers(self, user: Option<&str>, password: Option<&str>, timeout: Duration) -> Servers {
        let mut options = self.options.disable_statement_logging();
        if let Some(user) = user {
            options = options.username(user);
        }
        if let Some(password) = password {
            options = options.password(password);
        }
        let hosts = self.hosts.iter().map(|host| at(&options, host));
        Servers {
            hosts: hosts.collect(),
            settings: self.settings,
            login: Login {
                may_change: self.iam.is_some() || self.certificates.client.is_some(),
                ..Login::default()
            },
            iam: self.iam.map(Iam::new),
            certificates: self.certificates,
            timeout,
            ignored: self.ignored,
        }
    }
}

/// What the parameters of an address say, before it is known how they fit together.
struct Reading {
    options: PgConnectOptions,
    /// Of the parameters, where they name any.
    hosts: Vec<String>,
    ports: Vec<u16>,
    settings: Vec<(String, String)>,
    ignored: Vec<String>,
    wrapper: Wrapper,
    reads_texts: bool,
    /// Whether `ssl` asks for encryption; `sslmode` goes before it.
    ssl: bool,
    ssl_mode: Option<PgSslMode>,
    /// Whether the JDBC driver would take any certificate of a server.
    trusts_all: bool,
    root_cert: Option<String>,
    client_cert: Option<String>,
    client_key: Option<String>,
    pass_phrase: Option<String>,
}

/// Reads an address.
///
/// # Errors
/// A fragment that says what is wrong with the URL. It never quotes the URL, which may hold a
/// password (Invariant 9).
pub(crate) fn parse(text: &str) -> Result<Target, String> {
    let text = text.trim();
    let plain = text.strip_prefix("jdbc:").unwrap_or(text);
    let plain = plain.strip_prefix("aws-wrapper:").unwrap_or(plain);
    let rest = ["postgresql://", "postgres://"]
        .iter()
        .find_map(|scheme| plain.strip_prefix(scheme))
        .ok_or("it must start with jdbc:postgresql://, postgresql:// or postgres://")?;
    // A list of hosts is no URL: each is read by itself.
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts: Result<Vec<_>, _> = hosts.split(',').map(address).collect();
    let hosts = hosts?;
    let url = Url::parse(&format!("postgres://{user}localhost{tail}"))
        .map_err(|error| format!("it is not a URL: {error}"))?;
    let mut reading = Reading {
        options: PgConnectOptions::new_without_pgpass(),
        hosts: Vec::new(),
        ports: Vec::new(),
        settings: Vec::new(),
        ignored: Vec::new(),
        wrapper: Wrapper::default(),
        reads_texts: false,
        ssl: false,
        ssl_mode: None,
        trusts_all: false,
        root_cert: None,
        client_cert: None,
        client_key: None,
        pass_phrase: None,
    };
    if !url.username().is_empty() {
        reading.options = reading.options.username(&decoded(url.username())?);
    }
    if let Some(password) = url.password() {
        reading.options = reading.options.password(&decoded(password)?);
    }
    let database = decoded(url.path().trim_start_matches('/'))?;
    if !database.is_empty() {
        reading.options = reading.options.database(&database);
    }
    for (key, value) in url.query_pairs() {
        reading.parameter(&key, &value)?;
    }
    reading.target(hosts)
}

/// A host and its port.
fn address(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None | Some("") => 5432,
        Some(port) => port
            .parse()
            .map_err(|_| "it is not a URL: invalid port number".to_owned())?,
    };
    let host = decoded(host)?;
    let host = if host.is_empty() {
        "localhost".to_owned()
    } else {
        host
    };
    Ok((host, port))
}

/// The same way to connect, to another host.
fn at(options: &PgConnectOptions, (host, port): &(String, u16)) -> PgConnectOptions {
    let options = options.clone().port(*port);
    if host.starts_with('/') {
        options.socket(host)
    } else {
        options.host(host)
    }
}

/// Replaces `%41` by `A`.
fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(Cow::into_owned)
        .map_err(|_| "a percent-encoded part is not UTF-8".to_owned())
}

impl Reading {
    /// The parameters of libpq and of the JDBC driver that mean something to this sink.
    fn parameter(&mut self, key: &str, value: &str) -> Result<(), String> {
        let options = self.options.clone();
        match key {
            "user" => self.options = options.username(value),
            "password" => self.options = options.password(value),
            "host" | "PGHOST" => self.hosts = value.split(',').map(str::to_owned).collect(),
            "port" | "PGPORT" => {
                let ports: Result<_, _> = value.split(',').map(|port| number(key, port)).collect();
                self.ports = ports?;
            }
            "dbname" | "PGDBNAME" => self.options = options.database(value),
            "sslmode" => self.ssl_mode = Some(ssl_mode(value)?),
            "ssl" => self.ssl = value.is_empty() || value.eq_ignore_ascii_case("true"),
            "sslfactory" => self.trusts_all = parameters::trusts_all(value)?,
            "sslrootcert" => self.root_cert = Some(value.to_owned()),
            "sslcert" => self.client_cert = Some(value.to_owned()),
            "sslkey" => self.client_key = Some(value.to_owned()),
            "sslpassword" => self.pass_phrase = Some(value.to_owned()),
            "currentSchema" => self.set("search_path", value),
            "options" => self.command_line(value)?,
            "queryTimeout" => self.query_timeout(value)?,
            "target_session_attrs" | "targetServerType" => takes_writes(key, value)?,
            "stringtype" => self.reads_texts = parameters::reads_texts(value)?,
            "wrapperPlugins" => self.wrapper.plugins(value)?,
            _ if iam::PARAMETERS.contains(&key) => self.wrapper.parameter(key, value)?,
            _ => self.ignored.extend(parameters::passed_over(key, value)?),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// The JDBC driver's limit of a statement, in seconds; 0 is none.
    fn query_timeout(&mut self, value: &str) -> Result<(), String> {
        let seconds: u32 = value
            .parse()
            .map_err(|_| "the parameter queryTimeout is no number of seconds")?;
        if seconds > 0 {
            self.set("statement_timeout", &format!("{seconds}s"));
        }
        Ok(())
    }

    /// `-c name=value`, as libpq and the JDBC driver take server settings.
    fn command_line(&mut self, value: &str) -> Result<(), String> {
        for setting in value.split_whitespace().filter(|word| *word != "-c") {
            let setting = setting.trim_start_matches("-c").trim_start_matches("--");
            let (name, value) = setting
                .split_once('=')
                .ok_or("the parameter options must be of the form -c name=value")?;
            self.set(name, value);
        }
        Ok(())
    }

    fn target(mut self, hosts: Vec<(String, u16)>) -> Result<Target, String> {
        let certificates = self.encryption()?;
        let hosts = match (self.hosts.is_empty(), self.ports.as_slice()) {
            (true, []) => hosts,
            (true, [port]) => hosts.into_iter().map(|(host, _)| (host, *port)).collect(),
            (false, ports) if ports.len() <= 1 => {
                let port = ports.first().copied().unwrap_or(5432);
                self.hosts.into_iter().map(|host| (host, port)).collect()
            }
            (false, ports) if ports.len() == self.hosts.len() => {
                self.hosts.into_iter().zip(ports.iter().copied()).collect()
            }
            _ => return Err("there are not as many ports as hosts".to_owned()),
        };
        let first = hosts.first().ok_or("it names no host")?;
        let iam = self.wrapper.finish(&hosts, &mut self.ignored)?;
        Ok(Target {
            options: at(&self.options, first),
            hosts,
            settings: self.settings,
            certificates,
            iam,
            ignored: self.ignored,
            reads_texts: self.reads_texts,
        })
    }

    /// As in the JDBC driver, `sslmode` goes before `ssl`, which means `verify-full` by itself.
    fn mode(&self) -> Result<PgSslMode, String> {
        match (self.ssl_mode, self.ssl) {
            (Some(PgSslMode::VerifyCa | PgSslMode::VerifyFull), _) if self.trusts_all => {
                Err(parameters::contradiction())
            }
            (Some(mode), _) => Ok(mode),
            (None, true) if self.trusts_all => Ok(PgSslMode::Require),
            (None, true) => Ok(PgSslMode::VerifyFull),
            (None, false) => Ok(PgSslMode::Prefer),
        }
    }

    /// What libpq makes of the certificates.
    fn encryption(&mut self) -> Result<Certificates, String> {
        let mut certificates = Certificates::default();
        certificates.client = match (self.client_cert.take(), self.client_key.take()) {
            (None, None) => None,
            // As in the JDBC driver, where its name says so.
            (_, Some(key)) if key.ends_with(".p12") || key.ends_with(".pfx") => {
                Some(ClientFiles::Store(key))
            }
            (Some(certificate), Some(key)) => Some(ClientFiles::Pair { certificate, key }),
            _ => return Err("sslcert and sslkey must be given together".to_owned()),
        };
        certificates.pass_phrase = self.pass_phrase.take().map(Secret::new);
        let mut mode = self.mode()?;
        if self.wrapper.is_signing() {
            mode = iam::encrypted(mode)?;
        }
        if self.trusts_all {
            self.options = self.options.clone().ssl_mode(mode);
            return Ok(certificates);
        }
        certificates.root = self.root_cert.take().or_else(default_root_cert);
        match (certificates.root.as_deref(), mode) {
            // The authorities that browsers trust: anyone can have a certificate of theirs.
            (Some("system"), PgSslMode::VerifyFull) => certificates.root = None,
            (Some("system"), _) => {
                return Err("sslrootcert=system needs sslmode=verify-full".to_owned());
            }
            // As in libpq: whoever has the certificate of an authority wants it checked.
            (Some(_), PgSslMode::Require) => mode = PgSslMode::VerifyCa,
            (Some(_), _) => {}
            (None, PgSslMode::VerifyCa) => {
                return Err("sslmode=verify-ca needs sslrootcert".to_owned());
            }
            (None, _) => {}
        }
        self.options = self.options.clone().ssl_mode(mode);
        Ok(certificates)
    }
}

/// Where libpq and the JDBC driver look for the certificates of authorities.
fn default_root_cert() -> Option<String> {
    let path = std::env::home_dir()?.join(".postgresql/root.crt");
    path.is_file().then(|| path.to_string_lossy().into_owned())
}

fn number(key: &str, value: &str) -> Result<u16, String> {
    value
        .parse()
        .map_err(|_| format!("the parameter {key} is no port"))
}

fn ssl_mode(value: &str) -> Result<PgSslMode, String> {
    value.parse().map_err(|_| {
        "sslmode must be disable, allow, prefer, require, verify-ca or verify-full".to_owned()
    })
}

/// A sink goes to a server that takes writes, whatever else is asked for.
fn takes_writes(key: &str, value: &str) -> Result<(), String> {
    match value {
        "any" | "read-write" | "primary" | "master" | "preferPrimary" => Ok(()),
        _ => Err(format!(
            "the parameter {key} asks for a server that takes no writes: it must be any, primary \
             or read-write"
        )),
    }
}

#[cfg(test)]
mod tests;
