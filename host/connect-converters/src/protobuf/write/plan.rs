//! Connect schemas as Protobuf messages, the way Confluent's ProtobufData maps them: the text that
//! is registered, and how values are written.

use std::collections::BTreeSet;

use connect_api::{Error, Field, Kind, Result, Schema};

use super::names::{
    Numbers, entry_name, enum_parameter, is_union, parameter, refused, scrubbed, unique, unnumbered,
};
use super::out::{FieldOut, Label, MessageOut, Out, Target, Typed};
use super::text::{self, EnumText, MessageText, OneofText};
use crate::protobuf::Settings;
use crate::protobuf::schema::{PRECISION, SHARED_UNION, TYPE, UNION, WRAPPER};

/// Confluent's name for a struct that has none; each is numbered.
const DEFAULT: &str = "ConnectDefault";
/// Deeper schemas are refused: a value must not exhaust the stack.
const MAX_DEPTH: usize = 64;

/// A schema as Protobuf has it.
#[derive(Debug)]
pub(in crate::protobuf) struct Written {
    pub full_name: String,
    pub text: String,
    /// The message within the text.
    pub indexes: Vec<usize>,
    pub(super) message: MessageOut,
}

impl Written {
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the schema has a name or a type that Protobuf has not.
    pub(in crate::protobuf) fn new(schema: &Schema, settings: Settings) -> Result<Self> {
        let mut builder = Builder {
            settings,
            imports: BTreeSet::new(),
            names: 0,
            depth: 0,
        };
        if schema.fields().is_none() {
            return builder.wrapper(schema);
        }
        let full_name = builder.full_name(schema)?;
        let (package, name) = match full_name.rsplit_once('.') {
            Some((package, name)) => (Some(package), name),
            None => (None, &*full_name),
        };
        let defined = builder.message(name, schema)?;
        Ok(Self {
            text: text::file(package, &builder.imports, &defined.text),
            indexes: vec![0],
            message: defined.out,
            full_name,
        })
    }
}

/// A message with its text.
struct Defined {
    out: MessageOut,
    text: MessageText,
}

/// What a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Message,
    Oneof,
}

struct Builder {
    settings: Settings,
    imports: BTreeSet<&'static str>,
    /// Names that were made.
    names: usize,
    depth: usize,
}

impl Builder {
    /// A value that is no struct, as one of Google's wrappers.
    fn wrapper(&mut self, schema: &Schema) -> Result<Written> {
        let wrapper = self.scalar(schema).and_then(|typed| {
            let mut all = text::WRAPPERS.iter();
            let at = all.position(|(_, word)| *word == typed.word)?;
            Some((at, typed.out))
        });
        let (at, out) = wrapper.ok_or_else(|| {
            let name = schema.type_name();
            refused(&format!(
                "a schema of type {name} at the top, which is no message"
            ))
        })?;
        let target = Target {
            name: "value".into(),
            slot: 0,
            member: None,
            default: None,
            field: FieldOut {
                number: 1,
                label: Label::Implicit,
                out,
            },
        };
        Ok(Written {
            full_name: format!("google.protobuf.{}", text::WRAPPERS[at].0),
            text: text::wrappers(),
            indexes: vec![at],
            message: MessageOut {
                fields: vec![target],
                is_wrapper: true,
            },
        })
    }

    fn full_name(&mut self, schema: &Schema) -> Result<String> {
        let name = self.name_of(schema);
        let parts = name.split('.').map(|part| self.checked(part));
        Ok(parts.collect::<Result<Vec<_>>>()?.join("."))
    }

    fn name_of(&mut self, schema: &Schema) -> String {
        match schema.name.as_deref() {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                self.names += 1;
                format!("{DEFAULT}{}", self.names)
            }
        }
    }

    /// The last part of a schema's name.
    fn simple_name(&mut self, schema: &Schema) -> Result<String> {
        let name = self.name_of(schema);
        let simple = name.rsplit('.').next().unwrap_or(&name);
        self.checked(simple)
    }

    /// A name that Protobuf has, made such where that is asked for.
    fn checked(&self, name: &str) -> Result<String> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let first = name.bytes().next();
        let is_name = first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && name.bytes().all(is_letter);
        match self.settings.scrub {
            true => Ok(scrubbed(name)),
            false if is_name => Ok(name.to_owned()),
            false => Err(refused(&format!("the name {name:?}"))),
        }
    }

    fn message(&mut self, name: &str, schema: &Schema) -> Result<Defined> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(refused("a schema that is nested so deeply"));
        }
        let fields = schema.fields().unwrap_or_default();
        let mut numbers = Numbers::of(fields);
        let mut text = MessageText {
            name: name.to_owned(),
            ..MessageText::default()
        };
        let mut targets = Vec::new();
        for (slot, field) in fields.iter().enumerate() {
            let named = |e: Error| e.context(format!("field {}", field.name));
            if is_union(&field.schema) {
                let union = self.oneof(field, &mut numbers, &mut text);
                for (member, mut target) in union.map_err(named)?.into_iter().enumerate() {
                    (target.slot, target.member) = (slot, Some(member));
                    targets.push(target);
                }
                continue;
            }
            let number = numbers.next(&field.schema);
            let written = self.field(field, number, Within::Message, &mut text);
            let (line, mut target) = written.map_err(named)?;
            target.slot = slot;
            text.fields.push(line);
            targets.push(target);
        }
        targets.sort_by_key(|target| target.field.number);
        self.depth -= 1;
        Ok(Defined {
            out: MessageOut {
                fields: targets,
                is_wrapper: false,
            },
            text,
        })
    }

    fn oneof(
        &mut self,
        union: &Field,
        numbers: &mut Numbers,
        text: &mut MessageText,
    ) -> Result<Vec<Target>> {
        let schema = &union.schema;
        let shared = parameter(schema, SHARED_UNION);
        let name = schema.name.as_deref().unwrap_or_default();
        let own = name
            .strip_prefix(UNION)
            .map(|rest| rest.trim_start_matches('.'));
        let name = shared
            .or(own)
            .filter(|name| !name.is_empty())
            .unwrap_or(&union.name);
        let name = self.checked(name.rsplit('.').next().unwrap_or(name))?;
        let mut fields = Vec::new();
        let mut targets = Vec::new();
        for field in schema.fields().unwrap_or_default() {
            let number = numbers.next(&field.schema);
            let (line, target) = self.field(field, number, Within::Oneof, text)?;
            fields.push(line);
            targets.push(target);
        }
        text.oneofs.push(OneofText { name, fields });
        Ok(targets)
    }

    /// The line of a field, and how it is written.
    fn field(
        &mut self,
        field: &Field,
        number: u32,
        within: Within,
        text: &mut MessageText,
    ) -> Result<(String, Target)> {
        let name = self.checked(&field.name)?;
        let schema = &field.schema;
        let item = match &schema.kind {
            Kind::Array(item) => item,
            _ => schema,
        };
        if matches!(item.kind, Kind::Array(_)) {
            return Err(refused("an array within an array"));
        }
        let typed = self.typed(item, &name, within, text)?;
        let is_message =
            typed.out.wire() == 2 && !matches!(typed.out, Out::String | Out::Text | Out::Bytes);
        let (label, word) = match &schema.kind {
            Kind::Array(_) | Kind::Map(..) if within == Within::Oneof => {
                return Err(refused("an array or a map within a union"));
            }
            Kind::Array(_) | Kind::Map(..) => (Label::Repeated, "repeated "),
            _ if within == Within::Oneof => (Label::Present, ""),
            _ if self.settings.optional_for_nullables && schema.optional => {
                (Label::Present, "optional ")
            }
            _ if is_message => (Label::Present, ""),
            _ => (Label::Implicit, ""),
        };
        let meta = match typed.meta.is_empty() {
            true => String::new(),
            false => {
                self.imports.insert("confluent/meta.proto");
                let params = typed.meta.iter();
                let params =
                    params.map(|(key, value)| format!("{{ key: \"{key}\", value: \"{value}\" }}"));
                let params = params.collect::<Vec<_>>().join(", ");
                format!(" [(confluent.field_meta) = {{ params: [{params}] }}]")
            }
        };
        let default = schema
            .default
            .clone()
            .filter(|_| !self.settings.ignore_default);
        let line = format!("{word}{} {name} = {number}{meta};", typed.word);
        let target = Target {
            name,
            slot: 0,
            member: None,
            default,
            field: FieldOut {
                number,
                label,
                out: typed.out,
            },
        };
        Ok((line, target))
    }

    fn typed(
        &mut self,
        schema: &Schema,
        field: &str,
        within: Within,
        text: &mut MessageText,
    ) -> Result<Typed> {
        match &schema.kind {
            Kind::Struct(_) => {
                let name = self.simple_name(schema)?;
                let name = unique(name, field, text);
                let defined = self.message(&name, schema)?;
                text.messages.push(defined.text);
                return Ok(Typed::new(name, Out::Message(defined.out)));
            }
            Kind::Map(key, value) => {
                let name = entry_name(&self.simple_name(schema)?);
                let name = unique(name, field, text);
                let entry = Schema::new(Kind::Struct(vec![
                    Field::new("key", unnumbered(key)),
                    Field::new("value", unnumbered(value)),
                ]));
                let defined = self.message(&name, &entry)?;
                text.messages.push(defined.text);
                return Ok(Typed::new(name, Out::Entry(defined.out.fields)));
            }
            Kind::String | Kind::Int32 => {
                if let Some(parameter) = enum_parameter(schema) {
                    return self.symbols(schema, parameter, text);
                }
            }
            _ => {}
        }
        let typed = match self.logical(schema) {
            Some(typed) => return Ok(typed),
            None => self.scalar(schema),
        };
        let typed = typed.ok_or_else(|| refused("a type without a form"))?;
        let is_marked = parameter(schema, WRAPPER) == Some("true");
        let is_wrapped = self.settings.wrapper_for_nullables
            && schema.optional
            && schema.kind != Kind::Any
            && (within == Within::Message || is_marked);
        Ok(match is_wrapped {
            true => self.wrapped(typed),
            false => typed,
        })
    }

    /// A value that may be null, as one of Google's wrappers.
    fn wrapped(&mut self, typed: Typed) -> Typed {
        self.imports.insert("google/protobuf/wrappers.proto");
        let wrapper = match &*typed.word {
            "double" => "DoubleValue",
            "float" => "FloatValue",
            "bool" => "BoolValue",
            "string" => "StringValue",
            "bytes" => "BytesValue",
            "uint32" | "fixed32" => "UInt32Value",
            "uint64" | "fixed64" => "UInt64Value",
            "int32" | "sint32" | "sfixed32" => "Int32Value",
            _ => "Int64Value",
        };
        // Within a wrapper a number is a plain one, whatever it is outside.
        let out = match typed.out {
            Out::Zigzag(range) | Out::Fixed32(range) if *range.start() < 0 => Out::Int(range),
            Out::Fixed32(_) => Out::Unsigned32,
            Out::Fixed64 => Out::Int(i64::MIN..=i64::MAX),
            out => out,
        };
        Typed {
            word: format!("google.protobuf.{wrapper}"),
            out: Out::Wrapper(Box::new(out)),
            meta: typed.meta,
        }
    }

    /// One of Google's or Confluent's own types.
    fn logical(&mut self, schema: &Schema) -> Option<Typed> {
        let (import, word, out) = match &schema.kind {
            Kind::Decimal(scale) => {
                self.imports.insert("confluent/type/decimal.proto");
                let mut typed = Typed::new("confluent.type.Decimal", Out::Decimal);
                if let Some(precision) = parameter(schema, PRECISION)
                    && precision.bytes().all(|byte| byte.is_ascii_digit())
                {
                    typed.meta.push(("precision", precision.to_owned()));
                }
                if let Some(scale) = scale {
                    typed.meta.push(("scale", scale.to_string()));
                }
                return Some(typed);
            }
            Kind::Date => ("google/type/date.proto", "google.type.Date", Out::Date),
            Kind::Time => (
                "google/type/timeofday.proto",
                "google.type.TimeOfDay",
                Out::Time,
            ),
            Kind::Timestamp => (
                "google/protobuf/timestamp.proto",
                "google.protobuf.Timestamp",
                Out::Timestamp,
            ),
            _ => return None,
        };
        self.imports.insert(import);
        Some(Typed::new(word, out))
    }

    fn scalar(&self, schema: &Schema) -> Option<Typed> {
        let range = |min: i64, max: i64| min..=max;
        let int = range(i32::MIN.into(), i32::MAX.into());
        let asked = parameter(schema, TYPE).unwrap_or_default();
        Some(match (&schema.kind, asked) {
            (Kind::Int8, _) => Typed {
                meta: vec![("connect.type", "int8".into())],
                ..Typed::new("int32", Out::Int(range(i8::MIN.into(), i8::MAX.into())))
            },
            (Kind::Int16, _) => Typed {
                meta: vec![("connect.type", "int16".into())],
                ..Typed::new("int32", Out::Int(range(i16::MIN.into(), i16::MAX.into())))
            },
            (Kind::Int32, "sint32") => Typed::new(asked, Out::Zigzag(int)),
            (Kind::Int32, "sfixed32") => Typed::new(asked, Out::Fixed32(int)),
            (Kind::Int32, _) => Typed::new("int32", Out::Int(int)),
            (Kind::Int64, "uint32") => Typed::new(asked, Out::Unsigned32),
            (Kind::Int64, "fixed32") => Typed::new(asked, Out::Fixed32(range(0, u32::MAX.into()))),
            (Kind::Int64, "sint64") => Typed::new(asked, Out::Zigzag(range(i64::MIN, i64::MAX))),
            (Kind::Int64, "fixed64" | "sfixed64") => Typed::new(asked, Out::Fixed64),
            (Kind::Int64, "uint64") => Typed::new(asked, Out::Int(range(i64::MIN, i64::MAX))),
            (Kind::Int64, _) => Typed::new("int64", Out::Int(range(i64::MIN, i64::MAX))),
            (Kind::Float32, _) => Typed::new("float", Out::Float),
            (Kind::Float64, _) => Typed::new("double", Out::Double),
            (Kind::Boolean, _) => Typed::new("bool", Out::Boolean),
            (Kind::String, _) => Typed::new("string", Out::String),
            // What has no schema is text.
            (Kind::Any, _) => Typed::new("string", Out::Text),
            (Kind::Bytes, _) => Typed::new("bytes", Out::Bytes),
            _ => return None,
        })
    }

    /// An enum, with the symbols that its parameters tell.
    fn symbols(
        &mut self,
        schema: &Schema,
        parameter: &str,
        text: &mut MessageText,
    ) -> Result<Typed> {
        let told = super::names::parameter(schema, parameter).unwrap_or_default();
        let name = match (schema.name.as_deref(), told) {
            (Some(name), _) => name.rsplit('.').next().unwrap_or(name),
            (None, "") => "ConnectEnum",
            (None, told) => told,
        };
        let name = self.checked(name)?;
        let mut symbols = Vec::new();
        for (key, number) in &schema.parameters {
            let Some(symbol) = key
                .strip_prefix(parameter)
                .and_then(|k| k.strip_prefix('.'))
            else {
                continue;
            };
            let wrong = || refused("an enum whose symbols have no numbers");
            symbols.push((
                self.checked(symbol)?,
                number.parse::<i32>().map_err(|_| wrong())?,
            ));
        }
        // The first one stands for nothing.
        symbols.sort_by_key(|(_, number)| *number != 0);
        if symbols.first().is_none_or(|(_, number)| *number != 0) {
            return Err(refused("an enum without the number 0"));
        }
        let lines = symbols.iter();
        let values: Vec<_> = lines
            .map(|(name, number)| format!("{name} = {number};"))
            .collect();
        let same = text
            .enums
            .iter()
            .any(|known| known.name == name && known.values == values);
        let name = match same {
            true => name,
            false => {
                let name = unique(name, "", text);
                text.enums.push(EnumText {
                    name: name.clone(),
                    values,
                });
                name
            }
        };
        let out = match schema.kind {
            Kind::Int32 => Out::Int(i32::MIN.into()..=i32::MAX.into()),
            _ => Out::Enum(symbols.into_iter().collect()),
        };
        Ok(Typed::new(name, out))
    }
}
