//! Schemas: Kafka Connect's, plus the shape of schemaless data.

use std::sync::Arc;

use crate::{Str, Value};

/// What a schema describes.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// No schema: the value tells. The fields of schemaless JSON objects are of this kind.
    Any,
    /// INT8.
    Int8,
    /// INT16.
    Int16,
    /// INT32.
    Int32,
    /// INT64.
    Int64,
    /// FLOAT32.
    Float32,
    /// FLOAT64.
    Float64,
    /// BOOLEAN.
    Boolean,
    /// STRING.
    String,
    /// BYTES.
    Bytes,
    /// `org.apache.kafka.connect.data.Decimal`, with its scale where the schema fixes one.
    Decimal(Option<i32>),
    /// `org.apache.kafka.connect.data.Date`.
    Date,
    /// `org.apache.kafka.connect.data.Time`, and Avro's finer ones.
    Time,
    /// `org.apache.kafka.connect.data.Timestamp`, and Avro's finer ones.
    Timestamp,
    /// ARRAY of one element schema.
    Array(Arc<Schema>),
    /// MAP of a key and a value schema.
    Map(Arc<Schema>, Arc<Schema>),
    /// STRUCT.
    Struct(Vec<Field>),
}

/// A field of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Unique within its struct.
    pub name: Str,
    /// What the field holds.
    pub schema: Arc<Schema>,
}

impl Field {
    /// A field of the given name and schema.
    pub fn new(name: impl Into<Str>, schema: impl Into<Arc<Schema>>) -> Self {
        Self {
            name: name.into(),
            schema: schema.into(),
        }
    }
}

/// A schema with Kafka Connect's attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// What it describes.
    pub kind: Kind,
    /// Whether null is allowed.
    pub optional: bool,
    /// Such as `io.debezium.time.MicroTimestamp`. The names of Kafka Connect's own logical types
    /// are left out: their [`Kind`] says it.
    pub name: Option<Str>,
    /// The version of the schema.
    pub version: Option<i32>,
    /// Documentation.
    pub doc: Option<Str>,
    /// Free attributes, such as Debezium's `__debezium.source.column.type`.
    pub parameters: Vec<(Str, Str)>,
    /// The value that stands for null.
    pub default: Option<Value>,
}

impl Schema {
    /// A required schema with no other attribute.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            optional: false,
            name: None,
            version: None,
            doc: None,
            parameters: Vec::new(),
            default: None,
        }
    }

    /// An optional schema with no other attribute.
    pub fn optional(kind: Kind) -> Self {
        Self {
            optional: true,
            ..Self::new(kind)
        }
    }

    /// The schema of a field of schemaless data.
    pub fn any() -> Self {
        Self::optional(Kind::Any)
    }

    /// The same schema with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<Str>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The fields, where this is a struct.
    pub fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// The position of a field of a struct.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields()?.iter().position(|f| f.name == name)
    }

    /// About how many bytes of memory it takes, with all that is in it. What several fields share
    /// is counted for each.
    pub fn memory(&self) -> usize {
        let text = |text: &Option<Str>| text.as_ref().map_or(0, Str::len);
        let parameters = self.parameters.iter();
        let parameters = parameters.map(|(name, value)| 48 + name.len() + value.len());
        let within = match &self.kind {
            Kind::Array(item) => item.memory(),
            Kind::Map(key, value) => key.memory() + value.memory(),
            Kind::Struct(fields) => {
                let fields = fields.iter();
                let field = |f: &Field| size_of::<Field>() + f.name.len() + f.schema.memory();
                fields.map(field).sum()
            }
            _ => 0,
        };
        let default = self.default.as_ref().map_or(0, Value::memory);
        size_of::<Self>()
            + text(&self.name)
            + text(&self.doc)
            + parameters.sum::<usize>()
            + within
            + default
    }

    /// Kafka Connect's word for the type.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Any => "ANY",
            Kind::Int8 => "INT8",
            Kind::Int16 => "INT16",
            Kind::Int32 | Kind::Date => "INT32",
            Kind::Int64 | Kind::Time | Kind::Timestamp => "INT64",
            Kind::Float32 => "FLOAT32",
            Kind::Float64 => "FLOAT64",
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Bytes | Kind::Decimal(_) => "BYTES",
            Kind::Array(_) => "ARRAY",
            Kind::Map(..) => "MAP",
            Kind::Struct(_) => "STRUCT",
        }
    }
}
