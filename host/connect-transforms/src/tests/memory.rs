//! Records that are small before a transform and large behind it.

use connect_api::{MemoryLimit, memory};

use super::*;

/// What a transform makes of a value where a record may take so much.
fn within(
    limit: MemoryLimit,
    class: &str,
    options: &[(&str, &str)],
    value: Datum,
) -> Result<Datum, String> {
    let class = format!("org.apache.kafka.connect.transforms.{class}");
    let mut transform = build(&class, options).unwrap();
    let mut record = record(Datum::NULL, value);
    let applied = limit.measure(|| transform.apply(&mut record));
    match applied.made {
        Ok(_) => Ok(record.value),
        Err(error) => Err(error.to_string()),
    }
}

/// Where it may take a mebibyte.
fn limited(class: &str, options: &[(&str, &str)], value: Datum) -> Result<Datum, String> {
    within(MemoryLimit(1 << 20), class, options, value)
}

fn huge() -> impl Iterator<Item = Datum> {
    let scales = [i32::MIN, -100_000_000, -131_073, 16_384, i32::MAX];
    scales.into_iter().map(|scale| {
        let schema = Schema::new(Kind::Decimal(Some(scale)));
        let decimal = connect_api::Decimal::new(1.into(), scale);
        Datum::new(schema, Value::Decimal(Box::new(decimal)))
    })
}

#[test]
fn decimals_of_any_scale_are_cast_or_refused() {
    for datum in huge() {
        let error = limited("Cast$Value", &[("spec", "string")], datum.clone()).unwrap_err();
        assert!(error.contains("more digits than any column has"), "{error}");
        for spec in ["int64", "int8"] {
            let cast = limited("Cast$Value", &[("spec", spec)], datum.clone()).unwrap();
            assert_eq!(cast.value, Value::Int(0));
        }
        let cast = limited("Cast$Value", &[("spec", "float64")], datum).unwrap();
        assert!(cast.value == Value::Float(f64::INFINITY) || cast.value == Value::Float(0.0));
    }
}

#[test]
fn names_that_grow_with_each_level_are_paid_for() {
    let leaves: String = (0..5_000).map(|n| format!("\"{n}\":1,")).collect();
    let name = "n".repeat(10_000);
    let nested = map(&format!(r#"{{"{name}":{{{leaves}"z":1}}}}"#));
    let error = limited("Flatten$Value", &[], nested).unwrap_err();
    assert_eq!(error, memory::EXCEEDED);
    let shallow = map(&format!(r#"{{{leaves}"z":1}}"#));
    assert!(limited("Flatten$Value", &[], shallow).is_ok());
}

#[test]
fn nulls_and_defaults_that_become_many_values_are_paid_for() {
    let fields = (0..40_000).map(|n| Field::new(n.to_string(), optional(Kind::Int8)));
    let inner = Schema::optional(Kind::Struct(fields.collect()));
    let nested = row(vec![("a", inner, Value::Null)]);
    let error = limited("Flatten$Value", &[], nested).unwrap_err();
    assert_eq!(error, memory::EXCEEDED);
    let default = with_default(Kind::String, "d".repeat(2 << 20).as_str());
    let defaulted = row(vec![("a", default, Value::Null)]);
    let mask = [("exclude", "b")];
    let error = limited("ReplaceField$Value", &mask, defaulted).unwrap_err();
    assert_eq!(error, memory::EXCEEDED);
}

#[test]
fn copies_are_paid_for() {
    let text = "a".repeat(300_000);
    let value = row(vec![("a", required(Kind::String), text.as_str().into())]);
    let headers = [
        ("fields", "a,a,a,a"),
        ("headers", "a,b,c,d"),
        ("operation", "copy"),
    ];
    let error = limited("HeaderFrom$Value", &headers, value.clone()).unwrap_err();
    assert_eq!(error, memory::EXCEEDED);
    assert!(limited("ValueToKey", &[("fields", "a")], value).is_ok());
}

#[test]
fn a_topics_name_does_not_grow_without_end() {
    let replacement = "$1".repeat(500);
    let options = [("regex", "(.*)"), ("replacement", replacement.as_str())];
    let error = limited("RegexRouter", &options, Datum::NULL).unwrap_err();
    assert!(error.contains("3000 bytes"), "{error}");
}

#[test]
fn rows_of_many_fields_take_time_by_their_number() {
    let fields: String = (0..60_000).map(|n| format!("\"f{n}\":{n},")).collect();
    let wide = map(&format!(r#"{{{fields}"z":1}}"#));
    for (class, options) in [
        ("ReplaceField$Value", &[("exclude", "z")][..]),
        ("Flatten$Value", &[]),
        ("Cast$Value", &[("spec", "z:string")]),
        ("MaskField$Value", &[("fields", "z")]),
    ] {
        within(MemoryLimit::NONE, class, options, wide.clone()).unwrap();
    }
}
