//! The series of connectors: their states and classes, and how many tasks of theirs are here.

use std::collections::BTreeMap;

use super::exposition::{Exposition, Kind, labels, word};
use super::snapshot::{ConnectorSeries, TaskSeries};
use super::tables::{TASK_COUNTS, WORKER};

/// A text of a connector: a label of a series whose value is 1.
struct Text {
    label: &'static str,
    help: &'static str,
    /// By Strimzi's rules, and by its reporter.
    names: [&'static str; 2],
    value: fn(&ConnectorSeries) -> String,
}

const TEXTS: [Text; 4] = [
    Text {
        label: "status",
        help: "The state of the connector.",
        names: [
            "kafka_connect_connector_status",
            "kafka_connect_connector_metrics_status_info",
        ],
        value: |it| word(it.state.name()),
    },
    Text {
        label: "connector_class",
        help: "The class of the connector.",
        names: [
            "kafka_connect_connector_connector_class",
            "kafka_connect_connector_metrics_connector_class_info",
        ],
        value: |it| it.class.clone(),
    },
    Text {
        label: "connector_type",
        help: "Whether the connector is a sink or a source.",
        names: [
            "kafka_connect_connector_connector_type",
            "kafka_connect_connector_metrics_connector_type_info",
        ],
        value: |it| it.kind.to_owned(),
    },
    Text {
        label: "connector_version",
        help: "The version of the connector's class.",
        names: [
            "kafka_connect_connector_connector_version",
            "kafka_connect_connector_metrics_connector_version_info",
        ],
        value: |it| it.version.clone(),
    },
];

/// All texts of connectors are one metric by Confluent's rules.
const ALL_TEXTS: &str = "kafka_connect_connector_metrics";

/// The connectors that this worker answers for.
pub(super) fn connectors(text: &mut Exposition, connectors: &[ConnectorSeries]) {
    if connectors.is_empty() {
        return;
    }
    let all = TEXTS.map(|of| {
        let series = connectors.iter();
        let series: Vec<String> = series
            .map(|it| labels(&[("connector", &it.name), (of.label, &(of.value)(it))]))
            .collect();
        (of, series)
    });
    for (of, series) in &all {
        for name in of.names {
            text.metric(name, Kind::Info, of.help);
            for labels in series {
                text.series(name, labels, 1.0);
            }
        }
    }
    let help = "A text of the connector in a label of its own: status, connector_class and others.";
    text.metric(ALL_TEXTS, Kind::Info, help);
    for labels in all.iter().flat_map(|(_, series)| series) {
        text.series(ALL_TEXTS, labels, 1.0);
    }
}

/// How many tasks of each connector this worker has, by their states.
pub(super) fn task_counts(text: &mut Exposition, tasks: &[TaskSeries]) {
    let mut counts: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for task in tasks {
        let of = counts.entry(&task.connector).or_default();
        *of.entry(word(task.state.name())).or_default() += 1;
    }
    let names: Vec<_> = counts
        .keys()
        .map(|name| labels(&[("connector", name)]))
        .collect();
    let mut write =
        |attribute: &str, help: &str, count: &dyn Fn(&BTreeMap<String, usize>) -> usize| {
            let series = names.iter().zip(counts.values());
            let series: Vec<_> = series
                .map(|(labels, of)| (labels.as_str(), labels.as_str(), count(of) as f64))
                .collect();
            text.attribute(WORKER, (attribute, help), &series);
        };
    let help = "Tasks of the connector on this worker.";
    write("connector-total-task-count", help, &|of| of.values().sum());
    for (attribute, state) in TASK_COUNTS {
        let help = format!("Tasks of the connector on this worker that are {state}.");
        write(attribute, &help, &|of| of.get(*state).copied().unwrap_or(0));
    }
}
