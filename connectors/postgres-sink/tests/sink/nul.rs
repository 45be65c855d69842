//! `nul.characters`: texts that hold what Postgres's texts cannot.

use anyhow::Result;
use connect_api::{Field, Kind, Schema, Struct, Value};

use crate::fixture::{database, nested};
use crate::types::{one, put_rows};

/// A column, a value, and what is there after `strip` and after `replace`.
type Case = (&'static str, Value, &'static str, &'static str);

fn cases() -> Vec<Case> {
    let mut cases = nested_cases();
    cases.extend([
        (
            "text",
            Value::from("\0a\0\0b\0"),
            "ab",
            "\u{fffd}a\u{fffd}\u{fffd}b\u{fffd}",
        ),
        ("text", Value::from("\0"), "", "\u{fffd}"),
        (
            "text",
            Value::from("\\0 \\u0000"),
            "\\0 \\u0000",
            "\\0 \\u0000",
        ),
        // The limit holds for what is written.
        ("varchar(3)", Value::from("ab\0"), "ab", "ab\u{fffd}"),
        ("char(3)", Value::from("a\0b"), "ab", "a\u{fffd}b"),
        ("name", Value::from("a\0"), "a", "a\u{fffd}"),
        // They have a way to write it, and keep it.
        (
            "json",
            nested(r#"["\u0000"]"#),
            r#"["\u0000"]"#,
            r#"["\u0000"]"#,
        ),
        ("bytea", Value::Bytes(vec![0].into()), "\\x00", "\\x00"),
    ]);
    cases
}

/// Texts in arrays, in JSON and in hstore.
fn nested_cases() -> Vec<Case> {
    let field = Field::new("a", Schema::new(Kind::String));
    let schema = Schema::new(Kind::Struct(vec![field])).into();
    let row = Struct::new(schema, vec![Value::from("x\0y")]);
    let map = vec![(Value::from("k\0"), Value::from("\0v"))];
    vec![
        (
            "text[]",
            nested(r#"["a\u0000", "b", null]"#),
            "{a,b,NULL}",
            "{a\u{fffd},b,NULL}",
        ),
        (
            "varchar(2)[]",
            Value::Array(vec![Value::from("a\0"), Value::Null]),
            "{a,NULL}",
            "{a\u{fffd},NULL}",
        ),
        (
            "jsonb",
            nested(r#"{"a\u0000": "\u0000b", "c": ["\\u0000", "\u0000\u0000"]}"#),
            r#"{"a": "b", "c": ["\\u0000", ""]}"#,
            "{\"c\": [\"\\\\u0000\", \"\u{fffd}\u{fffd}\"], \"a\u{fffd}\": \"\u{fffd}b\"}",
        ),
        (
            "jsonb",
            Value::Struct(Box::new(row)),
            r#"{"a": "xy"}"#,
            "{\"a\": \"x\u{fffd}y\"}",
        ),
        (
            "jsonb",
            Value::from(r#"["\u0000"]"#),
            r#"[""]"#,
            "[\"\u{fffd}\"]",
        ),
        (
            "jsonb[]",
            nested(r#"["\u0000", {"a": "\u0000"}]"#),
            r#"{"\"\"","{\"a\": \"\"}"}"#,
            "{\"\\\"\u{fffd}\\\"\",\"{\\\"a\\\": \\\"\u{fffd}\\\"}\"}",
        ),
        (
            "hstore",
            Value::Map(map),
            r#""k"=>"v""#,
            "\"k\u{fffd}\"=>\"\u{fffd}v\"",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_characters_are_left_out_or_replaced() -> Result<()> {
    let database = database("CREATE EXTENSION hstore").await?;
    for (column, value, stripped, replaced) in cases() {
        for (policy, expect) in [("strip", stripped), ("REPLACE", replaced)] {
            let options = [("nul.characters", policy)];
            let row = one(value.clone());
            let outcomes = put_rows(&database, column, &options, vec![row]).await?;
            assert_eq!(
                outcomes,
                [Ok(expect.to_owned())],
                "{column}, {policy}: {value:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nul_characters_are_an_error_by_default_and_where_a_type_has_none() -> Result<()> {
    let database = database("CREATE EXTENSION hstore").await?;
    for (column, value, ..) in cases() {
        let named = vec![one(value.clone())];
        let outcome = put_rows(&database, column, &[], named).await?.remove(0);
        match outcome {
            Err(text) => assert!(text.contains("nul.characters"), "{column}: {text}"),
            Ok(_) => assert!(
                matches!(column, "json" | "bytea") || value == Value::from("\\0 \\u0000"),
                "{column} takes {value:?}"
            ),
        }
    }
    for (column, value) in [
        ("xml", Value::from("<a>\0</a>")),
        ("point", Value::from("(1,2)\0")),
        ("varchar(2)", Value::from("ab\0")),
        ("jsonb", nested(r#"["\ud83d\u0000\ude00"]"#)),
    ] {
        let options = [("nul.characters", "replace")];
        let outcomes = put_rows(&database, column, &options, vec![one(value)]).await?;
        let text = outcomes[0].as_ref().expect_err(column);
        assert!(text.contains("cannot take a"), "{column}: {text}");
    }
    Ok(())
}
