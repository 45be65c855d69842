//! Aiven's `CaseTransform`: fields in upper or lower case.

use connect_api::json::Shapes;
use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record,
    RecordPart, RecordTransformation, Result, Validator, Value, WordCase, memory,
};

use crate::cast;
use crate::rows::{self, Row};

/// `case`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
}

impl Choice for Case {
    const WORDS: &'static [(&'static str, Self)] =
        &[("upper", Self::Upper), ("lower", Self::Lower)];
    const CASE: WordCase = WordCase::Any;
}

pub(crate) struct Transform {
    part: RecordPart,
    fields: Vec<String>,
    case: Case,
    shapes: Shapes,
}

pub(crate) fn config_def() -> ConfigDef {
    let mut case = ConfigKey::choice("case", Case::Upper, "Set the case: 'upper' or 'lower'.")
        .importance(Importance::High);
    case.default = None;
    ConfigDef::new(vec![
        ConfigKey::required(
            "field.names",
            ConfigType::List,
            "A comma-separated list of fields of which the case is changed.",
        )
        .validator(Validator::Check(rows::non_empty_list))
        .importance(Importance::High),
        case,
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            fields: config.list("field.names").to_vec(),
            case: config.choice("case"),
            shapes: Shapes::default(),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        let mut row = Row::take(datum, &mut self.shapes, "changing the case")?;
        for name in &self.fields {
            let Some(at) = row.schema.index_of(name) else {
                continue;
            };
            let schema = &rows::fields(&row.schema)[at].schema;
            let text = match &row.values[at] {
                Value::Null => continue,
                Value::String(text) => text.to_string(),
                // A number has no case, and becomes text only where nothing says what it is.
                value if row.schemaless => cast::text(value, None)?,
                _ => {
                    return Err(Error::data(format!(
                        "field {name} is of type {}, and only a STRING has a case",
                        schema.type_name()
                    )));
                }
            };
            memory::charge(text.len().saturating_mul(3))?;
            let text = match self.case {
                Case::Upper => text.to_uppercase(),
                Case::Lower => text.to_lowercase(),
            };
            row.values[at] = Value::from(&*text);
        }
        let schema = std::sync::Arc::clone(&row.schema);
        row.put(datum, &schema);
        Ok(Disposition::Keep)
    }
}
