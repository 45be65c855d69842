//! Definitions for schemas, and literals that cannot end early.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn wanted(name: &str, is_key: bool, schema: Schema) -> WantedColumn {
    WantedColumn {
        name: name.to_owned(),
        is_key,
        schema: Some(Arc::new(schema)),
    }
}

fn with_default(kind: Kind, default: Value) -> Schema {
    Schema {
        default: Some(default),
        ..Schema::new(kind)
    }
}

#[test]
fn a_table_has_a_column_for_each_field() {
    let columns = [
        wanted("id", true, Schema::optional(Kind::Int64)),
        wanted("a \"b\"", false, Schema::new(Kind::Int8)),
        wanted("at", false, Schema::optional(Kind::Timestamp)),
        wanted(
            "tags",
            false,
            Schema::optional(Kind::Array(Schema::new(Kind::String).into())),
        ),
        wanted(
            "more",
            false,
            Schema::optional(Kind::Map(
                Schema::new(Kind::String).into(),
                Schema::new(Kind::Int32).into(),
            )),
        ),
        wanted(
            "day",
            false,
            Schema::new(Kind::Int32).named("io.debezium.time.Date"),
        ),
    ];
    assert_eq!(
        create_table("\"t\"", &columns, Rules::default()).as_deref(),
        Ok(
            "CREATE TABLE IF NOT EXISTS \"t\" (\"id\" BIGINT NOT NULL, \"a \"\"b\"\"\" SMALLINT \
            NOT NULL, \"at\" TIMESTAMPTZ, \"tags\" TEXT[], \"more\" JSONB, \"day\" DATE NOT NULL, \
            PRIMARY KEY (\"id\"))"
        )
    );
    let untyped = [wanted("x", false, Schema::any())];
    assert!(create_table("t", &untyped, Rules::default()).is_err());
    assert!(create_table("t", &[], Rules::default()).is_err());
}

#[test]
fn only_what_can_be_absent_is_added() {
    let mut columns = vec![
        wanted("a", false, Schema::optional(Kind::String)),
        wanted("b", false, with_default(Kind::Int32, Value::Int(7))),
    ];
    assert_eq!(
        add_columns("t", &columns, Rules::default()).as_deref(),
        Ok("ALTER TABLE t ADD COLUMN IF NOT EXISTS \"a\" TEXT, \
            ADD COLUMN IF NOT EXISTS \"b\" INTEGER NOT NULL DEFAULT '7'")
    );
    columns.push(wanted("c", false, Schema::new(Kind::String)));
    let why = add_columns("t", &columns, Rules::default()).unwrap_err();
    assert_eq!(why, "the field c is neither optional nor has it a default");
}

#[test]
fn defaults_are_literals() {
    let timestamp = "io.debezium.time.MicroTimestamp";
    for (schema, expect) in [
        (with_default(Kind::Boolean, Value::Boolean(true)), "'true'"),
        (with_default(Kind::Float64, Value::Float(1e300)), "'1000"),
        (with_default(Kind::Float32, Value::Float(f64::NAN)), "'NaN'"),
        (
            with_default(Kind::String, Value::from("a'b\\")),
            "E'a''b\\\\'",
        ),
        (
            with_default(Kind::Bytes, Value::Bytes(vec![0, 255].into())),
            "E'\\\\x00ff'",
        ),
        (with_default(Kind::Date, Value::Date(0)), "'1970-01-01'"),
        (
            with_default(Kind::Timestamp, Value::Timestamp(0)),
            "'1970-01-01T00:00:00",
        ),
        (
            with_default(Kind::Int64, Value::Int(1_000_000)).named(timestamp),
            "'1970-01-01T00:00:01",
        ),
        (
            with_default(
                Kind::Array(Schema::new(Kind::Int32).into()),
                Value::Array(vec![Value::Int(1), Value::Null]),
            ),
            "ARRAY['1', NULL]::INTEGER[]",
        ),
        (
            with_default(
                Kind::Array(Schema::new(Kind::Struct(Vec::new())).into()),
                Value::Array(Vec::new()),
            ),
            "'[]'",
        ),
    ] {
        let text = definition(&wanted("c", false, schema), Rules::default()).unwrap();
        let (_, default) = text.split_once(" DEFAULT ").unwrap();
        assert!(default.starts_with(expect), "{default}");
    }
    let nul = with_default(Kind::String, Value::from("\0"));
    assert!(definition(&wanted("c", false, nul), Rules::default()).is_err());
}

proptest! {
    #[test]
    fn a_literal_ends_where_it_should(text in "[a-z'\\\\; -]{0,40}") {
        let literal = quoted(&text).unwrap();
        let escapes = literal.starts_with('E');
        let inner = &literal[1 + usize::from(escapes)..literal.len() - 1];
        let mut read = String::new();
        let mut rest = inner.chars();
        while let Some(character) = rest.next() {
            if character == '\'' || (escapes && character == '\\') {
                prop_assert_eq!(rest.next(), Some(character));
            }
            read.push(character);
        }
        prop_assert_eq!(read, text);
    }
}
