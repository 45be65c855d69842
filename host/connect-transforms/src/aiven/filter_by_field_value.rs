//! Aiven's `FilterByFieldValue`: records of which a field has a value, or matches a pattern.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Decimal, Disposition, Error, Importance, Record,
    RecordPart, RecordTransformation, Result, Validator, Value, values,
};

use crate::java_regex::{self, JavaRegex};
use crate::{cast, json_path, rows};

pub(crate) struct Transform {
    part: RecordPart,
    field: Option<String>,
    condition: Condition,
    /// Whether those that match are kept, and not dropped.
    keeps_matches: bool,
}

enum Condition {
    Value(Value),
    Pattern(JavaRegex),
}

pub(crate) fn config_def() -> ConfigDef {
    let text = |name: &'static str, doc: &'static str| {
        ConfigKey::nullable(name, ConfigType::String, doc).importance(Importance::High)
    };
    ConfigDef::new(vec![
        text(
            "field.name",
            "The field name to filter by. If empty, the whole key or value is compared.",
        ),
        text(
            "field.value",
            "Expected value to match. Either define this, or a regex pattern.",
        ),
        text(
            "field.value.pattern",
            "The pattern to match. Either define this, or an expected value.",
        )
        .validator(Validator::Check(java_regex::check)),
        ConfigKey::new(
            "field.value.matches",
            ConfigType::Boolean,
            "true",
            "The filter mode, 'true' for matching or 'false' for non-matching.",
        ),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let pattern = config.optional_text("field.value.pattern");
        let pattern = pattern.filter(|pattern| !pattern.is_empty());
        let condition = match (config.optional_text("field.value"), pattern) {
            (Some(text), None) => Condition::Value(values::parse(Some(text.as_bytes())).value),
            (None, Some(pattern)) => {
                let regex = JavaRegex::find(pattern);
                let named = |why| Error::config(why).context("field.value.pattern");
                Condition::Pattern(regex.map_err(named)?)
            }
            _ => {
                return Err(Error::config(
                    "Either field.value or field.value.pattern have to be set to apply filter \
                     transform",
                ));
            }
        };
        let field = config.optional_text("field.name");
        Ok(Self {
            part,
            field: field.filter(|name| !name.is_empty()).map(str::to_owned),
            condition,
            keeps_matches: config.flag("field.value.matches"),
        })
    }

    fn matches(&self, found: Option<&Value>) -> Result<bool> {
        let Some(found) = found.filter(|value| !value.is_null()) else {
            return Ok(false);
        };
        match &self.condition {
            Condition::Value(expected) => Ok(is_same(expected, found)),
            Condition::Pattern(regex) => regex.is_match(&cast::text(found, None)?),
        }
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = &*rows::datum(record, self.part);
        if datum.value.is_null() {
            return Ok(Disposition::Keep);
        }
        let found = match &self.field {
            None => Some(datum.value.clone()),
            Some(_) if !json_path::has_fields(&datum.value) => {
                return Err(Error::data(
                    "only a struct or a map has the field of field.name",
                ));
            }
            Some(name) => {
                let schema = datum.schema.as_deref();
                if schema.is_some_and(|schema| schema.index_of(name).is_none()) {
                    return Err(Error::data(format!("{name} is not a valid field name")));
                }
                json_path::field(&datum.value, name)?
            }
        };
        Ok(match self.matches(found.as_ref())? == self.keeps_matches {
            true => Disposition::Keep,
            false => Disposition::Drop,
        })
    }
}

/// Numbers by what they are worth: a literal of a config has the smallest type that it fits, which
/// is mostly not that of the field.
fn is_same(expected: &Value, found: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Int(number) => Some(Decimal::new((*number).into(), 0)),
        Value::Float(number) => Decimal::from_f64(*number),
        Value::Decimal(decimal) => Some((**decimal).clone()),
        _ => None,
    };
    let text = |decimal: Decimal| {
        let text = decimal.to_plain().ok()?;
        Some(match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        })
    };
    match (number(expected), number(found)) {
        (Some(one), Some(other)) => text(one) == text(other),
        _ => expected == found,
    }
}
