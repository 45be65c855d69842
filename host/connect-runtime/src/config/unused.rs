//! The worker's properties that nothing reads, or that have no effect here.

use connect_api::Properties;

use super::definition::{CLIENT_KEYS, OPEN_PREFIXES, WITHOUT_EFFECT, config_def};
use crate::suggest::closest;

/// What a worker's properties give for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnusedOptions {
    /// Options of Kafka Connect that tune what works otherwise here.
    pub without_effect: Vec<String>,
    /// Options that neither Kafka Connect's nor Ferrule's workers know.
    pub unknown: Vec<UnknownOption>,
}

/// An option that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOption {
    /// As it is given.
    pub key: String,
    /// The option that was probably meant.
    pub meant: Option<String>,
}

impl UnusedOptions {
    /// Those of the properties. The settings of clients are looked at by
    /// [`super::WorkerConfig::client_settings_without_effect`].
    pub fn of(properties: &Properties) -> Self {
        let def = config_def();
        let known: Vec<&str> = def.keys().iter().map(|key| key.name.as_ref()).collect();
        let mut unused = Self::default();
        for key in properties.keys() {
            let open = OPEN_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
            if open || known.contains(&key.as_str()) || CLIENT_KEYS.contains(&key.as_str()) {
                continue;
            }
            if WITHOUT_EFFECT.contains(&key.as_str()) {
                unused.without_effect.push(key.clone());
                continue;
            }
            let meant = closest(key, known.iter().copied());
            unused.unknown.push(UnknownOption {
                key: key.clone(),
                meant: meant.map(str::to_owned),
            });
        }
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{WorkerConfig, environment_properties};

    const MANIFESTS: &str = include_str!("../../../../docker/kubernetes/ferrule.yaml");
    const EVERYTHING: &str = include_str!("../../../../docker/kubernetes/values/production.yaml");
    const VALUES: &str = include_str!("../../../../docker/kubernetes/chart/values.yaml");
    const IMAGE: &str = include_str!("../../../../docker/Dockerfile");

    /// `KEY: "value"` of the manifests' variables, with those that Kubernetes fills in.
    fn variables() -> Vec<(String, String)> {
        let lines = MANIFESTS.lines().map(str::trim);
        let given = lines.clone().filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_one = name.starts_with("CONNECT_");
            is_one.then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
        });
        let filled_in = lines.filter_map(|line| line.strip_prefix("- name: CONNECT_"));
        let filled_in = filled_in.map(|name| (format!("CONNECT_{name}"), "pod".to_owned()));
        given.chain(filled_in).collect()
    }

    /// The keys below `properties:`.
    fn keys(values: &str) -> Properties {
        let lines = values.lines().skip_while(|line| *line != "properties:");
        let own = lines.skip(1).take_while(|line| line.starts_with("  "));
        let pair = |line: &str| {
            let (key, value) = line.trim().split_once(": ")?;
            Some((key.to_owned(), value.trim_matches('"').to_owned()))
        };
        own.filter_map(pair).collect()
    }

    fn unknown(properties: &Properties) -> UnusedOptions {
        UnusedOptions::of(properties)
    }

    #[test]
    fn every_property_of_the_chart_is_one_of_the_worker() {
        let properties = environment_properties(variables());
        assert!(properties.len() > 15, "{properties:?}");
        assert_eq!(unknown(&properties), UnusedOptions::default());
        for values in [VALUES, EVERYTHING] {
            let properties = keys(values);
            assert!(properties.len() > 5, "{properties:?}");
            assert_eq!(unknown(&properties), UnusedOptions::default());
        }
        // Whatever the image says is said anew: else its variables would go before the chart's.
        let ours: Vec<String> = variables().into_iter().map(|(name, _)| name).collect();
        let images = IMAGE.split_whitespace().filter_map(|word| {
            let (name, _) = word.split_once('=')?;
            name.starts_with("CONNECT_").then_some(name)
        });
        for name in images.filter(|name| !name.contains('…')) {
            assert!(
                ours.iter().any(|own| own == name),
                "{name} is the image's alone"
            );
        }
    }

    #[test]
    fn probes_ports_and_periods_of_the_chart_are_the_workers() {
        let config = WorkerConfig::new(&environment_properties(variables())).unwrap();
        let number = |key: &str| -> u64 {
            let at = MANIFESTS.find(key).unwrap_or_else(|| panic!("no {key}"));
            let digits = MANIFESTS[at + key.len()..].trim_start();
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap();
            digits[..end].parse().unwrap()
        };
        let listener = &config.rest().listeners[0];
        assert_eq!(listener.host(), "0.0.0.0");
        let port = listener.address.rsplit_once(':').unwrap().1;
        assert_eq!(number("containerPort:").to_string(), port);
        assert_eq!(config.worker_id(), format!("pod:{port}"));
        assert_eq!(MANIFESTS.matches("path: /health").count(), 3);
        // What the tasks, the last requests and the last lines of the audit log take, and a rest.
        let grace = number("terminationGracePeriodSeconds:");
        let drained = number("sleep: { seconds:");
        assert!(grace >= drained + config.shutdown_timeout().as_secs() + 10);
        // A start may wait a minute for Kafka.
        let tries = number("failureThreshold:") * number("periodSeconds:");
        assert!(tries >= 90, "{tries}");
        // The names that the service gives the worker are allowed.
        let names = &config.rest().hosts.names;
        assert!(
            names.iter().any(|name| name == "ferrule.ferrule.svc"),
            "{names:?}"
        );
    }
}
