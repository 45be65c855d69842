//! Settings of Kafka clients: Java's names brought to librdkafka's.

use connect_api::{Error, Properties, Result};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use tracing::warn;

use crate::jaas;

/// Settings of Java's clients that librdkafka has no use for.
const IGNORED: &[&str] = &[
    "key.deserializer",
    "value.deserializer",
    "key.serializer",
    "value.serializer",
    "max.poll.records",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "interceptor.classes",
    "buffer.memory",
    "max.block.ms",
    "default.api.timeout.ms",
    "exclude.internal.topics",
    "internal.leave.group.on.close",
    "send.buffer.bytes",
    "receive.buffer.bytes",
];

/// A client's settings from Java's.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when a setting cannot be brought over.
pub fn client_config(properties: &Properties) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    // librdkafka's own `debug` is of use only when its lines get through.
    config.set_log_level(if properties.contains_key("debug") {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Warning
    });
    for (key, value) in properties {
        match key.as_str() {
            _ if IGNORED.contains(&key.as_str()) => {}
            "sasl.jaas.config" => {
                let credentials = jaas::credentials(value)
                    .map_err(|why| Error::config(format!("sasl.jaas.config: {why}")))?;
                config
                    .set("sasl.username", credentials.username)
                    .set("sasl.password", credentials.password);
            }
            "sasl.mechanism" => {
                config.set("sasl.mechanisms", value);
            }
            "partition.assignment.strategy" => {
                config.set(key, assignors(value)?);
            }
            "isolation.level" | "auto.offset.reset" | "compression.type" | "acks" => {
                config.set(key, value.to_ascii_lowercase());
            }
            "fetch.max.wait.ms" => {
                config.set("fetch.wait.max.ms", value);
            }
            "max.request.size" => {
                config.set("message.max.bytes", value);
            }
            "reconnect.backoff.max.ms" | "retry.backoff.max.ms" | "connections.max.idle.ms" => {
                config.set(key, value);
            }
            _ if key.starts_with("ssl.truststore") || key.starts_with("ssl.keystore") => {
                store(&mut config, key, value)?;
            }
            "ssl.endpoint.identification.algorithm" => {
                config.set(key, if value.is_empty() { "none" } else { "https" });
            }
            _ => {
                config.set(key, value);
            }
        }
    }
    Ok(config)
}

/// Java's key stores are files of its own; librdkafka takes PEM and PKCS#12.
fn store(config: &mut ClientConfig, key: &str, value: &str) -> Result<()> {
    let name = match key {
        "ssl.truststore.location" if value.ends_with(".jks") => {
            return Err(Error::config(format!(
                "{key}: a JKS store cannot be read; give PEM"
            )));
        }
        "ssl.truststore.location" => "ssl.ca.location",
        "ssl.truststore.certificates" => "ssl.ca.pem",
        "ssl.keystore.location" if value.ends_with(".jks") => {
            return Err(Error::config(format!(
                "{key}: a JKS store cannot be read; give PKCS#12"
            )));
        }
        "ssl.keystore.location" => "ssl.keystore.location",
        "ssl.keystore.password" => "ssl.keystore.password",
        "ssl.keystore.key" => "ssl.key.pem",
        "ssl.keystore.certificate.chain" => "ssl.certificate.pem",
        "ssl.truststore.type" | "ssl.keystore.type" => return Ok(()),
        _ => {
            warn!(key, "the setting has no counterpart and is ignored");
            return Ok(());
        }
    };
    config.set(name, value);
    Ok(())
}

fn assignors(classes: &str) -> Result<String> {
    let names = classes
        .split(',')
        .map(|class| match class.trim().rsplit('.').next() {
            Some("CooperativeStickyAssignor" | "cooperative-sticky") => Ok("cooperative-sticky"),
            Some("RangeAssignor" | "range") => Ok("range"),
            Some("RoundRobinAssignor" | "roundrobin") => Ok("roundrobin"),
            _ => Err(Error::config(format!(
                "partition.assignment.strategy: {class} is not known"
            ))),
        });
    Ok(names.collect::<Result<Vec<_>>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<ClientConfig> {
        client_config(
            &pairs
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    #[test]
    fn java_settings_become_librdkafkas() {
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                    username=\"ann\" password=\"a;b c\";";
        let config = config(&[
            ("sasl.jaas.config", jaas),
            ("sasl.mechanism", "PLAIN"),
            ("max.poll.records", "500"),
            ("max.request.size", "5000000"),
            ("isolation.level", "READ_COMMITTED"),
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor",
            ),
        ])
        .unwrap();
        assert_eq!(config.get("sasl.username"), Some("ann"));
        assert_eq!(config.get("sasl.password"), Some("a;b c"));
        assert_eq!(config.get("sasl.mechanisms"), Some("PLAIN"));
        assert_eq!(config.get("max.poll.records"), None);
        assert_eq!(config.get("message.max.bytes"), Some("5000000"));
        assert_eq!(config.get("isolation.level"), Some("read_committed"));
        assert_eq!(config.get("partition.assignment.strategy"), Some("range"));
    }

    #[test]
    fn what_cannot_be_brought_over_is_refused() {
        assert!(config(&[("sasl.jaas.config", "required;")]).is_err());
        assert!(config(&[("ssl.truststore.location", "/x/trust.jks")]).is_err());
        assert!(config(&[("partition.assignment.strategy", "com.example.Mine")]).is_err());
    }
}
