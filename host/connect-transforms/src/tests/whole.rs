//! Transforms that look at the record as a whole: its topic, its headers, its key.

use super::*;

#[test]
fn filter() {
    check_value("Filter", &[], map("{}"), "dropped");
}

#[test]
fn regex_router() {
    for (regex, replacement, expect) in [
        ("(o)rders", "$1x-$0", "ox-orders"),
        ("order", "x", "orders"),
        ("(.*)", "db_$1", "db_orders"),
    ] {
        let options = [("regex", regex), ("replacement", replacement)];
        check_value("RegexRouter", &options, Datum::NULL, expect);
    }
}

#[test]
fn timestamp_router() {
    check_value("TimestampRouter", &[], Datum::NULL, "orders-19700102");
    let options = [
        ("topic.format", "${timestamp}/${topic}"),
        ("timestamp.format", "yyyy"),
    ];
    check_value("TimestampRouter", &options, Datum::NULL, "1970/orders");
    let mut old = record(Datum::NULL, Datum::NULL);
    old.timestamp = None;
    check(
        "TimestampRouter",
        &[],
        &old,
        "error: Timestamp missing on record",
    );
}

#[test]
fn drop_headers() {
    check_value("DropHeaders", &[("headers", "a,x")], Datum::NULL, "b=\"2\"");
}

#[test]
fn insert_header() {
    let options = [("header", "c"), ("value.literal", "5")];
    let expect = "a=\"1\" b=\"2\" a=\"3\" c=Int8 5";
    check_value("InsertHeader", &options, Datum::NULL, expect);
}

#[test]
fn header_from() {
    let options = |operation| {
        [
            ("fields", "a,z"),
            ("headers", "x,y"),
            ("operation", operation),
        ]
    };
    let value = || map(r#"{"a":1,"b":2}"#);
    check_value(
        "HeaderFrom$Value",
        &options("copy"),
        value(),
        r#"{"a":1,"b":2} | x=1 y=null"#,
    );
    check_value(
        "HeaderFrom$Value",
        &options("move"),
        value(),
        r#"{"b":2} | x=1 y=null"#,
    );
    let expect = "error: Only Map objects supported in absence of schema for [header move], found: \
                  null";
    check_value("HeaderFrom$Value", &options("move"), Datum::NULL, expect);
    let value = || {
        row(vec![
            ("a", with_default(Kind::Int8, 1), Value::Null),
            ("z", required(Kind::String), "s".into()),
            ("b", required(Kind::Int8), 2.into()),
        ])
    };
    let expect = "Order: b Int8 2 | x=Int8? =1 1 y=String \"s\"";
    check_value("HeaderFrom$Value", &options("move"), value(), expect);
    let unknown = [("fields", "q"), ("headers", "x"), ("operation", "copy")];
    check_value(
        "HeaderFrom$Value",
        &unknown,
        value(),
        "error: Unknown field: q",
    );
}

#[test]
fn value_to_key() {
    let fields = [("fields", "b,z")];
    check_value(
        "ValueToKey",
        &fields,
        map(r#"{"a":1,"b":2}"#),
        r#"{"b":2,"z":null}"#,
    );
    let value = || {
        row(vec![
            ("a", required(Kind::Int8), 1.into()),
            ("b", with_default(Kind::String, "d"), Value::Null),
        ])
    };
    let expect = r#"b String? ="d" "d", a Int8 1"#;
    check_value("ValueToKey", &[("fields", "b,a")], value(), expect);
    check_value(
        "ValueToKey",
        &fields,
        value(),
        "error: Field does not exist: z",
    );
}
