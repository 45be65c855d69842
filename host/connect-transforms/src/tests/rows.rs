//! Transforms that change the fields of schemaless rows.

use super::*;

#[test]
fn replace_field() {
    for (options, expect) in [
        (&[("exclude", "b")] as &[_], r#"{"a":1,"c":{"x": 1}}"#),
        (&[("include", "c,a,zz")], r#"{"a":1,"c":{"x": 1}}"#),
        (&[("include", "a,b"), ("exclude", "a")], r#"{"b":null}"#),
        (
            &[("renames", "a:z,b:y")],
            r#"{"z":1,"y":null,"c":{"x": 1}}"#,
        ),
        (&[("renames", "a:b")], r#"{"b":null,"c":{"x": 1}}"#),
        // The names before Kafka 2.6, with blanks as old files have them; the new ones go first.
        (&[("blacklist", "b , c")], r#"{"a":1}"#),
        (&[("whitelist", "c,a,")], r#"{"a":1,"c":{"x": 1}}"#),
        (&[("whitelist", "a,b"), ("blacklist", "a")], r#"{"b":null}"#),
        (
            &[("exclude", "a"), ("blacklist", "b,c")],
            r#"{"b":null,"c":{"x": 1}}"#,
        ),
        (&[("include", "a"), ("whitelist", "b")], r#"{"a":1}"#),
        (&[], r#"{"a":1,"b":null,"c":{"x": 1}}"#),
    ] {
        check_value(
            "ReplaceField$Value",
            options,
            map(r#"{"a":1,"b":null,"c":{"x": 1}}"#),
            expect,
        );
    }
    check_value(
        "ReplaceField$Value",
        &[("exclude", "b")],
        Datum::NULL,
        "null",
    );
    check_value(
        "ReplaceField$Value",
        &[],
        map("7"),
        "error: Only Map objects supported in absence of schema for [field replacement], found: \
         java.lang.Long",
    );
    let key = record(map(r#"{"a":1,"b":2}"#), Datum::NULL);
    check("ReplaceField$Key", &[("exclude", "b")], &key, r#"{"a":1}"#);
}

#[test]
fn insert_field() {
    let all = [
        ("topic.field", "t"),
        ("partition.field", "p!"),
        ("offset.field", "a"),
        ("timestamp.field", "ts?"),
        ("static.field", "s"),
        ("static.value", "x"),
    ];
    let expect = r#"{"a":42,"t":"orders","p":3,"ts":86400001,"s":"x"}"#;
    check_value("InsertField$Value", &all, map(r#"{"a":1}"#), expect);
    check_value("InsertField$Value", &all, Datum::NULL, "null");
    let mut old = record(Datum::NULL, map(r#"{"a":1}"#));
    old.timestamp = None;
    check(
        "InsertField$Value",
        &all,
        &old,
        r#"{"a":42,"t":"orders","p":3,"s":"x"}"#,
    );
}

#[test]
fn cast() {
    for (json, spec, expect) in [
        (r#"{"a":300}"#, "a:int8", r#"{"a":44}"#),
        (r#"{"a":3000000000.7}"#, "a:int32", r#"{"a":2147483647}"#),
        (r#"{"a":-1.9}"#, "a:int16", r#"{"a":-1}"#),
        (r#"{"a":18446744073709551617}"#, "a:int64", r#"{"a":1}"#),
        (r#"{"a":"+12"}"#, "a:int8", r#"{"a":12}"#),
        (r#"{"a":true}"#, "a:float64", r#"{"a":1.0}"#),
        (r#"{"a":" 1.5f "}"#, "a:float64", r#"{"a":1.5}"#),
        (r#"{"a":0.1}"#, "a:float32", r#"{"a":0.10000000149011612}"#),
        (
            r#"{"a":"yes","b":"TRUE","c":2}"#,
            "a:boolean,b:boolean,c:boolean",
            r#"{"a":false,"b":true,"c":true}"#,
        ),
        (
            r#"{"a":1e10,"b":0.0001,"c":1.0}"#,
            "a:string,b:string,c:string",
            r#"{"a":"1.0E10","b":"1.0E-4","c":"1.0"}"#,
        ),
        (r#"{"a":1}"#, " b:string", r#"{"a":1,"b":null}"#),
        ("12", "string", r#""12""#),
        (
            r#"{"a":"300"}"#,
            "a:int8",
            "error: field a: Value was out of range for requested data type INT8",
        ),
        (
            r#"{"a":"inf"}"#,
            "a:float64",
            "error: field a: Value was out of range for requested data type FLOAT64",
        ),
        (
            r#"{"a":[1]}"#,
            "a:string",
            "error: field a: Cast transformation does not support casting from ARRAY; supported \
             types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES]",
        ),
    ] {
        check_value("Cast$Value", &[("spec", spec)], map(json), expect);
    }
}

#[test]
fn flatten() {
    for (json, expect) in [
        (
            r#"{"a":{"b":{"c":1},"d":[{"e":2}]},"f":"x"}"#,
            r#"{"a.b.c":1,"a.d":[{"e":2}],"f":"x"}"#,
        ),
        (r#"{"a":{"b":1},"a.b":2}"#, r#"{"a.b":2}"#),
        (r#"{"a":{},"b":null}"#, r#"{"b":null}"#),
        (r#"{"a":{"b":"\u0041"}}"#, r#"{"a.b":"A"}"#),
        (
            "[1]",
            "error: Only Map objects supported in absence of schema for [flattening], found: \
                 java.util.ArrayList",
        ),
        ("null", "null"),
    ] {
        check_value("Flatten$Value", &[], map(json), expect);
    }
    check_value(
        "Flatten$Value",
        &[("delimiter", "_")],
        map(r#"{"a":{"b":1}}"#),
        r#"{"a_b":1}"#,
    );
}

#[test]
fn flatten_goes_only_so_deep() {
    let nested = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let name = vec!["a"; 128].join(".");
    check_value(
        "Flatten$Value",
        &[],
        map(&nested(128)),
        &format!(r#"{{"{name}":1}}"#),
    );
    let expect = "error: the value is nested more than 128 levels deep";
    for levels in [129, 100_000] {
        check_value("Flatten$Value", &[], map(&nested(levels)), expect);
    }
}

#[test]
fn flatten_follows_the_record_and_not_the_one_before() {
    let mut flatten = build("Flatten$Value", &[]).unwrap();
    for (json, expect) in [
        (r#"{"a":{"b":1},"c":2}"#, r#"{"a.b":1,"c":2}"#),
        (r#"{"a":{"b":1}}"#, r#"{"a.b":1}"#),
        (r#"{"a":{"b":1,"x":3},"c":2}"#, r#"{"a.b":1,"a.x":3,"c":2}"#),
        (r#"{"c":2,"a":{"b":1}}"#, r#"{"c":2,"a.b":1}"#),
    ] {
        let mut record = record(Datum::NULL, map(json));
        flatten.apply(&mut record).unwrap();
        assert_eq!(show(&record.value), expect);
    }
}

#[test]
fn extract_field() {
    let v2 = |field| [("field", field), ("field.syntax.version", "V2")];
    let json = r#"{"a":{"b.c":{"d":5}},"a.x":[1,{"y":2}],"n":null}"#;
    for (options, expect) in [
        (&[("field", "a")] as &[_], r#"{"b.c":{"d":5}}"#),
        (&[("field", "a.x")], r#"[1,{"y":2}]"#),
        (&[("field", "missing")], "null"),
        (&v2("a.`b.c`.d"), "5"),
        (&v2("a.missing.d"), "null"),
        (&v2("n.d"), "null"),
        (
            &v2("`a.x`.d"),
            "error: Only Map objects supported in absence of schema for [nested field access], \
             found: java.util.ArrayList",
        ),
    ] {
        check_value("ExtractField$Value", options, map(json), expect);
    }
    let key = record(map(r#"{"id":7}"#), Datum::NULL);
    check("ExtractField$Key", &[("field", "id")], &key, "7");
    // What was nested is a row like any other now.
    let mut record = record(Datum::NULL, map(json));
    build("ExtractField$Value", &[("field", "a")])
        .unwrap()
        .apply(&mut record)
        .unwrap();
    assert!(record.value.value.as_struct().is_some());
}

#[test]
fn hoist_field() {
    let field = [("field", "v")];
    check_value("HoistField$Value", &field, map("7"), r#"{"v":7}"#);
    check_value("HoistField$Value", &field, Datum::NULL, r#"{"v":null}"#);
    check_value(
        "HoistField$Value",
        &field,
        map(r#"{"a":{"b":1}}"#),
        r#"{"v":{"a":{"b":1}}}"#,
    );
}

#[test]
fn mask_field() {
    let json = r#"{"i":5,"f":1.5,"s":"x","b":true,"n":null,"l":[1],"m":{"a":1}}"#;
    for (options, expect) in [
        (
            &[("fields", "i,f,s,b,n,l,m,zz")] as &[_],
            r#"{"i":0,"f":0.0,"s":"","b":false,"n":null,"l":[],"m":{},"zz":null}"#,
        ),
        (
            &[("fields", "i,f,s"), ("replacement", "7")],
            r#"{"i":7,"f":7.0,"s":"7","b":true,"n":null,"l":[1],"m":{"a":1}}"#,
        ),
        (
            &[("fields", "i"), ("replacement", "x")],
            "error: field i: Unable to convert the replacement to number",
        ),
        (
            &[("fields", "b"), ("replacement", "1")],
            "error: field b: Cannot mask value of type class java.lang.Boolean with custom \
             replacement.",
        ),
    ] {
        check_value("MaskField$Value", options, map(json), expect);
    }
}

type Options = &'static [(&'static str, &'static str)];

const fn unix(precision: &'static str) -> [(&'static str, &'static str); 3] {
    [
        ("field", "t"),
        ("target.type", "Timestamp"),
        ("unix.precision", precision),
    ]
}

const TEXT: Options = &[
    ("field", "t"),
    ("target.type", "string"),
    ("format", "yyyy-MM-dd HH:mm"),
];
const PARSE: Options = &[
    ("field", "t"),
    ("target.type", "unix"),
    ("format", "yyyy-MM-dd"),
];
const DATE: Options = &[("field", "t"), ("target.type", "Date")];
const TIME: Options = &[("field", "t"), ("target.type", "Time")];

/// Options, a value, and what becomes of it.
const TIMESTAMPS: &[(Options, &str, &str)] = &[
    (
        &unix("seconds"),
        r#"{"t":1}"#,
        r#"{"t":"1970-01-01T00:00:01Z"}"#,
    ),
    (
        &unix("milliseconds"),
        r#"{"t":1}"#,
        r#"{"t":"1970-01-01T00:00:00.001Z"}"#,
    ),
    (
        &unix("microseconds"),
        r#"{"t":1999}"#,
        r#"{"t":"1970-01-01T00:00:00.001Z"}"#,
    ),
    (
        &unix("nanoseconds"),
        r#"{"t":1999999}"#,
        r#"{"t":"1970-01-01T00:00:00.001Z"}"#,
    ),
    (&unix("seconds"), r#"{"a":1}"#, r#"{"a":1,"t":null}"#),
    (&unix("seconds"), r#"{"t":null}"#, r#"{"t":null}"#),
    (
        &unix("seconds"),
        r#"{"t":9223372036854775807}"#,
        "error: field t: Unix timestamp out of range",
    ),
    (
        &unix("seconds"),
        r#"{"t":1.5}"#,
        "error: field t: TimestampConverter does not support class java.lang.Double objects \
             as timestamps",
    ),
    (TEXT, r#"{"t":86460000}"#, r#"{"t":"1970-01-02 00:01"}"#),
    (PARSE, r#"{"t":"1970-01-02T10:00"}"#, r#"{"t":86400000}"#),
    (
        PARSE,
        r#"{"t":"secret"}"#,
        "error: field t: Could not parse timestamp: value does not match pattern",
    ),
    (DATE, r#"{"t":-1}"#, r#"{"t":"1969-12-31"}"#),
    (TIME, r#"{"t":-1}"#, r#"{"t":"23:59:59.999"}"#),
    (
        DATE,
        r#"{"t":"1970"}"#,
        "error: field t: string timestamps need the option format",
    ),
];

#[test]
fn timestamp_converter() {
    for (options, json, expect) in TIMESTAMPS {
        check_value("TimestampConverter$Value", options, map(json), expect);
    }
    let whole = [("target.type", "Date")];
    check_value(
        "TimestampConverter$Value",
        &whole,
        map("86400000"),
        "\"1970-01-02\"",
    );
    check_value("TimestampConverter$Value", &whole, Datum::NULL, "null");
}
