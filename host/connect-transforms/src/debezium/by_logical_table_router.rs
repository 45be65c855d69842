//! `ByLogicalTableRouter`, which Debezium now calls `ToLogicalTopicRouter`: the change events of
//! several tables in one topic, with the table that they are of in their key.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Error, Field, Importance, Kind,
    Record, RecordTransformation, Result, Schema, Str, Struct, Validator, Value, memory,
};

use super::ENVELOPE;
use super::adjustment::{Adjustment, NameOf};
use crate::java_regex::{self, JavaRegex, Replacement};
use crate::plans::Plans;
use crate::{rows, topic_name};

/// Topics whose routes are kept.
const MAX_TOPICS: usize = 1024;

/// A pattern of a whole name, and what it becomes.
struct Rewrite {
    whole: JavaRegex,
    find: JavaRegex,
    replacement: Replacement,
}

pub(crate) struct ByLogicalTableRouter {
    topic: Rewrite,
    /// None: keys are as they were.
    key_field: Option<Str>,
    key: Option<Rewrite>,
    adjustment: Adjustment,
    /// By the topic that records come from; none where it is not routed.
    routes: HashMap<Arc<str>, Option<Route>>,
}

/// Where the records of a topic go.
struct Route {
    topic: Str,
    /// What tells the table in the key.
    table: Str,
    keys: Plans<Arc<Schema>>,
    events: Plans<Event>,
}

/// The schema of a change event, and of the rows in it.
struct Event {
    schema: Arc<Schema>,
    rows: Vec<(usize, Arc<Schema>)>,
}

fn config_def_of(key_field: &'static str) -> ConfigDef {
    let low = |key: ConfigKey| key.importance(Importance::Low);
    let regex = |key: ConfigKey| key.validator(Validator::Check(java_regex::check));
    ConfigDef::new(vec![
        low(regex(ConfigKey::required(
            "topic.regex",
            ConfigType::String,
            "The regex used for extracting the name of the logical table from the original topic \
             name.",
        ))),
        low(ConfigKey::required(
            "topic.replacement",
            ConfigType::String,
            "The replacement string used in conjunction with topic.regex. This will be used to \
             create the new topic name.",
        )),
        low(ConfigKey::new(
            "key.enforce.uniqueness",
            ConfigType::Boolean,
            "true",
            "Augment each record's key with a field denoting the source topic.",
        )),
        low(regex(ConfigKey::nullable(
            "key.field.regex",
            ConfigType::String,
            "The regex used for extracting the physical table identifier from the original topic \
             name.",
        ))),
        low(ConfigKey::new(
            "key.field.name",
            ConfigType::String,
            key_field,
            "The field of the key that tells the table.",
        )),
        low(ConfigKey::nullable(
            "key.field.replacement",
            ConfigType::String,
            "The replacement string used in conjunction with key.field.regex.",
        )),
        low(ConfigKey::choice(
            "schema.name.adjustment.mode",
            Adjustment::None,
            "Whether the names of schemas are made names of Avro: none, avro or avro_unicode.",
        )),
        low(ConfigKey::new(
            "logical.table.cache.size",
            ConfigType::Int,
            "16",
            "How many topics are remembered; at least 1024 are, whatever is set here.",
        )),
    ])
}

pub(crate) fn config_def() -> ConfigDef {
    config_def_of("__dbz__physicalTableIdentifier")
}

pub(crate) fn new_config_def() -> ConfigDef {
    let mut keys = config_def_of("__dbz__sourceIdentifier").keys().to_vec();
    for key in &mut keys {
        if key.name == "logical.table.cache.size" {
            key.name = "logical.destination.cache.size".into();
            key.display_name = key.name.clone();
        }
    }
    ConfigDef::new(keys)
}

impl Rewrite {
    fn new(config: &Config, pattern: &'static str, replacement: &'static str) -> Result<Self> {
        let regex = |why| Error::config(why).context(pattern);
        let text = config.text(pattern);
        let find = JavaRegex::find(text).map_err(regex)?;
        let given = config.optional_text(replacement).unwrap_or_default();
        if given.trim().is_empty() {
            return Err(Error::config(format!(
                "Invalid value for configuration {replacement}: it must be non-empty if {pattern} \
                 is set"
            )));
        }
        Ok(Self {
            whole: JavaRegex::whole(text).map_err(regex)?,
            replacement: Replacement::new(given, &find)
                .map_err(|why| Error::config(why).context(replacement))?,
            find,
        })
    }

    fn of(&self, name: &str) -> Result<Option<String>> {
        match self.whole.is_match(name)? {
            true => self.replacement.replace_first(&self.find, name).map(Some),
            false => Ok(None),
        }
    }
}

impl ByLogicalTableRouter {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let pattern = config.optional_text("key.field.regex").unwrap_or_default();
        let key = match pattern.trim().is_empty() {
            true => None,
            false => Some(Rewrite::new(
                config,
                "key.field.regex",
                "key.field.replacement",
            )?),
        };
        let is_unique = config.flag("key.enforce.uniqueness");
        Ok(Self {
            topic: Rewrite::new(config, "topic.regex", "topic.replacement")?,
            key_field: is_unique.then(|| config.text("key.field.name").into()),
            key,
            adjustment: config.choice("schema.name.adjustment.mode"),
            routes: HashMap::new(),
        })
    }

    fn route(&self, topic: &str) -> Result<Option<Route>> {
        let Some(to) = self.topic.of(topic)?.filter(|to| !to.is_empty()) else {
            return Ok(None);
        };
        let table = self.key.as_ref().map(|key| key.of(topic));
        let table = table.transpose()?.flatten();
        Ok(Some(Route {
            topic: to.into(),
            table: table.map_or_else(|| topic.into(), Str::from),
            keys: Plans::default(),
            events: Plans::default(),
        }))
    }
}

impl RecordTransformation for ByLogicalTableRouter {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        if !self.routes.contains_key(&record.topic) {
            if self.routes.len() >= MAX_TOPICS {
                self.routes.clear();
            }
            let route = self.route(&record.topic)?;
            self.routes.insert(Arc::clone(&record.topic), route);
        }
        let Some(Some(route)) = self.routes.get_mut(&record.topic) else {
            return Ok(Disposition::Keep);
        };
        if !record.key.value.is_null() {
            route.key(&mut record.key, self.key_field.as_ref(), self.adjustment)?;
        }
        let name = record.value.schema.as_ref().and_then(|s| s.name.as_deref());
        let is_event = name.is_some_and(|name| name.ends_with(ENVELOPE));
        if is_event && !record.value.value.is_null() {
            route.event(&mut record.value, self.adjustment)?;
        }
        let topic = route.topic.clone();
        topic_name::route(record, &topic)?;
        Ok(Disposition::Keep)
    }
}

impl Route {
    fn key(&mut self, key: &mut Datum, field: Option<&Str>, adjustment: Adjustment) -> Result<()> {
        let Value::Struct(row) = std::mem::take(&mut key.value) else {
            return Err(Error::data(
                "Only Struct objects supported for [Updating schema]",
            ));
        };
        let (schema, mut values) = row.into_parts();
        let name = format!("{}.Key", self.topic);
        let name = adjustment.adjusted(&name, NameOf::Schema);
        let new = self.keys.plan(&schema, |schema| {
            let mut fields = rows::fields(schema).to_vec();
            if let Some(field) = field {
                fields.push(Field::new(field.clone(), Schema::new(Kind::String)));
            }
            let made = rows::with_fields(schema, fields)?;
            Ok(Arc::new(Schema {
                name: Some(Str::from(name)),
                optional: schema.optional,
                ..(*made).clone()
            }))
        })?;
        if field.is_some() {
            memory::charge(self.table.len())?;
            values.push(Value::String(self.table.clone()));
        }
        *key = Datum::row(Struct::new(Arc::clone(new), values));
        Ok(())
    }

    fn event(&mut self, value: &mut Datum, adjustment: Adjustment) -> Result<()> {
        let Value::Struct(event) = std::mem::take(&mut value.value) else {
            return Err(Error::data(
                "Only Struct objects supported for [Updating schema]",
            ));
        };
        let (schema, mut values) = event.into_parts();
        let topic = &self.topic;
        let plan = self.events.plan(&schema, |schema| {
            let mut fields = rows::fields(schema).to_vec();
            let mut rows = Vec::new();
            let name = format!("{topic}.Value");
            let name = adjustment.adjusted(&name, NameOf::Schema);
            let envelope = format!("{topic}{ENVELOPE}");
            let envelope = adjustment.adjusted(&envelope, NameOf::Schema);
            for (at, field) in fields.iter_mut().enumerate() {
                if matches!(&*field.name, "before" | "after") && field.schema.fields().is_some() {
                    let renamed = Arc::new(Schema {
                        name: Some(Str::from(&*name)),
                        ..(*field.schema).clone()
                    });
                    field.schema = Arc::clone(&renamed);
                    rows.push((at, renamed));
                }
            }
            let made = rows::with_fields(schema, fields)?;
            Ok(Event {
                schema: Arc::new(Schema {
                    name: Some(Str::from(envelope)),
                    optional: schema.optional,
                    ..(*made).clone()
                }),
                rows,
            })
        })?;
        for (at, schema) in &plan.rows {
            if let Value::Struct(row) = std::mem::take(&mut values[*at]) {
                let (_, own) = row.into_parts();
                let row = Struct::new(Arc::clone(schema), own);
                values[*at] = Value::Struct(Box::new(row));
            }
        }
        *value = Datum::row(Struct::new(Arc::clone(&plan.schema), values));
        Ok(())
    }
}
