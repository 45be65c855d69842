//! Why a broker cannot be reached, or does not let a client in: its address, what is wrong, and the
//! settings to look at, in words for whoever reads a log or a status.

use rdkafka::error::RDKafkaErrorCode as Code;

/// What librdkafka puts in front of the reason why a login has no token.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token: ";

/// Whose settings a client has, for the advice that an error ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsOf {
    /// The worker's own, which stand in its properties.
    Worker,
    /// A connector's: the worker's, and over them those with this prefix in the connector's config,
    /// as `consumer.override.`.
    Connector(&'static str),
}

impl SettingsOf {
    /// "check KEYS", and where they stand.
    fn check(self, keys: &str) -> String {
        match self {
            Self::Worker => format!("check {keys}"),
            Self::Connector(prefix) => format!(
                "check {keys} of the worker, and what {prefix}* of the connector says instead"
            ),
        }
    }
}

/// What an error of a connection says, in plain words. `reason` is librdkafka's text: the broker, a
/// colon, what happened, and in brackets when.
pub(crate) fn explain(code: Code, reason: &str, settings: SettingsOf) -> String {
    let (address, what) = address_and_rest(reason);
    let what = what.split(" (after ").next().unwrap_or(what);
    let has = |text: &str| what.to_ascii_lowercase().contains(text);
    if let Some((_, why)) = what.split_once(NO_TOKEN) {
        // It says what to do, and concerns no broker.
        return match settings {
            SettingsOf::Worker => format!("there is no token to log in with: {why}"),
            SettingsOf::Connector(prefix) => format!(
                "there is no token to log in with: {why}, which {prefix}* of the connector may say \
                 instead of the worker"
            ),
        };
    }
    let protocol = "security.protocol";
    let is_login = matches!(code, Code::Authentication | Code::SaslAuthenticationFailed);
    let (told, keys) = match () {
        () if code == Code::Resolve || has("failed to resolve") => (
            format!(
                "the host name of {address} is not known ({})",
                last_part(what)
            ),
            "bootstrap.servers (and advertised.listeners of the broker)",
        ),
        () if is_login || has("sasl authentication error") || has("authentication failed") => (
            format!("Kafka at {address} refuses the login: {what}"),
            "sasl.mechanism and sasl.jaas.config",
        ),
        () if has("connecting to a plaintext broker listener") || has("wrong version number") => {
            (format!("{address} does not speak TLS ({what})"), protocol)
        }
        () if code == Code::SSL || has("ssl handshake") || has("ssl routines") => (
            format!("the TLS handshake with {address} fails: {what}"),
            "security.protocol and ssl.truststore.*",
        ),
        () if has("invalid response size") => (
            format!("{address} does not speak Kafka's protocol, or speaks TLS"),
            "bootstrap.servers and security.protocol",
        ),
        () if has("connecting to a ssl listener")
            || has("disconnected") && reason.contains("in state APIVERSION_QUERY") =>
        {
            (
                format!(
                    "{address} closes the connection at the first request, as a listener of TLS does, \
                 or one that is not Kafka"
                ),
                "bootstrap.servers and security.protocol",
            )
        }
        () if has("might require sasl") => (
            format!("{address} closes the connection, as a listener that wants a login does"),
            "security.protocol and sasl.*",
        ),
        () if has("connection refused") => (
            format!(
                "nothing listens at {address} (connection refused): Kafka does not run there, or \
                 the address is another"
            ),
            "bootstrap.servers",
        ),
        () if has("timed out") => (
            format!("{address} does not answer ({what})"),
            "bootstrap.servers",
        ),
        () => (format!("{address}: {what}"), "bootstrap.servers"),
    };
    format!("{told}; {}", settings.check(keys))
}

/// `ssl://host:9093/bootstrap: what happened`. Of a broker that has a role for a group or a
/// transaction, the address is what comes next: `GroupCoordinator: host:9093: what happened`.
fn address_and_rest(reason: &str) -> (&str, &str) {
    let mut rest = reason;
    loop {
        let Some((name, after)) = rest.split_once(": ") else {
            return ("a broker", rest);
        };
        let address = name.rsplit("://").next().unwrap_or(name);
        let address = address.split('/').next().unwrap_or(address);
        if address.contains(':') {
            return (
                address,
                after.strip_prefix(&format!("{address}: ")).unwrap_or(after),
            );
        }
        if name.contains(' ') {
            return ("a broker", rest);
        }
        rest = after;
    }
}

fn last_part(text: &str) -> &str {
    text.rsplit(": ").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: Code, reason: &str) -> String {
        explain(code, reason, SettingsOf::Worker)
    }

    #[test]
    fn an_error_names_the_address_the_cause_and_the_setting() {
        for (code, reason, expect) in [
            (
                Code::BrokerTransportFailure,
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused \
                 (after 0ms in state CONNECT)",
                "nothing listens at 127.0.0.1:1 (connection refused): Kafka does not run there, or \
                 the address is another; check bootstrap.servers",
            ),
            (
                Code::Resolve,
                "nosuch:9092/bootstrap: Failed to resolve 'nosuch:9092': Name or service not known \
                 (after 3ms in state CONNECT)",
                "the host name of nosuch:9092 is not known (Name or service not known); check \
                 bootstrap.servers (and advertised.listeners of the broker)",
            ),
            (
                Code::Authentication,
                "sasl_plaintext://kafka:9094/bootstrap: SASL authentication error: Authentication \
                 failed: Invalid username or password (after 310ms in state AUTH_REQ, 1 identical \
                 error(s) suppressed)",
                "Kafka at kafka:9094 refuses the login: SASL authentication error: Authentication \
                 failed: Invalid username or password; check sasl.mechanism and sasl.jaas.config",
            ),
            (
                Code::SSL,
                "ssl://kafka:9092/1: SSL handshake failed: Disconnected: connecting to a PLAINTEXT \
                 broker listener? (after 1ms in state SSL_HANDSHAKE)",
                "kafka:9092 does not speak TLS (SSL handshake failed: Disconnected: connecting to \
                 a PLAINTEXT broker listener?); check security.protocol",
            ),
            (
                Code::BrokerTransportFailure,
                "GroupCoordinator: kafka:9092: Disconnected (after 5ms in state UP)",
                "kafka:9092: Disconnected; check bootstrap.servers",
            ),
            (
                Code::BrokerTransportFailure,
                "something else",
                "a broker: something else; check bootstrap.servers",
            ),
        ] {
            assert_eq!(told(code, reason), expect);
        }
    }

    #[test]
    fn a_port_of_something_else_is_told_as_such() {
        for (code, reason, expect) in [
            (
                Code::BrokerTransportFailure,
                "kafka:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after \
                 POLLIN (after 0ms in state APIVERSION_QUERY)",
                "kafka:9093 closes the connection at the first request, as a listener of TLS does, \
                 or one that is not Kafka; check bootstrap.servers and security.protocol",
            ),
            // As the library's log has it, without a code of its own.
            (
                Code::BrokerTransportFailure,
                "kafka:9093/bootstrap: Disconnected: requesting ApiVersion: might be caused by \
                 incorrect security.protocol configuration (connecting to a SSL listener?) or \
                 broker version is < 0.10 (see api.version.request) (after 0ms in state \
                 APIVERSION_QUERY)",
                "kafka:9093 closes the connection at the first request, as a listener of TLS does, \
                 or one that is not Kafka; check bootstrap.servers and security.protocol",
            ),
            (
                Code::BadMessage,
                "rest:8083/bootstrap: Receive failed: Invalid response size 1213486160 \
                 (0..100000000): increase receive.message.max.bytes (after 0ms in state \
                 APIVERSION_QUERY)",
                "rest:8083 does not speak Kafka's protocol, or speaks TLS; check bootstrap.servers \
                 and security.protocol",
            ),
            (
                Code::BrokerTransportFailure,
                "ssl://rest:8083/bootstrap: error:0A00010B:SSL routines::wrong version number",
                "rest:8083 does not speak TLS (error:0A00010B:SSL routines::wrong version number); \
                 check security.protocol",
            ),
        ] {
            assert_eq!(told(code, reason), expect);
        }
    }

    #[test]
    fn a_login_without_a_token_is_told_by_its_own_words() {
        let reason = "Failed to acquire SASL OAUTHBEARER token: the token endpoint http://idp/t \
                      refuses a token: invalid_client (HTTP 401); check clientId";
        assert_eq!(
            told(Code::Authentication, reason),
            "there is no token to log in with: the token endpoint http://idp/t refuses a token: \
             invalid_client (HTTP 401); check clientId"
        );
    }

    #[test]
    fn a_connectors_client_has_settings_of_two_places() {
        let reason = "a:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed: Connection refused";
        let settings = SettingsOf::Connector("consumer.override.");
        let told = explain(Code::BrokerTransportFailure, reason, settings);
        assert!(
            told.ends_with(
                "; check bootstrap.servers of the worker, and what consumer.override.* of the \
                 connector says instead"
            ),
            "{told}"
        );
    }
}
