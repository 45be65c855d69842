//! Every type of column: what comes back is what was given, or an error says what does not fit.

mod matrix;
mod sources;

use std::sync::{Arc, OnceLock};

use anyhow::Result;
use connect_api::{Datum, Decimal, Field, Kind, Schema, Struct, Value};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{Reports, batch, database, nested, opened, record, rows, task};

/// A schemaless row of one column.
pub fn one(value: Value) -> Datum {
    static SHAPE: OnceLock<Arc<Schema>> = OnceLock::new();
    let shape = SHAPE.get_or_init(|| {
        let field = Field::new("c", Schema::any());
        Arc::new(Schema::new(Kind::Struct(vec![field])))
    });
    Datum::schemaless_row(Struct::new(Arc::clone(shape), vec![value]))
}

/// Puts the values into a column and gives what the column then holds as text, or the error.
pub async fn put_all(
    database: &TestDatabase,
    column: &str,
    values: &[Value],
) -> Result<Vec<Outcome>> {
    let given = values.iter().map(|value| one(value.clone())).collect();
    put_rows(database, column, &[], given).await
}

/// What a column holds as text, or the error.
pub type Outcome = std::result::Result<String, String>;

/// The same with options, of rows of the one column.
pub async fn put_rows(
    database: &TestDatabase,
    column: &str,
    options: &[(&str, &str)],
    given: Vec<Datum>,
) -> Result<Vec<Outcome>> {
    database
        .execute("DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS ferrule.offsets")
        .await?;
    database
        .execute(&format!("CREATE TABLE events (id bigserial, c {column})"))
        .await?;
    let mut task = task(database, options)?;
    opened(&mut *task, &[0]).await?;
    let values = (0..).zip(given).map(|(offset, row)| record(0, offset, row));
    let values: Vec<_> = values.collect();
    let mut reports = Reports::default();
    let count = values.len();
    task.put(&[batch(0, 0, values)?], &mut reports).await?;
    task.stop().await;
    let mut written = rows(
        database,
        &format!("SELECT c::text /* {column} */ FROM events ORDER BY id"),
    )
    .await?
    .into_iter();
    let mut outcomes = Vec::new();
    for offset in 0..count as i64 {
        match reports.errors.iter().find(|(at, _)| *at == offset) {
            Some((_, text)) => outcomes.push(Err(text.clone())),
            None => outcomes.push(Ok(written.next().unwrap_or_else(|| "nothing".to_owned()))),
        }
    }
    Ok(outcomes)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse::<Decimal>().unwrap()))
}

fn array(items: &[Value]) -> Value {
    Value::Array(items.to_vec())
}

/// For a type of column: values, and what comes back or what the error says.
type Cases = Vec<(&'static str, Vec<(Value, &'static str)>)>;

const DAY: i64 = 86_400_000_000;

fn numbers() -> Cases {
    vec![
        (
            "bool",
            vec![(Value::Boolean(true), "true"), (Value::Null, "null")],
        ),
        (
            "smallint",
            vec![(Value::Int(-32768), "-32768"), (decimal("12.0"), "12")],
        ),
        ("int", vec![(Value::Int(2_147_483_647), "2147483647")]),
        (
            "bigint",
            vec![(Value::Int(i64::MIN), "-9223372036854775808")],
        ),
        (
            "real",
            vec![
                (Value::Float(1.5), "1.5"),
                (Value::Int(16_777_216), "1.6777216e+07"),
                (Value::Float(f64::NEG_INFINITY), "-Infinity"),
            ],
        ),
        (
            "float8",
            vec![
                (Value::Float(0.1), "0.1"),
                (Value::Float(-0.0), "-0"),
                (Value::Float(f64::NAN), "NaN"),
                (Value::Int(1 << 53), "9.007199254740992e+15"),
            ],
        ),
        (
            "numeric",
            vec![
                (Value::Int(0), "0"),
                (Value::Int(i64::MIN), "-9223372036854775808"),
                (Value::Float(0.1), "0.1"),
                (Value::Float(1e-7), "0.0000001"),
                (Value::Float(12345.678), "12345.678"),
                (Value::Float(1e20), "100000000000000000000"),
                (Value::Float(f64::NAN), "NaN"),
                (Value::Float(f64::INFINITY), "Infinity"),
                (decimal("-0.00012300"), "-0.00012300"),
                (decimal("10000"), "10000"),
                (
                    decimal("12345678901234567890123456789012345678.0001"),
                    "12345678901234567890123456789012345678.0001",
                ),
            ],
        ),
    ]
}

fn texts_and_times() -> Cases {
    let s = |text: &str| Value::from(text);
    vec![
        (
            "numeric(10,7)",
            vec![
                (Value::Float(52.123_456_789), "52.1234568"),
                (Value::Float(999.999_999_94), "999.9999999"),
                (Value::Float(0.000_000_04), "0.0000000"),
                (Value::Float(0.000_000_06), "0.0000001"),
                (Value::Int(-7), "-7.0000000"),
            ],
        ),
        ("numeric(3,-2)", vec![(Value::Float(12_345.0), "12300")]),
        (
            "text",
            vec![(s("ä\u{1F600}\"'\\"), "ä\u{1F600}\"'\\"), (s(""), "")],
        ),
        ("varchar(3)", vec![(s("äöü"), "äöü")]),
        ("char(3)", vec![(s("ab"), "ab")]),
        ("name", vec![(s("x"), "x")]),
        ("shorter", vec![(s("abc"), "abc")]),
        ("mood", vec![(s("sad"), "sad")]),
        (
            "bytea",
            vec![(Value::Bytes(vec![0, 255].into()), "\\x00ff")],
        ),
        (
            "jsonb",
            vec![
                (nested(r#"{"b":1,"a":[true]}"#), r#"{"a": [true], "b": 1}"#),
                (s(r#"{"a":1.50}"#), r#"{"a": 1.50}"#),
                (Value::Int(3), "3"),
                (array(&[Value::Int(1), s("x")]), r#"[1, "x"]"#),
                (nested(r#"["\\u0000"]"#), r#"["\\u0000"]"#),
            ],
        ),
        ("json", vec![(nested(r#"{"b": 1}"#), r#"{"b": 1}"#)]),
        (
            "timestamptz",
            vec![
                (Value::Timestamp(0), "1970-01-01 00:00:00+00"),
                (
                    s("2024-02-29T23:59:59.123456000+01:30"),
                    "2024-02-29 22:29:59.123456+00",
                ),
                (s("2024-02-29 12:00"), "2024-02-29 12:00:00+00"),
                (Value::Int(1_700_000_000_123), "2023-11-14 22:13:20.123+00"),
                (Value::Int(-1), "1969-12-31 23:59:59.999+00"),
                (s("2016-12-31T23:59:60Z"), "2017-01-01 00:00:00+00"),
                (s("-004712-01-01T00:00:00Z"), "4713-01-01 00:00:00+00 BC"),
                (s("0001-01-01T00:00:00Z"), "0001-01-01 00:00:00+00"),
                (
                    s("9999-12-31T23:59:59.999999Z"),
                    "9999-12-31 23:59:59.999999+00",
                ),
                (
                    Value::Timestamp(1_700_000_000_123_456),
                    "2023-11-14 22:13:20.123456+00",
                ),
            ],
        ),
    ]
}

fn other_types() -> Cases {
    let s = |text: &str| Value::from(text);
    vec![
        (
            "timestamp",
            vec![(s("2024-01-01T00:00:00+02"), "2023-12-31 22:00:00")],
        ),
        (
            "date",
            vec![
                (Value::Date(-1), "1969-12-31"),
                (Value::Int(-86_400_000), "1969-12-31"),
                (s("2024-02-29"), "2024-02-29"),
            ],
        ),
        (
            "time",
            vec![
                (Value::Time(DAY - 1), "23:59:59.999999"),
                (s("01:02:03.5"), "01:02:03.5"),
            ],
        ),
        (
            "uuid",
            vec![
                (
                    s("A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11"),
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                ),
                (
                    s("a0eebc999c0b4ef8bb6d6bb9bd380a11"),
                    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                ),
            ],
        ),
        (
            "inet",
            vec![(s("10.1.2.3/8"), "10.1.2.3/8"), (s("::1"), "::1/128")],
        ),
        (
            "cidr",
            vec![(s("10.0.0.0/8"), "10.0.0.0/8"), (s("::/0"), "::/0")],
        ),
        (
            "text[]",
            vec![
                (nested(r#"["a","b\"c",null,"ü"]"#), r#"{a,"b\"c",NULL,ü}"#),
                (nested("[]"), "{}"),
                (array(&[s("x"), Value::Null]), "{x,NULL}"),
            ],
        ),
        ("bigint[]", vec![(nested("[1, -2, null]"), "{1,-2,NULL}")]),
        ("numeric(6,2)[]", vec![(nested("[1.5, 2]"), "{1.50,2.00}")]),
        ("mood[]", vec![(nested(r#"["sad"]"#), "{sad}")]),
        (
            "timestamptz[]",
            vec![(
                nested(r#"["1970-01-01T00:00:00Z"]"#),
                "{\"1970-01-01 00:00:00+00\"}",
            )],
        ),
    ]
}

fn more_types() -> Cases {
    vec![(
        "jsonb[]",
        vec![(nested(r#"[{"a":1},"x"]"#), r#"{"{\"a\": 1}","\"x\""}"#)],
    )]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_takes_what_it_can_give_back() -> Result<()> {
    let database = database(
        "CREATE TYPE mood AS ENUM ('happy', 'sad'); \
         CREATE DOMAIN short AS varchar(3); CREATE DOMAIN shorter AS short",
    )
    .await?;
    let table = [numbers(), texts_and_times(), other_types(), more_types()].concat();
    for (column, cases) in table {
        let values: Vec<_> = cases.iter().map(|(value, _)| value.clone()).collect();
        let outcomes = put_all(&database, column, &values).await?;
        for ((value, expect), outcome) in cases.iter().zip(outcomes) {
            // char(3) pads; text gives it back without.
            assert_eq!(outcome.as_deref(), Ok(*expect), "{column} takes {value:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numeric_takes_all_digits_that_postgres_has() -> Result<()> {
    let database = database("").await?;
    let texts = [
        "9".repeat(131_072),
        format!("-{}.{}", "8".repeat(131_072), "7".repeat(16_383)),
        format!("0.{}1", "0".repeat(16_382)),
    ];
    let values: Vec<_> = texts
        .iter()
        .map(|text| Value::from(text.as_str()))
        .collect();
    let outcomes = put_all(&database, "numeric", &values).await?;
    for (outcome, text) in outcomes.into_iter().zip(texts) {
        assert!(outcome.as_deref() == Ok(&text), "{} digits", text.len());
    }
    Ok(())
}

fn misfits() -> Cases {
    let s = |text: &str| Value::from(text);
    let of = "cannot take a value of type";
    vec![
        ("bool", vec![(Value::Int(1), of), (s("true"), of)]),
        (
            "smallint",
            vec![
                (Value::Int(32_768), "number of that size"),
                (Value::Float(1.0), of),
                (decimal("1.5"), "a number with a fraction"),
            ],
        ),
        (
            "int",
            vec![
                (Value::Int(-2_147_483_649), "number of that size"),
                (s("7"), of),
            ],
        ),
        (
            "bigint",
            vec![(decimal("9223372036854775808"), "number of that size")],
        ),
        (
            "real",
            vec![
                (Value::Float(1e39), "number of that size"),
                (Value::Int(16_777_217), "all digits"),
            ],
        ),
        (
            "float8",
            vec![
                (Value::Int((1 << 53) + 1), "all digits"),
                (decimal("9007199254740993"), "all digits"),
            ],
        ),
        (
            "numeric",
            vec![(s("1,5"), "a decimal number"), (Value::Boolean(true), of)],
        ),
        (
            "numeric(10,7)",
            vec![
                (Value::Float(1000.0), "number of that size"),
                (Value::Float(999.999_999_96), "number of that size"),
                (decimal("1.23456789"), "all digits after the point"),
                (Value::Float(f64::INFINITY), "an infinity"),
            ],
        ),
        (
            "text",
            vec![(Value::Int(1), of), (nested("{}"), of), (s("a\0"), "NUL")],
        ),
        ("varchar(3)", vec![(s("abcd"), "a text of 4 characters")]),
        ("mood", vec![(s("SAD"), "has no such label")]),
        ("bytea", vec![(s("x"), of)]),
    ]
}

fn more_misfits() -> Cases {
    let s = |text: &str| Value::from(text);
    let of = "cannot take a value of type";
    vec![
        (
            "jsonb",
            vec![
                (s("{secret"), "a text that is not JSON"),
                (nested(r#"{"a":"\u0000"}"#), "NUL"),
                (Value::Float(f64::NAN), "NaN"),
                (nested(r#"["\ud800"]"#), "half of a surrogate pair"),
            ],
        ),
        (
            "timestamptz",
            vec![
                (Value::Float(0.5), of),
                (Value::Int(i64::MAX), "that far away"),
                (Value::Int(i64::MIN / 1000), "that far away"),
                (s("infinit"), "ISO 8601"),
                (s("--infinity"), "ISO 8601"),
                (s("2023-02-29T00:00:00Z"), "ISO 8601"),
                (Value::Timestamp(i64::MIN), "that far away"),
                (Value::Date(0), of),
            ],
        ),
        (
            "date",
            vec![
                (Value::Date(i32::MAX), "that far away"),
                (Value::Int(86_400_001), "not midnight in UTC"),
                (s("2024-13-01"), "ISO 8601"),
            ],
        ),
        (
            "time",
            vec![
                (Value::Time(-1), "more than a day"),
                (s("24:00:01"), "ISO 8601"),
            ],
        ),
        (
            "uuid",
            vec![
                (s("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"), "not a UUID"),
                (s("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380ag1"), "not a UUID"),
            ],
        ),
        (
            "inet",
            vec![
                (s("10.1.2.3/33"), "network address"),
                (s("host"), "network address"),
            ],
        ),
        ("cidr", vec![(s("10.0.0.1/8"), "right of its mask")]),
        (
            "text[]",
            vec![
                (nested("{}"), "a JSON object"),
                (nested(r#"[["a"], []]"#), "within an array"),
                (nested("[[\"a\"], \"b\"]"), "within an array"),
                (nested("[1]"), of),
                (s("{a}"), of),
            ],
        ),
    ]
}

fn last_misfits() -> Cases {
    let of = "cannot take a value of type";
    vec![(
        "bigint[]",
        vec![(nested("[1.5]"), of), (nested(r#"["secret"]"#), of)],
    )]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_type_cannot_hold_is_an_error_without_the_value() -> Result<()> {
    let database = database("CREATE TYPE mood AS ENUM ('happy', 'sad')").await?;
    let table = [misfits(), more_misfits(), last_misfits()].concat();
    for (column, cases) in table {
        let values: Vec<_> = cases.iter().map(|(value, _)| value.clone()).collect();
        let outcomes = put_all(&database, column, &values).await?;
        for ((value, expect), outcome) in cases.iter().zip(outcomes) {
            let text = outcome.expect_err(&format!("{column} takes {value:?}"));
            assert!(text.contains(expect), "{column} takes {value:?}: {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
    Ok(())
}
