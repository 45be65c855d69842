//! Debezium's `ExtractNewRecordState`, by the rules of its documentation.

use super::*;

const CLASS: &str = "io.debezium.transforms.ExtractNewRecordState";

fn schema_of(fields: Vec<(&str, Schema)>, name: &str) -> Schema {
    let fields = fields.into_iter();
    let fields = fields
        .map(|(name, schema)| Field::new(name, schema))
        .collect();
    Schema::new(Kind::Struct(fields)).named(name)
}

fn row_schema() -> Schema {
    let fields = vec![
        ("id", required(Kind::Int32)),
        ("name", with_default(Kind::String, "none")),
        ("region", optional(Kind::String)),
    ];
    let mut schema = schema_of(fields, "crm.public.customers.Value");
    schema.optional = true;
    schema
}

fn event_schema() -> Schema {
    let source = vec![
        ("version", required(Kind::String)),
        ("ts_ms", required(Kind::Int64)),
        ("lsn", optional(Kind::Int64)),
    ];
    let mut transaction = schema_of(vec![("id", required(Kind::String))], "event.block");
    transaction.optional = true;
    let fields = vec![
        ("before", row_schema()),
        ("after", row_schema()),
        (
            "source",
            schema_of(source, "io.debezium.connector.postgresql.Source"),
        ),
        ("op", required(Kind::String)),
        ("ts_ms", optional(Kind::Int64)),
        ("transaction", transaction),
    ];
    schema_of(fields, "crm.public.customers.Envelope")
}

fn person(id: i64, name: &str, region: &str) -> Value {
    let text = |text: &str| match text {
        "" => Value::Null,
        text => Value::from(text),
    };
    let values = vec![Value::Int(id), text(name), text(region)];
    Value::Struct(Box::new(Struct::new(Arc::new(row_schema()), values)))
}

/// A change event; `before` and `after` may be null.
fn event(op: &str, before: Value, after: Value) -> Record {
    let schema = Arc::new(event_schema());
    let source = Arc::clone(&schema.fields().unwrap()[2].schema);
    let source = Struct::new(source, vec!["3.5".into(), Value::Int(7), Value::Int(8)]);
    let values = vec![
        before,
        after,
        Value::Struct(Box::new(source)),
        op.into(),
        Value::Int(9),
        Value::Null,
    ];
    let key = row(vec![("id", required(Kind::Int32), Value::Int(1))]);
    record(key, Datum::row(Struct::new(schema, values)))
}

fn deleted() -> Record {
    event("d", person(1, "Ann", "eu"), Value::Null)
}

fn updated() -> Record {
    event("u", person(1, "Ann", ""), person(1, "Anna", "us"))
}

const ROW: &str = "crm.public.customers.Value: id Int32 1, name String? =\"none\" \"Anna\", region \
                   String? \"us\"";
const OLD: &str = "crm.public.customers.Value: id Int32 1, name String? =\"none\" \"Ann\", region \
                   String? \"eu\"";

#[test]
fn changes_become_their_row() {
    assert_eq!(told(CLASS, &[], &updated()), ROW);
    for op in ["c", "r"] {
        let created = event(op, Value::Null, person(1, "Anna", "us"));
        assert_eq!(told(CLASS, &[], &created), ROW);
    }
    let truncated = event("t", Value::Null, Value::Null);
    assert_eq!(told(CLASS, &[], &truncated), "dropped");
    // What is no change event passes as it is.
    let plain = record(Datum::NULL, map(r#"{"after":{"a":1}}"#));
    assert_eq!(told(CLASS, &[], &plain), r#"{"after":{"a":1}}"#);
    let heartbeat = row(vec![("ts_ms", required(Kind::Int64), Value::Int(1))]);
    assert_eq!(
        told(CLASS, &[], &record(Datum::NULL, heartbeat)),
        "Order: ts_ms Int64 1"
    );
}

#[test]
fn deletes_and_tombstones_go_by_their_mode() {
    let tombstone = record(Datum::NULL, Datum::NULL);
    let (null_row, null) = ("Struct? null", "null");
    let rewritten = format!("{OLD}, __deleted String? \"true\"");
    let changed = format!("{ROW}, __deleted String? \"false\"");
    let mode = "delete.tombstone.handling.mode";
    for (options, delete, change, of_tombstone) in [
        (&[] as &[_], null_row, ROW, "dropped"),
        (&[(mode, "tombstone")], null_row, ROW, "dropped"),
        (&[(mode, "drop")], "dropped", ROW, "dropped"),
        (&[(mode, "rewrite")], &rewritten, &changed, "dropped"),
        (
            &[(mode, "rewrite-with-tombstone")],
            &rewritten,
            &changed,
            null,
        ),
        (&[(mode, "delete-to-tombstone")], null, ROW, "dropped"),
        // As versions before 2.5 had it.
        (&[("drop.tombstones", "false")], "dropped", ROW, null),
        (
            &[("delete.handling.mode", "none")],
            null_row,
            ROW,
            "dropped",
        ),
        (
            &[("delete.handling.mode", "rewrite")],
            &rewritten,
            &changed,
            "dropped",
        ),
        (
            &[
                ("delete.handling.mode", "none"),
                ("drop.tombstones", "false"),
            ],
            null_row,
            ROW,
            null,
        ),
        (
            &[(mode, "drop"), ("drop.tombstones", "false")],
            "dropped",
            ROW,
            "dropped",
        ),
    ] {
        assert_eq!(told(CLASS, options, &deleted()), delete, "{options:?}");
        assert_eq!(told(CLASS, options, &updated()), change, "{options:?}");
        assert_eq!(
            told(CLASS, options, &tombstone),
            of_tombstone,
            "{options:?}"
        );
    }
    let error = told(CLASS, &[(mode, "keep")], &tombstone);
    assert!(error.contains(mode), "{error}");
}

#[test]
fn fields_and_headers_of_the_event_are_added() {
    let fields = (
        "add.fields",
        "op,source.ts_ms,lsn:position,transaction.id,none",
    );
    let expect = format!(
        "{ROW}, __op String? \"u\", __source_ts_ms Int64? 7, __position Int64? 8, \
         __transaction_id String? null"
    );
    assert_eq!(told(CLASS, &[fields], &updated()), expect);
    let options = [("add.fields", "ts_ms"), ("add.fields.prefix", "")];
    assert_eq!(
        told(CLASS, &options, &updated()),
        format!("{ROW}, ts_ms Int64? 9")
    );
    let headers = [
        ("add.headers", "op,version"),
        ("add.headers.prefix", "dbz."),
    ];
    let expect = format!("{ROW} | dbz.op=String? \"u\" | dbz.version=String? \"3.5\"");
    assert_eq!(told(CLASS, &headers, &updated()), expect);
    let mode = ("delete.tombstone.handling.mode", "rewrite-with-tombstone");
    let tombstone = record(Datum::NULL, Datum::NULL);
    let options = [headers[0], mode];
    assert_eq!(
        told(CLASS, &options, &tombstone),
        "null | __op=String \"d\""
    );
    let options = [("add.fields", "op"), mode];
    let expect = format!("{OLD}, __deleted String? \"true\", __op String? \"d\"");
    assert_eq!(told(CLASS, &options, &deleted()), expect);
    let error = told(CLASS, &[("add.fields", "a:b:c")], &updated());
    assert!(error.contains("add.fields"), "{error}");
}

#[test]
fn a_field_of_the_row_routes() {
    let route = [("route.by.field", "region")];
    assert_eq!(told(CLASS, &route, &updated()), format!("{ROW} | to us"));
    assert_eq!(told(CLASS, &route, &deleted()), "Struct? null | to eu");
    let nowhere = event("c", Value::Null, person(1, "Anna", ""));
    assert!(!told(CLASS, &route, &nowhere).contains(" | to "));
    let error = told(CLASS, &[("route.by.field", "x")], &updated());
    assert_eq!(error, "error: x is not a valid field name");
    let error = told(CLASS, &[("route.by.field", "id")], &updated());
    assert!(
        error.starts_with("error: Field 'id' is not of type STRING"),
        "{error}"
    );
}

#[test]
fn a_header_names_fields_to_drop() {
    let with = |names: Value| {
        let mut changed = updated();
        changed.headers.push(Header {
            name: "drop".into(),
            value: Datum::schemaless(names),
        });
        changed
    };
    let names = Value::Array(vec!["region".into(), "id".into()]);
    let header = ("drop.fields.header.name", "drop");
    let name = "crm.public.customers.Value: ";
    let kept = format!("{name}id Int32 1, name String? =\"none\" \"Anna\"");
    // The header's row is made anew for each record.
    let shown = |options: &[(&str, &str)], record: &Record| {
        let mut transform = build(CLASS, options).unwrap();
        let mut changed = record.clone();
        let done = transform.apply(&mut changed).map_err(|e| e.chain());
        done.map(|_| (show(&changed.value), show(&changed.key)))
    };
    let key = "Order: id Int32 1".to_owned();
    assert_eq!(
        shown(&[header], &with(names.clone())),
        Ok((kept, key.clone()))
    );
    let all = [header, ("drop.fields.keep.schema.compatible", "false")];
    let only = format!("{name}name String? =\"none\" \"Anna\"");
    assert_eq!(
        shown(&all, &with(names.clone())),
        Ok((only.clone(), key.clone()))
    );
    let from_key = [all[0], all[1], ("drop.fields.from.key", "true")];
    assert_eq!(
        shown(&from_key, &with(names)),
        Ok((only, "Order: ".to_owned()))
    );
    assert_eq!(shown(&[header], &updated()), Ok((ROW.to_owned(), key)));
    let error = shown(&[header], &with("region".into())).unwrap_err();
    assert_eq!(error, "the header drop is no list of the fields to drop");
}

#[test]
fn nulls_become_their_default_where_a_row_is_rewritten() {
    let mode = ("delete.tombstone.handling.mode", "rewrite");
    let nameless = event("u", Value::Null, person(1, "", "us"));
    let shown = told(CLASS, &[mode], &nameless);
    assert!(shown.contains("name String? =\"none\" \"none\""), "{shown}");
    let options = [mode, ("replace.null.with.default", "false")];
    let shown = told(CLASS, &options, &nameless);
    assert!(shown.contains("name String? =\"none\" null"), "{shown}");
    let shown = told(CLASS, &[], &nameless);
    assert!(shown.contains("name String? =\"none\" null"), "{shown}");
}
