//! Random values of every scalar type: what a column holds is what Postgres itself reads from the
//! value's text.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{Datum, Decimal, Field, Kind, Schema, Struct, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::fixture::{Reports, batch, database, opened, record, rows, task};
use harness_postgres::postgres::TestDatabase;

const DAY: i64 = 86_400_000_000;

/// A value, and the text that Postgres reads it from.
type Given = BoxedStrategy<(Value, String)>;

/// The texts among them that Postgres reads otherwise than the sink has written the values.
async fn others(
    database: &TestDatabase,
    column: &str,
    options: &[(&str, &str)],
    given: &[(Value, String)],
) -> Result<Vec<String>> {
    let fields = ["c", "t"].map(|name| Field::new(name, Schema::any()));
    let shape = Arc::new(Schema::new(Kind::Struct(fields.into())));
    let create = format!(
        "DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS ferrule.offsets; \
         CREATE TABLE events (c {column}, t text)"
    );
    database.execute(&create).await?;
    let mut task = task(database, options)?;
    opened(&mut *task, &[0]).await?;
    let records = (0..).zip(given).map(|(offset, (value, text))| {
        let values = vec![value.clone(), Value::from(text.as_str())];
        let row = Struct::new(Arc::clone(&shape), values);
        record(0, offset, Datum::schemaless_row(row))
    });
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records.collect())?], &mut reports)
        .await?;
    task.stop().await;
    let mut others: Vec<_> = reports.errors.into_iter().map(|(_, text)| text).collect();
    let there = database.count("events").await?;
    if there + others.len() as i64 != given.len() as i64 {
        others.push(format!("{there} rows of {} are there", given.len()));
    }
    let query = format!(
        "SELECT concat_ws(' is not ', c, t) FROM events \
         WHERE c::text IS DISTINCT FROM t::{column}::text"
    );
    others.extend(rows(database, &query).await?);
    Ok(others)
}

fn agree(column: &str, options: &[(&str, &str)], given: Given) -> Result<()> {
    let runtime = Runtime::new()?;
    let types = "CREATE EXTENSION hstore; CREATE EXTENSION ltree; \
                 CREATE TYPE mood AS ENUM ('sad', 'ok', 'a ''b'' \"c\"')";
    let database = runtime.block_on(database(types))?;
    let mut runner = TestRunner::new(Config {
        cases: 6,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let batches = proptest::collection::vec(given, 1..200);
    runner.run(&batches, |given| {
        let others = runtime.block_on(others(&database, column, options, &given));
        let others = others.map_err(|error| TestCaseError::fail(format!("{column}: {error:?}")))?;
        prop_assert_eq!(others, Vec::<String>::new(), "{}", column);
        Ok(())
    })?;
    Ok(())
}

/// Texts that are values themselves.
fn texts(pattern: &'static str) -> Given {
    let texts = pattern.prop_map(|text| (Value::from(text.as_str()), text));
    texts.boxed()
}

/// `HH:MM:SS.ffffff` of microseconds since midnight.
fn clock(micros: i64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{micros:06}", seconds % 60)
}

#[test]
fn numbers_are_as_postgres_reads_them() -> Result<()> {
    let flags = any::<bool>().prop_map(|flag| (Value::Boolean(flag), flag.to_string()));
    agree("boolean", &[], flags.boxed())?;
    let doubles = any::<f64>().prop_map(|number| (Value::Float(number), number.to_string()));
    agree("double precision", &[], doubles.boxed())?;
    let singles = any::<f32>().prop_map(|number| (Value::Float(number.into()), number.to_string()));
    agree("real", &[], singles.boxed())?;
    let decimals = (any::<i32>(), 0..12_i32).prop_map(|(unscaled, scale)| {
        let decimal = Decimal::new(unscaled.into(), scale);
        let text = decimal.to_string();
        (decimal, text)
    });
    let round = [("numeric.excess.digits", "round")];
    let exact = decimals.clone();
    let exact = exact.prop_map(|(decimal, text)| (Value::Decimal(Box::new(decimal)), text));
    agree("numeric(14,3)", &round, exact.boxed())?;
    let written = decimals.prop_map(|(_, text)| (Value::from(text.as_str()), text));
    agree("numeric(14,3)", &round, written.boxed())?;
    // A float counts by its shortest digits.
    let floats = (any::<i32>(), 1..100_u8).prop_map(|(number, part)| {
        let number = f64::from(number) / f64::from(part);
        (Value::Float(number), number.to_string())
    });
    agree("numeric(14,3)", &[], floats.boxed())
}

#[test]
fn times_are_as_postgres_reads_them() -> Result<()> {
    // From 4713 BC on would be other texts; the years 1 to 9999 are the same for both.
    let range = -62_135_596_800_000_000_i64..253_402_300_800_000_000;
    let stamps = range.prop_map(|micros| {
        let text = connect_api::json::IsoTimestamp(micros).to_string();
        (Value::Timestamp(micros), text)
    });
    agree("timestamp", &[], stamps.clone().boxed())?;
    agree("timestamptz", &[], stamps.clone().boxed())?;
    let written = stamps.prop_map(|(_, text)| (Value::from(text.as_str()), text));
    agree("timestamp", &[], written.boxed())?;
    let times = (0..=DAY).prop_map(|micros| (Value::Time(micros), clock(micros)));
    agree("time", &[], times.clone().boxed())?;
    let zoned = times.prop_map(|(value, text)| (value, format!("{text}+00")));
    agree("timetz", &[], zoned.boxed())?;
    let written = (0..DAY, -57_599..57_600_i64).prop_map(|(micros, east)| {
        let sign = if east < 0 { '-' } else { '+' };
        let offset = clock(east.abs() * 1_000_000);
        let text = format!("{}{sign}{}", clock(micros), &offset[..8]);
        (Value::from(text.as_str()), text)
    });
    agree("timetz", &[], written.boxed())?;
    let durations =
        "P[0-9]{1,3}Y[0-9]{1,2}M[0-9]{1,4}DT[0-9]{1,3}H[0-9]{1,3}M[0-9]{1,3}(\\.[0-9]{1,6})?S";
    agree("interval", &[], texts(durations))
}

#[test]
fn texts_are_as_postgres_reads_them() -> Result<()> {
    agree("varchar(20)", &[], texts("[^\\x00]{0,20}"))?;
    agree("char(9)", &[], texts("[a-zé€\u{1f600} ]{0,9}"))?;
    agree("name", &[], texts("[a-zé\"' ]{0,30}"))?;
    agree("xml", &[], texts("<a( b=\"[a-z]{0,5}\")?>[a-z é]{0,9}</a>"))?;
    agree(
        "ltree",
        &[],
        texts("[A-Za-z0-9_]{1,9}(\\.[A-Za-z0-9_]{1,9}){0,4}"),
    )?;
    agree(
        "jsonpath",
        &[],
        texts("(strict |lax )?\\$(\\.[a-z]{1,5}|\\[\\*\\]){0,4}"),
    )?;
    let moods = proptest::sample::select(vec!["sad", "ok", "a 'b' \"c\""]);
    let moods = moods.prop_map(|label| (Value::from(label), label.to_owned()));
    agree("mood", &[], moods.boxed())?;
    let document = json_values().prop_map(|text| (Value::Json(text.as_str().into()), text));
    agree("json", &[], document.clone().boxed())?;
    agree("jsonb", &[], document.boxed())?;
    let entries = proptest::collection::btree_map("[a-z\"\\\\ é]{0,5}", "[a-z\"\\\\ é]{0,5}", 0..4);
    let entries = entries.prop_map(|entries| {
        let quoted =
            |text: &String| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let pairs = entries
            .iter()
            .map(|(k, v)| format!("{}=>{}", quoted(k), quoted(v)));
        let text = pairs.collect::<Vec<_>>().join(",");
        let map = entries
            .iter()
            .map(|(k, v)| (Value::from(k.as_str()), Value::from(v.as_str())));
        (Value::Map(map.collect()), text)
    });
    agree("hstore", &[], entries.boxed())
}

/// JSON of any depth, as texts.
fn json_values() -> impl Strategy<Value = String> + Clone {
    let text = "[^\\x00]{0,9}".prop_map(|text| serde_json::Value::from(text).to_string());
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,9})?([eE][-+]?[0-9]{1,2})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        number.prop_map(|number| number),
        text.clone(),
    ];
    let nested = leaf.prop_recursive(3, 24, 4, move |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..4);
        let fields = proptest::collection::vec((text.clone(), inner), 0..4);
        prop_oneof![
            items.prop_map(|items| format!("[{}]", items.join(" ,"))),
            fields.prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| format!("{name}: {value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }),
        ]
    });
    // A value of nested data is an array or an object.
    nested.prop_map(|text| format!("[{text}]"))
}

#[test]
fn addresses_bits_and_ids_are_as_postgres_reads_them() -> Result<()> {
    agree(
        "uuid",
        &[],
        texts("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    )?;
    let raw = any::<[u8; 16]>().prop_map(|bytes| {
        let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (Value::Bytes(bytes.to_vec().into()), text)
    });
    agree("uuid", &[], raw.boxed())?;
    let four = any::<[u8; 4]>().prop_map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let six = prop_oneof![
        any::<[u16; 8]>(),
        any::<[bool; 8]>().prop_map(|bits| bits.map(u16::from))
    ];
    let six = six.prop_map(|words| std::net::Ipv6Addr::from(words).to_string());
    let given = |text: String| (Value::from(text.as_str()), text);
    let addresses = prop_oneof![
        four.clone(),
        six.clone(),
        (four, 0..=32_u8).prop_map(|(address, bits)| format!("{address}/{bits}")),
        (six, 0..=128_u8).prop_map(|(address, bits)| format!("{address}/{bits}")),
    ];
    agree("inet", &[], addresses.prop_map(given).boxed())?;
    let networks = (any::<u32>(), 1..=32_u32).prop_map(move |(address, bits)| {
        let address = address >> (32 - bits) << (32 - bits);
        given(format!("{}/{bits}", std::net::Ipv4Addr::from(address)))
    });
    agree("cidr", &[], networks.boxed())?;
    agree("macaddr", &[], texts("[0-9a-f]{2}(:[0-9A-F]{2}){5}"))?;
    agree("macaddr8", &[], texts("[0-9a-f]{2}(-[0-9A-F]{2}){7}"))?;
    agree("bit(13)", &[], texts("[01]{13}"))?;
    agree("bit varying(40)", &[], texts("[01]{0,40}"))
}

#[test]
fn what_only_postgres_reads_arrives_as_it_was() -> Result<()> {
    agree(
        "point",
        &[],
        texts("\\(-?[0-9]{1,9}(\\.[0-9]{1,6})?,-?[0-9]{1,9}\\)"),
    )?;
    agree(
        "int4range",
        &[],
        texts("[\\[(]-?[0-9]{1,4},[1-9][0-9]{4,7}[\\])]"),
    )?;
    agree(
        "tsvector",
        &[],
        texts("[a-z]{1,6}:[1-9]( [a-z]{1,6}:[1-9][0-9]?A?){0,4}"),
    )?;
    agree("pg_lsn", &[], texts("[0-9A-F]{1,8}/[0-9A-F]{1,8}"))
}

#[test]
fn arrays_of_scalars_are_as_postgres_reads_them() -> Result<()> {
    let of = |items: BoxedStrategy<(Value, String)>| {
        let items = proptest::collection::vec(proptest::option::of(items), 0..6);
        let arrays = items.prop_map(|items| {
            let texts = items.iter().map(|item| match item {
                None => "NULL".to_owned(),
                Some((_, text)) => {
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
                }
            });
            let text = format!("{{{}}}", texts.collect::<Vec<_>>().join(","));
            let values = items
                .into_iter()
                .map(|item| item.map_or(Value::Null, |(value, _)| value));
            (Value::Array(values.collect()), text)
        });
        arrays.boxed()
    };
    agree("text[]", &[], of(texts("[^\\x00]{0,12}")))?;
    agree("uuid[]", &[], of(texts("[0-9a-f]{32}")))?;
    agree("inet[]", &[], of(texts("10\\.[0-9]\\.1[0-9]{2}\\.[1-9]")))?;
    agree("bit varying[]", &[], of(texts("[01]{1,20}")))?;
    let doubles = any::<f64>().prop_map(|number| (Value::Float(number), number.to_string()));
    agree("double precision[]", &[], of(doubles.boxed()))?;
    let flags = any::<bool>().prop_map(|flag| (Value::Boolean(flag), flag.to_string()));
    agree("boolean[]", &[], of(flags.boxed()))?;
    let times = (0..DAY).prop_map(|micros| (Value::Time(micros), clock(micros)));
    agree("time[]", &[], of(times.boxed()))?;
    let bytes = any::<Vec<u8>>().prop_map(|bytes| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (Value::Bytes(bytes.into()), format!("\\x{digits}"))
    });
    agree("bytea[]", &[], of(bytes.boxed()))
}
