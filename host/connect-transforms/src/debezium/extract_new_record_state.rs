//! `ExtractNewRecordState`: the row after a change, in place of the whole change event. Its options
//! and rules are those of Debezium 3, with `drop.tombstones` and `delete.handling.mode` of the
//! versions before 2.5.

mod additions;
mod options;

use std::sync::Arc;

use connect_api::{
    Config, Datum, Disposition, Error, Field, Header, Kind, Record, RecordTransformation, Result,
    Schema, Str, Struct, Value, memory,
};

use super::ENVELOPE;
use crate::plans::Plans;
use crate::rows;
use additions::{Added, FieldReference};
pub(crate) use options::config_def;
use options::{Deletes, DroppedFields, Options, Tombstones};

/// The field that tells a deleted row where deletes are rewritten.
const DELETED: &str = "__deleted";
/// The most bytes of a topic's name: Kafka takes 249.
const MAX_TOPIC: usize = 1024;

pub(crate) struct ExtractNewRecordState {
    options: Options,
    plans: Plans<Plan>,
}

/// What was worked out for the schema of a change event.
struct Plan {
    after: Option<usize>,
    before: Option<usize>,
    /// The row of an insert or an update.
    changed: Option<Shape>,
    /// That of a delete, where it is rewritten.
    deleted: Option<Shape>,
    fields: Vec<Added>,
    headers: Vec<Added>,
}

/// The schema of a row that goes on.
struct Shape {
    schema: Arc<Schema>,
    defaults: rows::Defaults,
    /// The place of the field that routes, in the row of the event.
    route: Option<usize>,
    /// Whether the row of the event has so many fields of its own.
    own: usize,
}

impl Plan {
    fn new(schema: &Schema, options: &Options) -> Result<Self> {
        let (after, before) = (schema.index_of("after"), schema.index_of("before"));
        let fields = additions::all(&options.fields, schema);
        let headers = additions::all(&options.headers, schema);
        let shape = |at: Option<usize>| -> Result<Option<Shape>> {
            let row = at.map(|at| &rows::fields(schema)[at].schema);
            match row {
                Some(row) if row.fields().is_some() => Shape::new(row, options, &fields).map(Some),
                _ => Ok(None),
            }
        };
        let (changed, deleted) = (shape(after)?, shape(before)?);
        Ok(Self {
            after,
            before,
            changed,
            deleted,
            fields,
            headers,
        })
    }
}

impl Shape {
    fn new(row: &Schema, options: &Options, added: &[Added]) -> Result<Self> {
        let mut fields = rows::fields(row).to_vec();
        let own = fields.len();
        if options.deletes.is_rewrite() {
            fields.push(Field::new(DELETED, Schema::optional(Kind::String)));
        }
        let added = added.iter();
        fields.extend(added.map(|added| Field::new(added.name.clone(), Arc::clone(&added.schema))));
        let route = options.route.as_deref();
        let replace_null = options.deletes.is_rewrite() && options.replace_null;
        Ok(Self {
            schema: rows::with_fields(row, fields)?,
            defaults: rows::Defaults::of(row, replace_null),
            route: route.and_then(|name| row.index_of(name)),
            own,
        })
    }
}

impl ExtractNewRecordState {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            options: Options::new(config)?,
            plans: Plans::default(),
        })
    }

    /// A tombstone of Kafka: its key alone.
    fn tombstone(&self, record: &mut Record) -> Disposition {
        // Nothing but the operation is known of it.
        for reference in &self.options.headers {
            if reference.is_operation() {
                let value = Datum::new(Schema::new(Kind::String), Value::from("d"));
                let name = reference.new_name.clone();
                record.headers.push(Header { name, value });
            }
        }
        match self.options.tombstones {
            Tombstones::Keep => Disposition::Keep,
            Tombstones::Drop => Disposition::Drop,
        }
    }
}

impl RecordTransformation for ExtractNewRecordState {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        if record.value.value.is_null() {
            return Ok(self.tombstone(record));
        }
        let name = record.value.schema.as_ref().and_then(|s| s.name.as_deref());
        if !name.is_some_and(|name| name.ends_with(ENVELOPE)) {
            return Ok(Disposition::Keep);
        }
        let Value::Struct(event) = std::mem::take(&mut record.value.value) else {
            return Err(Error::data("a change event that is no Struct"));
        };
        let (schema, mut values) = event.into_parts();
        let options = &self.options;
        let plan = self
            .plans
            .plan(&schema, |schema| Plan::new(schema, options))?;
        for added in &plan.headers {
            let value = Datum::new(Arc::clone(&added.schema), added.value(&values)?);
            let name = added.name.clone();
            record.headers.push(Header { name, value });
        }
        let added = plan.fields.iter().map(|added| added.value(&values));
        let added = added.collect::<Result<Vec<_>>>()?;
        let is_there = |at: Option<usize>| at.is_some_and(|at| !values[at].is_null());
        let event = match (is_there(plan.after), is_there(plan.before)) {
            (true, _) => Event::Change,
            (false, true) => Event::Delete,
            // A table that was truncated; there is no row to tell.
            (false, false) => return Ok(Disposition::Drop),
        };
        let place = match event {
            Event::Change => plan.after,
            Event::Delete => plan.before,
        };
        let row = place
            .map(|at| std::mem::take(&mut values[at]))
            .unwrap_or_default();
        let shape = match event {
            Event::Change => plan.changed.as_ref(),
            Event::Delete => plan.deleted.as_ref(),
        };
        let (Value::Struct(row), Some(shape)) = (row, shape) else {
            return Err(Error::data(
                "Only Struct objects supported for [source field insertion]: the row of a change \
                 event is none",
            ));
        };
        let (_, row) = row.into_parts();
        if let Some(field) = &options.route {
            route(record, field, shape, &row)?;
        }
        if event == Event::Delete && !options.deletes.is_rewrite() {
            if options.deletes == Deletes::Drop {
                return Ok(Disposition::Drop);
            }
            let after = plan
                .after
                .map(|at| Arc::clone(&rows::fields(&schema)[at].schema));
            // As Debezium has it, the schema of the row stays: sinks then know whose delete it is.
            record.value = Datum {
                schema: after.filter(|_| options.deletes == Deletes::NullRow),
                value: Value::Null,
            };
            return dropped_fields(record, options).map(|()| Disposition::Keep);
        }
        let row = whole(shape, row, added, event, options)?;
        record.value = Datum::row(Struct::new(Arc::clone(&shape.schema), row));
        dropped_fields(record, options)?;
        Ok(Disposition::Keep)
    }
}

/// What a change event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// An insert, an update, or a row that was read.
    Change,
    Delete,
}

/// The values of a row with those that are added.
fn whole(
    shape: &Shape,
    mut row: Vec<Value>,
    added: Vec<Value>,
    event: Event,
    options: &Options,
) -> Result<Vec<Value>> {
    if row.len() != shape.own {
        return Err(Error::data("a row that is not of the schema of its event"));
    }
    memory::charge_values(added.len() + 1)?;
    if options.deletes.is_rewrite() {
        shape.defaults.fill(&mut row)?;
        let word = match event {
            Event::Change => "false",
            Event::Delete => "true",
        };
        row.push(Value::from(word));
    }
    row.extend(added);
    Ok(row)
}

/// Sets the topic to what a field of the row holds.
fn route(record: &mut Record, field: &Str, shape: &Shape, row: &[Value]) -> Result<()> {
    let missing = || Error::data(format!("{field} is not a valid field name"));
    let value = &row[shape.route.ok_or_else(missing)?];
    match value {
        Value::Null => Ok(()),
        Value::String(topic) if topic.trim().is_empty() => Ok(()),
        Value::String(topic) if topic.len() <= MAX_TOPIC => {
            if **topic != *record.topic {
                record.topic = topic.as_str().into();
            }
            Ok(())
        }
        Value::String(_) => Err(Error::data(format!(
            "the new topic's name is longer than {MAX_TOPIC} bytes"
        ))),
        other => Err(Error::data(format!(
            "Field '{field}' is not of type STRING, it is of type {}",
            other.type_name()
        ))),
    }
}

/// Removes the fields that a header names: `drop.fields.header.name`.
fn dropped_fields(record: &mut Record, options: &Options) -> Result<()> {
    let Some(drop) = &options.drop else {
        return Ok(());
    };
    let header = record
        .headers
        .iter()
        .find(|header| header.name == drop.header);
    let names = match header.map(|header| &header.value.value) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(names)) => names.iter().filter_map(|name| name.as_str()),
        Some(_) => {
            return Err(Error::data(format!(
                "the header {} is no list of the fields to drop",
                drop.header
            )));
        }
    };
    let names: Vec<Str> = names.map(Str::from).collect();
    if drop.from_key {
        without(&mut record.key, &names, drop)?;
    }
    without(&mut record.value, &names, drop)
}

/// Removes fields of a row, those alone that may be missing where that is asked for.
fn without(datum: &mut Datum, names: &[Str], drop: &DroppedFields) -> Result<()> {
    let is_dropped = |field: &Field| {
        names.contains(&field.name) && (field.schema.optional || !drop.keep_schema_compatible)
    };
    let schema = datum.schema.as_ref();
    let fields = schema.and_then(|schema| schema.fields());
    let is_any = fields.unwrap_or_default().iter().any(is_dropped);
    if !is_any || datum.value.as_struct().is_none() {
        return Ok(());
    }
    let Value::Struct(row) = std::mem::take(&mut datum.value) else {
        return Ok(());
    };
    let (schema, values) = row.into_parts();
    memory::charge(schema.memory())?;
    let pairs = rows::fields(&schema).iter().zip(values);
    let kept = pairs.filter(|(field, _)| !is_dropped(field));
    let (fields, values) = kept.map(|(field, value)| (field.clone(), value)).unzip();
    let schema = rows::with_fields(&schema, fields)?;
    *datum = Datum::row(Struct::new(schema, values));
    Ok(())
}

/// What is to be added to rows or to headers.
type References = Vec<FieldReference>;
