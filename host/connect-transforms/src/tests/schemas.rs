//! Transforms on data with schemas.

use super::*;

const NOT_A_STRUCT: &str = "error: Only Struct objects supported for [";

#[test]
fn replace_field() {
    let value = || {
        row(vec![
            ("a", required(Kind::Int32), 1.into()),
            ("b", with_default(Kind::String, "d"), Value::Null),
            ("c", optional(Kind::Boolean), true.into()),
        ])
    };
    for (options, expect) in [
        (
            &[("exclude", "a")] as &[_],
            r#"Order: b String? ="d" "d", c Boolean? true"#,
        ),
        (
            &[("exclude", "a"), ("replace.null.with.default", "false")],
            r#"Order: b String? ="d" null, c Boolean? true"#,
        ),
        (
            &[("include", "a,c"), ("renames", "c:z")],
            "Order: a Int32 1, z Boolean? true",
        ),
        (
            &[("renames", "a:c")],
            "error: Cannot create field because of field name duplication c",
        ),
    ] {
        check_value("ReplaceField$Value", options, value(), expect);
    }
    let text = Datum::new(required(Kind::String), "x".into());
    let expect = format!("{NOT_A_STRUCT}field replacement], found: java.lang.String");
    check_value("ReplaceField$Value", &[], text, &expect);
}

#[test]
fn insert_field() {
    let value = || row(vec![("a", required(Kind::Int32), 1.into())]);
    let all = [
        ("topic.field", "t"),
        ("partition.field", "p!"),
        ("offset.field", "o?"),
        ("timestamp.field", "ts"),
        ("static.field", "s!"),
        ("static.value", "x"),
    ];
    check_value(
        "InsertField$Value",
        &all,
        value(),
        "Order: a Int32 1, t String? \"orders\", p Int32 3, o Int64? 42, \
         ts Timestamp? \"1970-01-02T00:00:00.001Z\", s String \"x\"",
    );
    let mut old = record(Datum::NULL, value());
    old.timestamp = None;
    let options = [("timestamp.field", "ts")];
    check(
        "InsertField$Value",
        &options,
        &old,
        "Order: a Int32 1, ts Timestamp? null",
    );
    let expect = "error: Cannot create field because of field name duplication a";
    check_value(
        "InsertField$Value",
        &[("topic.field", "a")],
        value(),
        expect,
    );
}

#[test]
fn cast() {
    let value = row(vec![
        ("i", with_default(Kind::Int32, 300), Value::Null),
        (
            "f",
            required(Kind::Float32),
            Value::Float(f64::from(0.1f32)),
        ),
        (
            "b",
            required(Kind::Bytes),
            Value::Bytes(b"hi".as_slice().into()),
        ),
        ("t", required(Kind::Timestamp), Value::Timestamp(1_500_001)),
        ("d", optional(Kind::Date), Value::Date(1)),
        ("x", required(Kind::String).named("X"), "7".into()),
        ("y", required(Kind::String), "y".into()),
    ]);
    let spec = [(
        "spec",
        "i:int8,f:string,b:string,t:int64,d:string,x:int16,none:int8",
    )];
    let expect = "Order: i Int8? =44 44, f String \"0.1\", b String \"aGk=\", t Int64 1500, \
                  d String? \"1970-01-02\", x Int16 7, y String \"y\"";
    check_value("Cast$Value", &spec, value, expect);
    for (kind, value, spec, expect) in [
        (Kind::Int64, 5.into(), "string", "String \"5\""),
        (
            Kind::Timestamp,
            Value::Timestamp(-1000),
            "string",
            "String \"1969-12-31T23:59:59.999Z\"",
        ),
        (
            Kind::Timestamp,
            Value::Timestamp(86_400_000_000),
            "string",
            "String \"1970-01-02\"",
        ),
        (
            Kind::Timestamp,
            Value::Timestamp(1000),
            "string",
            "String \"00:00:00.001Z\"",
        ),
        (
            Kind::Decimal(Some(2)),
            Value::Decimal(Box::new("-3.99".parse().unwrap())),
            "int8",
            "Int8 -3",
        ),
        (
            Kind::Decimal(Some(2)),
            Value::Decimal(Box::new("-3.99".parse().unwrap())),
            "string",
            "String \"-3.99\"",
        ),
        (
            Kind::Bytes,
            Value::Bytes("x".into()),
            "int8",
            "error: Unexpected type in Cast transformation: class java.nio.HeapByteBuffer",
        ),
        (Kind::String, Value::Null, "int8", "String null"),
    ] {
        let value = Datum::new(required(kind), value);
        check_value("Cast$Value", &[("spec", spec)], value, expect);
    }
}

fn nested(default: Option<Value>, value: Value) -> Datum {
    let schema = row(vec![
        ("x", required(Kind::Int32), 1.into()),
        ("y", optional(Kind::String), Value::Null),
    ]);
    let schema = Schema::clone(&schema.schema.unwrap());
    let schema = Schema {
        optional: true,
        default,
        ..schema
    };
    row(vec![
        ("a", schema, value),
        ("b", required(Kind::Int8), 2.into()),
    ])
}

fn inner(x: i64) -> Value {
    row(vec![
        ("x", required(Kind::Int32), x.into()),
        ("y", optional(Kind::String), "y".into()),
    ])
    .value
}

#[test]
fn flatten() {
    for (value, expect) in [
        (
            nested(None, inner(5)),
            r#"Order: a.x Int32? 5, a.y String? "y", b Int8 2"#,
        ),
        (
            nested(None, Value::Null),
            "Order: a.x Int32? null, a.y String? null, b Int8 2",
        ),
        (
            nested(Some(inner(9)), Value::Null),
            r#"Order: a.x Int32? =9 9, a.y String? ="y" "y", b Int8 2"#,
        ),
    ] {
        check_value("Flatten$Value", &[], value, expect);
    }
    let string = || Arc::new(required(Kind::String));
    let value = row(vec![(
        "m",
        required(Kind::Map(string(), string())),
        Value::Map(Vec::new()),
    )]);
    let expect = "error: Flatten transformation does not support MAP for record with schemas (for \
                  field m).";
    check_value("Flatten$Value", &[], value, expect);
}

#[test]
fn extract_field() {
    let v2 = [("field", "a.x"), ("field.syntax.version", "V2")];
    check_value("ExtractField$Value", &v2, nested(None, inner(5)), "Int32 5");
    check_value(
        "ExtractField$Value",
        &v2,
        nested(None, Value::Null),
        "Int32 null",
    );
    let unknown = "error: Unknown field: zz";
    check_value(
        "ExtractField$Value",
        &[("field", "zz")],
        nested(None, inner(5)),
        unknown,
    );
    let tombstone = Datum {
        value: Value::Null,
        ..nested(None, inner(5))
    };
    check_value(
        "ExtractField$Value",
        &[("field", "b")],
        tombstone,
        "Int8 null",
    );
    let value = || row(vec![("a", with_default(Kind::Int8, 1), Value::Null)]);
    check_value(
        "ExtractField$Value",
        &[("field", "a")],
        value(),
        "Int8? =1 1",
    );
    let off = [("field", "a"), ("replace.null.with.default", "false")];
    check_value("ExtractField$Value", &off, value(), "Int8? =1 null");
}

#[test]
fn hoist_field() {
    let value = Datum::new(optional(Kind::Int8), 1.into());
    check_value("HoistField$Value", &[("field", "v")], value, "v Int8? 1");
    let value = row(vec![("a", required(Kind::Int8), 1.into())]);
    let key = record(value, Datum::NULL);
    check(
        "HoistField$Key",
        &[("field", "v")],
        &key,
        "v {Order: a Int8 1}",
    );
}

#[test]
fn mask_field() {
    let value = row(vec![
        (
            "d",
            required(Kind::Decimal(Some(2))),
            Value::Decimal(Box::new("1.25".parse().unwrap())),
        ),
        ("t", optional(Kind::Timestamp), Value::Timestamp(5)),
        ("s", required(Kind::String), "secret".into()),
        ("k", required(Kind::String), "kept".into()),
    ]);
    let expect = "Order: d Decimal(Some(2)) 0.00, t Timestamp? \"1970-01-01T00:00:00Z\", \
                  s String \"\", k String \"kept\"";
    check_value("MaskField$Value", &[("fields", "d,t,s")], value, expect);
    let value = row(vec![("i", required(Kind::Int8), 1.into())]);
    let options = [("fields", "i"), ("replacement", "300")];
    let expect = "error: field i: Unable to convert the replacement to number";
    check_value("MaskField$Value", &options, value, expect);
}

#[test]
fn timestamp_converter() {
    let value = |kind, value| {
        row(vec![
            ("t", optional(kind), value),
            ("a", required(Kind::Int8), 1.into()),
        ])
    };
    for (target, given, expect) in [
        (
            "Timestamp",
            value(Kind::Int64, 1.into()),
            "Order: t Timestamp? \"1970-01-01T00:00:00.001Z\", a Int8 1",
        ),
        (
            "Timestamp",
            value(Kind::String, "1970".into()),
            "Order: t Timestamp? \"1970-01-01T00:00:00Z\", a Int8 1",
        ),
        (
            "unix",
            value(Kind::Timestamp, Value::Timestamp(1_999)),
            "Order: t Int64? 1, a Int8 1",
        ),
        (
            "string",
            value(Kind::Date, Value::Date(366)),
            "Order: t String? \"1971\", a Int8 1",
        ),
        (
            "Date",
            value(Kind::Timestamp, Value::Null),
            "Order: t Date? null, a Int8 1",
        ),
        (
            "Time",
            value(Kind::Int32, 1.into()),
            "error: field t: Schema of type INT32 does not correspond to a known timestamp type \
             format",
        ),
        (
            "Date",
            Datum {
                value: Value::Null,
                ..value(Kind::Int64, 1.into())
            },
            "Struct null",
        ),
    ] {
        let options = [("field", "t"), ("target.type", target), ("format", "yyyy")];
        check_value("TimestampConverter$Value", &options, given, expect);
    }
    let whole = Datum::new(optional(Kind::Int64), Value::Null);
    check_value(
        "TimestampConverter$Value",
        &[("target.type", "Date")],
        whole,
        "Date? null",
    );
}

#[test]
fn set_schema_metadata() {
    let options = [("schema.name", "Sale"), ("schema.version", "2")];
    let value = row(vec![("a", with_default(Kind::Int8, 7), Value::Null)]);
    let mut record = record(Datum::NULL, value);
    check(
        "SetSchemaMetadata$Value",
        &options,
        &record,
        "Sale: a Int8? =7 7",
    );
    build("SetSchemaMetadata$Value", &options)
        .unwrap()
        .apply(&mut record)
        .unwrap();
    assert_eq!(record.value.schema.unwrap().version, Some(2));
    check_value("SetSchemaMetadata$Value", &options, Datum::NULL, "null");
    let expect = "error: Schema required for [updating schema metadata]";
    check_value("SetSchemaMetadata$Value", &options, map("{}"), expect);
}
