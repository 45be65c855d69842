//! What a config does here that it does not do in Kafka Connect, though it is accepted.

use connect_api::{ConfigKey, Properties};

use super::{ConnectorReport, Finding, Verdict, Weight};
use crate::connectors::RegisteredConnector;

/// How the documentation of an option begins that is accepted and not read.
const NO_EFFECT: &str = "No effect: ";

/// What differs for all connectors of these, whatever their configs say.
pub fn for_all(connectors: &[ConnectorReport]) -> Vec<&'static str> {
    let runs = |it: &&ConnectorReport| it.verdict() != Verdict::Refused;
    let has_sinks = connectors
        .iter()
        .filter(runs)
        .any(|it| it.kind == Some("sink"));
    let classes = connectors.iter().filter(runs).map(|it| it.class.as_str());
    let has_postgres = classes
        .into_iter()
        .any(|class| class.to_ascii_lowercase().contains("jdbc"));
    let mut all = Vec::new();
    if has_sinks {
        all.extend([
            "A target that is away is waited for without a limit; the task stays RUNNING and says \
             in its status what it waits for.",
            "Sinks read committed records only, unless consumer.override.isolation.level says \
             otherwise.",
        ]);
    }
    if has_postgres {
        all.push(
            "Rows are written to Postgres exactly once: the sink keeps its offsets in the table \
             ferrule.offsets of the target. Its role has to be allowed to create the schema \
             ferrule (or sql/001_ferrule.sql is applied before), and temporary tables.",
        );
    }
    all
}

/// The class of Confluent's sink.
const CONFLUENT: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";

/// A rule: whether a config is concerned, and what is said of it then.
struct Rule {
    key: &'static str,
    concerns: fn(&RegisteredConnector, &Properties) -> bool,
    what: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        key: "errors.tolerance",
        concerns: |connector, config| {
            connector.type_name() == "sink" && is(config, "errors.tolerance", "all")
        },
        what: "records that the target refuses are passed over, too, and go to the dead letter \
               queue; Kafka Connect tolerates those of converters and transforms alone",
    },
    Rule {
        key: "auto.create",
        concerns: |_, config| {
            is(config, "connector.class", CONFLUENT)
                && (is(config, "auto.create", "true") || is(config, "auto.evolve", "true"))
        },
        what: "a Timestamp makes a column timestamptz, a point in time, where this class makes a \
               timestamp; tables that are there stay as they are",
    },
];

/// What differs for a config that is accepted.
pub(super) fn of(registered: &RegisteredConnector, config: &Properties) -> Vec<Finding> {
    let unread = without_effect(registered, config);
    let rules = RULES
        .iter()
        .filter(|rule| (rule.concerns)(registered, config))
        .map(|rule| Finding::new(Weight::Differs, rule.key, rule.what));
    unread.into_iter().chain(rules).collect()
}

fn is(config: &Properties, key: &str, value: &str) -> bool {
    let given = config.get(key).map(|given| given.trim());
    given.is_some_and(|given| given.eq_ignore_ascii_case(value))
}

/// Options that the connector declares and does not read.
fn without_effect(registered: &RegisteredConnector, config: &Properties) -> Vec<Finding> {
    let connector = registered.connector();
    let declared = |key: &str| -> Option<&ConfigKey> {
        let keys = connector.config_def().keys().iter();
        keys.into_iter().find(|known| known.name == key)
    };
    let mut found = Vec::new();
    for (key, value) in config {
        // In the connector's own spelling.
        let alone = Properties::from([(key.clone(), value.clone())]);
        let own = connector.normalise(&alone);
        let mut unread = own.keys().filter_map(|own| {
            let doc = &declared(own)?.doc;
            doc.strip_prefix(NO_EFFECT).map(str::to_owned)
        });
        if let Some(why) = unread.next() {
            let what = format!("no effect: {}", why.trim_end_matches('.'));
            found.push(Finding::new(Weight::Differs, key, what));
        }
    }
    found
}
