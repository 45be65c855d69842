//! Validate with JSON Schema.
//!
//! Fails what does not fit a schema that the configuration gives, with the place that is wrong. It
//! knows `type`, `required`, `properties`, `items`, `enum`, `minimum` and `maximum`, and refuses a
//! schema with any other keyword instead of passing over it. (The complete validators on crates.io
//! want a source of randomness, which no plugin has.)

use ferrule_plugin::{
    Config, ConfigError, ConfigErrors, ConfigKey, ConfigType, Description, Failure, Outcome,
    Payload, Record, Transform, ValueRef,
};
use serde_json::Value as Json;

const KNOWN: &[&str] = &[
    "$schema",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "items",
    "enum",
    "minimum",
    "maximum",
];

/// Keeps what fits a schema.
pub struct JsonSchema(Json);

/// The first keyword that is not known.
fn unknown(schema: &Json) -> Option<String> {
    let object = schema.as_object()?;
    let other = object.keys().find(|key| !KNOWN.contains(&key.as_str()));
    let properties = object.get("properties").and_then(Json::as_object);
    let inner = properties
        .into_iter()
        .flat_map(|all| all.values())
        .chain(object.get("items"));
    other
        .cloned()
        .or_else(|| inner.into_iter().find_map(unknown))
}

fn is_of_type(name: &str, value: &Json) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// Checks a value; `at` is its place, as in `items[2].price`. No error tells the value.
fn check(schema: &Json, value: &Json, at: &str) -> Result<(), Failure> {
    let wrong = |why: String| Err(Failure::at(at, why));
    match &schema["type"] {
        Json::String(name) if !is_of_type(name, value) => return wrong(format!("is no {name}")),
        Json::Array(names) => {
            let mut names = names.iter().filter_map(Json::as_str);
            if !names.any(|name| is_of_type(name, value)) {
                return wrong("is of none of its types".into());
            }
        }
        _ => {}
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|all| !all.contains(value))
    {
        return wrong("is none of the values of enum".into());
    }
    if let Some(number) = value.as_f64() {
        if schema["minimum"]
            .as_f64()
            .is_some_and(|least| number < least)
        {
            return wrong("is below minimum".into());
        }
        if schema["maximum"].as_f64().is_some_and(|most| number > most) {
            return wrong("is above maximum".into());
        }
    }
    let inside = |name: &str| match at {
        "" => name.to_owned(),
        at => format!("{at}.{name}"),
    };
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !object.contains_key(name) {
                return Err(Failure::at(&inside(name), "is required"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = object.get(name) {
                check(schema, value, &inside(name))?;
            }
        }
    }
    if let (Some(items), schema @ Json::Object(_)) = (value.as_array(), &schema["items"]) {
        for (index, item) in items.iter().enumerate() {
            check(schema, item, &format!("{at}[{index}]"))?;
        }
    }
    Ok(())
}

/// A value of the contract as JSON.
fn json(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Boolean(flag) => flag.into(),
        ValueRef::Int(number) => number.into(),
        ValueRef::Float(number) => number.into(),
        ValueRef::Text(text) => text.into(),
        ValueRef::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        _ => Json::Null,
    }
}

impl Transform for JsonSchema {
    fn describe() -> Description {
        let key = ConfigKey::required("schema", ConfigType::Text, "The JSON Schema, as JSON.");
        Description::new(
            "json-schema",
            "1.0.0",
            "Fails what does not fit a JSON Schema.",
        )
        .key(key)
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let schema: Json = serde_json::from_str(config.text("schema")?)
            .map_err(|_| ConfigError::new("schema", "is no JSON"))?;
        match unknown(&schema) {
            Some(keyword) => {
                let why = format!("has the keyword {keyword}, which is not known here");
                Err(ConfigError::new("schema", why).into())
            }
            None => Ok(JsonSchema(schema)),
        }
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let value = match record.value() {
            Payload::Row(row) => {
                let fields = row
                    .fields()
                    .map(|(name, value)| (name.to_owned(), json(value)));
                Json::Object(fields.collect())
            }
            Payload::Scalar(value) => json(value),
        };
        check(&self.0, &value, "")?;
        Ok(Outcome::Keep)
    }
}

ferrule_plugin::export!(JsonSchema);

#[cfg(test)]
mod tests {
    use ferrule_plugin::Json as JsonText;
    use ferrule_plugin::testing::{Answer, Runner};

    use super::*;

    const SCHEMA: &str = r#"{ "type": "object", "required": ["id"], "properties": {
        "id": { "type": "integer", "minimum": 1 },
        "tags": { "type": "array", "items": { "enum": ["a", "b"] } } } }"#;

    #[test]
    fn what_does_not_fit_fails_at_its_place() {
        let mut plugin = Runner::<JsonSchema>::new(&[("schema", SCHEMA)]).unwrap();
        let tags = |text: &'static str| ("tags", JsonText(text).into());
        let fits = plugin.row([("id", 1i64.into()), tags(r#"["a", "b"]"#)]);
        assert_eq!(fits, Answer::Keep);
        let failure = plugin.row([("id", 0i64.into())]).failure();
        assert_eq!(failure, (Some("id".into()), "is below minimum".into()));
        let failure = plugin
            .row([("id", 1i64.into()), tags(r#"["a", "c"]"#)])
            .failure();
        assert_eq!(failure.0.as_deref(), Some("tags[1]"));
        assert_eq!(plugin.row([tags("[]")]).failure().0.as_deref(), Some("id"));
    }

    #[test]
    fn a_schema_that_would_be_passed_over_is_refused() {
        let schema = r#"{ "properties": { "a": { "pattern": "x" } } }"#;
        let refused = Runner::<JsonSchema>::new(&[("schema", schema)])
            .err()
            .unwrap();
        assert!(refused.0[0].message.contains("pattern"));
    }
}
