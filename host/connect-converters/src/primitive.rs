//! StringConverter, ByteArrayConverter and the converters of Kafka's number serialisers.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, Importance, Kind, Result,
    Schema, Value, Width,
};

use crate::{ConverterType, simple_name, text};

/// `org.apache.kafka.connect.storage.StringConverter`.
pub(crate) const STRING: ConverterType = ConverterType {
    class: "org.apache.kafka.connect.storage.StringConverter",
    config_def: || {
        let encoding = ConfigKey::new(
            ENCODING,
            ConfigType::String,
            "UTF-8",
            "The encoding of the text; only UTF-8 is supported.",
        );
        let encoding = encoding.importance(Importance::High);
        ConfigDef::new(vec![encoding.display(Width::Medium, "Encoding")])
    },
    build: Some(|config, _| Ok(Box::new(string(config, read_string)?))),
    build_header: Some(|config| Ok(Box::new(string(config, read_header_string)?))),
};

const ENCODING: &str = "converter.encoding";

fn string(config: &Config, read: Read) -> Result<Primitive> {
    let encoding = config.text(ENCODING);
    if !["UTF-8", "UTF8"]
        .iter()
        .any(|known| encoding.eq_ignore_ascii_case(known))
    {
        return Err(Error::config(format!(
            "Invalid value {encoding} for configuration {ENCODING}: only UTF-8 is supported"
        )));
    }
    Ok(Primitive::new(
        STRING.class,
        Kind::String,
        read,
        write_string,
    ))
}

fn read_string(bytes: &Bytes) -> Result<Value> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::data(format!("invalid UTF-8 after {} bytes", e.valid_up_to())))?;
    Ok(Value::from(text))
}

/// Of a header, bytes that are no UTF-8 become replacement characters, as Java has it: no record is
/// errant for a header that nobody may read.
fn read_header_string(bytes: &Bytes) -> Result<Value> {
    Ok(Value::from(&*String::from_utf8_lossy(bytes)))
}

fn write_string<'a>(_: &str, datum: &'a Datum) -> Result<Cow<'a, [u8]>> {
    let kind = datum.schema.as_ref().map(|schema| &schema.kind);
    Ok(match text::text(kind, &datum.value)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

macro_rules! converter {
    ($(#[$doc:meta])* $name:ident, $class:literal, $kind:expr, $read:expr, $write:expr) => {
        $(#[$doc])*
        pub(crate) const $name: ConverterType = {
            const CLASS: &str = concat!("org.apache.kafka.connect.converters.", $class);
            ConverterType {
                class: CLASS,
                config_def: ConfigDef::default,
                build: Some(|_, _| Ok(Box::new(Primitive::new(CLASS, $kind, $read, $write)))),
                build_header: Some(|_| Ok(Box::new(Primitive::new(CLASS, $kind, $read, $write)))),
            }
        };
    };
}

converter!(
    /// The bytes as they are.
    BYTES, "ByteArrayConverter", Kind::Bytes,
    |bytes| Ok(Value::Bytes(bytes.clone())),
    |class, datum| match &datum.value {
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        other => Err(unfit(class, "bytes", other)),
    }
);
converter!(
    /// One byte, 0 or 1.
    BOOLEAN, "BooleanConverter", Kind::Boolean,
    |bytes| match &bytes[..] {
        [0] => Ok(Value::Boolean(false)),
        [1] => Ok(Value::Boolean(true)),
        [_] => Err(Error::data("a boolean is a byte of 0 or 1")),
        _ => Err(wrong_size(bytes, 1)),
    },
    |class, datum| match &datum.value {
        Value::Boolean(flag) => Ok(Cow::Owned(vec![u8::from(*flag)])),
        other => Err(unfit(class, "booleans", other)),
    }
);
converter!(
    /// 2 bytes, big-endian.
    SHORT, "ShortConverter", Kind::Int16,
    |bytes| Ok(Value::Int(i16::from_be_bytes(sized(bytes)?).into())),
    |class, datum| integer(class, datum, "integers of 16 bits", i16::to_be_bytes)
);
converter!(
    /// 4 bytes, big-endian.
    INTEGER, "IntegerConverter", Kind::Int32,
    |bytes| Ok(Value::Int(i32::from_be_bytes(sized(bytes)?).into())),
    |class, datum| integer(class, datum, "integers of 32 bits", i32::to_be_bytes)
);
converter!(
    /// 8 bytes, big-endian.
    LONG, "LongConverter", Kind::Int64,
    |bytes| Ok(Value::Int(i64::from_be_bytes(sized(bytes)?))),
    |class, datum| integer(class, datum, "integers of 64 bits", i64::to_be_bytes)
);
converter!(
    /// 4 bytes, big-endian.
    FLOAT, "FloatConverter", Kind::Float32,
    |bytes| Ok(Value::Float(f32::from_be_bytes(sized(bytes)?).into())),
    |class, datum| float(class, datum, "floats of 32 bits", |number| {
        let single = number as f32;
        let same = f64::from(single) == number || number.is_nan();
        same.then(|| single.to_be_bytes())
    })
);
converter!(
    /// 8 bytes, big-endian.
    DOUBLE, "DoubleConverter", Kind::Float64,
    |bytes| Ok(Value::Float(f64::from_be_bytes(sized(bytes)?))),
    |class, datum| float(class, datum, "floats of 64 bits", |number| Some(number.to_be_bytes()))
);

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| wrong_size(bytes, N))
}

fn wrong_size(bytes: &[u8], expected: usize) -> Error {
    Error::data(format!(
        "size of data is {} bytes, not {expected}",
        bytes.len()
    ))
}

/// An integer whatever the width of its schema, as long as no digit is lost.
fn integer<'a, T: TryFrom<i64>, const N: usize>(
    class: &str,
    datum: &'a Datum,
    what: &str,
    bytes: fn(T) -> [u8; N],
) -> Result<Cow<'a, [u8]>> {
    let Value::Int(number) = &datum.value else {
        return Err(unfit(class, what, &datum.value));
    };
    let number = T::try_from(*number).map_err(|_| too_large(class, what))?;
    Ok(Cow::Owned(bytes(number).to_vec()))
}

/// A float whatever the width of its schema, as long as no digit is lost.
fn float<'a, const N: usize>(
    class: &str,
    datum: &'a Datum,
    what: &str,
    bytes: fn(f64) -> Option<[u8; N]>,
) -> Result<Cow<'a, [u8]>> {
    let Value::Float(number) = &datum.value else {
        return Err(unfit(class, what, &datum.value));
    };
    let bytes = bytes(*number).ok_or_else(|| too_large(class, what))?;
    Ok(Cow::Owned(bytes.to_vec()))
}

fn unfit(class: &str, what: &str, value: &Value) -> Error {
    let found = value.type_name();
    Error::data(format!("{class} writes {what}, not {found}"))
}

fn too_large(class: &str, what: &str) -> Error {
    Error::data(format!(
        "{class} writes {what}, and the number does not fit"
    ))
}

type Read = fn(&Bytes) -> Result<Value>;
/// Told the class's simple name, for errors. The value is not null.
type Write = for<'a> fn(&str, &'a Datum) -> Result<Cow<'a, [u8]>>;

/// A converter whose bytes are one value of a fixed, optional schema.
struct Primitive {
    class: &'static str,
    schema: Arc<Schema>,
    read: Read,
    write: Write,
}

impl Primitive {
    fn new(class: &'static str, kind: Kind, read: Read, write: Write) -> Self {
        Self {
            class,
            schema: Arc::new(Schema::optional(kind)),
            read,
            write,
        }
    }
}

impl Converter for Primitive {
    fn class_name(&self) -> &'static str {
        self.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let value = bytes.map(self.read).transpose()?.unwrap_or_default();
        Ok(Datum::new(Arc::clone(&self.schema), value))
    }

    fn from_connect_data<'a>(
        &mut self,
        _topic: &str,
        datum: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        if datum.value.is_null() {
            return Ok(None);
        }
        (self.write)(simple_name(self.class), datum).map(Some)
    }
}

#[cfg(test)]
mod tests;
