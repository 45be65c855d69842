//! Rows go to a plugin and come back as they were.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Datum, Decimal, Field, Header, Kind, Outcome, Schema, SinkRecord, Struct, Value, json,
};

use crate::{apply, commands, guest, record, replacement};

/// A schema with a field of every kind; the first one is the command.
fn every_kind() -> (Arc<Schema>, Vec<Value>) {
    let nested = Schema::new(Kind::Struct(vec![
        Field::new("n", Schema::new(Kind::Int64)),
        Field::new("t", Schema::optional(Kind::Timestamp)),
    ]));
    let inner = Struct::new(
        Arc::new(nested.clone()),
        vec![Value::Int(7), Value::Timestamp(1_500_000)],
    );
    let columns: Vec<(&str, Schema, Value)> = vec![
        ("cmd", Schema::new(Kind::String), "replace".into()),
        ("i8", Schema::new(Kind::Int8), Value::Int(-8)),
        ("i64", Schema::new(Kind::Int64), Value::Int(i64::MIN)),
        ("f64", Schema::new(Kind::Float64), Value::Float(0.1)),
        ("bool", Schema::new(Kind::Boolean), Value::Boolean(true)),
        ("null", Schema::optional(Kind::String), Value::Null),
        (
            "bytes",
            Schema::new(Kind::Bytes),
            Value::Bytes(Bytes::from_static(&[0, 255])),
        ),
        (
            "decimal",
            Schema::new(Kind::Decimal(Some(3))),
            Value::Decimal(Box::new(Decimal::new((-12_340).into(), 3))),
        ),
        ("date", Schema::new(Kind::Date), Value::Date(-1)),
        ("time", Schema::new(Kind::Time), Value::Time(86_399_999_999)),
        (
            "timestamp",
            Schema::new(Kind::Timestamp),
            Value::Timestamp(-1),
        ),
        (
            "array",
            Schema::new(Kind::Array(Arc::new(Schema::new(Kind::Int32)))),
            Value::Array(vec![Value::Int(1), Value::Int(2)]),
        ),
        (
            "map",
            Schema::new(Kind::Map(
                Arc::new(Schema::new(Kind::String)),
                Arc::new(Schema::new(Kind::Float64)),
            )),
            Value::Map(vec![("k".into(), Value::Float(1.0))]),
        ),
        ("struct", nested, Value::Struct(Box::new(inner))),
    ];
    let (fields, values) = columns
        .into_iter()
        .map(|(name, schema, value)| (Field::new(name, schema), value))
        .unzip();
    (
        Arc::new(Schema::new(Kind::Struct(fields)).named("every.Kind")),
        values,
    )
}

#[test]
fn a_row_comes_back_as_it_was_with_the_same_schema() {
    let (schema, values) = every_kind();
    let row = Struct::new(Arc::clone(&schema), values);
    let mut input = record(5, Datum::row(row));
    input.record.key = Datum::schemaless("key".into());
    input.record.headers = vec![Header {
        name: "h".into(),
        value: Datum::schemaless(Value::Int(1)),
    }];
    let outcomes = apply(&mut guest(&[]), std::slice::from_ref(&input));
    let output = replacement(&outcomes[0]);
    assert_eq!(*output, input.record);
    assert!(Arc::ptr_eq(output.value.schema.as_ref().unwrap(), &schema));
    let row = output.value.value.as_struct().unwrap();
    assert!(Arc::ptr_eq(row.schema(), &schema));
}

#[test]
fn a_row_that_takes_all_of_its_record_is_as_it_was() {
    let (schema, mut values) = every_kind();
    values[0] = "same".into();
    let text = br#"{"cmd":"same","n":[1,{"a":null}],"f":1.50,"escaped":"a\nb","none":null}"#;
    let text = json::Shapes::default().read_shared(&Bytes::from_static(text));
    let inputs = [
        record(5, Datum::row(Struct::new(Arc::clone(&schema), values))),
        record(6, Datum::schemaless(text.unwrap())),
    ];
    let outcomes = apply(&mut guest(&[]), &inputs);
    for (input, outcome) in inputs.iter().zip(&outcomes) {
        let output = replacement(outcome);
        assert_eq!(*output, input.record);
        let row = output.value.value.as_struct().unwrap();
        let before = input.record.value.value.as_struct().unwrap();
        assert!(Arc::ptr_eq(row.schema(), before.schema()));
    }
}

#[test]
fn a_value_of_any_kind_can_be_taken_to_another_row() {
    let (schema, values) = every_kind();
    let mut guest = guest(&[]);
    for (place, field) in schema.fields().unwrap().iter().enumerate().skip(1) {
        let mut values = values.clone();
        values[0] = format!("pick:{place}").as_str().into();
        // Where no schema describes it, what is nested is JSON.
        let expect = match &field.schema.kind {
            Kind::Array(_) => Value::Json("[1,2]".into()),
            Kind::Map(..) => Value::Json(r#"{"k":1.0}"#.into()),
            Kind::Struct(_) => Value::Json(r#"{"n":7,"t":"1970-01-01T00:00:01.500Z"}"#.into()),
            _ => values[place].clone(),
        };
        let row = Struct::new(Arc::clone(&schema), values);
        let outcomes = apply(&mut guest, &[record(0, Datum::row(row))]);
        let row = replacement(&outcomes[0]).value.value.as_struct().unwrap();
        assert_eq!(row.values(), [expect], "{}", field.name);
    }
}

fn schemaless(names: &[&str], values: Vec<Value>) -> Datum {
    let fields = names
        .iter()
        .map(|n| Field::new(*n, Schema::any()))
        .collect();
    let shape = Arc::new(Schema::new(Kind::Struct(fields)));
    Datum::schemaless_row(Struct::new(shape, values))
}

#[test]
fn schemaless_rows_stay_schemaless() {
    let values = vec![
        "replace".into(),
        Value::Json("{\"a\":[1,null]}".into()),
        Value::Null,
    ];
    let input = record(0, schemaless(&["cmd", "nested", "none"], values));
    let outcomes = apply(&mut guest(&[]), std::slice::from_ref(&input));
    let output = replacement(&outcomes[0]);
    assert_eq!(output.value, input.record.value);
    assert!(output.value.schema.is_none());
}

#[test]
fn batches_of_mixed_shapes_are_told_apart() {
    let records: Vec<SinkRecord> = (0..20)
        .map(|offset| {
            let datum = match offset % 3 {
                0 => schemaless(&["cmd"], vec!["replace".into()]),
                1 => schemaless(&["x", "cmd"], vec![Value::Int(offset), "replace".into()]),
                _ => Datum::schemaless("replace".into()),
            };
            record(offset, datum)
        })
        .collect();
    let outcomes = apply(&mut guest(&[]), &records);
    for (input, outcome) in records.iter().zip(&outcomes) {
        assert_eq!(*replacement(outcome), input.record);
    }
}

#[test]
fn a_new_shape_is_the_same_schema_in_every_batch() {
    let mut guest = guest(&[]);
    let schemas: Vec<_> = (0..3)
        .map(|_| {
            let outcomes = apply(&mut guest, &commands(&["keep", "count"]));
            let output = replacement(&outcomes[1]).clone();
            output.value.schema.unwrap()
        })
        .collect();
    assert!(
        schemas
            .windows(2)
            .all(|pair| Arc::ptr_eq(&pair[0], &pair[1]))
    );
    assert_eq!(schemas[0].name.as_deref(), Some("count"));
    assert_eq!(schemas[0].fields().unwrap()[0].schema.kind, Kind::Int64);
}

#[test]
fn a_record_can_go_elsewhere_but_comes_from_where_it_came() {
    let input = commands(&["topic"]);
    let outcomes = apply(&mut guest(&[]), &input);
    let output = replacement(&outcomes[0]);
    assert_eq!(&*output.topic, "elsewhere");
    assert_eq!(output.partition, input[0].record.partition);
}

#[test]
fn verdicts_are_what_the_plugin_says() {
    let outcomes = apply(
        &mut guest(&[]),
        &commands(&["keep", "drop", "copies:3", "copies:0"]),
    );
    assert!(matches!(outcomes[0], Outcome::Keep));
    assert!(matches!(outcomes[1], Outcome::Drop));
    assert!(matches!(&outcomes[2], Outcome::Replace(records) if records.len() == 3));
    assert!(matches!(outcomes[3], Outcome::Drop));
}

#[test]
fn a_record_that_has_no_form_in_the_contract_fails_alone() {
    let mut records = commands(&["keep", "keep", "keep"]);
    records[1].record.value = Datum::schemaless(Value::Array(vec![Value::Float(f64::NAN)]));
    let outcomes = apply(&mut guest(&[]), &records);
    assert!(matches!(
        outcomes[..],
        [Outcome::Keep, Outcome::Fail(_), Outcome::Keep]
    ));
}
