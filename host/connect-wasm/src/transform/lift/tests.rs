//! Whatever a plugin answers, the host makes records of it that are what their schemas say, or says
//! what is wrong; it never panics, and keeps nothing that it was not asked to keep.

mod replies;

use connect_api::{Field, json};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use replies::{Made, Part, Told, replied, texts, wire_records, wire_shapes};

use super::content::DAY_MICROS;
use super::*;
use crate::bindings::ferrule::transform::data::{
    Emission, Failure, FieldResult, Kind as WitKind, Reply, ShapeResult,
};
use crate::plugins::Reads;
use crate::transform::nested;

/// Each kind once, and what is nested in it.
fn input_schema() -> Arc<Schema> {
    let list = Kind::Array(Arc::new(Schema::new(Kind::Int16)));
    let text = || Arc::new(Schema::new(Kind::String));
    let map = Kind::Map(text(), Arc::new(Schema::optional(Kind::Timestamp)));
    let inner = Kind::Struct(vec![
        Field::new("a", Schema::optional(Kind::Int64)),
        Field::new("b", Schema::optional(Kind::String)),
        Field::new("c", Schema::optional(list.clone())),
    ]);
    let fields = [list, map, inner, Kind::Decimal(Some(2))];
    let names = ["list", "map", "inner", "price"];
    let fields = names.into_iter().zip(fields);
    let fields = fields.map(|(name, kind)| Field::new(name, Schema::optional(kind)));
    Arc::new(Schema::new(Kind::Struct(fields.collect())))
}

fn input() -> Record {
    let schema = input_schema();
    let list = Value::Array(vec![Value::Int(1), Value::Int(2)]);
    let values = vec![list, Value::Null, Value::Null, Value::Null];
    Record {
        topic: "topic".into(),
        partition: Some(0),
        key: Datum::new(Arc::new(Schema::new(Kind::Int32)), Value::Int(1)),
        value: Datum::row(Struct::new(schema, values)),
        headers: Vec::new(),
        timestamp: Some(Timestamp(1)),
    }
}

/// The rule that whoever reads a value relies upon.
fn agrees(value: &Value, schema: &Schema) -> bool {
    match (&schema.kind, value) {
        (Kind::Any, _) => true,
        (_, Value::Null) => schema.optional,
        (Kind::Array(item), Value::Array(items)) => items.iter().all(|it| agrees(it, item)),
        (Kind::Map(key, entry), Value::Map(entries)) => {
            let agree = |(k, v): &(Value, Value)| agrees(k, key) && agrees(v, entry);
            entries.iter().all(agree)
        }
        (Kind::Struct(fields), Value::Struct(row)) => {
            let pairs = fields.iter().zip(row.values());
            fields.len() == row.values().len()
                && pairs
                    .into_iter()
                    .all(|(field, value)| agrees(value, &field.schema))
        }
        (kind, value) => nested::fits(kind, value),
    }
}

fn check(datum: &Datum) {
    if let Some(schema) = &datum.schema {
        assert!(agrees(&datum.value, schema), "{datum:?}");
    }
    if let Value::Time(micros) = datum.value {
        assert!((0..DAY_MICROS).contains(&micros));
    }
    // What comes after writes it as text: an error is allowed, for NaN.
    let mut text = String::new();
    let _ = json::write(&datum.value, &mut text);
}

fn check_record(record: &Record) {
    check(&record.key);
    check(&record.value);
    record
        .headers
        .iter()
        .for_each(|header| check(&header.value));
    assert!(record.timestamp.is_some_and(|at| at >= Timestamp(0)));
    assert!(checked_topic(&record.topic).is_ok());
}

fn shape_of(record: &Record) -> InputShape {
    let reads = Reads {
        key: true,
        value: true,
        headers: true,
        fields: None,
    };
    InputShape::new(
        record.value.value.as_struct().unwrap().schema(),
        false,
        &reads,
    )
}

/// What the host makes of a reply whose records take the place of this one, so many at a time.
fn lifted(reply: &Reply, record: &Record, counts: &[u32]) -> Vec<(Record, Outcome)> {
    let inputs = [shape_of(record)];
    let secrets = Secrets::new(["a".to_owned()]);
    let mut kept = Shapes::default();
    let says = (&"plugin" as _, &secrets);
    let mut lift = Lift::new(says, &inputs, &mut kept, &reply.pool, &reply.sources);
    let mut made = &reply.records[..];
    let outcomes = counts.iter().map(|count| {
        let mut record = record.clone();
        let outcome = lift.guarded(&mut record, &WitOutcome::Replace(*count), &mut made);
        (record, outcome)
    });
    outcomes.collect()
}

proptest! {
    #[test]
    fn any_answer_is_records_that_are_sound_or_an_error_that_is_short(
        shapes in vec(wire_shapes(), 0..5),
        made in prop_oneof![vec(wire_records(), 0..4), vec(wire_records(), 17..20)],
        together in any::<bool>(),
    ) {
        let input = input();
        let mut reply = replied(shapes, &made);
        let counts = match together {
            true => vec![made.len() as u32],
            false => vec![1; made.len()],
        };
        reply.outcomes = counts.iter().map(|count| WitOutcome::Replace(*count)).collect();
        // However little it may be, it is weighed.
        let inputs = vec![input.clone(); counts.len()];
        gives_more_than(0, inputs.iter(), &[shape_of(&input)], &reply);
        for (record, outcome) in lifted(&reply, &input, &counts) {
            match outcome {
                Outcome::Change => {
                    check_record(&record);
                    prop_assert_eq!(record.partition, input.partition);
                }
                Outcome::Replace(records) => for record in records {
                    check_record(&record);
                    prop_assert_eq!(record.partition, input.partition);
                },
                Outcome::Fail(error) => {
                    let told = error.chain();
                    prop_assert!(told.len() < NAME_BYTES + REASON_BYTES + 40, "{}", told.len());
                }
                Outcome::Drop | Outcome::Keep => {}
            }
        }
    }

    #[test]
    fn what_a_tick_makes_is_sound_too(
        shapes in vec(wire_shapes(), 0..5),
        made in wire_records(),
    ) {
        let secrets = Secrets::default();
        let mut kept = Shapes::default();
        let reply = replied(shapes, &[made]);
        let says = (&"plugin" as _, &secrets);
        let mut lift = Lift::new(says, &[], &mut kept, &reply.pool, &[]);
        let partition = TopicPartition::new("topic", 0);
        if let Ok(record) = lift.emitted(&partition, Timestamp(1), &reply.records[0]) {
            check(&record.key);
            check(&record.value);
        }
    }

    #[test]
    fn a_failure_is_told_short(field in of(texts()), reason in texts()) {
        let secrets = Secrets::default();
        let mut kept = Shapes::default();
        let reply = replied(Vec::new(), &[]);
        let says = (&"plugin" as _, &secrets);
        let mut lift = Lift::new(says, &[], &mut kept, &reply.pool, &[]);
        let failure = WitOutcome::Fail(Failure { field, reason });
        let told = match lift.outcome(&mut input(), &failure, &mut reply.records.iter()) {
            Outcome::Fail(error) => error.chain(),
            other => panic!("not a failure: {other:?}"),
        };
        prop_assert!(told.len() < NAME_BYTES + REASON_BYTES + 40, "{}", told.len());
    }

    #[test]
    fn bytes_that_are_given_twice_are_counted_twice(
        texts in vec("[a-z]{0,9}", 1..9),
        times in 1u64..5,
    ) {
        let made = |text: &String| Made {
            topic: None,
            timestamp: None,
            key: None,
            value: Some(Part::Scalar(Told::Text(text.clone()))),
            headers: None,
            wild: None,
        };
        let made: Vec<_> = texts.iter().map(made).collect();
        let mut reply = replied(Vec::new(), &made);
        let records = reply.records.clone();
        for _ in 1..times {
            reply.records.extend(&records);
        }
        let count = reply.records.len();
        reply.outcomes = vec![WitOutcome::Replace(1); count];
        let inputs = vec![input(); count];
        let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
        let twice = (times - 1) * bytes;
        prop_assert!(!gives_more_than(twice, inputs.iter(), &[], &reply));
        prop_assert!(twice == 0 || gives_more_than(twice - 1, inputs.iter(), &[], &reply));
        let Reply { records, pool, .. } = reply;
        let emission = Emission { records, pool };
        prop_assert!(!emits_more_than(twice, &emission));
        prop_assert!(twice == 0 || emits_more_than(twice - 1, &emission));
    }
}

#[test]
fn values_belong_to_one_row_and_stand_in_its_order() {
    let field = |name: &str| FieldResult {
        name: name.to_owned(),
        kind: WitKind::Text,
        optional: false,
    };
    let shape = ShapeResult {
        name: None,
        fields: vec![field("a"), field("b")],
    };
    let row = |at: u32| Made {
        topic: None,
        timestamp: None,
        key: None,
        value: Some(Part::Row(1, vec![Told::Text(at.to_string()); 2])),
        headers: None,
        wild: None,
    };
    let made = [row(0), row(1), row(2)];
    let good = replied(vec![shape], &made);
    let verdicts = |reply: &Reply| {
        let lifted = lifted(reply, &input(), &[1, 1, 1]);
        let verdicts = lifted.iter().map(|(_, outcome)| match outcome {
            Outcome::Change => true,
            Outcome::Fail(error) => {
                assert!(error.chain().contains("of its own"), "{}", error.chain());
                false
            }
            other => panic!("{other:?}"),
        });
        verdicts.collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&good), [true, true, true]);
    let at = |first: [u32; 3]| {
        let records = good.records.iter().zip(first);
        let records = records.map(|(record, first)| OutRecord {
            value: Some(OutPayload::Row(Row { shape: 1, first })),
            ..*record
        });
        Reply {
            records: records.collect(),
            ..good.clone()
        }
    };
    assert_eq!(verdicts(&at([0, 0, 4])), [true, false, true], "in common");
    assert_eq!(verdicts(&at([0, 1, 4])), [true, false, true], "in part");
    assert_eq!(verdicts(&at([2, 0, 4])), [true, false, true], "before");
    assert_eq!(verdicts(&at([0, 5, 4])), [true, false, true], "not there");
}

#[test]
fn shapes_are_kept_up_to_some_bytes() {
    let mut kept = Shapes::default();
    for turn in 0..100 {
        let shape = ShapeResult {
            name: Some(format!("{turn}{}", "x".repeat(1 << 20))),
            fields: Vec::new(),
        };
        kept.intern(&shape).unwrap();
    }
    assert!(kept.bytes() <= 4 << 20, "{} bytes", kept.bytes());
}

/// A name that cannot be told.
struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("of the worker")
    }
}

#[test]
fn a_panic_fails_one_record_and_takes_what_was_made_for_it() {
    let made = |topic: &str| Made {
        topic: Some(topic.to_owned()),
        timestamp: None,
        key: None,
        value: None,
        headers: None,
        wild: None,
    };
    // The name of the topic is refused, and whoever tells it panics.
    let reply = replied(Vec::new(), &[made("a"), made("/"), made("b")]);
    let (secrets, mut kept) = (Secrets::default(), Shapes::default());
    let mut lift = Lift::new((&Panics as _, &secrets), &[], &mut kept, &reply.pool, &[]);
    let mut left = &reply.records[..];
    for topic in ["a", "/", "b"] {
        let mut record = input();
        match lift.guarded(&mut record, &WitOutcome::Replace(1), &mut left) {
            Outcome::Change => assert_eq!(&*record.topic, topic),
            Outcome::Fail(error) => {
                assert_eq!(topic, "/");
                assert!(error.to_string().contains("panicked"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(left.is_empty());
}
