//! The reply to a batch, as the commands of its records make it.

use ferrule_plugin::bindings::exports::ferrule::transform::plugin::Batch;
use ferrule_plugin::bindings::ferrule::transform::data::{
    self, EditedRow, Field, InRecord, Kind, OutPayload, OutRecord, Outcome, Payload, Pool, Row,
    Shape, Span,
};
use ferrule_plugin::{Failure, Value, metrics, state};

use crate::command::{Bad, Command, Harm, Secret};
use crate::{NOTE, SECRET, harm};

/// The reply as it grows.
pub(crate) struct Answer<'a> {
    batch: &'a Batch,
    pub(crate) records: Vec<OutRecord>,
    pub(crate) sources: Vec<i32>,
    pub(crate) pool: Pool,
}

impl<'a> Answer<'a> {
    /// The reply to a batch, empty yet.
    pub(crate) fn to(batch: &'a Batch) -> Answer<'a> {
        Answer {
            batch,
            records: Vec::new(),
            sources: Vec::new(),
            pool: Pool::EMPTY,
        }
    }

    /// What comes of a record, by what it says.
    pub(crate) fn obey(&mut self, record: &InRecord, command: Command) -> Outcome {
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
            Command::Copies(count) => self.copies(count, record),
            Command::Topic => {
                let topic = self.pool.add_text("elsewhere");
                self.records.push(OutRecord {
                    topic: Some(topic),
                    ..UNTOUCHED
                });
                Outcome::Replace(1)
            }
            Command::Count => match count() {
                Ok(count) => self.replace_by("count", &[("count", Kind::Int64)], &[count.into()]),
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Remember => match count() {
                Ok(_) => Outcome::Keep,
                Err(failure) => Outcome::Fail(failure),
            },
            Command::Metric(by) => {
                metrics::count("commands", by);
                Outcome::Keep
            }
            Command::Gauge(level) => {
                metrics::gauge("level", level as f64);
                Outcome::Keep
            }
            Command::DeepJson(depth) => self.replace_by(
                "deep",
                &[("json", Kind::Json)],
                &[Value::Json(harm::deep_json(depth))],
            ),
            Command::Harm(harm) => self.do_harm(harm),
            Command::Secret(secret) => self.tell(secret),
            Command::Bad(bad) => self.answer_badly(record, bad),
        }
    }

    fn do_harm(&mut self, harm: Harm) -> Outcome {
        match harm {
            Harm::Loop => harm::loop_forever(),
            Harm::Allocate => harm::allocate(),
            Harm::Recurse => harm::recurse(),
            Harm::Trap => panic!("the record says trap"),
            Harm::Huge(bytes) => {
                let span = self.pool.add_bytes(&harm::bytes(bytes));
                self.replace(OutPayload::Scalar(data::Value::Bytes(span)))
            }
            Harm::Hoard(bytes) => {
                harm::hoard(bytes);
                Outcome::Keep
            }
            Harm::Echo(count) => {
                // As many values that are all the same text.
                let span = self.pool.add_text(&"x".repeat(1 << 16));
                let echo = out(OutPayload::Scalar(data::Value::Text(span)));
                self.repeat(count, &echo)
            }
            Harm::Wide(count) => {
                // As many rows of nulls that all have the same sources.
                let name = |at: usize| format!("f{at}");
                let names: Vec<_> = (0..1 << 10).map(name).collect();
                let fields: Vec<_> = names.iter().map(|name| (&**name, Kind::Any)).collect();
                let shape = self.shape("wide", &fields);
                let wide = self.edited(shape, fields.iter().map(|_| 1));
                self.repeat(count, &out(wide))
            }
            Harm::State => match harm::fill_state() {
                state::Error::Full(limit) => Outcome::Fail(Failure::new(format_args!(
                    "the state was full at {limit} bytes"
                ))),
                error @ state::Error::KeyTooLong(_) => Outcome::Fail(error.into()),
            },
            Harm::StateForever => harm::fill_state_forever(),
            Harm::Log(lines) => {
                harm::flood_log(lines);
                Outcome::Keep
            }
        }
    }

    fn tell(&mut self, secret: Secret) -> Outcome {
        match secret {
            Secret::Backwards => {
                let backwards: String = SECRET.with_borrow(|secret| secret.chars().rev().collect());
                self.replace_by("secret", &[("cmd", Kind::Text)], &[backwards.into()])
            }
            Secret::Panic => SECRET.with_borrow(|secret| panic!("the secret is {secret}")),
            Secret::Fail => SECRET.with_borrow(|secret| {
                let note = NOTE.with_borrow(String::clone);
                let reason = format!("the secret is {secret}, and the note is {note}!");
                Outcome::Fail(Failure::at(secret, reason))
            }),
            Secret::Field => {
                let secret = SECRET.with_borrow(String::clone);
                self.replace_by("bad", &[(&secret, Kind::Int32)], &["a".into()])
            }
        }
    }

    fn answer_badly(&mut self, record: &InRecord, bad: Bad) -> Outcome {
        match bad {
            Bad::Json => {
                self.replace_by("bad", &[("json", Kind::Json)], &[Value::Json("{no".into())])
            }
            Bad::Shape => self.replace(OutPayload::Row(Row {
                shape: u32::MAX,
                first: 0,
            })),
            Bad::Source => {
                let picked = self.picked(i32::MAX);
                self.replace(picked)
            }
            Bad::Width => {
                let shape = self.shape("bad", &[("a", Kind::Text)]);
                let first = u32::MAX;
                self.replace(OutPayload::Row(Row { shape, first }))
            }
            Bad::Kind => self.replace_by("bad", &[("a", Kind::Int32)], &["a".into()]),
            Bad::Span => {
                let (start, len) = (u32::MAX - 1, 8);
                self.replace(OutPayload::Scalar(data::Value::Text(Span { start, len })))
            }
            Bad::Text => {
                // A part of a character.
                let span = Span {
                    len: 1,
                    ..self.pool.add_text("ä")
                };
                self.replace(OutPayload::Scalar(data::Value::Text(span)))
            }
            Bad::Order => {
                // Of the two, the second stands before the first.
                let value = self.given(record.value);
                let before = self.given(record.value);
                self.records.extend([out(before), out(value)]);
                Outcome::Replace(2)
            }
            Bad::OneRecordLess => Outcome::Replace(1),
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

    fn copies(&mut self, count: u64, record: &InRecord) -> Outcome {
        for _ in 0..count {
            let copy = self.given(record.value);
            self.records.push(out(copy));
        }
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

const UNTOUCHED: OutRecord = OutRecord {
    topic: None,
    timestamp: None,
    key: None,
    value: None,
    headers: None,
};

/// A record that gives this value, and nothing else.
pub(crate) fn out(value: OutPayload) -> OutRecord {
    OutRecord {
        value: Some(value),
        ..UNTOUCHED
    }
}

/// The shape of a row.
pub(crate) fn shape(name: &str, fields: &[(&str, Kind)]) -> Shape {
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
