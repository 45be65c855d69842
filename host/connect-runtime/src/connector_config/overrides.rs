//! The settings of its Kafka clients that a connector's config gives: `consumer.override.*`,
//! `producer.override.*` and `admin.override.*` (KIP-458).

use connect_api::{ConfigKey, ConfigType, Error, Properties, Result};
use connect_kafka::{
    GivenBy, TOKEN_ENDPOINT, client_config, has_no_effect, is_secret_setting, setting_refusal,
};

use crate::config::{WorkerConfig, with_prefix};

/// What the keys of overrides begin with.
pub const OVERRIDE_PREFIXES: [&str; 3] = [
    "consumer.override.",
    "producer.override.",
    "admin.override.",
];

/// A connector's settings of its Kafka clients, in Java's names, without the prefixes. There are
/// none of these but such as the worker's policy and the closed list of settings allow.
#[derive(Clone, Debug, Default)]
pub struct ClientOverrides {
    consumer: Properties,
    producer: Properties,
    admin: Properties,
}

impl ClientOverrides {
    /// Of a config with what its config providers gave, whichever way that config came.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming each key that may not be given.
    pub fn new(worker: &WorkerConfig, properties: &Properties) -> Result<Self> {
        let refused: Vec<String> = refusals(worker, properties)
            .into_iter()
            .map(|refusal| format!("{}: {}", refusal.key, refusal.why))
            .collect();
        if !refused.is_empty() {
            return Err(Error::config(refused.join("; ")));
        }
        Ok(Self {
            consumer: with_prefix(properties, "consumer.override."),
            producer: with_prefix(properties, "producer.override."),
            admin: with_prefix(properties, "admin.override."),
        })
    }

    /// `consumer.override.*`.
    pub fn consumer(&self) -> &Properties {
        &self.consumer
    }

    /// `producer.override.*`.
    pub fn producer(&self) -> &Properties {
        &self.producer
    }

    /// `admin.override.*`.
    pub fn admin(&self) -> &Properties {
        &self.admin
    }
}

/// An override that may not be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The key in the connector's config.
    pub(super) key: String,
    /// What is wrong with it.
    pub(super) why: String,
}

/// The overrides of a config that may not be given.
pub(super) fn refusals(worker: &WorkerConfig, config: &Properties) -> Vec<Refusal> {
    let refused = |(key, value): (&String, &String)| {
        let setting = setting_of(key)?;
        // What a provider is yet to give is looked at when it has.
        let value = Some(value.as_str()).filter(|value| !worker.providers().provides(value));
        let denied = || setting_refusal(GivenBy::Connector, setting, value);
        // What only a JVM has is a warning: it changes no client.
        let policy = worker.override_policy().refusal(setting);
        let why = policy.filter(|_| !has_no_effect(setting)).or_else(denied)?;
        let key = key.clone();
        Some(Refusal { key, why })
    };
    let refused: Vec<_> = config.iter().filter_map(refused).collect();
    match refused.is_empty() {
        true => refused_together(worker, config),
        false => refused,
    }
}

/// What is wrong with settings that are good each by itself: the login of a client is made of
/// several, some of which are the worker's.
fn refused_together(worker: &WorkerConfig, config: &Properties) -> Vec<Refusal> {
    let refused = |prefix: &&str| {
        let own = with_prefix(config, prefix);
        let is_of_login = |key: &&String| key.starts_with("sasl.") || *key == "security.protocol";
        let key = own.keys().find(is_of_login)?;
        let key = format!("{prefix}{key}");
        if own.values().any(|value| worker.providers().provides(value)) {
            return None;
        }
        if let Some(why) = own
            .get(TOKEN_ENDPOINT)
            .and_then(|url| worker.token_refusal(url))
        {
            let key = format!("{prefix}{TOKEN_ENDPOINT}");
            return Some(Refusal { key, why });
        }
        let mut settings = worker.client_properties(&prefix.replace("override.", ""));
        settings.extend(own);
        let why = client_config(&settings).err()?.chain();
        Some(Refusal { key, why })
    };
    OVERRIDE_PREFIXES.iter().filter_map(refused).collect()
}

/// The client's setting that a key overrides; none: the key is no override.
pub(super) fn setting_of(key: &str) -> Option<&str> {
    OVERRIDE_PREFIXES
        .iter()
        .find_map(|prefix| key.strip_prefix(prefix))
}

/// The declaration of an override; none: the key is none.
pub(super) fn declaration(key: &str) -> Option<ConfigKey> {
    let setting = setting_of(key)?;
    let kind = match is_secret_setting(setting) {
        true => ConfigType::Password,
        false => ConfigType::String,
    };
    let doc = format!("{setting} of the connector's own Kafka client.");
    Some(ConfigKey::nullable(key.to_owned(), kind, doc).group("Overrides"))
}

/// Whether a key gives a client a secret.
pub(super) fn is_secret(key: &str) -> bool {
    setting_of(key).is_some_and(is_secret_setting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::minimal;

    const OAUTH: &str =
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    const POLICY: (&str, &str) = ("connector.client.config.override.policy", "All");
    const URL: &str = "sasl.oauthbearer.token.endpoint.url";
    const ALLOWED: (&str, &str) = (
        "org.apache.kafka.sasl.oauthbearer.allowed.urls",
        "https://idp/token, https://idp/other",
    );

    fn refused(worker: &[(&str, &str)], config: &[(&str, &str)]) -> Vec<String> {
        let jaas = format!("{OAUTH} clientId=w clientSecret=canary;");
        let login = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &*jaas),
            (URL, "https://idp/token"),
        ];
        let worker = WorkerConfig::new(&minimal(&[&login, worker].concat())).unwrap();
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let refusals = refusals(&worker, &config.iter().map(owned).collect());
        let told = refusals.into_iter();
        told.map(|refusal| format!("{}: {}", refusal.key, refusal.why))
            .collect()
    }

    #[test]
    fn a_login_is_looked_at_with_the_workers_part_of_it() {
        let key = "consumer.override.sasl.jaas.config";
        let own = format!("{OAUTH} clientId=c clientSecret=canary;");
        assert_eq!(refused(&[], &[(key, &own)]), [""; 0]);
        for (jaas, expect) in [
            (
                format!("{OAUTH} clientId=c;"),
                "clientSecret of sasl.jaas.config",
            ),
            (
                "x.PlainLoginModule required username=u password=canary;".to_owned(),
                "not one of sasl.mechanism=OAUTHBEARER",
            ),
        ] {
            let told = refused(&[], &[(key, &jaas)]).join("; ");
            assert!(told.starts_with(key) && told.contains(expect), "{told}");
            assert!(!told.contains("canary"), "{told}");
        }
        // What a provider is yet to give is looked at when it has.
        let provided = ("producer.override.sasl.jaas.config", "${env:JAAS}");
        let providers = [
            ("config.providers", "env"),
            (
                "config.providers.env.class",
                "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            ),
        ];
        assert_eq!(refused(&providers, &[provided]), [""; 0]);
    }

    #[test]
    fn token_endpoints_are_those_that_the_worker_allows() {
        let given = |url| {
            let setting = [("admin.override.sasl.oauthbearer.token.endpoint.url", url)];
            let usual = refused(&[], &setting).join("; ");
            assert!(
                usual.contains("'Allowlist' policy does not allow"),
                "{usual}"
            );
            refused(&[POLICY, ALLOWED], &setting).join("; ")
        };
        assert_eq!(given("https://idp/other"), "");
        assert!(given("https://elsewhere/token").contains(ALLOWED.0));
        assert!(given("file:///etc/passwd").contains("a file of a token"));
        let url = [(URL, "https://elsewhere/token"), ALLOWED];
        let told = WorkerConfig::new(&minimal(&url)).unwrap_err().chain();
        assert!(told.contains(URL) && told.contains(ALLOWED.0), "{told}");
    }
}
