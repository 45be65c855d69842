//! The settings of Kafka clients that a config may give: a closed list.
//!
//! librdkafka has settings that load libraries, run commands, read files and URLs, take callbacks
//! or break what the worker promises of delivery. None of these is reachable from a config,
//! whichever way it came: what is not listed here is refused by its name.

mod table;

use std::path::Path;

use connect_api::{Error, Result, check_config_file};

use crate::login::{self, MECHANISMS};
use table::SETTINGS;

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// librdkafka gets it, under its own name of the setting.
    Client,
    /// A login by a token is made of it.
    Login,
    /// The worker itself looks at it.
    Worker,
    /// Java's clients alone have it.
    JavaOnly,
}

/// Who may give a setting unless the worker's policy says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByDefault {
    /// The worker and its connectors.
    Overridable,
    /// The worker.
    WorkersOnly,
}

/// Settings that are the worker's: it sets them itself, and its delivery depends on them. They may
/// stand in a config with the value that they have anyway, as in many that come from Java.
const SET_BY_WORKER: &[(&str, &[&str])] = &[
    ("delivery.report.only.error", &["false"]),
    ("enable.auto.commit", &["false"]),
    ("enable.auto.offset.store", &["false"]),
    ("enable.idempotence", &["true"]),
    ("enable.partition.eof", &[]),
    ("group.instance.id", &[]),
    ("partitioner.ignore.keys", &["false"]),
    ("transaction.two.phase.commit.enable", &["false"]),
    ("transactional.id", &[]),
];

/// Settings with a few values: others cannot be kept, or lose records.
const VALUES: &[(&str, &[&str])] = &[
    ("acks", &["all", "-1", "1"]),
    ("exclude.internal.topics", &["true"]),
    ("sasl.mechanism", MECHANISMS),
    ("sasl.mechanisms", MECHANISMS),
    ("ssl.protocol", &["TLS", "TLSv1.3", "TLSv1.2", "TLSv1.1"]),
];

/// What the settings of interceptors, of vendors' monitoring and of Java's metrics begin with.
const JAVA_ONLY_PREFIXES: &[&str] = &["confluent.", "interceptor.", "metrics.", "jmx."];

/// The versions of TLS that Java knows, without those that no OpenSSL of today has.
const TLS_VERSIONS: &[&str] = &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/// Numbers among the settings, beside those whose names say so.
const NUMBERS: &[&str] = &[
    "batch.size",
    "buffer.memory",
    "max.in.flight.requests.per.connection",
    "max.poll.records",
    "max.request.size",
    "metrics.num.samples",
    "retries",
];

/// Settings of the worker's own file; a connector cannot give them.
const WORKER_FILE_ONLY: &[&str] = &["debug"];

/// Settings whose values are secrets, all of them or in parts.
const SECRET: &[&str] = &[
    "sasl.jaas.config",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.key",
    "ssl.keystore.password",
    "ssl.truststore.password",
];

/// Settings that name a file for the client library to read.
const FILES: &[&str] = &[
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
];

/// Settings that name a file, or a folder of files.
const FILES_OR_FOLDERS: &[&str] = &["ssl.ca.location", "ssl.truststore.location"];

/// Who gives a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBy {
    /// The worker's own properties.
    Worker,
    /// The config of a connector.
    Connector,
}

/// What is wrong with a setting that a config gives, without its name; none: it may be given. The
/// value is not told. Without a value, as of one that a config provider is yet to give, the setting
/// alone is looked at.
pub fn setting_refusal(given_by: GivenBy, setting: &str, value: Option<&str>) -> Option<String> {
    let is_other = |value: &str| is_number(setting) && value.trim().parse::<i64>().is_err();
    let checked = taken(given_by, setting, value).and_then(|used| match (used, value) {
        (_, Some(value)) if is_other(value) => Err(Error::config("Not a number of type INT")),
        (Use::Client, Some(value)) => crate::client::check_value(setting, value),
        (Use::Login, Some(value)) => login::check_value(setting, value),
        _ => Ok(()),
    });
    checked.err().map(|error| error.chain())
}

/// Whether a setting is one of Java's clients that has no effect here.
pub fn has_no_effect(setting: &str) -> bool {
    matches!(listed(setting), Some(Use::JavaOnly))
        || matches!(setting, "ssl.enabled.protocols" | "ssl.protocol")
}

/// The settings that a connector may override unless the worker says otherwise.
pub fn overridable_settings() -> impl Iterator<Item = &'static str> {
    SETTINGS
        .iter()
        .filter(|(_, _, default)| *default == ByDefault::Overridable)
        .map(|(name, _, _)| *name)
}

/// Whether Kafka has an integer there. The client library takes `500ms` for 500, and `1e4` for 1; a
/// fraction of a millisecond has a meaning to it in `linger.ms`.
fn is_number(setting: &str) -> bool {
    let is_named = setting.ends_with(".ms") || setting.ends_with(".bytes");
    (is_named && setting != "linger.ms") || NUMBERS.contains(&setting)
}

fn listed(setting: &str) -> Option<Use> {
    let at = SETTINGS.binary_search_by(|(name, _, _)| (*name).cmp(setting));
    let is_javas = || {
        let mut prefixes = JAVA_ONLY_PREFIXES.iter();
        prefixes.any(|prefix| setting.starts_with(prefix))
    };
    match at {
        Ok(at) => Some(SETTINGS[at].1),
        Err(_) => is_javas().then_some(Use::JavaOnly),
    }
}

/// `ssl.enabled.protocols`: OpenSSL negotiates TLS 1.2 or 1.3, and no setting narrows that. A list
/// with 1.2 asks for no more, and what it has of older ones is not missed.
fn protocols(value: Option<&str>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    let named = || value.split(',').map(str::trim);
    let known = |name: &str| TLS_VERSIONS.iter().any(|v| v.eq_ignore_ascii_case(name));
    if named().all(known) && named().any(|name| name.eq_ignore_ascii_case("TLSv1.2")) {
        return Ok(());
    }
    Err(Error::config(
        "it must be a list of versions of TLS with TLSv1.2: TLS 1.2 and 1.3 are negotiated, and \
         nothing leaves out the former",
    ))
}

/// Whether the value of a setting is a secret.
pub fn is_secret_setting(setting: &str) -> bool {
    SECRET.contains(&setting)
}

/// What becomes of a setting.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it may not be given, or not with this value.
pub(crate) fn taken(given_by: GivenBy, setting: &str, value: Option<&str>) -> Result<Use> {
    if value.is_some_and(|value| value.contains('\0')) {
        return Err(Error::config("the value has a NUL character"));
    }
    let one_of = |values: &[&str]| match value.map(str::trim) {
        Some(value) => values.iter().any(|known| known.eq_ignore_ascii_case(value)),
        None => !values.is_empty(),
    };
    if let Some((_, values)) = SET_BY_WORKER.iter().find(|(name, _)| *name == setting) {
        return match one_of(values) {
            true => Ok(Use::JavaOnly),
            false => Err(Error::config(
                "the worker sets it itself, as its delivery needs it; leave it out",
            )),
        };
    }
    let values = VALUES.iter().find(|(name, _)| *name == setting);
    if let Some((_, values)) = values.filter(|(_, values)| !one_of(values)) {
        let mechanism = value.filter(|_| setting.starts_with("sasl.mechanism"));
        if let Some(why) = mechanism.and_then(login::refusal_of_mechanism) {
            return Err(Error::config(why));
        }
        let values = values.join(", ");
        return Err(Error::config(format!("it must be one of: {values}")));
    }
    if setting == "ssl.enabled.protocols" {
        return protocols(value).map(|()| Use::JavaOnly);
    }
    if WORKER_FILE_ONLY.contains(&setting) {
        return match given_by {
            GivenBy::Worker => Ok(Use::Client),
            GivenBy::Connector => Err(Error::config("only the worker's own properties may set it")),
        };
    }
    if setting.starts_with("sasl.kerberos.")
        && let Some(why) = login::refusal_of_mechanism("GSSAPI")
    {
        return Err(Error::config(why));
    }
    if let (GivenBy::Connector, Some(value)) = (given_by, value) {
        workers_own(setting, value)?;
    }
    match listed(setting) {
        Some(Use::Client) => files(setting, value).map(|()| Use::Client),
        Some(other) => Ok(other),
        None if values.is_some() => Ok(Use::JavaOnly),
        None => Err(unknown(setting)),
    }
}

/// Refuses what a connector may not say of a login.
fn workers_own(setting: &str, value: &str) -> Result<()> {
    match () {
        () if login::names_token_file(setting, value) => Err(Error::config(
            "only the worker's own properties may name a file of a token",
        )),
        () if login::is_of_workers_tickets(setting, value) => Err(Error::config(
            "only the worker's own properties may log in by Kerberos: its process has one cache of \
             tickets",
        )),
        () => Ok(()),
    }
}

fn unknown(setting: &str) -> Error {
    let why = if setting.starts_with("sasl.oauthbearer.assertion.") {
        "the grant of assertions (jwt-bearer) is not followed; the nearest is that of client \
         credentials, by sasl.oauthbearer.client.credentials.*"
    } else if setting == "sasl.kerberos.keytab" || setting == "sasl.kerberos.principal" {
        "it is not a setting of Kafka's clients; keyTab and principal stand in sasl.jaas.config"
    } else if setting == "metadata.broker.list" {
        "it is not a setting of Kafka's clients; use bootstrap.servers"
    } else {
        "it is not a setting of a Kafka client that a config may give"
    };
    Error::config(why)
}

/// The client library opens files itself, and would wait for the writer of a FIFO for ever.
fn files(setting: &str, value: Option<&str>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    let path = Path::new(value);
    let folder = FILES_OR_FOLDERS.contains(&setting) && path.is_dir();
    let named = FILES.contains(&setting) || FILES_OR_FOLDERS.contains(&setting);
    // librdkafka's word for the places where systems have their certificates.
    if !named || folder || (setting == "ssl.ca.location" && value == "probe") {
        return Ok(());
    }
    check_config_file(path).map_err(|cause| {
        let why = format!("the file {} cannot be used", path.display());
        Error::config(why).with_source(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(setting: &str, value: &str) -> Option<String> {
        setting_refusal(GivenBy::Connector, setting, Some(value))
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        for setting in [
            "plugin.library.paths",
            "Plugin.Library.Paths",
            "plugin.library.paths ",
            "plugin-library-paths",
            "topic.plugin.library.paths",
            "default.topic.config",
            "default_topic_conf",
            "ssl.engine.location",
            "ssl.engine.id",
            "ssl.engine.factory.class",
            "ssl_engine_callback_data",
            "ssl.providers",
            "ssl.provider",
            "security.providers",
            "ssl.certificate.verify_cb",
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.keytab",
            "sasl.oauthbearer.method",
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.assertion.file",
            "enable.sasl.oauthbearer.unsecure.jwt",
            "sasl.login.callback.handler.class",
            "sasl.login.class",
            "builtin.features",
            "interceptors",
            "opaque",
            "open_cb",
            "error_cb",
            "socket_cb",
            "log_cb",
            "statistics.interval.ms",
            "internal.termination.signal",
            "https.ca.location",
            "offset.store.path",
            "offset.store.method",
            "metadata.broker.list",
            "topic.blacklist",
            "queuing.strategy",
            "enabled_events",
            "config.providers",
            "debug",
            "request.required.acks",
            "auto.commit.enable",
            "",
        ] {
            assert!(refused(setting, "x").is_some(), "{setting}");
        }
    }

    #[test]
    fn what_delivery_depends_on_stays_the_workers() {
        for (setting, value) in [
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "true"),
            ("enable.idempotence", "false"),
            ("group.instance.id", "me"),
            ("transactional.id", "another's"),
            ("acks", "0"),
            ("delivery.report.only.error", "true"),
        ] {
            assert!(refused(setting, value).is_some(), "{setting}");
        }
        for (setting, value) in [
            ("enable.auto.commit", "False"),
            ("enable.idempotence", "true"),
            ("acks", "ALL"),
            ("max.poll.records", "5"),
            ("value.deserializer", "org.apache.kafka.X"),
        ] {
            assert_eq!(refused(setting, value), None, "{setting}");
        }
    }

    #[test]
    fn what_the_file_may_set_a_connector_may_not() {
        assert_eq!(setting_refusal(GivenBy::Worker, "debug", Some("msg")), None);
        assert!(setting_refusal(GivenBy::Worker, "plugin.library.paths", None).is_some());
    }

    #[test]
    fn values_that_would_stop_or_mislead_a_client_are_refused() {
        for (setting, value) in [
            ("client.id", "a\0b"),
            ("sasl.mechanism", "EXTERNAL"),
            ("sasl.mechanisms", "EXTERNAL"),
            ("ssl.enabled.protocols", "TLSv1.3"),
            ("ssl.ca.location", "/dev/zero"),
            ("ssl.key.location", "/"),
            ("ssl.keystore.location", "/no/such/file"),
        ] {
            assert!(refused(setting, value).is_some(), "{setting}");
        }
        assert_eq!(
            refused("ssl.ca.location", "/etc"),
            None,
            "a folder of certificates"
        );
    }

    #[test]
    fn values_are_checked_by_their_types() {
        for (setting, value) in [
            ("max.poll.records", "many"),
            ("fetch.min.bytes", "few"),
            ("auto.offset.reset", "sometimes"),
            ("session.timeout.ms", "1e4"),
            ("security.protocol", "TLS"),
            ("partition.assignment.strategy", "com.example.Mine"),
            ("receive.buffer.bytes", ""),
        ] {
            let why = refused(setting, value);
            assert!(why.is_some(), "{setting}={value}");
        }
        for (setting, value) in [
            ("max.poll.records", " 500 "),
            ("fetch.min.bytes", "1"),
            ("auto.offset.reset", "Earliest"),
            ("isolation.level", "READ_COMMITTED"),
            ("receive.buffer.bytes", "-1"),
        ] {
            assert_eq!(refused(setting, value), None, "{setting}={value}");
        }
        let jaas = refused("sasl.jaas.config", "canary required password=canary;");
        assert!(jaas.is_some_and(|why| !why.contains("canary")));
    }

    #[test]
    fn what_only_a_jvm_has_is_passed_over() {
        for (setting, value) in [
            ("interceptor.classes", "io.confluent.monitoring.clients.X"),
            (
                "confluent.monitoring.interceptor.bootstrap.servers",
                "b:9092",
            ),
            (
                "confluent.monitoring.interceptor.sasl.jaas.config",
                "canary",
            ),
            ("confluent.metrics.reporter.topic.replicas", "1"),
            ("metrics.jmx.include", ".*"),
            ("ssl.enabled.protocols", "TLSv1.2, TLSv1.3"),
            ("ssl.enabled.protocols", "TLSv1,TLSv1.1,TLSv1.2"),
            ("ssl.enabled.protocols", "TLSv1.2"),
            ("ssl.protocol", "TLSv1.3"),
            ("ssl.keymanager.algorithm", "SunX509"),
        ] {
            assert_eq!(refused(setting, value), None, "{setting}={value}");
            assert!(has_no_effect(setting), "{setting}");
        }
        for value in ["TLSv1.3", "SSLv3", "TLSv1.2,SSLv3", ""] {
            assert!(refused("ssl.enabled.protocols", value).is_some(), "{value}");
        }
    }

    #[test]
    fn the_lists_do_not_overlap_and_are_sorted() {
        let names = || SETTINGS.iter().map(|(name, _, _)| name);
        assert!(names().is_sorted());
        for setting in WORKER_FILE_ONLY {
            assert_eq!(listed(setting), None, "{setting}");
        }
        for (setting, _) in SET_BY_WORKER {
            assert!(!matches!(listed(setting), Some(Use::Client)), "{setting}");
        }
        assert!(names().all(|setting| listed(setting).is_some()));
    }
}
