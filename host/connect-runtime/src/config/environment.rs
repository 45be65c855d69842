//! Properties from environment variables, as the container images of others set them.

use connect_api::Properties;

use super::override_policy::TOKEN_ENDPOINTS;

/// The names that Debezium's images use.
const DEBEZIUM: &[(&str, &str)] = &[
    ("BOOTSTRAP_SERVERS", "bootstrap.servers"),
    ("GROUP_ID", "group.id"),
    ("CONFIG_STORAGE_TOPIC", "config.storage.topic"),
    ("OFFSET_STORAGE_TOPIC", "offset.storage.topic"),
    ("STATUS_STORAGE_TOPIC", "status.storage.topic"),
    ("KEY_CONVERTER", "key.converter"),
    ("VALUE_CONVERTER", "value.converter"),
    ("OFFSET_FLUSH_INTERVAL_MS", "offset.flush.interval.ms"),
    ("SHUTDOWN_TIMEOUT", "task.shutdown.graceful.timeout.ms"),
    ("ADVERTISED_HOST_NAME", "rest.advertised.host.name"),
    ("ADVERTISED_PORT", "rest.advertised.port"),
];

/// Variables of Confluent's images that set something else than a property of the worker.
const NOT_PROPERTIES: &[&str] = &["CONNECT_CUB_KAFKA_TIMEOUT"];

/// Java's system properties that are options here: the file of its logins, and where tokens may
/// come from.
const OF_JAVA: &[&str] = &["java.security.auth.login.config", TOKEN_ENDPOINTS];

/// The properties that the variables set. `CONNECT_*` goes before Debezium's names.
pub fn properties(variables: impl IntoIterator<Item = (String, String)>) -> Properties {
    let mut connect = Properties::new();
    let mut properties = Properties::new();
    for (name, value) in variables {
        if let Some(key) = name.strip_prefix("CONNECT_") {
            let image_only = NOT_PROPERTIES.contains(&name.as_str()) || key.starts_with("LOG4J_");
            if !key.is_empty() && !image_only {
                connect.insert(property(key), value);
            }
        } else if let Some((_, key)) = DEBEZIUM.iter().find(|(known, _)| *known == name) {
            properties.insert((*key).to_owned(), value);
        } else if name == "REST_PORT" {
            properties.insert("listeners".into(), format!("http://:{value}"));
        } else if name == "KAFKA_OPTS" {
            let given = OF_JAVA
                .iter()
                .filter_map(|key| Some((key, java_option(&value, key)?)));
            properties.extend(given.map(|(key, value)| ((*key).to_owned(), value)));
        }
    }
    properties.extend(connect);
    properties
}

/// A system property as Java is given it; the last option counts.
fn java_option(options: &str, key: &str) -> Option<String> {
    let option = format!("-D{key}=");
    let mut given = options.split_whitespace().rev();
    let found = given.find_map(|word| word.trim_matches(['"', '\'']).strip_prefix(&*option));
    // Two equals signs in front of a file of logins: this file alone.
    let file = found?.trim_start_matches('=');
    Some(file.trim_matches(['"', '\'']).to_owned())
}

/// `_` is a dot, `__` an underscore, `___` a dash.
fn property(variable: &str) -> String {
    let lower = variable.to_ascii_lowercase();
    lower
        .replace("___", "-")
        .replace("__", "\0")
        .replace('_', ".")
        .replace('\0', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_images_variables_are_properties() {
        let variables = [
            ("CONNECT_BOOTSTRAP_SERVERS", "kafka:9092"),
            ("CONNECT_CONSUMER_MAX_POLL_RECORDS", "10"),
            ("CONNECT_A__B___C", "x"),
            ("CONNECT_LOG4J_ROOT_LOGLEVEL", "WARN"),
            ("BOOTSTRAP_SERVERS", "loses:9092"),
            ("GROUP_ID", "g"),
            ("REST_PORT", "8084"),
            (
                "KAFKA_OPTS",
                "-Xmx1g -Djava.security.auth.login.config=/etc/connect.jaas -Da=b \
                 -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=https://idp/t",
            ),
            ("PATH", "/bin"),
        ];
        let expect = [
            ("a_b-c", "x"),
            ("bootstrap.servers", "kafka:9092"),
            ("consumer.max.poll.records", "10"),
            ("group.id", "g"),
            ("java.security.auth.login.config", "/etc/connect.jaas"),
            ("listeners", "http://:8084"),
            (
                "org.apache.kafka.sasl.oauthbearer.allowed.urls",
                "https://idp/t",
            ),
        ];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        assert_eq!(
            properties(variables.map(owned)),
            Properties::from(expect.map(owned))
        );
    }
}
