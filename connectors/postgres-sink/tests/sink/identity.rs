//! Random values: what comes back from a column is what was given.

use anyhow::Result;
use connect_api::{Decimal, Value, json};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{database, nested};
use crate::types::put_all;

/// Random values of a kind that the column must give back as they were.
fn identity(column: &str, values: BoxedStrategy<(Value, String)>) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let database = runtime.block_on(database(""))?;
    let mut runner = TestRunner::new(Config {
        cases: 8,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let batches = proptest::collection::vec(values, 1..200);
    runner.run(&batches, |batch| {
        let values: Vec<_> = batch.iter().map(|(value, _)| value.clone()).collect();
        let outcomes = runtime
            .block_on(put_all(&database, column, &values))
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let expect: Vec<_> = batch.iter().map(|(_, text)| Ok(text.clone())).collect();
        prop_assert_eq!(outcomes, expect);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn any_float_comes_back_from_numeric() -> Result<()> {
    let floats = proptest::num::f64::NORMAL | proptest::num::f64::ZERO;
    let floats = floats.prop_map(|number| {
        let decimal = Decimal::from_f64(number).unwrap();
        let text = decimal.to_string();
        // numeric has no negative zero.
        let text = if number == 0.0 {
            text.trim_start_matches('-').to_owned()
        } else {
            text
        };
        (Value::Float(number), text)
    });
    identity("numeric", floats.boxed())
}

#[test]
fn any_decimal_comes_back_from_numeric() -> Result<()> {
    let decimals = (any::<i128>(), 0..60).prop_map(|(unscaled, scale)| {
        let decimal = Decimal::new(unscaled.into(), scale);
        let text = decimal.to_string();
        (Value::Decimal(Box::new(decimal)), text)
    });
    identity("numeric", decimals.boxed())
}

#[test]
fn any_float_comes_back_from_double_precision() -> Result<()> {
    // Postgres prints the shortest digits as Rust does, but very small ones in another notation.
    let floats = (any::<i32>(), 1..8_u16).prop_map(|(number, part)| {
        let number = f64::from(number) + f64::from(part) / 8.0;
        (Value::Float(number), number.to_string())
    });
    identity("float8", floats.boxed())
}

#[test]
fn any_text_comes_back() -> Result<()> {
    let texts = "[^\\x00]{0,40}".prop_map(|text| (Value::from(text.as_str()), text));
    identity("text", texts.boxed())
}

#[test]
fn any_array_of_texts_comes_back() -> Result<()> {
    let items = proptest::collection::vec("[a-z]{1,30}", 1..6);
    let arrays = items.prop_map(|items| {
        let expect = items.iter().map(|item| match item.as_str() {
            "null" => "\"null\"",
            item => item,
        });
        let expect: Vec<_> = expect.collect();
        let expect = format!("{{{}}}", expect.join(","));
        let values: Vec<_> = items
            .iter()
            .map(|item| Value::from(item.as_str()))
            .collect();
        let mut text = String::new();
        json::write(&Value::Array(values), &mut text).unwrap();
        (nested(&text), expect)
    });
    identity("text[]", arrays.boxed())
}

#[test]
fn any_timestamp_comes_back() -> Result<()> {
    let range = -62_135_596_800_000_000_i64..253_402_300_800_000_000;
    let timestamps = (range, any::<bool>()).prop_map(|(micros, as_text)| {
        let text = json::IsoTimestamp(micros).to_string();
        let (day, time) = text.trim_end_matches('Z').split_once('T').unwrap();
        let time = match time.split_once('.') {
            Some((whole, fraction)) => format!("{whole}.{}", fraction.trim_end_matches('0')),
            None => time.to_owned(),
        };
        let expect = format!("{day} {time}+00");
        let value = if as_text {
            Value::from(text.as_str())
        } else {
            Value::Timestamp(micros)
        };
        (value, expect)
    });
    identity("timestamptz", timestamps.boxed())
}

#[test]
fn any_bytes_come_back() -> Result<()> {
    let bytes = any::<Vec<u8>>().prop_map(|bytes| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (Value::Bytes(bytes.into()), format!("\\x{digits}"))
    });
    identity("bytea", bytes.boxed())
}

#[test]
fn any_integer_comes_back_from_where_it_fits() -> Result<()> {
    let shown = |number: i64| (Value::Int(number), number.to_string());
    identity(
        "smallint",
        any::<i16>().prop_map(move |n| shown(n.into())).boxed(),
    )?;
    identity(
        "integer",
        any::<i32>().prop_map(move |n| shown(n.into())).boxed(),
    )?;
    identity("bigint", any::<i64>().prop_map(shown).boxed())
}

#[test]
fn any_table_of_integers_comes_back() -> Result<()> {
    let tables = (1..4_usize, 1..4_usize, any::<u32>(), any::<bool>());
    let tables = tables.prop_map(|(rows, columns, first, as_text)| {
        let row = |row: usize| {
            let numbers = (0..columns).map(|at| i64::from(first) + (row * columns + at) as i64);
            numbers.map(Value::Int).collect::<Vec<_>>()
        };
        let table = Value::Array((0..rows).map(|at| Value::Array(row(at))).collect());
        let mut text = String::new();
        json::write(&table, &mut text).unwrap();
        let expect = text.replace('[', "{").replace(']', "}");
        (if as_text { nested(&text) } else { table }, expect)
    });
    identity("bigint[]", tables.boxed())
}

#[test]
fn any_date_comes_back() -> Result<()> {
    let dates = (-719_162..2_932_897_i32, any::<bool>()).prop_map(|(days, as_text)| {
        let mut text = String::new();
        json::write(&Value::Date(days), &mut text).unwrap();
        let text = text.trim_matches('"').to_owned();
        let value = match as_text {
            true => Value::from(text.as_str()),
            false => Value::Date(days),
        };
        (value, text)
    });
    identity("date", dates.boxed())
}

#[test]
fn any_bits_come_back() -> Result<()> {
    let bits = "[01]{0,70}".prop_map(|bits| (Value::from(bits.as_str()), bits));
    identity("bit varying", bits.boxed())
}

#[test]
fn any_map_of_texts_comes_back() -> Result<()> {
    let text = "[a-z\"\\\\ é]{0,9}";
    let maps = proptest::collection::btree_map(text, proptest::option::of(text), 0..5);
    let maps = maps.prop_map(|map| {
        let mut entries: Vec<_> = map.into_iter().collect();
        // As jsonb has them.
        entries.sort_by_key(|(key, _)| (key.len(), key.clone()));
        let quoted = |text: &Option<String>| serde_json::to_string(text).unwrap();
        let shown = entries.iter().map(|(key, value)| {
            let key = quoted(&Some(key.clone()));
            format!("{key}: {}", quoted(value))
        });
        let expect = format!("{{{}}}", shown.collect::<Vec<_>>().join(", "));
        let pairs = entries.iter().map(|(key, value)| {
            let value = value.as_deref().map_or(Value::Null, Value::from);
            (Value::from(key.as_str()), value)
        });
        (Value::Map(pairs.collect()), expect)
    });
    identity("jsonb", maps.boxed())
}
