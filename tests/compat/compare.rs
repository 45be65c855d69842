//! Two answers, part by part.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::call::Step;
use crate::side::Answer;
use crate::verdict::Verdict;

/// A part of an answer that is not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The call's name.
    pub call: String,
    /// `status`, `header/…` or `body/…` with the way to the value.
    pub part: String,
    pub kafka: String,
    pub here: String,
}

/// What came of all calls.
pub struct Report {
    pub differences: Vec<Difference>,
    calls: BTreeMap<String, String>,
}

impl Report {
    pub fn new(steps: &[Step], kafka: &[Answer], here: &[Answer]) -> Self {
        let (mut differences, mut calls) = (Vec::new(), BTreeMap::new());
        for ((number, step), (kafka, here)) in steps.iter().enumerate().zip(kafka.iter().zip(here))
        {
            let name = match step {
                Step::Call(call) => {
                    let what = format!("{} {}", call.method, call.path);
                    calls.insert(call.name.clone(), what);
                    call.name.clone()
                }
                Step::Wait { path, .. } => format!("wait {number} {path}"),
                Step::Lines(_) | Step::Records { .. } => continue,
            };
            differences.extend(compare(&name, kafka, here));
        }
        Self { differences, calls }
    }

    /// Prints each difference, and how many calls are equal.
    pub fn print(&self, verdict: &Verdict<'_>) {
        for (difference, entry) in self.differences.iter().zip(&verdict.entries) {
            let Difference {
                call,
                part,
                kafka,
                here,
            } = difference;
            let mark = entry.map_or("NOT IN THE LIST".into(), |what| format!("({what})"));
            let what = self.calls.get(call).map_or("", String::as_str);
            println!("{call}: {what}: {part}: {kafka} | {here} {mark}");
        }
        let differing = |with: &dyn Fn(usize, &Difference) -> bool| {
            let own = self.differences.iter().enumerate();
            let own = own
                .filter(|(number, one)| self.calls.contains_key(&one.call) && with(*number, one));
            own.map(|(_, one)| one.call.as_str())
                .collect::<BTreeSet<_>>()
                .len()
        };
        let calls = self.calls.len();
        let equal = calls - differing(&|_, _| true);
        let bodies = calls - differing(&|_, one| !one.part.starts_with("header/"));
        let unknown = differing(&|number, _| verdict.entries[number].is_none());
        let other = differing(&|_, one| !one.part.starts_with("header/") && one.kafka != "nothing");
        println!(
            "{calls} calls: {equal} equal, {bodies} without the headers, {} but for what is added to \
             a body; {} differ by decision, {unknown} without one",
            calls - other,
            calls - equal - unknown
        );
    }
}

fn compare(call: &str, kafka: &Answer, here: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |part: String, kafka: String, here: String| {
        found.push(Difference {
            call: call.to_owned(),
            part,
            kafka,
            here,
        });
    };
    if kafka.status != here.status {
        add(
            "status".into(),
            kafka.status.to_string(),
            here.status.to_string(),
        );
    }
    let names: BTreeSet<_> = kafka.headers.keys().chain(here.headers.keys()).collect();
    for name in names {
        let of = |answer: &Answer| answer.headers.get(name).cloned().unwrap_or("none".into());
        let (kafka, here) = (sorted(name, &of(kafka)), sorted(name, &of(here)));
        if kafka != here {
            add(format!("header/{name}"), kafka, here);
        }
    }
    let [kafka, here] = [kafka, here].map(|answer| plain(&in_order(&answer.body), ""));
    values("body", &kafka, &here, &mut add);
    found
}

/// The methods that OPTIONS answers with are a set, too.
fn in_order(body: &Value) -> Value {
    match body.as_str() {
        Some(methods) if methods.contains("OPTIONS") => sorted("allow", methods).into(),
        _ => body.clone(),
    }
}

/// `Allow` is a set.
fn sorted(name: &str, value: &str) -> String {
    if name != "allow" {
        return value.to_owned();
    }
    let mut methods: Vec<&str> = value.split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods.join(",")
}

/// Without what no two workers have the same: times, traces, the words of documentation.
fn plain(value: &Value, key: &str) -> Value {
    match (key, value) {
        ("trace" | "documentation" | "commit", Value::String(text)) if !text.is_empty() => {
            "…".into()
        }
        ("last_modified", Value::Number(_)) => "…".into(),
        (_, Value::Object(object)) => {
            let parts = object
                .iter()
                .map(|(key, value)| (key.clone(), plain(value, key)));
            Value::Object(parts.collect())
        }
        (_, Value::Array(list)) => list.iter().map(|value| plain(value, "")).collect(),
        _ => value.clone(),
    }
}

fn values(part: &str, kafka: &Value, here: &Value, add: &mut dyn FnMut(String, String, String)) {
    let (kafka_parts, here_parts) = match (kafka, here) {
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => {
            (parts(kafka), parts(here))
        }
        _ if kafka == here => return,
        _ => return add(part.to_owned(), short(kafka), short(here)),
    };
    let keys: BTreeSet<&String> = kafka_parts.keys().chain(here_parts.keys()).collect();
    for key in keys {
        let path = format!("{part}/{key}");
        match (kafka_parts.get(key), here_parts.get(key)) {
            (Some(kafka), Some(here)) => values(&path, kafka, here, add),
            (Some(kafka), None) => add(path, short(kafka), "nothing".into()),
            (None, Some(here)) => add(path, "nothing".into(), short(here)),
            (None, None) => {}
        }
    }
}

/// The parts of an object or a list by name: of a list, what its elements are called, because most
/// lists of Kafka Connect have no order.
fn parts(value: &Value) -> BTreeMap<String, &Value> {
    let mut parts = BTreeMap::new();
    match value {
        Value::Object(object) => {
            parts.extend(object.iter().map(|(key, value)| (key.clone(), value)));
        }
        Value::Array(list) => {
            for (number, element) in list.iter().enumerate() {
                let name = name_of(element).unwrap_or_else(|| number.to_string());
                let name = match parts.contains_key(&name) {
                    true => format!("{name}#{number}"),
                    false => name,
                };
                parts.insert(name, element);
            }
        }
        _ => {}
    }
    parts
}

fn name_of(element: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let (Some(class), Some(kind)) = (element["class"].as_str(), element["type"].as_str()) {
        return Some(format!("{kind} {class}"));
    }
    if let Value::Object(partition) = &element["partition"] {
        let sorted: BTreeMap<_, _> = partition.iter().collect();
        return Some(format!("{sorted:?}"));
    }
    text(element)
        .or_else(|| text(&element["value"]["name"]))
        .or_else(|| text(&element["name"]))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
