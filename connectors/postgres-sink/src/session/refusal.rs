//! Why there is no connection: the address, what the server or the system says, and what to check.

use connect_api::Error;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::Servers;
use crate::error::{server_message, sqlstate, to_error};

/// `host:port`, or the folder of a socket.
pub(super) fn address(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), host.get_port()),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

/// The server did not answer in time.
pub(crate) fn late(host: &PgConnectOptions) -> Error {
    Error::retriable(format!(
        "cannot connect to Postgres at {}: no answer within connection.timeout.ms; check the host \
         and the port in connection.url",
        address(host)
    ))
}

/// A connection was refused, or there is nobody to refuse it.
pub(crate) fn refusal(servers: &Servers, host: &PgConnectOptions, error: &sqlx::Error) -> Error {
    let mut doing = format!("cannot connect to Postgres at {}", address(host));
    // Whom the server knows is no question before it is there.
    if sqlstate(error).is_some() {
        let user = host.get_username();
        let database = host.get_database().unwrap_or(user);
        doing.push_str(&format!(" as user {user}, to database {database}"));
    }
    servers.login.refused(error);
    let told = to_error(&doing, error);
    let mut text = told.chain();
    let refused = sqlstate(error).is_some_and(|code| code.starts_with("28"));
    let advice = match servers.iam {
        Some(_) if refused => Some(OF_TOKENS),
        _ => advice(host, error),
    };
    if let Some(advice) = advice {
        text.push_str("; ");
        text.push_str(advice);
    }
    if servers.login.is_waited_for(error) {
        text.push_str("; the next attempt takes the credentials of then");
        return Error::retriable(text);
    }
    let told = with_kind_of(&told, text);
    match sqlstate(error).is_none() && servers.certificates.has_files() {
        // Whoever renews the files may be in the midst of it.
        true => told.transient(),
        false => told,
    }
}

fn with_kind_of(told: &Error, text: String) -> Error {
    let error = Error::new(told.kind(), text);
    match told.is_transient() {
        true => error.transient(),
        false => error,
    }
}

/// What to look at where the password is a token of IAM.
const OF_TOKENS: &str = "check that the role has rds_iam, that AWS allows rds-db:connect as this role \
                         to the credentials of the worker, and iamHost, iamDefaultPort and iamRegion \
                         where connection.url does not have the database's own name";

/// What to look at.
fn advice(host: &PgConnectOptions, error: &sqlx::Error) -> Option<&'static str> {
    let text = error.to_string();
    match sqlstate(error) {
        Some("28P01") => Some("check connection.user and connection.password"),
        // The server says so to whom it asks for a password.
        Some("28000") if server_message(error).contains("pg_hba.conf") => Some(
            "no line of the server's pg_hba.conf lets this client in: check sslmode in \
             connection.url and connection.user, or let an administrator add a line",
        ),
        Some("28000") => Some("check connection.user"),
        Some("3D000") if host.get_database().is_none() => Some(
            "connection.url names no database, and that of the user's name is taken: add \
             /DATABASE to connection.url",
        ),
        Some("3D000") => Some("check the database in connection.url, or create it"),
        Some("42501") => Some("the role may not use the database: GRANT CONNECT ON DATABASE"),
        Some("53300") => Some("the server has no connection left: see its max_connections"),
        Some(_) => None,
        None if matches!(error, sqlx::Error::Tls(_)) || text.contains("certificate") => {
            let wants = matches!(
                host.get_ssl_mode(),
                PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
            );
            Some(match wants {
                true => "check sslmode and sslrootcert in connection.url, and ssl of the server",
                false => "check sslmode in connection.url",
            })
        }
        None if text.contains("lookup address") => Some("check the host in connection.url"),
        None => match error {
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => Some(
                "nothing listens there: check the host and the port in connection.url, and that \
                 Postgres runs",
            ),
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::NotFound => {
                Some("check the folder of the socket in connection.url")
            }
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Some(
                "check the host and the port in connection.url: something else than Postgres may \
                 listen there",
            ),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use connect_api::ErrorKind;

    use super::super::{Certificates, Login};
    use super::*;

    fn servers() -> Servers {
        Servers {
            hosts: Vec::new(),
            settings: Vec::new(),
            certificates: Certificates::default(),
            iam: None,
            login: Login::default(),
            timeout: Duration::from_secs(1),
            ignored: Vec::new(),
        }
    }

    fn told(error: io::Error) -> String {
        let host = PgConnectOptions::new_without_pgpass().host("db").port(5433);
        refusal(&servers(), &host, &sqlx::Error::Io(error)).chain()
    }

    #[test]
    fn an_address_where_nothing_listens_is_named_with_the_setting() {
        let text = told(io::ErrorKind::ConnectionRefused.into());
        assert!(
            text.starts_with("cannot connect to Postgres at db:5433: "),
            "{text}"
        );
        assert!(
            text.contains("connection.url, and that Postgres runs"),
            "{text}"
        );
        let lookup = "failed to lookup address information: Name or service not known";
        let text = told(io::Error::other(lookup));
        assert!(text.contains("Name or service not known"), "{text}");
        assert!(
            text.ends_with("; check the host in connection.url"),
            "{text}"
        );
    }
    #[test]
    fn what_is_wrong_with_files_is_waited_for_by_a_task_that_was_let_in() {
        let host = PgConnectOptions::new_without_pgpass();
        let unreadable = || sqlx::Error::Configuration("cannot read sslkey".into());
        let untrusted = || sqlx::Error::Tls("certificate verify failed".into());
        let mut servers = servers();
        servers.login.may_change = true;
        for error in [unreadable(), untrusted()] {
            let told = refusal(&servers, &host, &error);
            assert_eq!(told.kind(), ErrorKind::Config, "{told}");
            assert!(!told.is_transient(), "it names no file: {told}");
        }
        servers.certificates.root = Some("/etc/ca.crt".to_owned());
        for error in [unreadable(), untrusted()] {
            let told = refusal(&servers, &host, &error);
            assert_eq!(told.kind(), ErrorKind::Config, "{told}");
            assert!(told.is_transient(), "the file may be another soon: {told}");
        }
        servers.login.let_in();
        for error in [unreadable(), untrusted()] {
            let told = refusal(&servers, &host, &error);
            assert_eq!(told.kind(), ErrorKind::Retriable, "{told}");
        }
    }
}
