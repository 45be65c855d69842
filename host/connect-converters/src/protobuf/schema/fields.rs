//! What a field of a message is.

use connect_api::{Kind, Value};
use protox::prost_reflect::{
    FieldDescriptor, Kind as ProtoKind, MessageDescriptor, OneofDescriptor, Syntax,
    Value as ProtoValue,
};

use super::Typed;
use crate::protobuf::plan::Plan;

/// The fields in the order of the text.
pub(super) fn declared(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> {
    let fields = message.descriptor_proto().field.iter();
    let fields = fields.filter_map(|proto| {
        let number = u32::try_from(proto.number()).ok()?;
        message.get_field(number)
    });
    fields.collect::<Vec<_>>().into_iter()
}

pub(super) fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
}

pub(super) fn has_optional_keyword(field: &FieldDescriptor) -> bool {
    let proto = field.field_descriptor_proto();
    proto.proto3_optional()
        || (field.parent_file().syntax() == Syntax::Proto2
            && !field.is_list()
            && !field.is_required()
            && field.containing_oneof().is_none())
}

/// The key and the value of a map: as Confluent's converter knows them, by their names.
pub(super) fn entry(field: &FieldDescriptor) -> Option<(FieldDescriptor, FieldDescriptor)> {
    let ProtoKind::Message(message) = field.kind() else {
        return None;
    };
    let mut fields = declared(&message);
    let (key, value) = (fields.next()?, fields.next()?);
    let is_repeated = |field: &FieldDescriptor| field.is_list() || field.is_map();
    let is_entry = (field.is_list() || field.is_map())
        && message.name().ends_with("Entry")
        && fields.next().is_none()
        && (key.name(), value.name()) == ("key", "value")
        && (key.number(), value.number()) == (1, 2)
        && !is_repeated(&key)
        && !is_repeated(&value);
    is_entry.then_some((key, value))
}

/// `LineItemsEntry` is of the field `line_items`.
pub(super) fn map_field(full: &str) -> String {
    let (package, simple) = match full.rsplit_once('.') {
        Some((package, simple)) => (Some(package), simple),
        None => (None, full),
    };
    let simple = simple.strip_suffix("Entry").unwrap_or(simple);
    let mut name = String::new();
    for (at, letter) in simple.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    match package {
        Some(package) => format!("{package}.{name}"),
        None => name,
    }
}

pub(super) fn scalar(kind: &ProtoKind) -> Typed {
    let (connect, plan) = match kind {
        ProtoKind::Double => (Kind::Float64, Plan::Double),
        ProtoKind::Float => (Kind::Float32, Plan::Float),
        ProtoKind::Uint32 => (Kind::Int64, Plan::Uint32),
        ProtoKind::Fixed32 => (Kind::Int64, Plan::Fixed32),
        ProtoKind::Sint64 => (Kind::Int64, Plan::Sint64),
        ProtoKind::Fixed64 | ProtoKind::Sfixed64 => (Kind::Int64, Plan::Fixed64),
        ProtoKind::Bool => (Kind::Boolean, Plan::Boolean),
        ProtoKind::String => (Kind::String, Plan::String),
        ProtoKind::Bytes => (Kind::Bytes, Plan::Bytes),
        ProtoKind::Int32 => {
            let (min, max) = (i32::MIN, i32::MAX);
            (Kind::Int32, Plan::Int32 { min, max })
        }
        _ => (Kind::Int64, Plan::Int64),
    };
    Typed::new(connect, plan)
}

/// The value that one of Google's wrappers stands for.
pub(super) fn wrapped(message: &MessageDescriptor) -> Option<Typed> {
    let kind = match message.full_name().strip_prefix("google.protobuf.")? {
        "DoubleValue" => ProtoKind::Double,
        "FloatValue" => ProtoKind::Float,
        "Int64Value" => ProtoKind::Int64,
        "UInt64Value" => ProtoKind::Uint64,
        "Int32Value" => ProtoKind::Int32,
        "UInt32Value" => ProtoKind::Uint32,
        "BoolValue" => ProtoKind::Bool,
        "StringValue" => ProtoKind::String,
        "BytesValue" => ProtoKind::Bytes,
        _ => return None,
    };
    let typed = scalar(&kind).finish(|_| {});
    let plan = Plan::Wrapper(Box::new(typed.plan));
    Some(Typed::new(typed.schema.kind.clone(), plan))
}

/// What stands for a field that is left out.
pub(super) fn default(field: &FieldDescriptor, plan: &Plan) -> Value {
    match (plan, field.default_value()) {
        (Plan::Enum(symbols), ProtoValue::EnumNumber(number)) => {
            let symbol = symbols.by_number.get(&number);
            symbol.map_or(Value::Null, |symbol| Value::String(symbol.clone()))
        }
        (Plan::Message(_) | Plan::Again(_), _) => Value::Null,
        (_, ProtoValue::EnumNumber(number) | ProtoValue::I32(number)) => Value::Int(number.into()),
        (_, ProtoValue::I64(number)) => Value::Int(number),
        (_, ProtoValue::U32(number)) => Value::Int(number.into()),
        (_, ProtoValue::U64(number)) => Value::Int(number.cast_signed()),
        (_, ProtoValue::F32(number)) => Value::Float(number.into()),
        (_, ProtoValue::F64(number)) => Value::Float(number),
        (_, ProtoValue::Bool(flag)) => Value::Boolean(flag),
        (_, ProtoValue::String(text)) => Value::from(&*text),
        (_, ProtoValue::Bytes(bytes)) => Value::Bytes(bytes),
        _ => Value::Null,
    }
}
