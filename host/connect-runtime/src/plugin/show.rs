//! Events for people: one line each, and under it what a plugin changed.

use connect_api::{Datum, Record};
use serde_json::{Map, Value as Json};

use super::events::{Event, Fate};
use super::json;
use super::paint::Paint;

/// How often each thing happened.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    records: usize,
    kept: usize,
    dropped: usize,
    replaced: usize,
    made: usize,
    emitted: usize,
    /// Records that failed, those that no converter could read among them.
    pub failed: usize,
}

impl Summary {
    /// Counts the events.
    pub fn of(events: &[Event]) -> Self {
        let mut summary = Self::default();
        for event in events {
            match event {
                Event::Ticked { records, .. } => {
                    summary.emitted += records.len();
                    continue;
                }
                Event::Unconverted { .. } => summary.failed += 1,
                Event::Transformed { fate, .. } => match fate {
                    Fate::Kept => summary.kept += 1,
                    Fate::Dropped => summary.dropped += 1,
                    Fate::Replaced(records) => {
                        summary.replaced += 1;
                        summary.made += records.len();
                    }
                    Fate::Failed(_) => summary.failed += 1,
                },
            }
            summary.records += 1;
        }
        summary
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            records,
            kept,
            dropped,
            replaced,
            made,
            emitted,
            failed,
        } = self;
        write!(
            f,
            "{records} records: {kept} kept, {dropped} dropped, {replaced} replaced by {made}, \
             {failed} failed"
        )?;
        match emitted {
            0 => Ok(()),
            _ => write!(f, "; {emitted} emitted by ticks"),
        }
    }
}

/// The lines for one event.
pub fn event(event: &Event, plugin: &str, paint: Paint) -> Vec<String> {
    let place = event.place();
    let line = |word: String, rest: &str| format!("{place:16} {word}{rest}");
    let reason = event.reason(plugin).unwrap_or_default();
    match event {
        Event::Unconverted { .. } => {
            vec![line(paint.red("unconverted"), &format!("  {reason}"))]
        }
        Event::Ticked { records, .. } => {
            let mut lines = vec![line(paint.yellow("tick"), "")];
            for made in records {
                lines.push(format!(
                    "  {}",
                    paint.green(format_args!("+ {}", json::record(made)))
                ));
            }
            lines
        }
        Event::Transformed { record, fate } => match fate {
            Fate::Kept => vec![line(paint.dim("keep"), "")],
            Fate::Dropped => vec![line(paint.dim("drop"), "")],
            Fate::Failed(_) => vec![line(paint.red("fail"), &format!("  {reason}"))],
            Fate::Replaced(records) => {
                let mut lines = Vec::new();
                for (at, made) in records.iter().enumerate() {
                    let count = match records.len() {
                        1 => String::new(),
                        all => format!(" {}/{all}", at + 1),
                    };
                    lines.push(line(paint.yellow("replace"), &count));
                    lines.extend(changes(&record.record, made, paint));
                }
                lines
            }
        },
    }
}

/// What differs between a record and what was made of it.
fn changes(before: &Record, after: &Record, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let mut compare = |name: &str, before: Option<Json>, after: Option<Json>| {
        if before == after {
            return;
        }
        lines.push(match (before, after) {
            (Some(before), Some(after)) => {
                let (before, after) = (paint.red(before), paint.green(after));
                format!("  {} {name}: {before} → {after}", paint.yellow("~"))
            }
            (Some(before), None) => {
                format!("  {}", paint.red(format_args!("- {name}: {before}")))
            }
            (None, after) => {
                let after = after.unwrap_or_default();
                format!("  {}", paint.green(format_args!("+ {name}: {after}")))
            }
        });
    };
    let text = |topic: &str| Some(Json::from(topic));
    compare("topic", text(&before.topic), text(&after.topic));
    compare(
        "timestamp",
        before.timestamp.map(|at| at.0).map(Json::from),
        after.timestamp.map(|at| at.0).map(Json::from),
    );
    for (part, before, after) in [
        ("key", &before.key, &after.key),
        ("value", &before.value, &after.value),
    ] {
        match (fields(before), fields(after)) {
            (Some(mut before), Some(after)) => {
                for (name, after) in after {
                    compare(&name, before.remove(&name), Some(after));
                }
                for (name, before) in before {
                    compare(&name, Some(before), None);
                }
            }
            _ => compare(
                part,
                Some(json::value(&before.value)),
                Some(json::value(&after.value)),
            ),
        }
    }
    let headers = |record: &Record| {
        let headers = record.headers.iter();
        let headers: Map<_, _> = headers
            .map(|header| (header.name.to_string(), json::value(&header.value.value)))
            .collect();
        Some(Json::Object(headers))
    };
    compare("headers", headers(before), headers(after));
    lines
}

fn fields(datum: &Datum) -> Option<Map<String, Json>> {
    datum.value.as_struct()?;
    match json::value(&datum.value) {
        Json::Object(fields) => Some(fields),
        _ => None,
    }
}
