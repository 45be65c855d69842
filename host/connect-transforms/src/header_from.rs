//! `HeaderFrom`: copies or moves fields into headers.

use std::sync::Arc;

use connect_api::json::Shapes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Header, Importance,
    Record, RecordPart, RecordTransformation, Result, Schema, Str, Validator, memory,
};

use crate::plans::Plans;
use crate::rows::{self, Defaults, Row};

pub(crate) struct HeaderFrom {
    part: RecordPart,
    /// Fields and their headers.
    pairs: Vec<(Str, Str)>,
    moves: bool,
    replace_null: bool,
    plans: Plans<Plan>,
    shapes: Shapes,
}

struct Plan {
    schema: Arc<Schema>,
    defaults: Defaults,
    keep: Vec<bool>,
    /// Where each header's field is, and its schema.
    from: Vec<Option<(usize, Arc<Schema>)>>,
}

pub(crate) fn config_def() -> ConfigDef {
    let list = |name, doc| {
        ConfigKey::required(name, ConfigType::List, doc)
            .validator(Validator::Check(rows::non_empty_list))
            .importance(Importance::High)
    };
    ConfigDef::new(vec![
        list(
            "fields",
            "Field names in the record whose values are to be copied or moved to headers.",
        ),
        list(
            "headers",
            "Header names, in the same order as the field names listed in the fields \
             configuration property.",
        ),
        ConfigKey::required(
            "operation",
            ConfigType::String,
            "Either move if the fields are to be moved to the headers (removed from the \
             key/value), or copy if the fields are to be copied to the headers (retained in the \
             key/value).",
        )
        .validator(Validator::OneOf(vec!["move".into(), "copy".into()]))
        .importance(Importance::High),
        rows::replace_null_with_default(),
    ])
}

impl HeaderFrom {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let (fields, headers) = (config.list("fields"), config.list("headers"));
        if fields.len() != headers.len() {
            return Err(Error::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        let pairs = fields.iter().zip(headers);
        Ok(Self {
            part,
            pairs: pairs.map(|(f, h)| (f.into(), h.into())).collect(),
            moves: config.text("operation") == "move",
            replace_null: config.flag(rows::REPLACE_NULL),
            plans: Plans::default(),
            shapes: Shapes::default(),
        })
    }

    fn plan(&self, schema: &Arc<Schema>, schemaless: bool) -> Result<Plan> {
        let fields = rows::fields(schema);
        let from = self
            .pairs
            .iter()
            .map(|(name, _)| match schema.index_of(name) {
                Some(at) => Ok(Some((at, Arc::clone(&fields[at].schema)))),
                None if schemaless => Ok(None),
                None => Err(Error::data(format!("Unknown field: {name}"))),
            });
        let moved = |name| self.moves && self.pairs.iter().any(|(field, _)| field == name);
        let keep: Vec<bool> = fields.iter().map(|f| !moved(&f.name)).collect();
        let kept = fields.iter().zip(&keep).filter(|(_, keep)| **keep);
        Ok(Plan {
            from: from.collect::<Result<_>>()?,
            schema: match self.moves {
                true => rows::with_fields(schema, kept.map(|(f, _)| f.clone()).collect())?,
                false => Arc::clone(schema),
            },
            defaults: Defaults::of(schema, self.replace_null),
            keep,
        })
    }
}

impl RecordTransformation for HeaderFrom {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let purpose = if self.moves {
            "header move"
        } else {
            "header copy"
        };
        let datum = rows::datum(record, self.part);
        let mut row = Row::take(datum, &mut self.shapes, purpose)?;
        let schemaless = row.schemaless;
        let mut plans = std::mem::take(&mut self.plans);
        let plan = plans.plan(&row.schema, |schema| self.plan(schema, schemaless));
        let headers = plan.and_then(|plan| {
            plan.defaults.fill(&mut row.values)?;
            let copied = plan.from.iter().flatten();
            let copied = copied.map(|(at, _)| row.values[*at].memory());
            memory::charge(copied.fold(0, usize::saturating_add))?;
            let pairs = self.pairs.iter().zip(&plan.from);
            let headers = pairs.map(|((_, name), from)| Header {
                name: name.clone(),
                value: match from {
                    None => Datum::NULL,
                    Some((at, _)) if schemaless => Datum::schemaless(row.values[*at].clone()),
                    Some((at, schema)) => Datum::new(Arc::clone(schema), row.values[*at].clone()),
                },
            });
            let headers: Vec<Header> = headers.collect();
            let mut keep = plan.keep.iter();
            row.values.retain(|_| keep.next() == Some(&true));
            row.put(datum, &plan.schema);
            Ok(headers)
        });
        self.plans = plans;
        record.headers.extend(headers?);
        Ok(Disposition::Keep)
    }
}
