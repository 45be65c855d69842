//! The plugin `test-guest`: does what the record says, harm above all, for the tests of the host.
//!
//! It speaks the contract without the SDK's trait, because the SDK would not let it break it.

mod command;
mod harm;

use std::cell::RefCell;

use command::Command;
use ferrule_plugin::bindings::exports::ferrule::transform::plugin::{
    Batch, ConfigError, Description, Emission, EpochMillis, Reply,
};
use ferrule_plugin::bindings::ferrule::transform::data::{
    EditedRow, Field, InRecord, Kind, OutPayload, OutRecord, Outcome, Payload, Row, Shape, Value,
};
use ferrule_plugin::{ConfigKey, Failure, Parts, metrics, state};

thread_local! {
    static EMITS: RefCell<bool> = const { RefCell::new(false) };
    static SECRET: RefCell<String> = const { RefCell::new(String::new()) };
    static NOTE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Exports the contract.
pub struct TestGuest;

impl TestGuest {
    /// What the plugin is.
    pub fn describe() -> Description {
        ferrule_plugin::glue::log_panics();
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Does what the field cmd of a record, or its text, says. For the tests of the host.",
        )
        .reading(Parts::KEY | Parts::VALUE | Parts::HEADERS)
        .key(ConfigKey::boolean(
            "configure.panic",
            false,
            "Whether configure panics.",
        ))
        .key(ConfigKey::boolean(
            "configure.error",
            false,
            "Whether configure refuses.",
        ))
        .key(ConfigKey::boolean(
            "tick.emit",
            false,
            "Whether a tick emits a record.",
        ))
        .key(ConfigKey::password(
            "secret",
            "What the command secret tells, and the log must not.",
        ))
        .key(ConfigKey::text(
            "note",
            "",
            "What the command secret-fail tells besides.",
        ))
        .stateful()
        .ticking()
    }

    /// Takes the configuration, or panics, or refuses.
    pub fn configure(config: Vec<(String, String)>) -> Result<(), Vec<ConfigError>> {
        ferrule_plugin::glue::log_panics();
        let on = |key| {
            config
                .iter()
                .any(|(name, value)| name == key && value == "true")
        };
        let given = |key: &str| {
            let found = config.iter().find(|(name, _)| name == key);
            found.map_or("", |(_, value)| value)
        };
        let secret = given("secret");
        SECRET.set(secret.to_owned());
        NOTE.set(given("note").to_owned());
        if !secret.is_empty() {
            ferrule_plugin::log::info(format!("the secret is {secret}"));
        }
        assert!(
            !on("configure.panic"),
            "configure.panic is true, and the secret is {secret}"
        );
        if on("configure.error") {
            let message = format!("is true, and the secret is {secret}");
            return Err(vec![ConfigError::new("configure.error", message)]);
        }
        EMITS.set(on("tick.emit"));
        Ok(())
    }

    /// Obeys each record.
    pub fn apply(batch: Batch) -> Reply {
        let mut answer = Answer {
            base: batch.shapes.len(),
            shapes: Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(batch.records.len());
        let (mut less, mut more) = (0, 0);
        for record in batch.records {
            let outcome = match command(&record, &batch.shapes) {
                Ok(command) => {
                    less += usize::from(command == Command::OneOutcomeLess);
                    more += usize::from(command == Command::OneOutcomeMore);
                    answer.obey(record, command)
                }
                Err(failure) => Outcome::Fail(failure),
            };
            outcomes.push(outcome);
        }
        outcomes.truncate(outcomes.len() - less);
        outcomes.extend((0..more).map(|_| Outcome::Keep));
        Reply {
            shapes: answer.shapes,
            outcomes,
        }
    }

    /// Emits one record with topic, partition and time, if the configuration says so.
    pub fn tick(topic: String, partition: i32, now: EpochMillis) -> Emission {
        if !EMITS.with_borrow(|emits| *emits) {
            return Emission {
                shapes: Vec::new(),
                records: Vec::new(),
            };
        }
        let fields = [
            ("topic", Kind::Text),
            ("partition", Kind::Int32),
            ("now", Kind::Int64),
        ];
        let values = vec![topic.into(), partition.into(), now.into()];
        let value = OutPayload::Row(Row { shape: 0, values });
        Emission {
            shapes: vec![shape("tick", &fields)],
            records: vec![out(value)],
        }
    }
}

/// The reply as it grows.
struct Answer {
    /// How many shapes the batch has.
    base: usize,
    shapes: Vec<Shape>,
}

impl Answer {
    fn obey(&mut self, record: InRecord, command: Command) -> Outcome {
        match command {
            Command::Keep | Command::OneOutcomeLess | Command::OneOutcomeMore => Outcome::Keep,
            Command::Drop => Outcome::Drop,
            Command::Fail(more) => {
                let more = String::from_utf8(harm::bytes(more)).unwrap_or_default();
                Outcome::Fail(Failure::at("cmd", format_args!("says fail{more}")))
            }
            Command::Replace => replace(given(record.value)),
            Command::Same => replace(match record.value {
                Payload::Row(Row { shape, values }) => OutPayload::Edited(EditedRow {
                    shape,
                    sources: (0..values.len() as i32).collect(),
                    values: Vec::new(),
                }),
                Payload::Scalar(value) => OutPayload::Scalar(value),
            }),
            Command::Pick(place) => replace(self.picked(place as i32)),
            Command::Picks(count) => {
                let picked = out(self.picked(0));
                Outcome::Replace(vec![picked; usize::try_from(count).unwrap_or(0)])
            }
            Command::Repeat(count) => {
                Outcome::Replace(vec![untouched(); usize::try_from(count).unwrap_or(0)])
            }
            Command::Copies(count) => {
                let copy = out(given(record.value));
                Outcome::Replace(vec![copy; usize::try_from(count).unwrap_or(0)])
            }
            Command::Count => match count() {
                Ok(count) => {
                    self.replace_by("count", &[("count", Kind::Int64)], vec![count.into()])
                }
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Remember => match count() {
                Ok(_) => Outcome::Keep,
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Topic => Outcome::Replace(vec![OutRecord {
                topic: Some("elsewhere".into()),
                ..untouched()
            }]),
            Command::Loop => harm::loop_forever(),
            Command::Allocate => harm::allocate(),
            Command::Recurse => harm::recurse(),
            Command::Trap => panic!("the record says trap"),
            Command::Huge(bytes) => replace(OutPayload::Scalar(Value::Bytes(harm::bytes(bytes)))),
            Command::Hoard(bytes) => {
                harm::hoard(bytes);
                Outcome::Keep
            }
            Command::DeepJson(depth) => self.replace_by(
                "deep",
                &[("json", Kind::Json)],
                vec![Value::Json(harm::deep_json(depth))],
            ),
            Command::Metric(by) => {
                metrics::count("commands", by);
                Outcome::Keep
            }
            Command::Gauge(level) => {
                metrics::gauge("level", level as f64);
                Outcome::Keep
            }
            Command::Secret => {
                let backwards: String = SECRET.with_borrow(|secret| secret.chars().rev().collect());
                self.replace_by("secret", &[("cmd", Kind::Text)], vec![backwards.into()])
            }
            Command::SecretPanic => SECRET.with_borrow(|secret| panic!("the secret is {secret}")),
            Command::SecretFail => SECRET.with_borrow(|secret| {
                let note = NOTE.with_borrow(String::clone);
                let reason = format!("the secret is {secret}, and the note is {note}!");
                Outcome::Fail(Failure::at(secret, reason))
            }),
            Command::SecretField => {
                let secret = SECRET.with_borrow(String::clone);
                self.replace_by("bad", &[(&secret, Kind::Int32)], vec!["a".into()])
            }
            Command::BadJson => self.replace_by(
                "bad",
                &[("json", Kind::Json)],
                vec![Value::Json("{no".into())],
            ),
            Command::BadShape => replace(OutPayload::Row(Row {
                shape: u32::MAX,
                values: Vec::new(),
            })),
            Command::BadSource => replace(self.picked(i32::MAX)),
            Command::BadWidth => self.replace_by("bad", &[("a", Kind::Text)], Vec::new()),
            Command::BadKind => self.replace_by("bad", &[("a", Kind::Int32)], vec!["a".into()]),
            Command::State => match harm::fill_state() {
                state::Error::Full(limit) => Outcome::Fail(Failure::new(format_args!(
                    "the state was full at {limit} bytes"
                ))),
                error @ state::Error::KeyTooLong(_) => Outcome::Fail(error.into()),
            },
            Command::StateForever => harm::fill_state_forever(),
            Command::Log(lines) => {
                harm::flood_log(lines);
                Outcome::Keep
            }
        }
    }

    /// A row of one field, which is this one of the record.
    fn picked(&mut self, place: i32) -> OutPayload {
        OutPayload::Edited(EditedRow {
            shape: self.shape("picked", &[("picked", Kind::Any)]),
            sources: vec![place],
            values: Vec::new(),
        })
    }

    fn replace_by(&mut self, name: &str, fields: &[(&str, Kind)], values: Vec<Value>) -> Outcome {
        replace(OutPayload::Row(Row {
            shape: self.shape(name, fields),
            values,
        }))
    }

    fn shape(&mut self, name: &str, fields: &[(&str, Kind)]) -> u32 {
        let shape = shape(name, fields);
        let known = self.shapes.iter().position(|known| *known == shape);
        let place = known.unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        (self.base + place) as u32
    }
}

/// Adds one to a counter in the state.
fn count() -> Result<i64, Failure> {
    let before =
        state::get("count").and_then(|bytes| Some(i64::from_le_bytes(bytes.try_into().ok()?)));
    let count = before.unwrap_or(0) + 1;
    state::set("count", count.to_le_bytes())?;
    Ok(count)
}

fn command(record: &InRecord, shapes: &[Shape]) -> Result<Command, Failure> {
    let value = match &record.value {
        Payload::Scalar(value) => Some(value),
        Payload::Row(row) => {
            let fields = &shapes[row.shape as usize].fields;
            let place = fields.iter().position(|field| field.name == "cmd");
            place.and_then(|place| row.values.get(place))
        }
    };
    match value {
        Some(Value::Text(text)) => text.parse(),
        Some(Value::Bytes(bytes)) => {
            // The weight behind the command is not looked at.
            let word = bytes.split(|byte| *byte == b' ').next();
            String::from_utf8_lossy(word.unwrap_or_default()).parse()
        }
        Some(Value::Json(json)) => json.trim_matches('"').parse(),
        _ => Err(Failure::at("cmd", "is required")),
    }
}

/// What came, to be given back.
fn given(payload: Payload) -> OutPayload {
    match payload {
        Payload::Scalar(value) => OutPayload::Scalar(value),
        Payload::Row(row) => OutPayload::Row(row),
    }
}

fn replace(value: OutPayload) -> Outcome {
    Outcome::Replace(vec![out(value)])
}

fn out(value: OutPayload) -> OutRecord {
    OutRecord {
        value: Some(value),
        ..untouched()
    }
}

fn untouched() -> OutRecord {
    OutRecord {
        topic: None,
        timestamp: None,
        key: None,
        value: None,
        headers: None,
    }
}

fn shape(name: &str, fields: &[(&str, Kind)]) -> Shape {
    let field = |(name, kind): &(&str, Kind)| Field {
        name: (*name).to_owned(),
        kind: *kind,
        optional: false,
    };
    Shape {
        name: Some(name.to_owned()),
        fields: fields.iter().map(field).collect(),
    }
}

#[cfg(target_arch = "wasm32")]
mod export {
    //! The exported functions.

    use ferrule_plugin::bindings;

    use super::*;

    impl bindings::exports::ferrule::transform::plugin::Guest for TestGuest {
        fn describe() -> Description {
            TestGuest::describe()
        }
        fn configure(config: Vec<(String, String)>) -> Result<(), Vec<ConfigError>> {
            TestGuest::configure(config)
        }
        fn apply(batch: Batch) -> Reply {
            TestGuest::apply(batch)
        }
        fn tick(topic: String, partition: i32, now: EpochMillis) -> Emission {
            TestGuest::tick(topic, partition, now)
        }
    }

    bindings::export!(TestGuest with_types_in bindings);
}

#[cfg(test)]
mod tests;
