//! Messages to Connect schemas and decode plans, as Confluent's ProtobufData maps them.

mod fields;

use std::sync::Arc;

use connect_api::{Field, Kind, Result, Schema, Str, Value};
use protox::prost_reflect::{
    EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind as ProtoKind, MapKey,
    MessageDescriptor, OneofDescriptor,
};

use super::Settings;
use super::file::{ProtoFile, refused};
use super::plan::{Again, Entry, FieldPlan, Member, Message, Place, Plan, Shape, Symbols};
use super::types::zero;
use fields::{
    declared, default, entry, has_optional_keyword, map_field, real_oneof, scalar, wrapped,
};

/// Deeper messages are refused: a value must not exhaust the stack.
const MAX_DEPTH: usize = 64;
/// Schemas of more fields are refused, each counted as often as its message is named.
const MAX_SIZE: usize = 200_000;

/// Parameters of Confluent's own.
pub(super) const TAG: &str = "io.confluent.connect.protobuf.Tag";
pub(super) const TYPE: &str = "io.confluent.connect.protobuf.Type";
pub(super) const ENUM: &str = "io.confluent.connect.protobuf.Enum";
pub(super) const UNION: &str = "io.confluent.connect.protobuf.Union";
pub(super) const WRAPPER: &str = "io.confluent.connect.protobuf.Wrapper";
pub(super) const SHARED_ENUM: &str = "org.apache.kafka.connect.data.Enum";
pub(super) const SHARED_UNION: &str = "org.apache.kafka.connect.data.Union";
pub(super) const PRECISION: &str = "connect.decimal.precision";

/// A message, ready to decode.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub schema: Arc<Schema>,
    pub plan: Plan,
}

/// # Errors
/// [`connect_api::ErrorKind::Data`] when it has a type that Connect has no schema for.
pub(super) fn compile(
    file: &ProtoFile,
    message: &MessageDescriptor,
    settings: Settings,
) -> Result<Compiled> {
    let mut compiler = Compiler {
        settings,
        meta: file.pool.get_extension_by_name("confluent.field_meta"),
        open: Vec::new(),
        size: 0,
    };
    if settings.raw_primitives
        && let Some(typed) = wrapped(message)
    {
        return Ok(typed.finish(|_| {}));
    }
    let typed = compiler.message(message)?;
    Ok(typed.finish(|_| {}))
}

/// What a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Message,
    Oneof,
}

struct Compiler {
    settings: Settings,
    /// What Confluent tells beside a field.
    meta: Option<ExtensionDescriptor>,
    /// Messages that are being compiled.
    open: Vec<(String, Arc<Again>)>,
    size: usize,
}

/// A schema that may still get attributes, and what is read by it.
struct Typed {
    schema: Schema,
    of: Of,
}

enum Of {
    Plan(Plan),
    /// A message: its row is of the schema, once that is whole.
    Message(Parts),
}

struct Parts {
    fields: Vec<FieldPlan>,
    absent: Vec<Value>,
    required: Vec<usize>,
    again: Arc<Again>,
}

impl Typed {
    fn new(kind: Kind, plan: Plan) -> Self {
        Self {
            schema: Schema::new(kind),
            of: Of::Plan(plan),
        }
    }

    /// Ends the schema, and defines the message by it.
    fn finish(mut self, last: impl FnOnce(&mut Schema)) -> Compiled {
        last(&mut self.schema);
        let schema = Arc::new(self.schema);
        let parts = match self.of {
            Of::Plan(plan) => return Compiled { schema, plan },
            Of::Message(parts) => parts,
        };
        let texts = parts.absent.iter().map(Value::memory).sum::<usize>();
        let message = Arc::new(Message {
            schema: Arc::clone(&schema),
            memory: size_of::<connect_api::Struct>() + texts,
            fields: parts.fields,
            absent: parts.absent,
            required: parts.required,
        });
        parts.again.define(&message);
        Compiled {
            schema,
            plan: Plan::Message(message),
        }
    }
}

impl Compiler {
    fn message(&mut self, message: &MessageDescriptor) -> Result<Typed> {
        let known = self
            .open
            .iter()
            .find(|(name, _)| name == message.full_name());
        if let Some((_, again)) = known {
            // What is within itself has no Connect schema of its own.
            return Ok(Typed::new(Kind::Any, Plan::Again(Arc::clone(again))));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(refused("its messages are nested too deeply"));
        }
        let again = Arc::<Again>::default();
        self.open
            .push((message.full_name().to_owned(), Arc::clone(&again)));
        let mut row = Row::default();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            self.oneof(&oneof, &mut row)?;
        }
        let fields = declared(message).filter(|field| real_oneof(field).is_none());
        for field in fields {
            self.own_field(&field, &mut row)?;
        }
        self.open.pop();
        row.plans.sort_by_key(|plan| plan.number);
        let mut schema = Schema::new(Kind::Struct(row.fields));
        schema.name = Some(self.name(message.full_name(), message.name()));
        Ok(Typed {
            schema,
            of: Of::Message(Parts {
                fields: row.plans,
                absent: row.absent,
                required: row.required,
                again,
            }),
        })
    }

    fn name(&self, full: &str, simple: &str) -> Str {
        match self.settings.enhanced {
            true => full.into(),
            false => simple.into(),
        }
    }

    fn own_field(&mut self, field: &FieldDescriptor, row: &mut Row) -> Result<()> {
        let slot = row.fields.len();
        let found = self.field(field, Within::Message)?;
        let has_presence = self.has_presence(field);
        let absent = match &found.shape {
            Shape::Many(_) => Value::Array(Vec::new()),
            Shape::Entries(_) => Value::Map(Vec::new()),
            Shape::One(plan) if plan.is_message() || has_presence => Value::Null,
            Shape::One(plan) => default(field, plan),
        };
        if field.is_required() {
            row.required.push(slot);
        }
        row.push(field, found, Place::Own(slot), absent);
        Ok(())
    }

    /// Whether null says that the field is not there.
    fn has_presence(&self, field: &FieldDescriptor) -> bool {
        let proto = field.field_descriptor_proto();
        let is_optional = proto.proto3_optional()
            || (self.settings.optional_for_proto2 && has_optional_keyword(field));
        is_optional || field.is_required()
    }

    fn oneof(&mut self, oneof: &OneofDescriptor, row: &mut Row) -> Result<()> {
        let fields: Vec<_> = oneof.fields().collect();
        if self.settings.flatten_unions {
            let first = row.fields.len();
            for (at, field) in fields.iter().enumerate() {
                let found = self.field(field, Within::Oneof)?;
                let place = Place::OneOf {
                    slot: first + at,
                    first,
                    count: fields.len(),
                };
                row.push(field, found, place, Value::Null);
            }
            return Ok(());
        }
        let slot = row.fields.len();
        let mut members = Vec::new();
        for field in &fields {
            members.push(self.field(field, Within::Oneof)?);
        }
        let named = fields.iter().zip(&members);
        let named = named.map(|(field, found)| Field::new(field.name(), Arc::clone(&found.schema)));
        let mut schema = Schema::optional(Kind::Struct(named.collect()));
        if self.settings.generalized_sum_types {
            schema.name = Some(oneof.name().into());
            schema
                .parameters
                .push((SHARED_UNION.into(), oneof.name().into()));
        } else {
            let name = self.name(oneof.full_name(), oneof.name());
            schema.name = Some(format!("{UNION}.{name}").into());
        }
        let schema = Arc::new(schema);
        for (at, (field, found)) in fields.iter().zip(members).enumerate() {
            row.plans.push(FieldPlan {
                number: field.number(),
                name: field.name().into(),
                shape: found.shape,
                place: Place::Union(Arc::new(Member {
                    slot,
                    schema: Arc::clone(&schema),
                    at,
                })),
            });
        }
        let index = oneof.path().last().copied().unwrap_or_default();
        let name = match self.settings.index_for_unions {
            true => format!("{}_{index}", oneof.name()),
            false => oneof.name().to_owned(),
        };
        row.fields.push(Field::new(name, schema));
        row.absent.push(Value::Null);
        Ok(())
    }

    fn field(&mut self, field: &FieldDescriptor, within: Within) -> Result<Found> {
        self.size += 1;
        if self.size > MAX_SIZE {
            return Err(refused("it is too large"));
        }
        let named = |e: connect_api::Error| e.context(format!("field {}", field.name()));
        if field.is_group() {
            return Err(named(refused("a group has no Connect schema")));
        }
        if let Some((key, value)) = entry(field) {
            return self.map(field, &key, &value).map_err(named);
        }
        let mut typed = self.typed(field).map_err(named)?;
        if field.is_list() {
            let item = typed.finish(|schema| schema.optional = true);
            let mut array = Schema::optional(Kind::Array(item.schema));
            self.attributes(&mut array, field, within);
            return Ok(Found {
                schema: Arc::new(array),
                shape: Shape::Many(item.plan),
            });
        }
        let is_wrapper = matches!(typed.of, Of::Plan(Plan::Wrapper(_)));
        if within == Within::Oneof && is_wrapper {
            typed
                .schema
                .parameters
                .push((WRAPPER.into(), "true".into()));
        }
        let found = typed.finish(|schema| self.attributes(schema, field, within));
        Ok(Found {
            schema: found.schema,
            shape: Shape::One(found.plan),
        })
    }

    /// Optional or not, and the field's number.
    fn attributes(&self, schema: &mut Schema, field: &FieldDescriptor, within: Within) {
        if within == Within::Oneof {
            schema.optional = true;
        } else if self.settings.optional_for_nullables {
            schema.optional |= has_optional_keyword(field);
        } else if !self.settings.wrapper_for_nullables {
            schema.optional = true;
        }
        let number = field.number().to_string();
        schema.parameters.push((TAG.into(), number.into()));
    }

    fn map(
        &mut self,
        field: &FieldDescriptor,
        key: &FieldDescriptor,
        value: &FieldDescriptor,
    ) -> Result<Found> {
        let found_key = self.field(key, Within::Message)?;
        let found_value = self.field(value, Within::Message)?;
        let (Shape::One(key_plan), Shape::One(value_plan)) = (found_key.shape, found_value.shape)
        else {
            return Err(refused("a map of several values for a key"));
        };
        let kind = Kind::Map(found_key.schema, found_value.schema);
        let mut schema = Schema::optional(kind);
        let ProtoKind::Message(entry) = field.kind() else {
            return Err(refused("a map without entries"));
        };
        let full = self.name(entry.full_name(), entry.name());
        schema.name = Some(map_field(&full).into());
        self.attributes(&mut schema, field, Within::Message);
        Ok(Found {
            schema: Arc::new(schema),
            shape: Shape::Entries(Arc::new(Entry {
                no_key: zero(&key_plan),
                key: key_plan,
                no_value: default(value, &value_plan),
                value: value_plan,
            })),
        })
    }

    /// One value of a field.
    fn typed(&mut self, field: &FieldDescriptor) -> Result<Typed> {
        let kind = field.kind();
        let mut typed = match &kind {
            ProtoKind::Message(message) => return self.message_field(field, message),
            ProtoKind::Enum(of) => return Ok(self.symbols(of)),
            ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32 => self.narrow(field, &kind),
            _ => scalar(&kind),
        };
        let word = match kind {
            ProtoKind::Sint32 => "sint32",
            ProtoKind::Sfixed32 => "sfixed32",
            ProtoKind::Uint32 => "uint32",
            ProtoKind::Fixed32 => "fixed32",
            ProtoKind::Uint64 => "uint64",
            ProtoKind::Sint64 => "sint64",
            ProtoKind::Fixed64 => "fixed64",
            ProtoKind::Sfixed64 => "sfixed64",
            _ => return Ok(typed),
        };
        // What is narrower is told by the type alone.
        if matches!(typed.schema.kind, Kind::Int32 | Kind::Int64) {
            typed.schema.parameters.push((TYPE.into(), word.into()));
        }
        Ok(typed)
    }

    /// An integer of 32 bits, or of fewer where Confluent's meta says so.
    fn narrow(&self, field: &FieldDescriptor, kind: &ProtoKind) -> Typed {
        let (connect, min, max) = match self.meta(field, "connect.type").as_deref() {
            Some("int8") => (Kind::Int8, i8::MIN.into(), i8::MAX.into()),
            Some("int16") => (Kind::Int16, i16::MIN.into(), i16::MAX.into()),
            _ => (Kind::Int32, i32::MIN, i32::MAX),
        };
        let plan = match kind {
            ProtoKind::Sint32 => Plan::Sint32 { min, max },
            ProtoKind::Sfixed32 => Plan::Sfixed32 { min, max },
            _ => Plan::Int32 { min, max },
        };
        Typed::new(connect, plan)
    }

    fn message_field(
        &mut self,
        field: &FieldDescriptor,
        message: &MessageDescriptor,
    ) -> Result<Typed> {
        let mut typed = match message.full_name() {
            "confluent.type.Decimal" => {
                let meta = |name: &str| self.meta(field, name)?.parse::<i32>().ok();
                let scale = meta("scale");
                let kind = Kind::Decimal(scale);
                let mut typed = Typed::new(kind, Plan::Decimal(scale));
                if let Some(precision) = meta("precision") {
                    let precision = precision.to_string();
                    typed
                        .schema
                        .parameters
                        .push((PRECISION.into(), precision.into()));
                }
                typed
            }
            "google.type.Date" => Typed::new(Kind::Date, Plan::Date),
            "google.type.TimeOfDay" => Typed::new(Kind::Time, Plan::Time),
            "google.protobuf.Timestamp" => Typed::new(Kind::Timestamp, Plan::Timestamp),
            _ => match wrapped(message).filter(|_| self.settings.wrapper_for_nullables) {
                Some(typed) => typed,
                None => self.message(message)?,
            },
        };
        typed.schema.optional = true;
        Ok(typed)
    }

    fn symbols(&self, of: &EnumDescriptor) -> Typed {
        let mut typed = match self.settings.int_for_enums {
            true => Typed::new(Kind::Int32, Plan::EnumNumber),
            false => {
                let mut by_number = std::collections::HashMap::new();
                for value in of.values() {
                    // Of several names of one number the first is told.
                    by_number
                        .entry(value.number())
                        .or_insert_with(|| value.name().into());
                }
                let symbols = Symbols {
                    name: of.name().into(),
                    by_number,
                };
                Typed::new(Kind::String, Plan::Enum(Arc::new(symbols)))
            }
        };
        let schema = &mut typed.schema;
        schema.name = Some(self.name(of.full_name(), of.name()));
        let parameter = match self.settings.generalized_sum_types {
            true => SHARED_ENUM,
            false => ENUM,
        };
        schema.parameters.push((parameter.into(), of.name().into()));
        for value in of.values() {
            let name = format!("{parameter}.{}", value.name());
            schema
                .parameters
                .push((name.into(), value.number().to_string().into()));
        }
        schema.optional = true;
        typed
    }

    /// What Confluent tells of a field in `(confluent.field_meta).params`.
    fn meta(&self, field: &FieldDescriptor, name: &str) -> Option<String> {
        let options = field.options();
        let meta = options.get_extension(self.meta.as_ref()?);
        let params = meta.as_message()?.get_field_by_name("params")?;
        let value = params.as_map()?.get(&MapKey::String(name.to_owned()))?;
        value.as_str().map(str::to_owned)
    }
}

#[derive(Default)]
struct Row {
    fields: Vec<Field>,
    plans: Vec<FieldPlan>,
    absent: Vec<Value>,
    required: Vec<usize>,
}

impl Row {
    fn push(&mut self, field: &FieldDescriptor, found: Found, place: Place, absent: Value) {
        self.fields.push(Field::new(field.name(), found.schema));
        self.absent.push(absent);
        self.plans.push(FieldPlan {
            number: field.number(),
            name: field.name().into(),
            shape: found.shape,
            place,
        });
    }
}

struct Found {
    schema: Arc<Schema>,
    shape: Shape,
}
