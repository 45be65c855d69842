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
    self, EditedRow, Field, InRecord, Kind, OutPayload, OutRecord, Outcome, Payload, Pool, Row,
    Shape, Span,
};
use ferrule_plugin::{ConfigKey, Failure, Parts, Value, ValueRef, metrics, state};

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
        let mut answer = Answer::to(&batch);
        let mut outcomes = Vec::with_capacity(batch.records.len());
        let (mut less, mut more) = (0, 0);
        for record in &batch.records {
            let outcome = match command(record, &batch.pool) {
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
            outcomes,
            records: answer.records,
            sources: answer.sources,
            pool: answer.pool,
        }
    }

    /// Emits one record with topic, partition and time, if the configuration says so.
    pub fn tick(topic: String, partition: i32, now: EpochMillis) -> Emission {
        let mut pool = Pool::EMPTY;
        let mut records = Vec::new();
        if EMITS.with_borrow(|emits| *emits) {
            let fields = [
                ("topic", Kind::Text),
                ("partition", Kind::Int32),
                ("now", Kind::Int64),
            ];
            pool.shapes.push(shape("tick", &fields));
            let values = [
                ValueRef::Text(&topic),
                ValueRef::Int(partition.into()),
                ValueRef::Int(now),
            ];
            let first = pool.add_row(values);
            records.push(out(OutPayload::Row(Row { shape: 0, first })));
        }
        Emission { records, pool }
    }
}

/// The reply as it grows.
struct Answer<'a> {
    batch: &'a Batch,
    records: Vec<OutRecord>,
    sources: Vec<i32>,
    pool: Pool,
}

impl<'a> Answer<'a> {
    fn to(batch: &'a Batch) -> Answer<'a> {
        Answer {
            batch,
            records: Vec::new(),
            sources: Vec::new(),
            pool: Pool::EMPTY,
        }
    }

    fn obey(&mut self, record: &InRecord, command: Command) -> Outcome {
        match command {
            Command::Keep | Command::OneOutcomeLess | Command::OneOutcomeMore => Outcome::Keep,
            Command::Drop => Outcome::Drop,
            Command::Fail(more) => {
                let more = String::from_utf8(harm::bytes(more)).unwrap_or_default();
                Outcome::Fail(Failure::at("cmd", format_args!("says fail{more}")))
            }
            Command::Replace => {
                let value = self.given(record.value);
                self.replace(value)
            }
            Command::Same => {
                let value = match record.value {
                    Payload::Row(row) => {
                        let fields = self.batch.pool.shapes[row.shape as usize].fields.len();
                        self.edited(row.shape, 0..fields as i32)
                    }
                    scalar @ Payload::Scalar(_) => self.given(scalar),
                };
                self.replace(value)
            }
            Command::Pick(place) => {
                let picked = self.picked(place as i32);
                self.replace(picked)
            }
            Command::Picks(count) => {
                let picked = self.picked(0);
                self.repeat(count, &out(picked))
            }
            Command::Repeat(count) => self.repeat(count, &UNTOUCHED),
            Command::Copies(count) => {
                for _ in 0..count {
                    let copy = self.given(record.value);
                    self.records.push(out(copy));
                }
                Outcome::Replace(count as u32)
            }
            Command::Count => match count() {
                Ok(count) => self.replace_by("count", &[("count", Kind::Int64)], &[count.into()]),
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Remember => match count() {
                Ok(_) => Outcome::Keep,
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Topic => {
                let topic = self.pool.add_text("elsewhere");
                self.records.push(OutRecord {
                    topic: Some(topic),
                    ..UNTOUCHED
                });
                Outcome::Replace(1)
            }
            Command::Loop => harm::loop_forever(),
            Command::Allocate => harm::allocate(),
            Command::Recurse => harm::recurse(),
            Command::Trap => panic!("the record says trap"),
            Command::Huge(bytes) => {
                let span = self.pool.add_bytes(&harm::bytes(bytes));
                self.replace(OutPayload::Scalar(data::Value::Bytes(span)))
            }
            Command::Hoard(bytes) => {
                harm::hoard(bytes);
                Outcome::Keep
            }
            Command::DeepJson(depth) => self.replace_by(
                "deep",
                &[("json", Kind::Json)],
                &[Value::Json(harm::deep_json(depth))],
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
                self.replace_by("secret", &[("cmd", Kind::Text)], &[backwards.into()])
            }
            Command::SecretPanic => SECRET.with_borrow(|secret| panic!("the secret is {secret}")),
            Command::SecretFail => SECRET.with_borrow(|secret| {
                let note = NOTE.with_borrow(String::clone);
                let reason = format!("the secret is {secret}, and the note is {note}!");
                Outcome::Fail(Failure::at(secret, reason))
            }),
            Command::SecretField => {
                let secret = SECRET.with_borrow(String::clone);
                self.replace_by("bad", &[(&secret, Kind::Int32)], &["a".into()])
            }
            Command::BadJson => {
                self.replace_by("bad", &[("json", Kind::Json)], &[Value::Json("{no".into())])
            }
            Command::BadShape => self.replace(OutPayload::Row(Row {
                shape: u32::MAX,
                first: 0,
            })),
            Command::BadSource => {
                let picked = self.picked(i32::MAX);
                self.replace(picked)
            }
            Command::BadWidth => {
                let shape = self.shape("bad", &[("a", Kind::Text)]);
                let first = u32::MAX;
                self.replace(OutPayload::Row(Row { shape, first }))
            }
            Command::BadKind => self.replace_by("bad", &[("a", Kind::Int32)], &["a".into()]),
            Command::BadSpan => {
                let (start, len) = (u32::MAX - 1, 8);
                self.replace(OutPayload::Scalar(data::Value::Text(Span { start, len })))
            }
            Command::BadText => {
                // A part of a character.
                let span = Span {
                    len: 1,
                    ..self.pool.add_text("ä")
                };
                self.replace(OutPayload::Scalar(data::Value::Text(span)))
            }
            Command::BadOrder => {
                // Of the two, the second stands before the first.
                let value = self.given(record.value);
                let before = self.given(record.value);
                self.records.extend([out(before), out(value)]);
                Outcome::Replace(2)
            }
            Command::OneRecordLess => Outcome::Replace(1),
            Command::Echo(count) => {
                // As many values that are all the same text.
                let span = self.pool.add_text(&"x".repeat(1 << 16));
                let echo = out(OutPayload::Scalar(data::Value::Text(span)));
                self.repeat(count, &echo)
            }
            Command::Wide(count) => {
                // As many rows of nulls that all have the same sources.
                let name = |at: usize| format!("f{at}");
                let names: Vec<_> = (0..1 << 10).map(name).collect();
                let fields: Vec<_> = names.iter().map(|name| (&**name, Kind::Any)).collect();
                let shape = self.shape("wide", &fields);
                let wide = self.edited(shape, fields.iter().map(|_| 1));
                self.repeat(count, &out(wide))
            }
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

    /// What came, to be given back.
    fn given(&mut self, payload: Payload) -> OutPayload {
        let from = &self.batch.pool;
        match payload {
            Payload::Scalar(value) => OutPayload::Scalar(self.pool.add(from.value(value))),
            Payload::Row(row) => {
                let fields = from.shapes[row.shape as usize].fields.len();
                let values = from.values_of(row, fields).iter();
                let first = self.pool.add_row(values.map(|value| from.value(*value)));
                OutPayload::Row(Row { first, ..row })
            }
        }
    }

    /// A row of one field, which is this one of the record.
    fn picked(&mut self, place: i32) -> OutPayload {
        let shape = self.shape("picked", &[("picked", Kind::Any)]);
        self.edited(shape, [place])
    }

    fn edited(&mut self, shape: u32, sources: impl IntoIterator<Item = i32>) -> OutPayload {
        let row = EditedRow {
            shape,
            sources: self.sources.len() as u32,
            first: 0,
        };
        self.sources.extend(sources);
        OutPayload::Edited(row)
    }

    fn replace(&mut self, value: OutPayload) -> Outcome {
        self.records.push(out(value));
        Outcome::Replace(1)
    }

    fn repeat(&mut self, count: u64, record: &OutRecord) -> Outcome {
        self.records.extend((0..count).map(|_| *record));
        Outcome::Replace(count as u32)
    }

    fn replace_by(&mut self, name: &str, fields: &[(&str, Kind)], values: &[Value]) -> Outcome {
        let shape = self.shape(name, fields);
        let first = self.pool.add_row(values.iter().map(Into::into));
        self.replace(OutPayload::Row(Row { shape, first }))
    }

    fn shape(&mut self, name: &str, fields: &[(&str, Kind)]) -> u32 {
        let shape = shape(name, fields);
        let shapes = &mut self.pool.shapes;
        let known = shapes.iter().position(|known| *known == shape);
        let place = known.unwrap_or_else(|| {
            shapes.push(shape);
            shapes.len() - 1
        });
        (self.batch.pool.shapes.len() + place) as u32
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

fn command(record: &InRecord, pool: &Pool) -> Result<Command, Failure> {
    let value = match record.value {
        Payload::Scalar(value) => Some(value),
        Payload::Row(row) => {
            let fields = &pool.shapes[row.shape as usize].fields;
            let place = fields.iter().position(|field| field.name == "cmd");
            place.map(|place| pool.values_of(row, fields.len())[place])
        }
    };
    match value.map(|value| pool.value(value)) {
        Some(ValueRef::Text(text)) => text.parse(),
        Some(ValueRef::Bytes(bytes)) => {
            // The weight behind the command is not looked at.
            let word = bytes.split(|byte| *byte == b' ').next();
            String::from_utf8_lossy(word.unwrap_or_default()).parse()
        }
        Some(ValueRef::Json(json)) => json.trim_matches('"').parse(),
        _ => Err(Failure::at("cmd", "is required")),
    }
}

const UNTOUCHED: OutRecord = OutRecord {
    topic: None,
    timestamp: None,
    key: None,
    value: None,
    headers: None,
};

fn out(value: OutPayload) -> OutRecord {
    OutRecord {
        value: Some(value),
        ..UNTOUCHED
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
