//! `connection.url`: the addresses that libpq and the JDBC driver take.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Where and how to connect, except for the credentials that have keys of their own.
///
/// # Errors
/// A fragment that says what is wrong with the URL. It never quotes the URL, which may hold a
/// password (Invariant 9).
pub(crate) fn parse(text: &str) -> Result<PgConnectOptions, String> {
    let text = text.trim();
    let plain = text.strip_prefix("jdbc:").unwrap_or(text);
    if !plain.starts_with("postgresql://") && !plain.starts_with("postgres://") {
        return Err(
            "it must start with jdbc:postgresql://, postgresql:// or postgres://".to_owned(),
        );
    }
    if authority(plain).contains(',') {
        return Err("several hosts are not supported: name one".to_owned());
    }
    let url = Url::parse(plain).map_err(|error| format!("it is not a URL: {error}"))?;
    let mut options = PgConnectOptions::new_without_pgpass().port(url.port().unwrap_or(5432));
    let host = match url.host_str() {
        Some(host) if !host.is_empty() => decoded(host)?,
        _ => "localhost".to_owned(),
    };
    options = address(options, host.trim_start_matches('[').trim_end_matches(']'));
    if !url.username().is_empty() {
        options = options.username(&decoded(url.username())?);
    }
    if let Some(password) = url.password() {
        options = options.password(&decoded(password)?);
    }
    let database = decoded(url.path().trim_start_matches('/'))?;
    if !database.is_empty() {
        options = options.database(&database);
    }
    for (key, value) in url.query_pairs() {
        options = parameter(options, &key, &value)?;
    }
    Ok(options)
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// Replaces `%41` by `A`.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                bytes.push(escaped);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoded part is not UTF-8".to_owned())
}

fn address(options: PgConnectOptions, host: &str) -> PgConnectOptions {
    if host.starts_with('/') {
        options.socket(host)
    } else {
        options.host(host)
    }
}

/// The parameters of libpq and of the JDBC driver that mean something to this sink.
fn parameter(
    options: PgConnectOptions,
    key: &str,
    value: &str,
) -> Result<PgConnectOptions, String> {
    Ok(match key {
        "user" => options.username(value),
        "password" => options.password(value),
        "host" => address(options, value),
        "port" => options.port(number(key, value)?),
        "dbname" => options.database(value),
        "sslmode" => options.ssl_mode(ssl_mode(value)?),
        "ssl" if value.is_empty() || value == "true" => options.ssl_mode(PgSslMode::VerifyFull),
        "ssl" => options,
        "sslrootcert" => options.ssl_root_cert(value),
        "sslcert" => options.ssl_client_cert(value),
        "sslkey" => options.ssl_client_key(value),
        "currentSchema" => options.options([("search_path", value)]),
        "options" => command_line(options, value)?,
        // They tune the JDBC driver or name a session that this sink names itself.
        "ApplicationName"
        | "application_name"
        | "reWriteBatchedInserts"
        | "stringtype"
        | "prepareThreshold"
        | "preparedStatementCacheQueries"
        | "preparedStatementCacheSizeMiB"
        | "defaultRowFetchSize"
        | "binaryTransfer"
        | "tcpKeepAlive"
        | "loginTimeout"
        | "connectTimeout"
        | "connect_timeout"
        | "socketTimeout"
        | "cancelSignalTimeout"
        | "logUnclosedConnections"
        | "loggerLevel"
        | "disableColumnSanitiser"
        | "assumeMinServerVersion"
        | "targetServerType"
        | "loadBalanceHosts"
        | "hostRecheckSeconds"
        | "gssEncMode"
        | "client_encoding" => options,
        _ => return Err(format!("the parameter {key} is not known")),
    })
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

/// `-c name=value`, as libpq and the JDBC driver take server settings.
fn command_line(mut options: PgConnectOptions, value: &str) -> Result<PgConnectOptions, String> {
    for setting in value.split_whitespace().filter(|word| *word != "-c") {
        let setting = setting.trim_start_matches("-c").trim_start_matches("--");
        let (name, value) = setting
            .split_once('=')
            .ok_or("the parameter options must be of the form -c name=value")?;
        options = options.options([(name, value)]);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_libpq_and_jdbc_are_read() {
        for (text, host, port, user, database) in [
            (
                "jdbc:postgresql://db/shark",
                "db",
                5432,
                None,
                Some("shark"),
            ),
            (
                "jdbc:postgresql://db:5433/s?user=u&sslmode=disable",
                "db",
                5433,
                Some("u"),
                Some("s"),
            ),
            (
                "postgres://u%40x:p%2Bq@127.0.0.1:6000/a%20b",
                "127.0.0.1",
                6000,
                Some("u@x"),
                Some("a b"),
            ),
            (
                "postgresql://[::1]:5432/d?currentSchema=raw",
                "::1",
                5432,
                None,
                Some("d"),
            ),
            ("postgresql://db", "db", 5432, None, None),
        ] {
            let options = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(options.get_host(), host, "{text}");
            assert_eq!(options.get_port(), port, "{text}");
            assert_eq!(options.get_database(), database, "{text}");
            if let Some(user) = user {
                assert_eq!(options.get_username(), user, "{text}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for (text, expect) in [
            ("jdbc:mysql://db/x", "it must start with"),
            ("postgres://u:secret@a,b/x", "several hosts"),
            ("postgres://u:secret@a:port/x", "it is not a URL"),
            ("postgres://u:secret@a/x?sslmode=maybe", "sslmode must be"),
            ("postgres://u:secret@a/x?shiny=1", "shiny is not known"),
            ("postgres://u:secret@a/x?port=99999", "port is no port"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(expect), "{text}: {why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn settings_reach_the_server() {
        let options = parse("postgres://db/x?options=-c%20work_mem%3D8MB&currentSchema=raw");
        let options = options.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(
            options.get_options(),
            Some("-c work_mem=8MB -c search_path=raw")
        );
    }
}
