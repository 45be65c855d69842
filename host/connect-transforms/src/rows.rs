//! Rows taken out of a record's key or value, and put back.

use std::sync::Arc;

use connect_api::json::{FieldNames, Shapes};
use connect_api::{
    Datum, Error, Field, Kind, Record, RecordPart, Result, Schema, Str, Struct, Value, memory,
};

/// The part of a record that a transform is for.
pub(crate) fn datum(record: &mut Record, part: RecordPart) -> &mut Datum {
    match part {
        RecordPart::Key => &mut record.key,
        RecordPart::Value => &mut record.value,
    }
}

/// A row apart: its schema or its shape, its values, and whether it has a schema.
pub(crate) struct Row {
    pub(crate) schema: Arc<Schema>,
    pub(crate) values: Vec<Value>,
    pub(crate) schemaless: bool,
}

impl Row {
    /// Takes the row out. `Value::Null` is left in its place until [`Row::put`].
    pub(crate) fn take(datum: &mut Datum, shapes: &mut Shapes, purpose: &str) -> Result<Self> {
        let schemaless = datum.schema.is_none();
        let row = match std::mem::take(&mut datum.value) {
            Value::Struct(row) => *row,
            value if schemaless => open(value, shapes, purpose)?,
            value => {
                let found = java_class(&value, datum.schema.as_deref());
                return Err(Error::data(format!(
                    "Only Struct objects supported for [{purpose}], found: {found}"
                )));
            }
        };
        let (schema, values) = row.into_parts();
        Ok(Self {
            schema,
            values,
            schemaless,
        })
    }

    /// Puts values of another schema back.
    pub(crate) fn put(self, datum: &mut Datum, schema: &Arc<Schema>) {
        let row = Struct::new(Arc::clone(schema), self.values);
        *datum = if self.schemaless {
            Datum::schemaless_row(row)
        } else {
            Datum::row(row)
        };
    }
}

/// A schemaless value as a row.
fn open(value: Value, shapes: &mut Shapes, purpose: &str) -> Result<Struct> {
    match value {
        Value::Json(text) if text.starts_with('{') => match shapes.read(text.as_bytes())? {
            Value::Struct(row) => Ok(*row),
            other => Err(not_a_map(&other, purpose)),
        },
        Value::Map(entries) if entries.iter().all(|(key, _)| key.as_str().is_some()) => {
            let names = entries.iter().filter_map(|(key, _)| key.as_str());
            let shape = shapes.intern(names.map(Str::from).collect());
            let values = entries.into_iter().map(|(_, value)| value).collect();
            Ok(Struct::new(shape, values))
        }
        other => Err(not_a_map(&other, purpose)),
    }
}

/// The error for schemaless data that is no object.
pub(crate) fn not_a_map(value: &Value, purpose: &str) -> Error {
    let found = java_class(value, None);
    Error::data(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {found}"
    ))
}

/// The Java class that the value would have in Kafka Connect: users know the texts by it.
pub(crate) fn java_class(value: &Value, schema: Option<&Schema>) -> &'static str {
    match (value, schema.map(|s| &s.kind)) {
        (Value::Null, _) => "null",
        (Value::Boolean(_), _) => "java.lang.Boolean",
        (Value::Int(_), Some(Kind::Int8)) => "java.lang.Byte",
        (Value::Int(_), Some(Kind::Int16)) => "java.lang.Short",
        (Value::Int(_), Some(Kind::Int32)) => "java.lang.Integer",
        (Value::Int(_), _) => "java.lang.Long",
        (Value::Float(_), Some(Kind::Float32)) => "java.lang.Float",
        (Value::Float(_), _) => "java.lang.Double",
        (Value::String(_), _) => "java.lang.String",
        (Value::Bytes(_), _) => "java.nio.HeapByteBuffer",
        (Value::Decimal(_), _) => "java.math.BigDecimal",
        (Value::Date(_) | Value::Time(_) | Value::Timestamp(_), _) => "java.util.Date",
        (Value::Array(_), _) => "java.util.ArrayList",
        (Value::Json(text), _) if text.starts_with('[') => "java.util.ArrayList",
        (Value::Map(_) | Value::Json(_), _) => "java.util.HashMap",
        (Value::Struct(_), None) => "java.util.HashMap",
        (Value::Struct(_), Some(_)) => "org.apache.kafka.connect.data.Struct",
    }
}

/// A struct schema with other fields: name, version, documentation and parameters are kept;
/// whether it is optional, and its default, are not.
pub(crate) fn with_fields(source: &Schema, fields: Vec<Field>) -> Result<Arc<Schema>> {
    let mut names = FieldNames::default();
    for field in &fields {
        if names
            .find_or_add(&field.name, |at| &fields[at].name)
            .is_some()
        {
            return Err(Error::data(format!(
                "Cannot create field because of field name duplication {}",
                field.name
            )));
        }
    }
    Ok(Arc::new(Schema {
        kind: Kind::Struct(fields),
        name: source.name.clone(),
        version: source.version,
        doc: source.doc.clone(),
        parameters: source.parameters.clone(),
        ..Schema::new(Kind::Any)
    }))
}

/// The fields of a row's schema.
pub(crate) fn fields(schema: &Schema) -> &[Field] {
    schema.fields().unwrap_or_default()
}

/// The fields that have a default, to be put where a row has null.
#[derive(Default)]
pub(crate) struct Defaults(Vec<FieldDefault>);

struct FieldDefault {
    at: usize,
    value: Value,
    /// Bytes of memory that each copy takes.
    memory: usize,
}

impl Defaults {
    /// The defaults of the fields; none where `replace.null.with.default` is off.
    pub(crate) fn of(schema: &Schema, replace_null: bool) -> Self {
        let fields = fields(schema).iter().enumerate().filter(|_| replace_null);
        let defaults = fields.filter_map(|(at, field)| {
            let value = field.schema.default.clone()?;
            let memory = value.memory();
            Some(FieldDefault { at, value, memory })
        });
        Self(defaults.collect())
    }

    /// Replaces nulls.
    ///
    /// # Errors
    /// When the record has no memory left for a default.
    pub(crate) fn fill(&self, values: &mut [Value]) -> Result<()> {
        for default in &self.0 {
            if values[default.at].is_null() {
                memory::charge(default.memory)?;
                values[default.at] = default.value.clone();
            }
        }
        Ok(())
    }
}

/// The option that tells whether a null is read as the default of its field.
pub(crate) fn replace_null_with_default() -> connect_api::ConfigKey {
    connect_api::ConfigKey::new(
        REPLACE_NULL,
        connect_api::ConfigType::Boolean,
        "true",
        "Whether to replace fields that have a default value and that are null to the default \
         value. When set to true, the default value is used, otherwise null is used.",
    )
}

/// The name of that option.
pub(crate) const REPLACE_NULL: &str = "replace.null.with.default";

/// Kafka's check of lists that may not be empty.
pub(crate) fn non_empty_list(text: &str) -> std::result::Result<(), String> {
    if text.is_empty() {
        return Err("Empty list".into());
    }
    Ok(())
}
