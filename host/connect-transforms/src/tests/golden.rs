//! What Java's own classes make of configs and records: Debezium 3.7.0 and Kafka 4.4.0, as a
//! program that ran them wrote it down; Aiven's 1.7. A line of a file is a schema or a record that
//! has a name, or a config with records and what becomes of each: `expect` is Java's, `here` ours
//! where it differs, which `why` explains.

use std::collections::BTreeMap;

use super::*;

/// Schemas that lines refer to by their name.
type Named = BTreeMap<String, Value>;

fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_struct()?.get(name)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    get(value, name)?.as_str()
}

/// A schema as a line has it: `int64/io.debezium.time.Timestamp?`, the name of another, or
/// Kafka Connect's JSON form, with `fields` as an object.
fn schema(of: &Value, named: &Named) -> Schema {
    let Value::String(word) = of else {
        return object_schema(of, named);
    };
    if let Some(known) = named.get(&**word) {
        return schema(known, named);
    }
    let (word, optional) = match word.strip_suffix('?') {
        Some(word) => (word, true),
        None => (word.as_str(), false),
    };
    if let Some(known) = named.get(word) {
        return Schema {
            optional,
            ..schema(known, named)
        };
    }
    let (kind, name) = match word.split_once('/') {
        Some((kind, name)) => (kind, Some(name)),
        None => (word, None),
    };
    Schema {
        optional,
        name: name.map(Into::into),
        version: name.map(|_| 1),
        ..Schema::new(kind_of(kind))
    }
}

fn kind_of(word: &str) -> Kind {
    match word {
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "boolean" => Kind::Boolean,
        other => panic!("{other}"),
    }
}

fn object_schema(of: &Value, named: &Named) -> Schema {
    let name = text(of, "name");
    let kind = match (get(of, "fields"), name) {
        (Some(fields), _) => {
            let fields = fields.as_struct().unwrap();
            let all = fields.schema().fields().unwrap().iter();
            let all = all.zip(fields.values());
            Kind::Struct(
                all.map(|(field, of)| Field::new(field.name.clone(), schema(of, named)))
                    .collect(),
            )
        }
        (None, Some("org.apache.kafka.connect.data.Timestamp")) => Kind::Timestamp,
        (None, Some("org.apache.kafka.connect.data.Date")) => Kind::Date,
        (None, Some("org.apache.kafka.connect.data.Time")) => Kind::Time,
        (None, _) => kind_of(text(of, "type").unwrap()),
    };
    let is_logical = matches!(kind, Kind::Timestamp | Kind::Date | Kind::Time);
    let version = match get(of, "version") {
        Some(Value::Int(version)) if !is_logical => i32::try_from(*version).ok(),
        _ => None,
    };
    Schema {
        name: name.filter(|_| !is_logical).map(Into::into),
        version,
        optional: get(of, "optional") == Some(&Value::Boolean(true)),
        default: get(of, "default").cloned(),
        ..Schema::new(kind)
    }
}

fn value(of: &Value, schema: &Arc<Schema>) -> Value {
    match (of, &schema.kind) {
        (Value::Int(millis), Kind::Timestamp) => Value::Timestamp(millis * 1000),
        (Value::Int(millis), Kind::Time) => Value::Time(millis * 1000),
        (Value::Int(days), Kind::Date) => Value::Date(i32::try_from(*days).unwrap()),
        (Value::String(text), Kind::Bytes) => match text.as_str() {
            // The only ones of the files, in base64.
            "AQI=" => Value::Bytes(vec![1, 2].into()),
            "" => Value::Bytes(Vec::new().into()),
            other => panic!("{other}"),
        },
        (of @ Value::Struct(_), Kind::Struct(fields)) => {
            let values = fields.iter().map(|field| match get(of, &field.name) {
                Some(of) => value(of, &field.schema),
                None => Value::Null,
            });
            let values = values.collect();
            Value::Struct(Box::new(Struct::new(Arc::clone(schema), values)))
        }
        (of, _) => of.clone(),
    }
}

fn datum(of: Option<&Value>, named: &Named) -> Datum {
    let Some(of) = of.filter(|of| !of.is_null()) else {
        return Datum::NULL;
    };
    let payload = get(of, "payload").unwrap();
    match get(of, "schema").unwrap() {
        Value::Null => Datum::schemaless(payload.clone()),
        of => {
            let schema = Arc::new(schema(of, named));
            Datum::new(Arc::clone(&schema), value(payload, &schema))
        }
    }
}

fn show_schema(schema: &Schema) -> String {
    let mut text = match schema.kind {
        Kind::Timestamp => "Timestamp".to_owned(),
        Kind::Date => "Date".to_owned(),
        Kind::Time => "Time".to_owned(),
        _ => schema.type_name().to_owned(),
    };
    if let Some(name) = &schema.name {
        text += &format!("<{name}>");
    }
    if let Some(version) = schema.version {
        text += &format!("#{version}");
    }
    if schema.optional {
        text += "?";
    }
    if let Some(default) = &schema.default {
        text += &format!("={}", show_value(default));
    }
    match &schema.kind {
        Kind::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|f| format!("{}: {}", f.name, show_schema(&f.schema)));
            text += &format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
        }
        Kind::Array(of) => text += &format!("[{}]", show_schema(of)),
        _ => {}
    }
    text
}

fn show_value(of: &Value) -> String {
    match of {
        Value::Struct(row) => {
            let names = row.schema().fields().unwrap().iter();
            let mut fields: Vec<_> = names
                .zip(row.values())
                .map(|(field, value)| format!("{}: {}", field.name, show_value(value)))
                .collect();
            // A map has no order.
            let is_map = |field: &Field| field.schema.kind == Kind::Any;
            if row.schema().fields().unwrap().iter().all(is_map) {
                fields.sort();
            }
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(show_value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Bytes(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            format!("x{}", digits.collect::<String>())
        }
        Value::Timestamp(micros) | Value::Time(micros) => (micros / 1000).to_string(),
        Value::Date(days) => (i64::from(*days) * 86_400_000).to_string(),
        Value::Float(number) => format!("{number:?}"),
        other => {
            let mut text = String::new();
            json::write(other, &mut text).unwrap();
            text
        }
    }
}

fn show_datum(datum: &Datum) -> String {
    let schema = datum.schema.as_deref();
    let schema = schema.map_or_else(|| "none".to_owned(), show_schema);
    format!("{schema} = {}", show_value(&datum.value))
}

/// The fields that are another, one by one.
fn changes(at: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    if let (Value::Struct(before), Value::Struct(after)) = (before, after) {
        let fields = before.schema().fields().unwrap().iter();
        for (i, field) in fields.enumerate() {
            let at = match at {
                "" => field.name.to_string(),
                at => format!("{at}.{}", field.name),
            };
            changes(&at, &before.values()[i], &after.values()[i], out);
        }
    } else if before != after {
        out.push(format!("{at} {}", show_value(after)));
    }
}

fn told(
    transform: &mut dyn RecordTransformation,
    given: &Value,
    named: &Named,
    how: &str,
) -> String {
    let number = |name| match get(given, name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let mut record = Record {
        topic: text(given, "topic").unwrap_or("orders").into(),
        partition: None,
        key: datum(get(given, "key"), named),
        value: datum(get(given, "value"), named),
        headers: Vec::new(),
        timestamp: Some(Timestamp(number("timestamp").unwrap_or(5))),
    };
    let before = record.value.clone();
    match transform.apply(&mut record) {
        Err(_) => return "error".into(),
        Ok(Disposition::Drop) => return "dropped".into(),
        Ok(_) => {}
    }
    // Nested rows have the very schemas of their fields.
    check_schemas(&record.value);
    match how {
        "key" => return show_datum(&record.key),
        "value" => return show_datum(&record.value),
        _ => {}
    }
    if how == "changes" {
        let mut all = Vec::new();
        changes("", &before.value, &record.value.value, &mut all);
        assert_eq!(before.schema, record.value.schema);
        return match all.is_empty() {
            true => "unchanged".into(),
            false => all.join(", "),
        };
    }
    let partition = record.partition.map(|at| format!(" partition {at}"));
    let at = record.timestamp.map(|at| at.0.to_string());
    let mut told = format!(
        "to {}{} at {} | key {} | value {}",
        record.topic,
        partition.unwrap_or_default(),
        at.unwrap_or_else(|| "null".into()),
        show_datum(&record.key),
        show_datum(&record.value)
    );
    for header in &record.headers {
        told += &format!(" | {} {}", header.name, show_datum(&header.value));
    }
    told
}

fn check_schemas(datum: &Datum) {
    if let (Some(schema), Value::Struct(row)) = (&datum.schema, &datum.value) {
        assert_eq!(schema, row.schema());
        for (field, value) in schema.fields().unwrap().iter().zip(row.values()) {
            check_schemas(&Datum::new(Arc::clone(&field.schema), value.clone()));
        }
    }
}

/// Checks each line of a file.
fn check_all(lines: &str) {
    let mut named = Named::new();
    let mut known = BTreeMap::new();
    let mut failures = Vec::new();
    for (number, line) in lines.lines().enumerate() {
        let line = json::parse(line).unwrap();
        if let Some(name) = text(&line, "define") {
            named.insert(name.to_owned(), get(&line, "schema").unwrap().clone());
            continue;
        }
        if let Some(record) = get(&line, "record") {
            known.insert(text(&line, "name").unwrap().to_owned(), record.clone());
            continue;
        }
        let expect = get(&line, "here").or_else(|| get(&line, "expect"));
        let Some(Value::Array(expect)) = expect else {
            panic!("no expectation");
        };
        let expect: Vec<&str> = expect.iter().filter_map(Value::as_str).collect();
        let options = get(&line, "config").unwrap().as_struct().unwrap();
        let names = options.schema().fields().unwrap().iter();
        let options: Vec<(&str, &str)> = names
            .zip(options.values())
            .map(|(field, value)| (field.name.as_str(), value.as_str().unwrap()))
            .collect();
        let Some(Value::Array(records)) = get(&line, "records") else {
            panic!("no records");
        };
        let how = text(&line, "show").unwrap_or_default();
        let shown = match build(text(&line, "class").unwrap(), &options) {
            Err(_) => vec!["config error".to_owned()],
            Ok(mut transform) => records
                .iter()
                .map(|given| given.as_str().map_or(given, |name| &known[name]))
                .map(|given| told(&mut *transform, given, &named, how))
                .collect(),
        };
        if shown != expect {
            let list = |texts: Vec<&str>| {
                let texts = texts.into_iter().map(Value::from).collect();
                show_value(&Value::Array(texts))
            };
            let here = list(shown.iter().map(String::as_str).collect());
            let number = number + 1;
            failures.push(format!(
                "line {number}: {options:?}\n\there {here}\n\tJava {}",
                list(expect)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn event_router_is_as_debeziums() {
    check_all(include_str!("golden/event_router.jsonl"));
}

#[test]
fn timezone_converter_is_as_debeziums() {
    check_all(include_str!("golden/timezone_converter.jsonl"));
}

#[test]
fn field_paths_are_as_kafkas() {
    check_all(include_str!("golden/field_paths.jsonl"));
}

#[test]
fn others_of_debezium_are_as_debeziums() {
    check_all(include_str!("golden/debezium.jsonl"));
}

#[test]
fn aivens_are_as_aivens() {
    check_all(include_str!("golden/aiven.jsonl"));
}
