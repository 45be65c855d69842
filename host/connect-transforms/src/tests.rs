//! Cases for every class, as data: a config, a record, and what becomes of it.

mod golden;
mod memory;
mod others;
mod page;
mod rows;
mod schemas;
mod whole;

use std::sync::Arc;

use connect_api::json::{self, Shapes};
use connect_api::{
    Config, Datum, Disposition, Error, Field, Header, Kind, Offset, Origin, Properties, Record,
    RecordTransformation, Schema, Struct, Timestamp, TopicPartition, Value,
};

use crate::{TransformationType, predicate, predicates, transformation, transformations};

/// A record of partition 3, offset 42, at 1970-01-02T00:00:00.001Z.
fn record(key: Datum, value: Datum) -> Record {
    Record {
        topic: "orders".into(),
        partition: Some(3),
        key,
        value,
        headers: vec![
            Header {
                name: "a".into(),
                value: Datum::schemaless("1".into()),
            },
            Header {
                name: "b".into(),
                value: Datum::schemaless("2".into()),
            },
            Header {
                name: "a".into(),
                value: Datum::schemaless("3".into()),
            },
        ],
        timestamp: Some(Timestamp(86_400_001)),
    }
}

/// Schemaless data, as the converter reads it.
fn map(text: &str) -> Datum {
    Datum::schemaless(Shapes::default().read(text.as_bytes()).unwrap())
}

/// A struct: name, schema and value of each field.
fn row(fields: Vec<(&str, Schema, Value)>) -> Datum {
    let schema = fields
        .iter()
        .map(|(name, schema, _)| Field::new(*name, schema.clone()));
    let schema = Schema::new(Kind::Struct(schema.collect())).named("Order");
    let values = fields.into_iter().map(|(_, _, value)| value).collect();
    Datum::row(Struct::new(Arc::new(schema), values))
}

fn required(kind: Kind) -> Schema {
    Schema::new(kind)
}

fn optional(kind: Kind) -> Schema {
    Schema::optional(kind)
}

fn with_default(kind: Kind, default: impl Into<Value>) -> Schema {
    Schema {
        default: Some(default.into()),
        ..Schema::optional(kind)
    }
}

fn config(class: &str, options: &[(&str, &str)]) -> Result<Config, Error> {
    let options = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let options: Properties = options.collect();
    let def = match transformation(class) {
        Some(kind) => (kind.config_def)(),
        None => (predicate(class).unwrap().config_def)(),
    };
    def.parse(&options)
}

fn build(class: &str, options: &[(&str, &str)]) -> Result<Box<dyn RecordTransformation>, Error> {
    (transformation(class).unwrap().build)(&config(class, options)?)
}

/// JSON for schemaless data; else `name Kind? =default value` for each field.
fn show(datum: &Datum) -> String {
    let mut text = String::new();
    match (&datum.schema, &datum.value) {
        (Some(schema), Value::Struct(row)) => {
            assert!(
                Arc::ptr_eq(schema, row.schema()),
                "one schema for the row and its datum"
            );
            let fields = schema.fields().unwrap().iter().zip(row.values());
            let fields = fields.map(|(field, value)| {
                let of = Datum::new(Arc::clone(&field.schema), value.clone());
                match value {
                    Value::Struct(_) => format!("{} {{{}}}", field.name, show(&of)),
                    _ => format!("{} {}", field.name, show(&of)),
                }
            });
            let name = schema.name.as_deref().map(|n| format!("{n}: "));
            return name.unwrap_or_default() + &fields.collect::<Vec<_>>().join(", ");
        }
        (Some(schema), value) => {
            text = match &schema.kind {
                Kind::Struct(_) => "Struct".into(),
                kind => format!("{kind:?}"),
            };
            text.push_str(if schema.optional { "? " } else { " " });
            if let Some(default) = &schema.default {
                text.push('=');
                json::write(default, &mut text).unwrap();
                text.push(' ');
            }
            json::write(value, &mut text).unwrap();
        }
        (None, value) => json::write(value, &mut text).unwrap(),
    }
    text
}

fn outcome(class: &str, options: &[(&str, &str)], record: &Record) -> Result<String, Error> {
    let mut transform = build(class, options)?;
    let orders = Arc::new(TopicPartition::new("orders", 3));
    let origin = Origin::new(&orders, Offset(42));
    let mut changed = record.clone();
    if transform.apply_from(&mut changed, Some(&origin))? == Disposition::Drop {
        return Ok("dropped".into());
    }
    let mut again = record.clone();
    transform.apply_from(&mut again, Some(&origin))?;
    for (first, second) in [(&changed.key, &again.key), (&changed.value, &again.value)] {
        if let (Some(first), Some(second)) = (first.value.as_struct(), second.value.as_struct()) {
            assert!(
                Arc::ptr_eq(first.schema(), second.schema()),
                "rows share their schema"
            );
        }
    }
    assert_eq!(show(&changed.value), show(&again.value));
    let headers = changed
        .headers
        .iter()
        .map(|h| format!("{}={}", h.name, show(&h.value)));
    Ok(match class {
        _ if class.ends_with("$Key") || class == "ValueToKey" => show(&changed.key),
        "HeaderFrom$Value" => format!(
            "{} | {}",
            show(&changed.value),
            headers.skip(3).collect::<Vec<_>>().join(" ")
        ),
        _ if class.ends_with("$Value") => show(&changed.value),
        _ if class.contains("Header") => headers.collect::<Vec<_>>().join(" "),
        _ => changed.topic.to_string(),
    })
}

/// Checks what a transform makes of a record: `show`n, or the text of the error.
fn check(class: &str, options: &[(&str, &str)], record: &Record, expect: &str) {
    let shown = outcome(class, options, record).unwrap_or_else(|e| format!("error: {}", e.chain()));
    assert_eq!(shown, expect, "{class} {options:?}");
}

/// The same for a value, with a null key.
fn check_value(class: &str, options: &[(&str, &str)], value: Datum, expect: &str) {
    check(class, options, &record(Datum::NULL, value), expect);
}

#[test]
fn classes_are_found_by_both_names() {
    for kind in transformations() {
        let simple = kind.class.rsplit('.').next().unwrap();
        assert_eq!(
            transformation(kind.class).map(|t| t.class),
            Some(kind.class)
        );
        let is_same = |other: &&TransformationType| other.class.ends_with(&format!(".{simple}"));
        let expect = match transformations().iter().filter(is_same).count() {
            1 => Some(kind.class),
            // A name that several vendors have is none without its package.
            _ => None,
        };
        assert_eq!(transformation(simple).map(|t| t.class), expect, "{simple}");
    }
    for kind in predicates() {
        let simple = kind.class.rsplit('.').next().unwrap();
        for name in [kind.class, simple] {
            assert_eq!(predicate(name).map(|p| p.class), Some(kind.class));
        }
    }
    assert!(transformation("ReplaceField").is_none());
    assert!(transformation("com.example.ReplaceField$Value").is_none());
    assert!(predicate("org.apache.kafka.connect.transforms.TopicNameMatches").is_none());
}

#[test]
fn predicates_hold_or_not() {
    let tombstone = record(Datum::NULL, Datum::NULL);
    let row = record(Datum::NULL, map("{}"));
    for (class, options, record, expect) in [
        (
            "TopicNameMatches",
            &[("pattern", "ord.*")] as &[_],
            &row,
            true,
        ),
        ("TopicNameMatches", &[("pattern", "order")], &row, false),
        ("TopicNameMatches", &[("pattern", "x|orders")], &row, true),
        ("HasHeaderKey", &[("name", "b")], &row, true),
        ("HasHeaderKey", &[("name", "B")], &row, false),
        ("RecordIsTombstone", &[], &tombstone, true),
        ("RecordIsTombstone", &[], &row, false),
    ] {
        let config = config(class, options).unwrap();
        let predicate = (predicate(class).unwrap().build)(&config).unwrap();
        assert_eq!(
            predicate.test(record).unwrap(),
            expect,
            "{class} {options:?}"
        );
    }
}

type Options = &'static [(&'static str, &'static str)];

/// A class, options that are wrong, and what is told of them.
const BAD_CONFIGS: &[(&str, Options, &str)] = &[
    ("TopicNameMatches", &[("pattern", "(?U)a")], "the flag U"),
    (
        "TopicNameMatches",
        &[("pattern", "")],
        "String must be non-empty",
    ),
    ("HasHeaderKey", &[], "Missing required configuration"),
    (
        "RegexRouter",
        &[("regex", "("), ("replacement", "")],
        "Invalid regex: Parsing error at position 1: Opening parenthesis",
    ),
    (
        "RegexRouter",
        &[("regex", "a"), ("replacement", "$1")],
        "replacement: No group 1",
    ),
    (
        "ReplaceField$Value",
        &[("renames", "a:b,c")],
        "Invalid rename mapping: c",
    ),
    ("InsertField$Value", &[], "No field insertion configured"),
    (
        "InsertField$Value",
        &[("static.field", "x")],
        "No value specified for static field: x",
    ),
    (
        "Cast$Value",
        &[("spec", "")],
        "Must specify at least one field to cast.",
    ),
    (
        "Cast$Value",
        &[("spec", "a:int7")],
        "Invalid type found in casting spec: int7",
    ),
    (
        "Cast$Value",
        &[("spec", "a:bytes")],
        "does not support casting to BYTES",
    ),
    (
        "Cast$Value",
        &[("spec", "int8,a:int8")],
        "may only specify a single cast",
    ),
    (
        "TimestampConverter$Value",
        &[("target.type", "date")],
        "String must be one of: string",
    ),
    (
        "TimestampConverter$Value",
        &[("target.type", "string")],
        "requires format option to be specified",
    ),
    (
        "TimestampConverter$Value",
        &[("target.type", "unix"), ("format", "YYYY-MM-dd")],
        "yyyy is the year",
    ),
    (
        "HeaderFrom$Value",
        &[("fields", "a"), ("headers", "b,c"), ("operation", "copy")],
        "'fields' config must have the same number of elements as 'headers' config.",
    ),
    ("DropHeaders", &[("headers", "")], "Empty list"),
    (
        "SetSchemaMetadata$Value",
        &[],
        "Neither schema name nor version configured",
    ),
    (
        "ExtractField$Value",
        &[("field", "`a"), ("field.syntax.version", "v2")],
        "Incomplete backtick pair in path: [`a]",
    ),
];

#[test]
fn a_bad_config_says_what_is_wrong() {
    for (class, options, expect) in BAD_CONFIGS {
        let error = match transformation(class) {
            Some(_) => build(class, options).err(),
            None => config(class, options).err(),
        };
        let text = error.unwrap().chain();
        assert!(text.contains(expect), "{class} {options:?}: {text}");
    }
}
