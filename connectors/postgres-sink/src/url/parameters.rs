//! Parameters that this sink does not read itself: those of the JDBC driver (pgjdbc's
//! `org.postgresql.PGProperty`, each of them), those of libpq, and whatever else stands in an
//! address.
//!
//! What only tunes a driver is passed over, as the JDBC driver passes over what it does not know.
//! What says whom to trust, who connects, or where to, is honoured or refused.

/// They tune a driver, or name a session that this sink names itself: what there is instead.
const TUNING: &[(&str, &str)] = &[
    ("ApplicationName", ""),
    ("adaptiveFetch", ""),
    ("adaptiveFetchMaximum", ""),
    ("adaptiveFetchMinimum", ""),
    ("allowEncodingChanges", ""),
    ("application_name", ""),
    ("assumeMinServerVersion", ""),
    ("autosave", ""),
    ("binaryTransfer", ""),
    ("binaryTransferDisable", ""),
    ("binaryTransferEnable", ""),
    ("cancelSignalTimeout", ""),
    ("classLoaderStrategy", ""),
    ("cleanupSavepoints", ""),
    ("client_encoding", ""),
    ("connectTimeout", "connection.timeout.ms"),
    ("connect_timeout", "connection.timeout.ms"),
    ("convertBooleanToNumeric", ""),
    ("databaseMetadataCacheFields", ""),
    ("databaseMetadataCacheFieldsMiB", ""),
    ("defaultRowFetchSize", ""),
    ("disableColumnSanitiser", ""),
    ("escapeSyntaxCallMode", ""),
    ("fallback_application_name", ""),
    ("groupStartupParameters", ""),
    ("gssResponseTimeout", "connection.timeout.ms"),
    ("gssUseDefaultCreds", ""),
    ("gsslib", ""),
    ("hideUnprivilegedObjects", ""),
    ("hostRecheckSeconds", ""),
    ("jaasApplicationName", ""),
    ("jaasLogin", ""),
    ("keepalives", ""),
    ("keepalives_count", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("kerberosServerName", ""),
    ("load_balance_hosts", ""),
    ("loadBalanceHosts", ""),
    ("logServerErrorDetail", ""),
    ("logUnclosedConnections", ""),
    ("loggerFile", ""),
    ("loggerLevel", ""),
    ("loginTimeout", "connection.timeout.ms"),
    ("maxResultBuffer", ""),
    ("maxSendBufferSize", ""),
    ("pemKeyAlgorithm", ""),
    ("preferQueryMode", ""),
    ("prepareThreshold", ""),
    ("preparedStatementCacheQueries", ""),
    ("preparedStatementCacheSizeMiB", ""),
    ("quoteReturningIdentifiers", ""),
    ("reWriteBatchedInserts", ""),
    ("readOnlyMode", ""),
    ("receiveBufferSize", ""),
    ("sendBufferSize", ""),
    ("socketTimeout", "socket.timeout.ms"),
    ("sslResponseTimeout", "connection.timeout.ms"),
    ("sslcompression", ""),
    ("sslsni", ""),
    ("sspiServiceClass", ""),
    ("tcpKeepAlive", ""),
    ("tcpNoDelay", ""),
    ("tcp_user_timeout", "socket.timeout.ms"),
    ("unknownLength", ""),
    ("useSpnego", ""),
    ("xmlFactoryFactory", ""),
];

/// They ask for more than tuning: the values that ask for what is done anyway, and why no other
/// value is followed.
const DEMANDS: &[(&str, &[&str], &str)] = &[
    (
        "authenticationPluginClassName",
        &[],
        "classes of Java cannot be loaded: give connection.password",
    ),
    ("channelBinding", NO_BINDING, BINDING),
    ("channel_binding", NO_BINDING, BINDING),
    (
        "gssEncMode",
        NO_BINDING,
        "GSSAPI encrypts nothing here: use sslmode",
    ),
    (
        "gssencmode",
        NO_BINDING,
        "GSSAPI encrypts nothing here: use sslmode",
    ),
    (
        "krbsrvname",
        &[],
        "Kerberos is not supported: give connection.password",
    ),
    (
        "localSocketAddress",
        &[],
        "the system chooses the address to connect from",
    ),
    (
        "passfile",
        &[],
        "no file of passwords is read: give connection.password, from a config provider",
    ),
    (
        "protocolVersion",
        &["", "3", "3.0"],
        "the protocol is version 3",
    ),
    (
        "readOnly",
        &["", "false"],
        "it asks for a connection that takes no writes",
    ),
    (
        "replication",
        &["false", "off", "no", "0"],
        "it asks for a connection that takes no writes",
    ),
    ("requireAuth", &[""], AUTHENTICATION),
    ("require_auth", &[""], AUTHENTICATION),
    (
        "requirepeer",
        &[""],
        "sslmode=verify-full makes sure of the server",
    ),
    (
        "service",
        &[""],
        "no file of services is read: name host and database",
    ),
    (
        "servicefile",
        &[""],
        "no file of services is read: name host and database",
    ),
    (
        "socketFactory",
        &[""],
        "classes of Java cannot be loaded: name the host",
    ),
    (
        "socketFactoryArg",
        &[""],
        "classes of Java cannot be loaded: name the host",
    ),
    ("ssl_max_protocol_version", &["", "TLSv1.3"], PROTOCOLS),
    (
        "ssl_min_protocol_version",
        &["", "TLSv1", "TLSv1.1", "TLSv1.2"],
        PROTOCOLS,
    ),
    (
        "sslcertmode",
        &["", "allow"],
        "sslcert and sslkey are used where they are given",
    ),
    ("sslcrl", &[""], REVOCATION),
    ("sslcrldir", &[""], REVOCATION),
    (
        "sslfactoryarg",
        &[""],
        "give the certificate of the authority as sslrootcert",
    ),
    (
        "sslhostnameverifier",
        &["", "org.postgresql.ssl.PGjdbcHostnameVerifier"],
        "classes of Java cannot be loaded: sslmode=verify-full checks the host's name, \
         sslmode=verify-ca does not",
    ),
    ("sslNegotiation", &["", "postgres"], NEGOTIATION),
    ("sslnegotiation", &["", "postgres"], NEGOTIATION),
    (
        "sslpasswordcallback",
        &[""],
        "classes of Java cannot be loaded: give the pass phrase as sslpassword",
    ),
];

const NO_BINDING: &[&str] = &["", "disable", "allow", "prefer"];
const BINDING: &str =
    "the channel is not bound: sslmode=verify-full makes sure of the server, leave it out";
const AUTHENTICATION: &str = "what the server asks for is answered: sslmode=verify-full makes sure \
                              of the server";
const PROTOCOLS: &str = "TLS 1.2 and 1.3 are negotiated, and nothing leaves out one of them";
const REVOCATION: &str = "lists of revoked certificates are not read";
const NEGOTIATION: &str = "TLS begins after Postgres's own request: it must be postgres";

/// Names that are read, for what is misspelt.
const READ: &[&str] = &[
    "awsProfile",
    "currentSchema",
    "host",
    "iamAccessTokenPropertyName",
    "iamDefaultPort",
    "iamExpiration",
    "iamHost",
    "iamRegion",
    "options",
    "port",
    "queryTimeout",
    "ssl",
    "sslcert",
    "sslfactory",
    "sslkey",
    "sslmode",
    "sslpassword",
    "sslrootcert",
    "stringtype",
    "targetServerType",
    "target_session_attrs",
    "wrapperPlugins",
];

/// What is to be told of a parameter that is passed over; none: there is nothing to tell.
///
/// # Errors
/// A fragment without the value, when it asks for what this sink does not do.
pub(super) fn passed_over(key: &str, value: &str) -> Result<Option<String>, String> {
    if let Some((_, instead)) = TUNING.iter().find(|(name, _)| *name == key) {
        return Ok(Some(match *instead {
            "" => key.to_owned(),
            instead => format!("{key} (the option {instead} is instead)"),
        }));
    }
    if let Some((_, values, why)) = DEMANDS.iter().find(|(name, ..)| *name == key) {
        let asks_for_nothing = values.iter().any(|known| known.eq_ignore_ascii_case(value));
        return match asks_for_nothing {
            true => Ok(None),
            false => Err(format!("the parameter {key} cannot be followed: {why}")),
        };
    }
    // The JDBC driver ignores other names, but these say whom to trust or where to write: whoever
    // wrote one must not go unheard.
    let known = READ.iter().chain(DEMANDS.iter().map(|(name, ..)| name));
    let meant = known.copied().find(|name| name.eq_ignore_ascii_case(key));
    let is_about_trust = ["ssl", "gss", "krb", "iam"].iter().any(|start| {
        key.get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    });
    match meant {
        Some(meant) => Err(format!("the parameter {key} is not known: write {meant}")),
        None if is_about_trust => Err(format!("the parameter {key} is not known")),
        None => Ok(Some(format!("{key} (which is no parameter of Postgres)"))),
    }
}

/// `sslfactory`: whether the JDBC driver would take any certificate of a server.
///
/// # Errors
/// For a class that trusts by rules of its own.
pub(super) fn trusts_all(class: &str) -> Result<bool, String> {
    match class {
        "org.postgresql.ssl.NonValidatingFactory" => Ok(true),
        "" | "org.postgresql.ssl.LibPQFactory" | "org.postgresql.ssl.jdbc4.LibPQFactory" => {
            Ok(false)
        }
        _ => Err(
            "the parameter sslfactory cannot be followed, as classes of Java cannot be loaded: \
             give the authority as sslrootcert, a PEM file or system for the public ones, with \
             sslmode=verify-full; or sslmode=require to check nothing"
                .to_owned(),
        ),
    }
}

/// `stringtype`: whether a text is what Postgres reads of it, or a text.
///
/// # Errors
/// For another word.
pub(super) fn reads_texts(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "unspecified" => Ok(true),
        "varchar" => Ok(false),
        _ => Err("the parameter stringtype must be varchar or unspecified".to_owned()),
    }
}

/// Certificates are to be checked, and are not to be.
pub(super) fn contradiction() -> String {
    "sslfactory=org.postgresql.ssl.NonValidatingFactory checks nothing, which sslmode asks for: \
     write sslmode=require, or leave out sslfactory"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of pgjdbc 42.7's `PGProperty`.
    const PGJDBC: &str = "adaptiveFetch adaptiveFetchMaximum adaptiveFetchMinimum \
        allowEncodingChanges ApplicationName assumeMinServerVersion \
        authenticationPluginClassName autosave binaryTransfer binaryTransferDisable \
        binaryTransferEnable cancelSignalTimeout channelBinding classLoaderStrategy \
        cleanupSavepoints connectTimeout convertBooleanToNumeric currentSchema \
        databaseMetadataCacheFields databaseMetadataCacheFieldsMiB defaultRowFetchSize \
        disableColumnSanitiser escapeSyntaxCallMode groupStartupParameters gssEncMode gsslib \
        gssResponseTimeout gssUseDefaultCreds hideUnprivilegedObjects hostRecheckSeconds \
        jaasApplicationName jaasLogin kerberosServerName loadBalanceHosts localSocketAddress \
        loggerFile loggerLevel loginTimeout logServerErrorDetail logUnclosedConnections \
        maxResultBuffer maxSendBufferSize options password pemKeyAlgorithm PGDBNAME PGHOST PGPORT \
        preferQueryMode preparedStatementCacheQueries preparedStatementCacheSizeMiB \
        prepareThreshold protocolVersion queryTimeout quoteReturningIdentifiers readOnly \
        readOnlyMode receiveBufferSize replication requireAuth reWriteBatchedInserts \
        sendBufferSize service socketFactory socketFactoryArg socketTimeout ssl sslcert \
        sslfactory sslfactoryarg sslhostnameverifier sslkey sslmode sslNegotiation sslpassword \
        sslpasswordcallback sslResponseTimeout sslrootcert sspiServiceClass stringtype \
        targetServerType tcpKeepAlive tcpNoDelay unknownLength user useSpnego xmlFactoryFactory";

    #[test]
    fn every_parameter_of_the_jdbc_driver_has_a_meaning() {
        let own = ["user", "password", "PGDBNAME", "PGHOST", "PGPORT"];
        for name in PGJDBC.split_whitespace() {
            let places = [
                TUNING.iter().any(|(known, _)| *known == name),
                DEMANDS.iter().any(|(known, ..)| *known == name),
                READ.contains(&name) || own.contains(&name),
            ];
            let found = places.iter().filter(|is_there| **is_there).count();
            assert_eq!(found, 1, "{name}");
        }
    }

    #[test]
    fn what_tunes_is_passed_over_and_what_demands_is_not() {
        for (key, value) in [
            ("useSSL", "false"),
            ("characterEncoding", "utf8"),
            ("preferQueryMode", "simple"),
            ("autosave", "conservative"),
            ("loginTimeout", "15"),
            ("serverTimezone", "UTC"),
        ] {
            assert!(matches!(passed_over(key, value), Ok(Some(_))), "{key}");
        }
        for (key, value) in [
            ("readOnly", "false"),
            ("channel_binding", "prefer"),
            ("protocolVersion", "3"),
        ] {
            assert_eq!(passed_over(key, value), Ok(None), "{key}");
        }
        for (key, value, expect) in [
            ("readOnly", "true", "takes no writes"),
            ("sslMode", "REQUIRED", "write sslmode"),
            ("sslRootCert", "/ca.crt", "write sslrootcert"),
            ("sslTrustAll", "true", "not known"),
            ("iamregion", "eu-west-1", "write iamRegion"),
            ("iamRole", "arn", "not known"),
            ("CurrentSchema", "raw", "write currentSchema"),
            ("channelBinding", "require", "sslmode=verify-full"),
            ("requireAuth", "scram-sha-256", "sslmode=verify-full"),
            (
                "sslhostnameverifier",
                "com.example.All",
                "sslmode=verify-ca",
            ),
            (
                "socketFactory",
                "com.google.cloud.sql.postgres.SocketFactory",
                "host",
            ),
            (
                "authenticationPluginClassName",
                "x.Y",
                "connection.password",
            ),
            ("sslcrl", "/crl.pem", "revoked"),
        ] {
            let why = passed_over(key, value).expect_err(key);
            assert!(why.contains(expect) && why.contains(key), "{why}");
            assert!(!why.contains(value), "{why}");
        }
    }
}
