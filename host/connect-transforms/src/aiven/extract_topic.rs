//! Aiven's `ExtractTopic`: the topic out of the key or the value.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Record, RecordPart,
    RecordTransformation, Result, Value,
};

use crate::{cast, json_path, rows, topic_name};

pub(crate) struct Transform {
    part: RecordPart,
    /// None: the whole.
    field: Option<String>,
    skip: bool,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::nullable(
            "field.name",
            ConfigType::String,
            "The name of the field which should be used as the topic name. If null or empty, the \
             entire key or value is used (and assumed to be a string).",
        )
        .importance(Importance::High),
        ConfigKey::new(
            "skip.missing.or.null",
            ConfigType::Boolean,
            "false",
            "In case the source of the new topic name is null or missing, should a record be \
             silently passed without transformation.",
        )
        .importance(Importance::Low),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let field = config.optional_text("field.name");
        Ok(Self {
            part,
            field: field.filter(|name| !name.is_empty()).map(str::to_owned),
            skip: config.flag("skip.missing.or.null"),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let part = match self.part {
            RecordPart::Key => "key",
            RecordPart::Value => "value",
        };
        let datum = &*rows::datum(record, self.part);
        let schema = datum.schema.as_deref();
        let (found, schema) = match &self.field {
            None => (Some(datum.value.clone()), schema),
            Some(_) if datum.value.is_null() => {
                return Err(Error::data(format!(
                    "{part} can't be null if field name is specified"
                )));
            }
            Some(_) if !json_path::has_fields(&datum.value) => {
                return Err(Error::data(format!(
                    "{part} must be a struct or a map if field name is specified"
                )));
            }
            Some(name) => {
                let at = schema.and_then(|schema| schema.index_of(name));
                let of = at.and_then(|at| Some(&*schema?.fields()?.get(at)?.schema));
                (json_path::field(&datum.value, name)?, of)
            }
        };
        let topic = match &found {
            None | Some(Value::Null) => String::new(),
            Some(
                value @ (Value::String(_) | Value::Int(_) | Value::Float(_) | Value::Boolean(_)),
            ) => cast::text(value, schema)?,
            Some(other) => {
                let found = rows::java_class(other, schema);
                return Err(Error::data(format!(
                    "the topic in {part} must be a number, a boolean or a string, found: {found}"
                )));
            }
        };
        if topic.trim().is_empty() {
            let what = self.field.as_deref().unwrap_or("it");
            return match self.skip {
                true => Ok(Disposition::Keep),
                false => Err(Error::data(format!(
                    "{what} in {part} can't be null or empty"
                ))),
            };
        }
        topic_name::route(record, &topic)?;
        Ok(Disposition::Keep)
    }
}
