//! The report for programs. Secrets are in none of its texts.

use connect_runtime::migration::{
    ConnectorReport, Finding, GroupStart, Report, Start, TopicReport, WorkerReport, for_all,
    target_word,
};
use connect_runtime::storage::State;
use serde_json::{Value, json};

/// All of it.
pub fn report(report: &Report) -> Value {
    let topics: Vec<Value> = report.topics.iter().map(topic).collect();
    let connectors: Vec<Value> = report.connectors.iter().map(connector).collect();
    json!({
        "verdict": report.verdict().word(),
        "group_id": report.group_id,
        "kafka_connect_is_alive": report.is_alive(),
        "members": report.group.hosts,
        "topics": topics,
        "worker": worker(&report.worker),
        "connectors": connectors,
        "for_all": for_all(&report.connectors),
    })
}

/// The worker's properties.
pub fn worker(worker: &WorkerReport) -> Value {
    let findings: Vec<Value> = worker.findings.iter().map(finding).collect();
    let unknown = worker.unused.unknown.iter();
    let unknown: Vec<Value> = unknown
        .map(|it| json!({ "key": it.key, "meant": it.meant }))
        .collect();
    json!({
        "refused": findings,
        "without_effect": worker.unused.without_effect,
        "unknown": unknown,
    })
}

fn topic(topic: &TopicReport) -> Value {
    json!({
        "option": topic.option,
        "name": topic.name,
        "partitions": topic.partitions,
        "refusal": topic.refusal,
    })
}

fn connector(connector: &ConnectorReport) -> Value {
    let findings: Vec<Value> = connector.findings.iter().map(finding).collect();
    json!({
        "name": connector.name,
        "verdict": connector.verdict().word(),
        "class": connector.class,
        "type": connector.kind,
        "target_state": connector.target_state.name(),
        "goes_on": target_word(connector.target_state),
        "last_state": connector.was.map(State::name),
        "tasks": { "kafka_connect": connector.tasks, "ferrule": connector.tasks_to_be },
        "findings": findings,
        "missing_classes": connector.missing_classes,
        "start": connector.start.as_ref().map(start),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": super::text::word(finding.weight),
        "key": finding.key,
        "what": finding.what,
        "nearest": finding.nearest,
    })
}

fn start(start: &Start) -> Value {
    match start {
        Start::Group(group) => group_start(group),
        Start::Source(offsets) => {
            let offsets: Vec<Value> = offsets
                .iter()
                .map(|(partition, offset)| json!({ "partition": partition.0, "offset": offset.0 }))
                .collect();
            json!({ "source_offsets": offsets })
        }
    }
}

fn group_start(start: &GroupStart) -> Value {
    let partitions = start.partitions.iter().map(|it| {
        json!({
            "topic": it.at.topic.as_ref(),
            "partition": it.at.partition,
            "offset": it.offset.map(|offset| offset.0),
            "end": it.end.map(|offset| offset.0),
        })
    });
    json!({
        "group": start.group,
        "partitions": partitions.collect::<Vec<_>>(),
        "missing_topics": start.missing_topics,
        "without_offset": start.otherwise,
    })
}
