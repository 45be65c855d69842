//! The report for a person: the gravest first, and what to do next last.

use std::collections::BTreeMap;

use connect_runtime::migration::{
    ConnectorReport, Finding, GroupStart, PartitionStart, Report, Start, Verdict, Weight,
    WorkerReport, for_all, target_word,
};
use connect_runtime::storage::State;

use crate::plugin::say;

/// Prints a line. What stands in a topic may hold anything, and must not speak to the terminal.
macro_rules! told {
    ($($arg:tt)*) => {
        say::line(format_args!("{}", clean(&format!($($arg)*))))
    };
}

/// A line as the terminal may have it. It may begin with an empty one.
fn clean(line: &str) -> String {
    let (empty, rest) = match line.strip_prefix('\n') {
        Some(rest) => ("\n", rest),
        None => ("", line),
    };
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    empty.chars().chain(rest.chars().map(shown)).collect()
}

/// Partitions of a source that are shown; a source may have thousands.
const MOST_OFFSETS: usize = 5;
/// Characters of a line.
const WIDTH: usize = 100;

/// The word for a weight.
pub fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Note => "note",
        Weight::Differs => "differs",
        Weight::Refused => "refused",
    }
}

/// All of it.
pub fn report(source: &str, report: &Report) {
    told!("Kafka Connect cluster {}, of {source}", report.group_id);
    alive(report);
    topics(report);
    worker(source, &report.worker);
    if report.connectors.is_empty() {
        told!("\nThe topic {} has no connectors.", report.topics[0].name);
    }
    for verdict in [Verdict::Refused, Verdict::Differs, Verdict::Unchanged] {
        let all = report.connectors.iter();
        let mut of_verdict = all.filter(|it| it.verdict() == verdict).peekable();
        if of_verdict.peek().is_some() {
            told!("\n{}", heading(verdict));
        }
        of_verdict.for_each(connector);
    }
    let for_all = for_all(&report.connectors);
    if !for_all.is_empty() {
        told!("\nWhat differs for all that run");
        for text in for_all {
            paragraph("  - ", "    ", text);
        }
    }
    missing(report);
    next(report);
}

fn heading(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Refused => "REFUSED: these would be FAILED, and say why in their status",
        Verdict::Differs => "DIFFERS: these run, and something of them has another effect",
        Verdict::Unchanged => "UNCHANGED: these run as they did",
    }
}

fn alive(report: &Report) {
    let hosts = report.group.hosts.join(", ");
    let count = report.group.hosts.len();
    if report.is_alive() {
        let workers = of_number(count, "worker");
        let them = format!(
            "It is alive: {workers} of Kafka Connect in the group, from {hosts}. Stop all of them \
             before a worker of Ferrule starts, which else refuses to: both would run every task. \
             What is said below is how things stand now."
        );
        paragraph("  ", "  ", &them);
    } else if count > 0 {
        let workers = of_number(count, "worker");
        let them = format!(
            "{workers} of Ferrule in the group already, from {hosts}. A worker of Kafka Connect ends \
             as soon as it has started, until all of them have left: stop them. One that was killed \
             leaves when its session.timeout.ms is over."
        );
        paragraph("  ", "  ", &them);
    } else {
        told!("  No worker is in the group: it is stopped.");
    }
}

fn topics(report: &Report) {
    for topic in &report.topics {
        let name = format!("{} ({})", topic.name, topic.option);
        match (&topic.refusal, topic.partitions) {
            (Some(why), _) => told!("  refused   topic {name}: {why}"),
            (None, 0) => told!("  not there  topic {name}: is it spelled so?"),
            (None, _) => {}
        }
    }
}

/// The worker's properties.
pub fn worker(source: &str, worker: &WorkerReport) {
    let unused = &worker.unused;
    if worker.findings.is_empty() && unused.without_effect.is_empty() && unused.unknown.is_empty() {
        told!("\nWorker properties: all are taken");
        return;
    }
    told!("\nWorker properties, {source}");
    worker.findings.iter().for_each(finding);
    if !unused.without_effect.is_empty() {
        let keys = unused.without_effect.join(", ");
        paragraph("  no effect  ", HANGING, &keys);
    }
    for option in &unused.unknown {
        let meant = option.meant.as_ref();
        let meant = meant.map(|meant| format!("; did you mean {meant}?"));
        let text = format!("{}{}", option.key, meant.unwrap_or_default());
        paragraph("  unknown    ", HANGING, &text);
    }
}

const HANGING: &str = "             ";

fn finding(finding: &Finding) {
    let Finding { key, what, .. } = finding;
    // Many reasons name their key already.
    let text = match key.is_empty() || what.contains(key.as_str()) {
        true => what.clone(),
        false => format!("{key}: {what}"),
    };
    let label = format!("  {:<9}  ", word(finding.weight));
    paragraph(&label, HANGING, &text);
    if let Some(nearest) = &finding.nearest {
        paragraph("  nearest    ", HANGING, nearest);
    }
}

fn connector(connector: &ConnectorReport) {
    let ConnectorReport {
        name, class, kind, ..
    } = connector;
    let kind = kind.unwrap_or("unknown");
    told!("");
    told!("  {name}  ({kind}, {class})");
    let mut state = format!(
        "{}, {}",
        target_word(connector.target_state),
        tasks(connector)
    );
    if connector.was == Some(State::Failed) {
        state += "; Kafka Connect says FAILED of it or of a task";
    }
    told!("  state      {state}");
    connector.findings.iter().for_each(finding);
    match &connector.start {
        Some(Start::Group(start)) => group(start),
        Some(Start::Source(offsets)) if offsets.is_empty() => {
            told!("  goes on    at the beginning: it has stored no offset");
        }
        Some(Start::Source(offsets)) => {
            for (partition, offset) in offsets.iter().take(MOST_OFFSETS) {
                let text = format!("{partition} at {offset}");
                paragraph("  goes on    ", HANGING, &text);
            }
            if let Some(more) = offsets.len().checked_sub(MOST_OFFSETS).filter(|it| *it > 0) {
                told!("  goes on    and {more} more partitions, see --json");
            }
        }
        None => {}
    }
}

fn tasks(connector: &ConnectorReport) -> String {
    let now = of_number(connector.tasks, "task");
    match connector.tasks_to_be {
        Some(to_be) if to_be != connector.tasks => format!("{now} now, {to_be} then"),
        _ => now,
    }
}

/// `1 task`, `2 tasks`.
fn of_number(count: usize, what: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {what}{ending}")
}

fn group(start: &GroupStart) {
    let mut topics: BTreeMap<&str, Vec<&PartitionStart>> = BTreeMap::new();
    for partition in &start.partitions {
        topics
            .entry(&partition.at.topic)
            .or_default()
            .push(partition);
    }
    told!("  goes on    at the offsets of the group {}:", start.group);
    for (topic, partitions) in topics {
        let known = partitions.iter().filter(|it| it.offset.is_some()).count();
        let behind: u64 = partitions.iter().filter_map(|it| it.behind()).sum();
        let all = partitions.len();
        let mut text = format!("topic {topic}: {known} of {all} partitions have one");
        if known > 0 {
            text += &format!(", {behind} records behind the end");
        }
        if known < all {
            let otherwise = &start.otherwise;
            text += &format!("; the others begin at {otherwise} (auto.offset.reset)");
        }
        paragraph(HANGING, HANGING, &text);
    }
    for topic in &start.missing_topics {
        paragraph(HANGING, HANGING, &format!("topic {topic}: it is not there"));
    }
}

fn missing(report: &Report) {
    let mut classes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for connector in &report.connectors {
        for class in &connector.missing_classes {
            classes.entry(class).or_default().push(&connector.name);
        }
    }
    if classes.is_empty() {
        return;
    }
    told!("\nClasses that Ferrule does not have");
    for (class, names) in classes {
        told!("  {class}: {}", names.join(", "));
    }
}

fn next(report: &Report) {
    let count = |verdict| report.count(verdict);
    told!(
        "\n{} refused, {} with another effect, {} unchanged.",
        count(Verdict::Refused),
        count(Verdict::Differs),
        count(Verdict::Unchanged)
    );
    if report.verdict() == Verdict::Refused {
        told!("Mend or take out what is refused, and look again.");
    }
    told!(
        "Then stop Kafka Connect's workers and start Ferrule's with the same file: docs/migrate.md."
    );
}

/// Prints a text in lines of a width, the first behind a label.
fn paragraph(label: &str, hanging: &str, text: &str) {
    for line in lines(label, hanging, text) {
        told!("{line}");
    }
}

fn lines(label: &str, hanging: &str, text: &str) -> Vec<String> {
    let mut lines = vec![label.to_owned()];
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let line = lines.last().map_or("", String::as_str);
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(hanging.to_owned());
            is_empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        is_empty = false;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_does_not_speak_to_the_terminal() {
        assert_eq!(
            clean("\na\u{1b}[31m\u{9b}\nb"),
            "\na\u{fffd}[31m\u{fffd}\u{fffd}b"
        );
    }

    #[test]
    fn a_text_is_broken_between_words() {
        let word = "a".repeat(60);
        let text = format!("{word} {word} b");
        let expected = [format!("  - {word}"), format!("    {word} b")];
        assert_eq!(lines("  - ", "    ", &text), expected);
        let long = "x".repeat(200);
        assert_eq!(lines("> ", "  ", &long), [format!("> {long}")]);
        assert_eq!(lines("> ", "  ", ""), ["> "]);
    }
}
