//! What plugins answer.

use arbitrary::Unstructured;
use connect_api::{Outcome, Record, Timestamp};
use connect_wasm::fuzzing::lift;

use crate::{Target, sound};

/// Bytes that a reply may give beyond its own: `lift` refuses one that gives more.
const MOST: u64 = 1 << 20;

pub(super) const TARGET: Target = Target {
    name: "wasm",
    about: "Any reply of a plugin is records that are what their schemas say and go to topics that \
            Kafka allows, or errors that are short",
    memory: 4096,
    run: |data| {
        let Ok(Some(lifted)) = lift(&mut Unstructured::new(data), MOST) else {
            return;
        };
        for (record, outcome) in lifted {
            match outcome {
                Outcome::Change => check(&record),
                Outcome::Replace(records) => records.iter().for_each(check),
                Outcome::Fail(error) => {
                    let told = error.chain();
                    assert!(told.len() < 1400, "{} bytes: {told}", told.len());
                }
                Outcome::Keep | Outcome::Drop => {}
            }
        }
    },
};

fn check(record: &Record) {
    sound::check(&record.key);
    sound::check(&record.value);
    for header in &record.headers {
        sound::check(&header.value);
    }
    assert_eq!(record.partition, Some(0));
    assert!(record.timestamp.is_some_and(|at| at >= Timestamp(0)));
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let topic = &*record.topic;
    assert!(
        (1..=249).contains(&topic.len()) && topic.bytes().all(good),
        "{topic}"
    );
}
