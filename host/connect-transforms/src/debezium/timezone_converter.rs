//! `TimezoneConverter`: the times of change events as the clocks of a time zone show them.
//!
//! As Debezium has it, texts with an offset are the same moment at another offset, and numbers are
//! what UTC would call the moment at which the zone's clocks show what UTC's show.

mod convert;
mod iso;
mod rules;
mod zone;

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Disposition, Importance, Kind, Record,
    RecordTransformation, Result, Schema, Str, Validator, Value,
};

use super::ENVELOPE;
use crate::plans::Plans;
use crate::rows;
use convert::Time;
use rules::{Fields, Rules};
use zone::Zone;

const ZONE: &str = "converted.timezone";
const INCLUDE: &str = "include.list";
const EXCLUDE: &str = "exclude.list";

pub(crate) struct TimezoneConverter {
    zone: Zone,
    rules: Rules,
    plans: Plans<Plan>,
}

/// Where the times of a change event's schema are.
struct Plan {
    parts: Vec<Part>,
    /// Where the table's name is: in a field of `source`.
    table: Option<(usize, usize)>,
}

/// `before`, `after` or `source`.
struct Part {
    name: &'static str,
    at: usize,
    times: Vec<TimeField>,
}

struct TimeField {
    at: usize,
    name: Str,
    time: Time,
}

pub(crate) fn config_def() -> ConfigDef {
    let list = |name: &'static str, doc: &'static str| {
        ConfigKey::nullable(name, ConfigType::List, doc)
            .validator(Validator::Check(rules::check))
            .importance(Importance::High)
    };
    ConfigDef::new(vec![
        ConfigKey::required(
            ZONE,
            ConfigType::String,
            "The time zone that times are converted to: a name (America/Los_Angeles) or an offset \
             from UTC (+08:00).",
        )
        .validator(Validator::Check(|name| Zone::named(name).map(|_| ())))
        .importance(Importance::High),
        list(
            INCLUDE,
            "The events and fields that are converted, none others: source:table, \
             source:table:field, topic:name, topic:name:field, or name:field for a table or a \
             topic.",
        ),
        list(
            EXCLUDE,
            "The events and fields that are not converted, in the words of include.list.",
        ),
    ])
}

impl TimezoneConverter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let zone = Zone::named(config.text(ZONE));
        Ok(Self {
            zone: zone.map_err(|why| connect_api::Error::config(why).context(ZONE))?,
            rules: Rules::new(config.list(INCLUDE), config.list(EXCLUDE))?,
            plans: Plans::default(),
        })
    }
}

impl RecordTransformation for TimezoneConverter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let schema = record.value.schema.as_ref();
        let name = schema.and_then(|schema| schema.name.as_deref());
        if !name.is_some_and(|name| name.ends_with(ENVELOPE)) {
            return Ok(Disposition::Keep);
        }
        let Value::Struct(event) = &mut record.value.value else {
            return Ok(Disposition::Keep);
        };
        let schema = Arc::clone(event.schema());
        let plan = self.plans.plan(&schema, |schema| Ok(Plan::new(schema)))?;
        let table = plan.table.and_then(|(source, table)| {
            let source = event.values().get(source)?.as_struct()?;
            source.values().get(table)?.as_str()
        });
        let Some(fields) = self.rules.fields(&record.topic, table) else {
            return Ok(Disposition::Keep);
        };
        for part in &plan.parts {
            let row = event.values_mut().get_mut(part.at);
            if let Some(row) = row.and_then(Value::as_struct_mut) {
                part.convert(row.values_mut(), fields, &self.zone)?;
            }
        }
        Ok(Disposition::Keep)
    }
}

impl Plan {
    fn new(event: &Schema) -> Self {
        let parts = ["before", "after", "source"].into_iter();
        let parts = parts.filter_map(|name| {
            let at = event.index_of(name)?;
            let row = &rows::fields(event)[at].schema;
            let fields = row.fields()?.iter().enumerate();
            let times = fields.filter_map(|(at, field)| {
                let time = Time::of(&field.schema)
                    .or_else(|| Time::of_source(&field.name, &field.schema, name))?;
                let name = field.name.clone();
                Some(TimeField { at, name, time })
            });
            let times = times.collect();
            Some(Part { name, at, times })
        });
        let table = event.index_of("source").and_then(|source| {
            let within = &rows::fields(event)[source].schema;
            let table = within.index_of("table")?;
            let is_text = rows::fields(within)[table].schema.kind == Kind::String;
            is_text.then_some((source, table))
        });
        Self {
            parts: parts.collect(),
            table,
        }
    }
}

impl Part {
    fn convert(&self, row: &mut [Value], fields: &Fields, zone: &Zone) -> Result<()> {
        if !fields.has_part(self.name) {
            return Ok(());
        }
        for field in &self.times {
            let Some(value) = row.get_mut(field.at).filter(|value| !value.is_null()) else {
                continue;
            };
            if fields.is_converted(self.name, &field.name) {
                let converted = field.time.convert(value, zone);
                let within = |e: connect_api::Error| {
                    e.context(format_args!("field {}.{}", self.name, field.name))
                };
                *value = converted.map_err(within)?;
            }
        }
        Ok(())
    }
}
