//! Unit tests: the statement, parameters, options.

use connect_api::{Connector as _, Properties};

use crate::HttpQueryConnector;
use crate::parameters::{Bound, Parameter};
use crate::statement::Statement;

fn parameters(texts: &[&str]) -> Vec<Parameter> {
    texts
        .iter()
        .map(|text| Parameter::parse(text).unwrap())
        .collect()
}

/// The user's part of the statement.
fn own(query: &str, declared: &[&str]) -> Result<String, String> {
    let statement = Statement::new(query, &parameters(declared));
    let sql = statement.map_err(|error| error.to_string())?.sql;
    let (_, rest) = sql.split_once("FROM (\n").unwrap();
    Ok(rest.split_once("\n) own").unwrap().0.to_owned())
}

#[test]
fn parameters_are_numbered_and_never_spliced() {
    assert_eq!(
        own(
            "SELECT * FROM t WHERE a = :a AND b > :b AND :a <> '' ;",
            &["a", "b:bigint"]
        ),
        Ok("SELECT * FROM t WHERE a = ($1::text) AND b > ($2::bigint) AND ($1::text) <> ''".into())
    );
    assert_eq!(
        own(
            "SELECT :at::date, x::text, :u",
            &["at:timestamptz", "u:uuid"]
        ),
        Ok("SELECT ($1::text::timestamptz)::date, x::text, ($2::text::uuid)".into())
    );
}

#[test]
fn what_looks_like_a_parameter_in_a_text_is_none() {
    for quoted in [
        "':b'",
        "'it''s :b'",
        "E'\\' :b'",
        "e'\\\\'",
        "\":b\"",
        "$$ :b $$",
        "$tag$ :b $$ $tag$",
        "/* :b /* :b */ :b */ 1",
        "-- :b\n1",
        "name1",
        "'HH24:MI:SS'",
    ] {
        let query = format!("SELECT {quoted}, :a");
        let expect = format!("SELECT {quoted}, ($1::text)");
        assert_eq!(own(&query, &["a"]), Ok(expect));
    }
    // A name that ends in e is no escaped text.
    assert_eq!(
        own("SELECT type':b', :a", &["a"]),
        Ok("SELECT type':b', ($1::text)".into())
    );
}

#[test]
fn each_parameter_is_declared_and_used() {
    let error = own("SELECT :b", &["a"]).unwrap_err();
    assert!(error.contains(":b stands in no path"), "{error}");
    let error = own("SELECT 1", &["a"]).unwrap_err();
    assert!(error.contains(":a is not used"), "{error}");
    for wrong in ["a:money", ":text", "a:"] {
        assert!(Parameter::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn values_are_of_their_types() {
    for (declared, text, good) in [
        ("a:text", "'; DROP TABLE t; --", true),
        ("a:text", "\0", false),
        ("a:bigint", "9223372036854775807", true),
        ("a:bigint", "9223372036854775808", false),
        ("a:bigint", "1 OR 1=1", false),
        ("a:integer", "2147483648", false),
        ("a:double", "1e3", true),
        ("a:boolean", "true", true),
        ("a:boolean", "1", false),
        ("a:numeric", "-12.50", true),
        ("a:numeric", "1e1000000", false),
        ("a:timestamptz", "2025-01-06T14:30:00Z", true),
        ("a:timestamptz", "now", false),
        ("a:date", "2025-02-29", false),
        ("a:uuid", "0b6e2f6a-6c1a-4b0e-9a64-0a4f2b1f7c11", true),
        ("a:uuid", "x", false),
    ] {
        let parameter = Parameter::parse(declared).unwrap();
        let bound = parameter.bind(Some(text));
        assert_eq!(bound.is_ok(), good, "{declared} {text:?}");
        if let Err(problem) = bound {
            assert_eq!(problem.field.as_deref(), Some("a"));
            assert!(text.len() < 3 || !problem.error.contains(text));
        }
        assert!(parameter.bind(None).is_ok());
    }
    let text = Parameter::parse("a").unwrap().bind(Some("x")).unwrap();
    assert_eq!(text, Bound::Text(Some("x".into())));
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let connector = HttpQueryConnector::new();
    let good = [
        ("http.paths", "/things/{id}"),
        ("query", "SELECT * FROM things WHERE id = :id"),
        ("connection.url", "postgres://localhost/x"),
    ];
    for (key, value, part) in [
        ("query.parameters", "id:bigint", ""),
        ("query.parameters", "limit:bigint", "paging's own name"),
        ("query.parameters", "id,id", "twice"),
        ("query", "SELECT 1", ":id is not used"),
        ("http.paths", "/things/{id", "the whole of a part"),
        ("connection.url", "http://x", "jdbc:postgresql"),
    ] {
        let mut properties = Properties::from(good.map(|(k, v)| (k.to_owned(), v.to_owned())));
        properties.insert(key.into(), value.into());
        let mut values = connector.config_def().validate(&properties);
        connector.validate(&properties, &mut values);
        let errors: Vec<&String> = values.iter().flat_map(|value| &value.errors).collect();
        match part {
            "" => assert!(errors.is_empty(), "{errors:?}"),
            part => assert!(
                errors.iter().any(|error| error.contains(part)),
                "{errors:?}"
            ),
        }
    }
}
