//! Rows as structs: what the derives read and make, and what they refuse.

use std::borrow::Cow;

use ferrule_plugin::testing::{Answer, Content, Runner, reset};
use ferrule_plugin::{
    Config, ConfigErrors, Description, FromRow, Json, JsonText, OutRecord, Outcome, Record, Rows,
    Timestamp, ToRow, Transform, Value,
};
use proptest::prelude::*;

#[derive(FromRow)]
struct Reading<'a> {
    device: &'a str,
    #[row(rename = "temp_c", coerce)]
    celsius: f64,
    #[row(default)]
    retries: i64,
    #[row(default = "unknown".into())]
    site: Cow<'a, str>,
    #[row(coerce)]
    at: Option<Timestamp>,
    tags: Option<Json<'a>>,
    #[row(coerce, default = true)]
    good: bool,
}

/// Another struct of the same record, whose fields are not in the plugin's list.
#[derive(FromRow)]
struct Owner {
    site: Option<String>,
    device: String,
}

#[derive(ToRow)]
struct Made {
    device: String,
    #[row(rename = "celsius_now")]
    celsius: f64,
    retries: i64,
    r#type: String,
    at: Option<Timestamp>,
    tags: JsonText,
    good: bool,
}

struct Rewrite(Rows<Made>);

impl Transform for Rewrite {
    const FIELDS: &'static [&'static str] = Reading::FIELDS;

    fn describe() -> Description {
        Description::new("rewrite", "1", "For tests.")
    }

    fn configure(_: &Config) -> Result<Self, ConfigErrors> {
        Ok(Rewrite(Rows::named("made")))
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let reading: Reading<'_> = record.row()?.read()?;
        let owner: Owner = record.row()?.read()?;
        assert_eq!(owner.device, reading.device);
        assert_eq!(owner.site.unwrap_or("unknown".into()), reading.site);
        let row = self.0.row(Made {
            device: reading.device.to_owned(),
            celsius: reading.celsius,
            retries: reading.retries,
            r#type: reading.site.into_owned(),
            at: reading.at,
            tags: JsonText(reading.tags.map_or("null", |tags| tags.0).to_owned()),
            good: reading.good,
        });
        Ok(Outcome::Replace(vec![OutRecord::new(row)]))
    }
}

fn answer(value: impl Into<Content>) -> Answer {
    reset();
    Runner::<Rewrite>::new(&[]).unwrap().one(value)
}

#[test]
fn fields_are_renamed_defaulted_and_coerced() {
    let made = answer([
        ("at", "1970-01-01T00:00:01Z".into()),
        ("temp_c", " 21.5 ".into()),
        ("other", Value::Null),
        ("device", "d-1".into()),
        ("tags", Value::Json("[1]".into())),
        ("good", 0i64.into()),
    ]);
    let expected = [
        ("device", "d-1".into()),
        ("celsius_now", 21.5.into()),
        ("retries", 0i64.into()),
        ("type", "unknown".into()),
        ("at", Value::Timestamp(1_000_000)),
        ("tags", Value::Json("[1]".into())),
        ("good", false.into()),
    ];
    assert_eq!(made.record().value, expected.into());
}

#[test]
fn a_failure_names_the_field_of_the_row() {
    let with = |field: &str, value: Value| {
        let mut fields: Vec<(String, Value)> = vec![
            ("device".into(), "d-1".into()),
            ("temp_c".into(), 1.0.into()),
        ];
        fields.retain(|(name, _)| name != field);
        fields.push((field.into(), value));
        answer(fields).failure()
    };
    let cases: [(&str, Value, &str); 7] = [
        ("device", Value::Null, "is required"),
        ("device", 7i64.into(), "must be text, not an integer"),
        ("temp_c", "warm".into(), "must be a number, not other text"),
        ("temp_c", true.into(), "must be a number, not a boolean"),
        ("retries", "1".into(), "must be an integer, not text"),
        ("tags", "[]".into(), "must be nested data, not text"),
        (
            "at",
            Value::Json("{}".into()),
            "must be a timestamp, ISO 8601 text or milliseconds since 1970, not nested data",
        ),
    ];
    for (field, value, reason) in cases {
        let failure = with(field, value);
        assert_eq!(failure, (Some(field.to_owned()), reason.to_owned()));
    }
}

proptest! {
    #[test]
    fn the_order_of_the_fields_does_not_matter(
        celsius in -1e6..1e6f64,
        retries in any::<i64>(),
        seed in any::<u64>(),
    ) {
        let mut fields: Vec<(String, Value)> = vec![
            ("device".into(), "d-1".into()),
            ("temp_c".into(), celsius.into()),
            ("retries".into(), retries.into()),
            ("site".into(), "s".into()),
            ("noise".into(), 1i64.into()),
        ];
        let count = fields.len();
        fields.rotate_left(seed as usize % count);
        fields.swap(0, seed as usize / 8 % count);
        let made = answer(fields).record();
        prop_assert_eq!(made.field("celsius_now"), &Value::Float(celsius));
        prop_assert_eq!(made.field("retries"), &Value::Int(retries));
        prop_assert_eq!(made.field("type"), &Value::Text("s".into()));
    }
}
