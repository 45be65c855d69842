//! Confluent's `Drop`: null in place of the key or the value.

use std::sync::Arc;

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, Disposition, Error, Importance, Record, RecordPart,
    RecordTransformation, Result, Schema, Value, WordCase,
};

use crate::plans::Plans;
use crate::rows;

const BEHAVIOR: &str = "schema.behavior";

/// What becomes of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SchemaBehavior {
    Nullify,
    Retain,
    Validate,
    ForceOptional,
}

impl Choice for SchemaBehavior {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("nullify", Self::Nullify),
        ("retain", Self::Retain),
        ("validate", Self::Validate),
        ("force_optional", Self::ForceOptional),
    ];
    const CASE: WordCase = WordCase::Any;
}

pub(crate) struct Transform {
    part: RecordPart,
    behavior: SchemaBehavior,
    optional: Plans<Arc<Schema>>,
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::choice(
            BEHAVIOR,
            SchemaBehavior::Nullify,
            "How to handle non-null schemas. If set to nullify, then the schema for the new record \
             is null. If set to retain, the schema is used, regardless of whether it is optional. \
             If set to validate, the schema is checked first, and if it is optional, it is used \
             as-is; otherwise, an exception is thrown. If set to force_optional, the schema is \
             overwritten to be optional, if it is not already.",
        )
        .importance(Importance::Medium),
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        Ok(Self {
            part,
            behavior: config.choice(BEHAVIOR),
            optional: Plans::default(),
        })
    }
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let datum = rows::datum(record, self.part);
        datum.value = Value::Null;
        match (&datum.schema, self.behavior) {
            (_, SchemaBehavior::Nullify) => datum.schema = None,
            (None, _) | (_, SchemaBehavior::Retain) => {}
            (Some(schema), _) if schema.optional => {}
            (Some(_), SchemaBehavior::Validate) => {
                return Err(Error::data(
                    "the schema is not optional, and schema.behavior is validate",
                ));
            }
            (Some(schema), SchemaBehavior::ForceOptional) => {
                let optional = self.optional.plan(schema, |schema| {
                    Ok(Arc::new(Schema {
                        optional: true,
                        ..(**schema).clone()
                    }))
                })?;
                datum.schema = Some(Arc::clone(optional));
            }
        }
        Ok(Disposition::Keep)
    }
}
