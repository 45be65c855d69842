//! Whatever a plugin answers, the host makes records of it that are what their schemas say, or says
//! what is wrong; it never panics, and keeps nothing that it was not asked to keep.

use connect_api::{Field, json};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::bindings::ferrule::transform::data::{EditedRow, Failure, FieldResult, Kind as WitKind};

/// Texts that are numbers, dates, names, JSON, or nothing of all that.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{0,40}(\\.[0-9]{0,40})?([eE][-+]?[0-9]{1,10})?",
        "[\\[\\]{}\":,0-9a-z\\\\ ]{0,60}",
        "[a-c._-]{0,4}",
        (0usize..400).prop_map(|deep| "[".repeat(deep) + &"]".repeat(deep)),
        (0usize..300_000).prop_map(|long| "9".repeat(long)),
        Just("null".to_owned()),
        Just(r#"{"a":1,"b":"x","c":[1,2]}"#.to_owned()),
        Just(r#"[{"a":1.5},null,"2024-01-01"]"#.to_owned()),
    ]
}

fn extremes() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -3i64..3,
        Just(i64::MIN),
        Just(i64::MAX),
        Just(DAY_MICROS),
        any::<i32>().prop_map(i64::from),
    ]
}

fn wire_values() -> impl Strategy<Value = ValueResult> {
    prop_oneof![
        Just(ValueResult::Null),
        any::<bool>().prop_map(ValueResult::Boolean),
        extremes().prop_map(ValueResult::Int),
        proptest::num::f64::ANY.prop_map(ValueResult::Float),
        texts().prop_map(ValueResult::Text),
        vec(any::<u8>(), 0..40).prop_map(ValueResult::Bytes),
        texts().prop_map(ValueResult::Decimal),
        any::<i32>().prop_map(ValueResult::Date),
        extremes().prop_map(ValueResult::Time),
        extremes().prop_map(ValueResult::Timestamp),
        texts().prop_map(ValueResult::Json),
        texts().prop_map(ValueResult::Json),
    ]
}

fn wire_kinds() -> impl Strategy<Value = WitKind> {
    prop_oneof![
        Just(WitKind::Any),
        Just(WitKind::Boolean),
        Just(WitKind::Int8),
        Just(WitKind::Int16),
        Just(WitKind::Int32),
        Just(WitKind::Int64),
        Just(WitKind::Float32),
        Just(WitKind::Float64),
        Just(WitKind::Text),
        Just(WitKind::Bytes),
        Just(WitKind::Decimal),
        Just(WitKind::Date),
        Just(WitKind::Time),
        Just(WitKind::Timestamp),
        Just(WitKind::Json),
    ]
}

fn wire_shapes() -> impl Strategy<Value = ShapeResult> {
    let field = ("[a-d]{0,2}", wire_kinds(), any::<bool>());
    let field = field.prop_map(|(name, kind, optional)| FieldResult {
        name,
        kind,
        optional,
    });
    (of(texts()), vec(field, 0..4)).prop_map(|(name, fields)| ShapeResult { name, fields })
}

fn wire_payloads() -> impl Strategy<Value = OutPayload> {
    let shape = || prop_oneof![0u32..6, any::<u32>()];
    let values = || vec(wire_values(), 0..5);
    let sources = vec(prop_oneof![-2i32..5, any::<i32>()], 0..5);
    // Mostly as many values as are asked for.
    let edited = (shape(), sources, values(), any::<bool>());
    let edited = edited.prop_map(|(shape, sources, mut values, fit)| {
        if fit {
            let places = sources.iter().filter(|source| **source < 0).count();
            values.resize(places, ValueResult::Null);
        }
        EditedRow {
            shape,
            sources,
            values,
        }
    });
    prop_oneof![
        wire_values().prop_map(OutPayload::Scalar),
        (shape(), values())
            .prop_map(|(shape, values)| OutPayload::Row(RowResult { shape, values })),
        edited.prop_map(OutPayload::Edited),
    ]
}

fn wire_records() -> impl Strategy<Value = OutRecord> {
    let header = (texts(), wire_values());
    let header = header.prop_map(|(name, value)| HeaderResult { name, value });
    (
        of(texts()),
        of(extremes()),
        of(wire_payloads()),
        of(wire_payloads()),
        of(vec(header, 0..3)),
    )
        .prop_map(|(topic, timestamp, key, value, headers)| OutRecord {
            topic,
            timestamp,
            key,
            value,
            headers,
        })
}

fn wire_outcomes() -> impl Strategy<Value = WitOutcome> {
    let failure = (of(texts()), texts());
    prop_oneof![
        vec(wire_records(), 0..4).prop_map(WitOutcome::Replace),
        vec(wire_records(), 17..20).prop_map(WitOutcome::Replace),
        failure.prop_map(|(field, reason)| WitOutcome::Fail(Failure { field, reason })),
    ]
}

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

fn input() -> SinkRecord {
    let schema = input_schema();
    let list = Value::Array(vec![Value::Int(1), Value::Int(2)]);
    let values = vec![list, Value::Null, Value::Null, Value::Null];
    let source = Arc::new(TopicPartition::new("topic", 0));
    SinkRecord {
        topic: Arc::clone(&source.topic),
        source,
        offset: 7,
        key: Datum::new(Arc::new(Schema::new(Kind::Int32)), Value::Int(1)),
        value: Datum::row(Struct::new(schema, values)),
        headers: Vec::new(),
        timestamp: Some(1),
        timestamp_type: TimestampType::CreateTime,
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

proptest! {
    #[test]
    fn any_answer_is_records_that_are_sound_or_an_error_that_is_short(
        shapes in vec(wire_shapes(), 0..5),
        outcome in wire_outcomes(),
    ) {
        let input = input();
        let schema = Arc::clone(input.value.value.as_struct().unwrap().schema());
        let inputs = [InputShape { schema, schemaless: false }];
        let secrets = Secrets::new(["a".to_owned()]);
        let mut kept = Shapes::default();
        let lift = Lift::new((&"plugin", &secrets), &inputs, &mut kept, &shapes);
        let mut record = input.clone();
        let outcome = lift.outcome(&mut record, outcome);
        let outcome = match outcome {
            Outcome::Change => Outcome::Replace(vec![record]),
            other => other,
        };
        match outcome {
            Outcome::Replace(records) => for record in records {
                check(&record.key);
                check(&record.value);
                record.headers.iter().for_each(|header| check(&header.value));
                prop_assert!(record.timestamp.is_some_and(|at| at >= 0));
                prop_assert!(checked_topic(&record.topic).is_ok());
                prop_assert_eq!((&record.source, record.offset), (&input.source, 7));
            },
            Outcome::Fail(error) => {
                let told = error.chain();
                prop_assert!(told.len() < NAME_BYTES + REASON_BYTES + 40, "{}", told.len());
            }
            Outcome::Drop | Outcome::Keep | Outcome::Change => {}
        }
    }

    #[test]
    fn what_a_tick_makes_is_sound_too(
        shapes in vec(wire_shapes(), 0..5),
        made in wire_records(),
    ) {
        let secrets = Secrets::default();
        let mut kept = Shapes::default();
        let lift = Lift::new((&"plugin", &secrets), &[], &mut kept, &shapes);
        let source = Arc::new(TopicPartition::new("topic", 0));
        if let Ok(record) = lift.emitted((&source, 7), 1, made) {
            check(&record.key);
            check(&record.value);
        }
    }
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
