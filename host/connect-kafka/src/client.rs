//! Settings of Kafka clients: Java's names brought to librdkafka's.

use connect_api::{Error, Properties, Result};
use connect_oauth::jaas::{Credentials, LoginModule};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use tracing::debug;

use crate::login::{self, ModuleKind};
use crate::settings::{GivenBy, Use, is_secret_setting, taken};
use crate::stores;

/// A client's settings from Java's. Only what the closed list of `settings` has is taken.
///
/// # Errors [`connect_api::ErrorKind::Config`] naming the setting that cannot be brought over. The
/// value of a secret is not told.
pub fn client_config(properties: &Properties) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    // librdkafka's own `debug` is of use only when its lines get through. At info it says which
    // connections a broker has closed.
    config.set_log_level(if properties.contains_key("debug") {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Info
    });
    for (key, value) in properties {
        match taken(GivenBy::Worker, key, Some(value)).map_err(|why| why.context(key))? {
            Use::Client => bring_over(&mut config, key, value)?,
            Use::Login => {
                login::check_value(key, value).map_err(|why| why.context(key))?;
            }
            Use::Worker => {}
            Use::JavaOnly => debug!(key, "the setting has no effect on this client"),
        }
    }
    stores::open(&mut config, properties)?;
    native(&config)?;
    login::carry(&mut config, properties)?;
    Ok(config)
}

/// Whether the client library takes the value of one setting.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] without its name.
pub(crate) fn check_value(key: &str, value: &str) -> Result<()> {
    stores::check_value(key, value)?;
    let mut config = ClientConfig::new();
    bring_over(&mut config, key, value)?;
    native(&config)
}

/// librdkafka looks at the values, so that no later error tells a secret.
fn native(config: &ClientConfig) -> Result<()> {
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(_, why, key, _)) if !is_secret_setting(&key) => {
            Err(Error::config(format!("{key}: {why}")))
        }
        Err(KafkaError::ClientConfig(_, _, key, _)) => {
            Err(Error::config(format!("{key}: the value is not valid")))
        }
        Err(_) => Err(Error::config("a setting of a Kafka client is not valid")),
    }
}

fn bring_over(config: &mut ClientConfig, key: &str, value: &str) -> Result<()> {
    match key {
        "sasl.jaas.config" => {
            let wrong = |why: String| Error::config(format!("sasl.jaas.config: {why}"));
            let module = LoginModule::parse(value).map_err(wrong)?;
            if ModuleKind::of(&module).map_err(wrong)? == ModuleKind::Password {
                let credentials = Credentials::of(&module).map_err(wrong)?;
                config
                    .set("sasl.username", credentials.username)
                    .set("sasl.password", credentials.password);
            }
        }
        "sasl.mechanism" | "sasl.mechanisms" => {
            config.set("sasl.mechanisms", login::mechanism_on_the_wire(value));
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
        // In `stores`, all together.
        _ if stores::is_about_store(key) => {}
        "ssl.endpoint.identification.algorithm" => {
            config.set(key, if value.is_empty() { "none" } else { "https" });
        }
        _ => {
            config.set(key, value);
        }
    }
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
    fn a_refusal_names_the_setting_and_no_secret() {
        for (key, value) in [
            ("plugin.library.paths", "/tmp/canary.so"),
            ("ssl.key.pem", "canary"),
            ("sasl.password", "canary\0"),
            ("sasl.jaas.config", "canary"),
        ] {
            let error = config(&[(key, value)]).map(drop);
            let error = error.err().map(|e| e.chain()).unwrap_or_default();
            assert!(!error.contains("canary"), "{error}");
            assert!(error.contains(key) || key == "ssl.key.pem", "{error}");
        }
        for (key, value) in [("fetch.min.bytes", "x"), ("security.protocol", "x")] {
            let error = config(&[(key, value)]).unwrap_err().chain();
            assert!(error.contains(key), "{error}");
        }
        let (key, missing) = ("ssl.truststore.location", "/no/such/file.pem");
        let error = config(&[(key, missing)]).unwrap_err().chain();
        assert!(error.contains(key) && error.contains(missing), "{error}");
    }

    #[test]
    fn what_cannot_be_brought_over_is_refused() {
        assert!(config(&[("sasl.jaas.config", "required;")]).is_err());
        assert!(config(&[("partition.assignment.strategy", "com.example.Mine")]).is_err());
    }
}
