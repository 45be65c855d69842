//! Writes a scrape: Prometheus' text format (version 0.0.4), each metric under the names that the
//! exporters of Kafka Connect have for it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::clients::clients;
use super::connectors::{connectors, task_counts};
use super::process::process;
use super::recorders::{prune, render};
use super::snapshot::{Snapshot, TaskSeries};
use super::tables::{
    Attribute, CONNECTOR_TASK, CONNECTOR_TASK_ATTRIBUTES, COORDINATOR, Group, REBALANCE,
    SINK_SUMMARY, SINK_TASK, SINK_TASK_ATTRIBUTES, SOURCE_SUMMARY, SOURCE_TASK,
    SOURCE_TASK_ATTRIBUTES, STARTUP_ATTRIBUTES, TASK_ERROR, TASK_ERROR_ATTRIBUTES, WITHOUT_TOTAL,
    WORKER, seconds,
};
use super::{Reading, TaskMeters};

/// Under which names a scrape has what the exporters name differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Under all.
    #[default]
    All,
    /// By the rules of the JMX exporter's example and of Strimzi.
    Short,
    /// By the rules of Confluent and of Strimzi's reporter.
    Full,
}

impl Names {
    /// What `names` of a request means; none: nothing.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "short" => Some(Self::Short),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

/// All metrics of the process, in Prometheus' text format. Without a snapshot the herder does not
/// answer: what the process says of itself is left.
pub fn exposition(snapshot: Option<&Snapshot>, names: Names) -> String {
    let mut text = Exposition {
        names,
        ..Exposition::default()
    };
    process(&mut text);
    if let Some(snapshot) = snapshot {
        let tasks_here = snapshot.tasks.iter();
        let tasks_here = tasks_here.map(|it| (it.connector.clone(), it.task.to_string()));
        prune(&tasks_here.collect::<BTreeSet<_>>());
        worker(&mut text, snapshot);
        connectors(&mut text, &snapshot.connectors);
        tasks(&mut text, &snapshot.tasks);
        clients(&mut text, snapshot);
    }
    text.text.push_str(&render());
    text.text
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    /// A text, as a label of the value 1.
    Info,
}

impl Kind {
    /// As the exporters take it from the name of an attribute.
    pub(super) fn of(attribute: &str) -> Self {
        match attribute.ends_with("-total") {
            true => Self::Counter,
            false => Self::Gauge,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
        }
    }
}

/// What is written.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
    names: Names,
}

impl Exposition {
    /// Begins a metric.
    pub(super) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = kind.name();
        // Writing to a String never fails.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A series of the metric that was begun last. `labels` has its braces, or is empty.
    pub(super) fn series(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    /// A metric that is one series.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.series(name, "", value);
    }

    /// An attribute of a group under its names: the labels by the short names, those by the
    /// full ones, and the value of each series.
    pub(super) fn attribute(
        &mut self,
        group: Group,
        (attribute, help): (&str, &str),
        series: &[(&str, &str, f64)],
    ) {
        if series.is_empty() {
            return;
        }
        let kind = Kind::of(attribute);
        let tail = attribute.replace('-', "_");
        if self.names != Names::Full {
            let name = format!("{}_{tail}", group.short);
            self.metric(&name, kind, help);
            for (labels, _, value) in series {
                self.series(&name, labels, *value);
            }
        }
        if self.names == Names::Short {
            return;
        }
        let name = format!("{}_{tail}", group.full);
        let without = name.strip_suffix("_total");
        let without = without.filter(|it| WITHOUT_TOTAL.contains(it));
        let names = [(name.as_str(), kind)].into_iter();
        for (name, kind) in names.chain(without.map(|it| (it, Kind::Gauge))) {
            self.metric(name, kind, help);
            for (_, labels, value) in series {
                self.series(name, labels, *value);
            }
        }
    }

    fn attributes<T>(&mut self, group: Group, attributes: &[Attribute<T>], items: &[(&str, &T)]) {
        for Attribute { name, help, value } in attributes {
            let series = items.iter();
            let series = series.map(|(labels, item)| (*labels, *labels, value(item)));
            let series: Vec<_> = series.collect();
            self.attribute(group, (name, help), &series);
        }
    }
}

/// Labels, with their braces. What is between the quotes is escaped as the format has it.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text.push('}');
    text
}

fn worker(text: &mut Exposition, snapshot: &Snapshot) {
    let all = labels(&[("connector", "aggregate")]);
    let one = |value: f64| [("", all.as_str(), value)];
    let connectors = snapshot.connectors.len() as f64;
    let tasks = snapshot.tasks.len() as f64;
    let help = "Connectors that this worker answers for: all of them where it leads.";
    text.attribute(WORKER, ("connector-count", help), &one(connectors));
    let help = "Tasks that this worker has, whatever state they are in.";
    text.attribute(WORKER, ("task-count", help), &one(tasks));
    for (what, outcomes) in [
        ("connector-startup", &snapshot.connector_starts),
        ("task-startup", &snapshot.task_starts),
    ] {
        for Attribute { name, help, value } in STARTUP_ATTRIBUTES {
            let name = format!("{what}-{name}");
            text.attribute(WORKER, (&name, help), &one(value(outcomes)));
        }
    }
    task_counts(text, &snapshot.tasks);
    rebalances(text, snapshot);
    let id = &snapshot.group.client_id;
    let (short, full) = client_labels("connect", id);
    let one = |value: f64| [(short.as_str(), full.as_str(), value)];
    let help = "Connectors that the group has given to this worker.";
    text.attribute(COORDINATOR, ("assigned-connectors", help), &one(connectors));
    let help = "Tasks that the group has given to this worker.";
    let assigned = snapshot.group.assigned_tasks as f64;
    text.attribute(COORDINATOR, ("assigned-tasks", help), &one(assigned));
}

/// The labels of a client by the short and the full names. Dashboards of Spring's and of others
/// select `client_id` where Strimzi's rules say `clientid`.
pub(super) fn client_labels(kind: &str, id: &str) -> (String, String) {
    (
        labels(&[("clientid", id), ("client_id", id)]),
        labels(&[("client_type", kind), ("client_id", id)]),
    )
}

fn rebalances(text: &mut Exposition, snapshot: &Snapshot) {
    let rebalances = &snapshot.rebalances;
    let Reading {
        count,
        average,
        max,
        ..
    } = rebalances.times.read();
    let one = |value: f64| [("", "", value)];
    let help = "Changes of the group of workers that this worker is through with.";
    text.attribute(REBALANCE, ("completed-rebalances-total", help), &one(count));
    let help = "Changes of the group that this worker has seen; it differs between workers.";
    let epoch = count + f64::from(u8::from(rebalances.under_way));
    text.attribute(REBALANCE, ("epoch", help), &one(epoch));
    let help = "Whether tasks are moving because the group has changed: 1, else 0.";
    let under_way = f64::from(u8::from(rebalances.under_way));
    text.attribute(REBALANCE, ("rebalancing", help), &one(under_way));
    let help = "Longest time that tasks moved after a change of the group, in milliseconds.";
    text.attribute(REBALANCE, ("rebalance-max-time-ms", help), &one(max));
    let help = "Average time that tasks moved after a change of the group, in milliseconds.";
    text.attribute(REBALANCE, ("rebalance-avg-time-ms", help), &one(average));
    if let Some(since) = rebalances.since_last {
        let help = "Since the last change of the group was over, in milliseconds.";
        let since = since.as_millis() as f64;
        let attribute = ("time-since-last-rebalance-ms", help);
        text.attribute(REBALANCE, attribute, &one(since));
    }
    if let Some(leader) = &rebalances.leader {
        let name = "kafka_connect_worker_rebalance_leader_name";
        text.metric(
            name,
            Kind::Info,
            "The worker that leads, as worker_id has it.",
        );
        text.series(name, &labels(&[("leader_name", leader)]), 1.0);
    }
}

fn tasks(text: &mut Exposition, tasks: &[TaskSeries]) {
    let labelled: Vec<(String, &TaskSeries)> = tasks
        .iter()
        .map(|it| {
            let task = it.task.to_string();
            let pairs = [
                ("connector", it.connector.as_str()),
                ("task", task.as_str()),
            ];
            (labels(&pairs), it)
        })
        .collect();
    if labelled.is_empty() {
        return;
    }
    let states: Vec<String> = tasks
        .iter()
        .map(|it| {
            let (task, state) = (it.task.to_string(), word(it.state.name()));
            let connector = ("connector", it.connector.as_str());
            labels(&[
                connector,
                ("task", task.as_str()),
                ("status", state.as_str()),
            ])
        })
        .collect();
    for name in [
        "kafka_connect_connector_task_status",
        "kafka_connect_connector_task_metrics_status_info",
    ] {
        text.metric(name, Kind::Info, "The state of the task.");
        states
            .iter()
            .for_each(|labels| text.series(name, labels, 1.0));
    }
    let common: Vec<_> = labelled
        .iter()
        .map(|(labels, it)| (labels.as_str(), it.meters.common()))
        .collect();
    text.attributes(CONNECTOR_TASK, CONNECTOR_TASK_ATTRIBUTES, &common);
    text.attributes(TASK_ERROR, TASK_ERROR_ATTRIBUTES, &common);
    let sinks = labelled.iter().filter_map(|(labels, it)| match &it.meters {
        TaskMeters::Sink(metrics) => Some((labels.as_str(), &**metrics)),
        TaskMeters::Source(_) => None,
    });
    let sinks: Vec<_> = sinks.collect();
    text.attributes(SINK_TASK, SINK_TASK_ATTRIBUTES, &sinks);
    summary(
        text,
        SINK_SUMMARY,
        sinks
            .iter()
            .map(|(labels, it)| (*labels, it.put_time.read())),
    );
    let sources = labelled.iter().filter_map(|(labels, it)| match &it.meters {
        TaskMeters::Source(metrics) => Some((labels.as_str(), &**metrics)),
        TaskMeters::Sink(_) => None,
    });
    let sources: Vec<_> = sources.collect();
    text.attributes(SOURCE_TASK, SOURCE_TASK_ATTRIBUTES, &sources);
    let polls = sources
        .iter()
        .map(|(labels, it)| (*labels, it.poll_time.read()));
    summary(text, SOURCE_SUMMARY, polls);
    own(text, &labelled);
}

/// How often something was done and how long all of it took, in seconds.
fn summary<'a>(
    text: &mut Exposition,
    name: &str,
    series: impl Iterator<Item = (&'a str, Reading)>,
) {
    let series: Vec<_> = series.collect();
    if series.is_empty() {
        return;
    }
    let help = "Seconds of all batches that gave or took records, and how many there were.";
    let _ = writeln!(text.text, "# HELP {name} {help}\n# TYPE {name} summary");
    for (labels, reading) in series {
        text.series(&format!("{name}_sum"), labels, seconds(reading));
        text.series(&format!("{name}_count"), labels, reading.count);
    }
}

/// What Kafka Connect has no metric for.
fn own(text: &mut Exposition, tasks: &[(String, &TaskSeries)]) {
    type Value = fn(&TaskSeries) -> Option<f64>;
    let metrics: [(&str, &str, Value); 4] = [
        (
            "ferrule_task_target_unavailable",
            "Whether the target of the sink is away, so that the task waits: 1, else 0.",
            |it| match &it.meters {
                TaskMeters::Sink(metrics) => Some(metrics.target_unavailable.value()),
                TaskMeters::Source(_) => None,
            },
        ),
        (
            "ferrule_task_held_partition_count",
            "Partitions that are held, because workers died over them.",
            |it| match &it.meters {
                TaskMeters::Sink(metrics) => Some(metrics.held_partitions.value()),
                TaskMeters::Source(_) => None,
            },
        ),
        (
            "ferrule_task_restart_count",
            "Restarts of the task by task.restart.policy since it was last healthy.",
            |it| Some(f64::from(it.restarts.count)),
        ),
        (
            "ferrule_task_restart_exhausted",
            "Whether a failed task stays failed although it has a restart policy: 1, else 0.",
            |it| Some(f64::from(u8::from(it.restarts.exhausted))),
        ),
    ];
    for (name, help, value) in metrics {
        text.metric(name, Kind::Gauge, help);
        for (labels, task) in tasks {
            if let Some(value) = value(task) {
                text.series(name, labels, value);
            }
        }
    }
}

/// A state as Kafka Connect's metrics have it.
pub(super) fn word(state: &str) -> String {
    state.to_ascii_lowercase()
}
