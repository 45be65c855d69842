//! Transforms of Debezium, Confluent and Aiven, with what their documentation shows.

mod aiven;
mod by_logical_table_router;
mod confluent;
mod extract_new_record_state;

use super::*;

/// Topic, timestamp, key, value and the headers behind the three that each record has.
fn told(class: &str, options: &[(&str, &str)], record: &Record) -> String {
    let transformed = || -> Result<String, Error> {
        let mut transform = build(class, options)?;
        let mut changed = record.clone();
        if transform.apply(&mut changed)? == Disposition::Drop {
            return Ok("dropped".into());
        }
        let mut again = record.clone();
        transform.apply(&mut again)?;
        for (first, second) in [(&changed.key, &again.key), (&changed.value, &again.value)] {
            if let (Some(first), Some(second)) = (first.value.as_struct(), second.value.as_struct())
            {
                assert!(
                    Arc::ptr_eq(first.schema(), second.schema()),
                    "rows share their schema"
                );
            }
        }
        assert_eq!(changed, again);
        let mut told = show(&changed.value);
        if changed.key != record.key {
            told += &format!(" | key {}", show(&changed.key));
        }
        if changed.topic != record.topic {
            told += &format!(" | to {}", changed.topic);
        }
        if changed.timestamp != record.timestamp {
            told += &format!(" | at {:?}", changed.timestamp.map(|at| at.0));
        }
        for header in changed.headers.iter().skip(record.headers.len()) {
            told += &format!(" | {}={}", header.name, show(&header.value));
        }
        Ok(told)
    };
    transformed().unwrap_or_else(|e| format!("error: {}", e.chain()))
}
