//! Confluent's transforms.

use super::*;

fn class(name: &str) -> String {
    format!("io.confluent.connect.transforms.{name}")
}

#[test]
fn tombstones_are_dropped_or_fail() {
    let tombstone = record(map("1"), Datum::NULL);
    let kept = record(map("1"), map("2"));
    let confluents = class("TombstoneHandler");
    let aivens = "io.aiven.kafka.connect.transforms.TombstoneHandler";
    let failed = "error: Tombstone record encountered, and behavior is fail";
    for (class, options, expect) in [
        (&*confluents, &[] as &[_], "dropped"),
        (&confluents, &[("behavior", "ignore")], "dropped"),
        (&confluents, &[("behavior", "fail")], failed),
        (aivens, &[("behavior", "drop_silent")], "dropped"),
        (aivens, &[("behavior", "drop_warn")], "dropped"),
        (aivens, &[("behavior", "FAIL")], failed),
    ] {
        assert_eq!(told(class, options, &tombstone), expect, "{options:?}");
        assert_eq!(told(class, options, &kept), "2");
    }
    let error = told(&confluents, &[("behavior", "keep")], &kept);
    assert!(error.contains("behavior"), "{error}");
}

#[test]
fn a_part_is_dropped_and_its_schema_goes_as_is_said() {
    let key = |schema: Schema| record(Datum::new(schema, Value::Int(24)), map("1"));
    let (drop, behavior) = (class("Drop$Key"), "schema.behavior");
    let (plain, optional) = (required(Kind::Int32), optional(Kind::Int32));
    for (schema, how, expect) in [
        (&plain, "nullify", "1 | key null"),
        (&plain, "retain", "1 | key Int32 null"),
        (&optional, "validate", "1 | key Int32? null"),
        (&plain, "force_optional", "1 | key Int32? null"),
        (
            &plain,
            "validate",
            "error: the schema is not optional, and schema.behavior is validate",
        ),
    ] {
        let record = key(schema.clone());
        assert_eq!(told(&drop, &[(behavior, how)], &record), expect, "{how}");
    }
    assert_eq!(told(&drop, &[], &key(plain)), "1 | key null");
    let value = record(map("1"), map(r#"{"a":1}"#));
    assert_eq!(told(&class("Drop$Value"), &[], &value), "null");
}

#[test]
fn topics_are_extracted() {
    let value = || map(r#"{"f1":"new","n":{"a b":"deep"},"i":7,"none":null}"#);
    let json = r#"{"f1":"new","n":{"a b":"deep"},"i":7,"none":null}"#;
    let kept = record(Datum::schemaless("k".into()), value());
    let (of_value, of_key) = (class("ExtractTopic$Value"), class("ExtractTopic$Key"));
    for (class, options, expect) in [
        (
            &of_value,
            &[("field", "f1")] as &[_],
            format!("{json} | to new"),
        ),
        (
            &of_value,
            &[("field", "$.n['a b']"), ("field.format", "JSON_PATH")],
            format!("{json} | to deep"),
        ),
        (
            &of_value,
            &[("field", "none"), ("skip.missing.or.null", "true")],
            json.to_owned(),
        ),
        (
            &of_value,
            &[("field", "missing")],
            "error: the value has no topic where it is looked for, and skip.missing.or.null is \
             false"
                .to_owned(),
        ),
        (
            &of_value,
            &[("field", "i")],
            "error: the topic's name must be a string, found in the value: java.lang.Long"
                .to_owned(),
        ),
        (&of_key, &[], format!("{json} | to k")),
    ] {
        assert_eq!(told(class, options, &kept), expect, "{options:?}");
    }
    let header = class("ExtractTopic$Header");
    assert_eq!(
        told(&header, &[("field", "a")], &kept),
        format!("{json} | to 3")
    );
    let skip = [("field", "z"), ("skip.missing.or.null", "true")];
    assert_eq!(told(&header, &skip, &kept), json);
    let error = told(
        &of_value,
        &[("field", "$..a"), ("field.format", "JSON_PATH")],
        &kept,
    );
    assert!(error.contains("for configuration field"), "{error}");
    let long = record(Datum::schemaless(Value::from(&*"x".repeat(2000))), value());
    assert!(told(&of_key, &[], &long).starts_with("error: the new topic's name would be 2000"));
}

#[test]
fn records_are_filtered_by_a_json_path() {
    let order = record(
        Datum::NULL,
        map(r#"{"id":5,"to":{"city":"Oslo"},"none":null}"#),
    );
    let kept = r#"{"id":5,"to":{"city":"Oslo"},"none":null}"#;
    let filter = class("Filter$Value");
    let condition = "filter.condition";
    for (path, how, missing, expect) in [
        ("$[?(@.id == 5)]", "include", "fail", kept),
        ("$[?(@.id == 5)]", "exclude", "fail", "dropped"),
        ("$[?(@.id > 5)]", "include", "fail", "dropped"),
        ("$.to[?(@.city == 'Oslo')]", "include", "fail", kept),
        ("$[?(@.none == 1)]", "include", "include", kept),
        ("$[?(@.none == 1)]", "include", "exclude", "dropped"),
        (
            "$[?(@.missing == 1)]",
            "include",
            "fail",
            "error: what filter.condition asks for is missing or null, and \
             missing.or.null.behavior is fail",
        ),
    ] {
        let options = [
            (condition, path),
            ("filter.type", how),
            ("missing.or.null.behavior", missing),
        ];
        assert_eq!(told(&filter, &options, &order), expect, "{options:?}");
    }
    let options = [(condition, "$.a.length()"), ("filter.type", "include")];
    let error = told(&filter, &options, &order);
    assert!(error.contains(condition), "{error}");
    assert!(told(&filter, &[(condition, "$.a")], &order).contains("filter.type"));
}

#[test]
fn a_time_in_the_message_routes() {
    let routed = |json: &str, options: &[(&str, &str)]| {
        let record = record(Datum::NULL, map(json));
        told(&class("MessageTimestampRouter"), options, &record)
    };
    let keys = ("message.timestamp.keys", "event_time,log_timestamp");
    let json = r#"{"log_timestamp":"2020-02-09T21:26:54.345Z"}"#;
    assert_eq!(
        routed(json, &[keys]),
        format!("{json} | to orders-20200209")
    );
    let options = [
        keys,
        ("topic.format", "foo-${topic}-${timestamp}"),
        ("message.timestamp.format", "yyyy-MM-dd"),
        ("topic.timestamp.format", "yyyy.MM"),
    ];
    let json = r#"{"event_time":"2019-10-13"}"#;
    assert_eq!(
        routed(json, &options),
        format!("{json} | to foo-orders-2019.10")
    );
    let error = routed(json, &[keys]);
    assert!(
        error.starts_with("error: the field event_time is not of the format"),
        "{error}"
    );
    let error = routed("{}", &[keys]);
    assert!(
        error.starts_with("error: the value has none of the fields event_time"),
        "{error}"
    );
}
