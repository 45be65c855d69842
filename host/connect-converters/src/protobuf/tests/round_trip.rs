//! What is written is read back, by our reader and as the library has it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::protobuf::write::plan::Written;

/// A schema, and a value of it.
type Case = (Schema, Value);

fn leaves() -> impl Strategy<Value = Case> {
    let of = |kind: Kind, value: Value| (Schema::new(kind), value);
    let typed = |kind: Kind, word: &'static str, value: Value| {
        let mut schema = Schema::new(kind);
        schema.parameters.push((schema::TYPE.into(), word.into()));
        (schema, value)
    };
    prop_oneof![
        any::<i8>().prop_map(move |n| of(Kind::Int8, Value::Int(n.into()))),
        any::<i16>().prop_map(move |n| of(Kind::Int16, Value::Int(n.into()))),
        any::<i32>().prop_map(move |n| of(Kind::Int32, Value::Int(n.into()))),
        any::<i32>().prop_map(move |n| typed(Kind::Int32, "sint32", Value::Int(n.into()))),
        any::<u32>().prop_map(move |n| typed(Kind::Int64, "fixed32", Value::Int(n.into()))),
        any::<u32>().prop_map(move |n| typed(Kind::Int64, "uint32", Value::Int(n.into()))),
        any::<i64>().prop_map(move |n| typed(Kind::Int64, "sfixed64", Value::Int(n))),
        any::<i64>().prop_map(move |n| typed(Kind::Int64, "sint64", Value::Int(n))),
        any::<i64>().prop_map(move |n| of(Kind::Int64, Value::Int(n))),
        any::<f32>().prop_map(move |n| of(Kind::Float32, Value::Float(n.into()))),
        any::<f64>().prop_map(move |n| of(Kind::Float64, Value::Float(n))),
        any::<bool>().prop_map(move |n| of(Kind::Boolean, Value::Boolean(n))),
        "[ -~é]{0,12}".prop_map(move |t| of(Kind::String, Value::from(&*t))),
        vec(any::<u8>(), 0..9).prop_map(move |b| of(Kind::Bytes, Value::Bytes(Bytes::from(b)))),
        any::<i64>().prop_map(move |n| {
            let decimal = Value::Decimal(Box::new(Decimal::new(n.into(), 3)));
            of(Kind::Decimal(Some(3)), decimal)
        }),
        (-719_162i32..2_932_896).prop_map(move |n| of(Kind::Date, Value::Date(n))),
        (0i64..86_400_000_000).prop_map(move |n| of(Kind::Time, Value::Time(n))),
        (-62_135_596_800_000_000i64..253_402_300_799_000_000)
            .prop_map(move |n| of(Kind::Timestamp, Value::Timestamp(n))),
    ]
}

fn fields(cases: Vec<Case>) -> Case {
    named("f", cases)
}

fn named(prefix: &str, cases: Vec<Case>) -> Case {
    let (schemas, values): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let fields = schemas.into_iter().enumerate();
    let fields = fields.map(|(at, schema)| Field::new(format!("{prefix}{at}"), schema));
    let schema = Schema::new(Kind::Struct(fields.collect())).named("demo.Row");
    let row = Struct::new(Arc::new(schema.clone()), values);
    (schema, Value::Struct(Box::new(row)))
}

fn union(cases: Vec<Case>, set: usize) -> Case {
    let set = set % cases.len();
    let (mut schema, row) = named("u", cases);
    schema.name = Some("io.confluent.connect.protobuf.Union.kind".into());
    schema.optional = true;
    let mut values = vec![Value::Null; row.as_struct().unwrap().values().len()];
    values[set] = row.as_struct().unwrap().values()[set].clone();
    let row = Struct::new(Arc::new(schema.clone()), values);
    (schema, Value::Struct(Box::new(row)))
}

fn unions() -> impl Strategy<Value = Case> {
    (vec(leaves(), 1..4), 0usize..4).prop_map(|(cases, set)| union(cases, set))
}

fn cases() -> impl Strategy<Value = Case> {
    leaves().prop_recursive(3, 24, 4, |inner| {
        let array = (leaves(), 0usize..3).prop_map(|((schema, value), count)| {
            let kind = Kind::Array(Arc::new(schema));
            (Schema::new(kind), Value::Array(vec![value; count]))
        });
        let map = (leaves(), any::<bool>()).prop_map(|((schema, value), is_text)| {
            let (key, name) = match is_text {
                true => (Kind::String, Value::from("k")),
                false => (Kind::Int32, Value::Int(5)),
            };
            let kind = Kind::Map(Arc::new(Schema::new(key)), Arc::new(schema));
            (Schema::new(kind), Value::Map(vec![(name, value)]))
        });
        let row = vec(inner, 0..4).prop_map(fields);
        prop_oneof![array, map, row]
    })
}

/// Only the values: the schemas that are read have other names. NaN is itself.
fn plain(value: &Value) -> String {
    match value {
        Value::Struct(row) => format!("{:?}", row.values().iter().map(plain).collect::<Vec<_>>()),
        Value::Array(items) => format!("{:?}", items.iter().map(plain).collect::<Vec<_>>()),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(k, v)| (plain(k), plain(v)));
            format!("{:?}", entries.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

/// In the order of the schema that is read: unions first.
fn unions_first(value: &Value) -> Value {
    let Value::Struct(row) = value else {
        return match value {
            Value::Array(items) => Value::Array(items.iter().map(unions_first).collect()),
            other => other.clone(),
        };
    };
    let is_union = |field: &Field| {
        let name = field.schema.name.as_deref().unwrap_or_default();
        name.starts_with(schema::UNION)
    };
    let fields = row.schema().fields().unwrap();
    let pairs = fields.iter().zip(row.values());
    let (unions, rest): (Vec<_>, Vec<_>) = pairs.partition(|(field, _)| is_union(field));
    let ordered: Vec<_> = unions.into_iter().chain(rest).collect();
    let schema = Kind::Struct(ordered.iter().map(|(field, _)| (*field).clone()).collect());
    let values = ordered
        .iter()
        .map(|(_, value)| unions_first(value))
        .collect();
    Value::Struct(Box::new(Struct::new(Arc::new(Schema::new(schema)), values)))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(cases in vec(cases(), 0..4), union in unions()) {
        let (given, value) = fields(cases.into_iter().chain([union]).collect());
        let settings = settings(|_| {});
        let written = Written::new(&given, settings).unwrap();
        let mut bytes = Vec::new();
        write::message(&written, &value, &mut bytes).unwrap();
        let parsed = ProtoFile::parse(&registered(&written.text));
        let file = parsed.map_err(|e| TestCaseError::fail(format!("{e}: {}", written.text)))?;
        let message = file.message(&written.indexes).unwrap();
        let library = DynamicMessage::decode(message.clone(), &*bytes);
        prop_assert!(library.is_ok(), "{}", written.text);
        let found = schema::compile(&file, &message, settings).unwrap();
        let read = decode::decode(&found.plan, &bytes).unwrap();
        prop_assert_eq!(plain(&read), plain(&unions_first(&value)), "{}", written.text);
        // And what the library writes is read as the same.
        let again = decode::decode(&found.plan, &library.unwrap().encode_to_vec()).unwrap();
        // It takes a negative zero in a map for nothing.
        let signless = |value: &Value| plain(value).replace("-0.0", "0.0");
        prop_assert_eq!(signless(&again), signless(&read), "{}", written.text);
        // What was read is written as the same bytes, under the same numbers.
        let mut second = Vec::new();
        let rewritten = Written::new(&found.schema, settings).unwrap();
        write::message(&rewritten, &read, &mut second).unwrap();
        let read_again = decode::decode(&found.plan, &second).unwrap();
        prop_assert_eq!(plain(&read_again), plain(&read), "{}", rewritten.text);
    }

    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..48)) {
        let text = proto3(
            "message Row { int32 a = 1; repeated sint64 b = 2; map<string, Row> c = 3; Row d = 4;
             oneof o { string e = 5; Row f = 6; } repeated Row g = 7; }",
        );
        let found = compiled(&text);
        let _ = read(&found, &bytes);
    }
}

/// What the types of Google cannot be read as again is not written.
#[test]
fn no_date_beyond_the_years_of_its_type_is_written() {
    let second = 1_000_000;
    let (first, last) = (-62_135_596_800 * second, 253_402_300_800 * second);
    for (kind, value, is_written) in [
        (Kind::Date, Value::Date(-719_162), true),
        (Kind::Date, Value::Date(-719_163), false),
        (Kind::Date, Value::Date(2_932_896), true),
        (Kind::Date, Value::Date(2_932_897), false),
        (Kind::Timestamp, Value::Timestamp(first), true),
        (Kind::Timestamp, Value::Timestamp(first - 1), false),
        (Kind::Timestamp, Value::Timestamp(last - 1), true),
        (Kind::Timestamp, Value::Timestamp(last), false),
    ] {
        let text = format!("{value:?}");
        let (schema, row) = fields(vec![(Schema::new(kind), value)]);
        let written = Written::new(&schema, settings(|_| {})).unwrap();
        let outcome = write::message(&written, &row, &mut Vec::new());
        assert_eq!(outcome.is_ok(), is_written, "{text}: {outcome:?}");
    }
}

/// Types that have no value without a byte, where others have a zero.
#[test]
fn a_map_may_lack_a_date_or_a_decimal() {
    for kind in [Kind::Date, Kind::Decimal(Some(2))] {
        let value = Arc::new(Schema::optional(kind));
        let kind = Kind::Map(Arc::new(Schema::new(Kind::String)), value);
        let none = Value::Map(vec![(Value::from("k"), Value::Null)]);
        let (schema, row) = fields(vec![(Schema::new(kind), none.clone())]);
        let written = Written::new(&schema, settings(|_| {})).unwrap();
        let mut bytes = Vec::new();
        write::message(&written, &row, &mut bytes).unwrap();
        let found = compiled(&written.text);
        let read = decode::decode(&found.plan, &bytes).unwrap();
        assert_eq!(read.as_struct().unwrap().values()[0], none);
    }
}
