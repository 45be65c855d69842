//! StringConverter, ByteArrayConverter and the converters of Kafka's number serialisers.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, Kind, Result, Schema, Value,
};

use crate::{ConverterContext, ConverterType};

/// `org.apache.kafka.connect.storage.StringConverter`.
pub(crate) const STRING: ConverterType = ConverterType {
    classes: &["org.apache.kafka.connect.storage.StringConverter"],
    config_def: || {
        ConfigDef::new(vec![ConfigKey::new(
            ENCODING,
            ConfigType::String,
            "UTF-8",
            "The encoding of the text; only UTF-8 is supported.",
        )])
    },
    build: build_string,
};

const ENCODING: &str = "converter.encoding";

fn build_string(config: &Config, _: &ConverterContext) -> Result<Box<dyn Converter>> {
    let encoding = config.text(ENCODING);
    if !["UTF-8", "UTF8"]
        .iter()
        .any(|known| encoding.eq_ignore_ascii_case(known))
    {
        return Err(Error::config(format!(
            "Invalid value {encoding} for configuration {ENCODING}: only UTF-8 is supported"
        )));
    }
    Ok(Primitive::boxed(STRING.classes[0], Kind::String, |bytes| {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Error::data(format!("invalid UTF-8 after {} bytes", e.valid_up_to())))?;
        Ok(Value::from(text))
    }))
}

macro_rules! converter {
    ($(#[$doc:meta])* $name:ident, $class:literal, $kind:expr, $decode:expr) => {
        $(#[$doc])*
        pub(crate) const $name: ConverterType = ConverterType {
            classes: &[concat!("org.apache.kafka.connect.converters.", $class)],
            config_def: ConfigDef::default,
            build: |_, _| Ok(Primitive::boxed($name.classes[0], $kind, $decode)),
        };
    };
}

converter!(
    /// The bytes as they are.
    BYTES, "ByteArrayConverter", Kind::Bytes,
    |bytes| Ok(Value::Bytes(bytes.clone()))
);
converter!(
    /// One byte, 0 or 1.
    BOOLEAN, "BooleanConverter", Kind::Boolean,
    |bytes| match &bytes[..] {
        [0] => Ok(Value::Boolean(false)),
        [1] => Ok(Value::Boolean(true)),
        [_] => Err(Error::data("a boolean is a byte of 0 or 1")),
        _ => Err(wrong_size(bytes, 1)),
    }
);
converter!(
    /// 2 bytes, big-endian.
    SHORT, "ShortConverter", Kind::Int16,
    |bytes| Ok(Value::Int(i16::from_be_bytes(sized(bytes)?).into()))
);
converter!(
    /// 4 bytes, big-endian.
    INTEGER, "IntegerConverter", Kind::Int32,
    |bytes| Ok(Value::Int(i32::from_be_bytes(sized(bytes)?).into()))
);
converter!(
    /// 8 bytes, big-endian.
    LONG, "LongConverter", Kind::Int64,
    |bytes| Ok(Value::Int(i64::from_be_bytes(sized(bytes)?)))
);
converter!(
    /// 4 bytes, big-endian.
    FLOAT, "FloatConverter", Kind::Float32,
    |bytes| Ok(Value::Float(f32::from_be_bytes(sized(bytes)?).into()))
);
converter!(
    /// 8 bytes, big-endian.
    DOUBLE, "DoubleConverter", Kind::Float64,
    |bytes| Ok(Value::Float(f64::from_be_bytes(sized(bytes)?)))
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

/// A converter whose bytes are one value of a fixed, optional schema.
struct Primitive {
    class: &'static str,
    schema: Arc<Schema>,
    decode: fn(&Bytes) -> Result<Value>,
}

impl Primitive {
    fn boxed(
        class: &'static str,
        kind: Kind,
        decode: fn(&Bytes) -> Result<Value>,
    ) -> Box<dyn Converter> {
        Box::new(Self {
            class,
            schema: Arc::new(Schema::optional(kind)),
            decode,
        })
    }
}

impl Converter for Primitive {
    fn class_name(&self) -> &'static str {
        self.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let value = bytes.map(self.decode).transpose()?.unwrap_or_default();
        Ok(Datum::new(Arc::clone(&self.schema), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_api::{ErrorKind, Properties, RecordPart};

    fn convert(kind: &ConverterType, bytes: Option<&[u8]>) -> std::result::Result<Value, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let context = ConverterContext {
            runtime: runtime.handle().clone(),
            part: RecordPart::Key,
        };
        let config = (kind.config_def)().parse(&Properties::new()).unwrap();
        let mut converter = (kind.build)(&config, &context).unwrap();
        let bytes = bytes.map(Bytes::copy_from_slice);
        let datum = converter
            .to_connect_data("topic", bytes.as_ref())
            .map_err(|e| {
                assert_eq!(e.kind(), ErrorKind::Data);
                e.to_string()
            })?;
        assert!(datum.schema.unwrap().optional);
        Ok(datum.value)
    }

    #[test]
    fn bytes_are_read_by_their_class() {
        for (kind, bytes, expect) in [
            (STRING, &b"h\xc3\xa9"[..], Ok(Value::from("h\u{e9}"))),
            (STRING, b"a\xff", Err("invalid UTF-8 after 1 bytes")),
            (
                BYTES,
                b"\x00\xff",
                Ok(Value::Bytes(Bytes::from_static(b"\x00\xff"))),
            ),
            (BOOLEAN, b"\x01", Ok(Value::Boolean(true))),
            (BOOLEAN, b"\x02", Err("a boolean is a byte of 0 or 1")),
            (BOOLEAN, b"", Err("size of data is 0 bytes, not 1")),
            (SHORT, b"\xff\xfe", Ok(Value::Int(-2))),
            (INTEGER, b"\x00\x00\x01\x00", Ok(Value::Int(256))),
            (
                INTEGER,
                b"\x00\x01\x00",
                Err("size of data is 3 bytes, not 4"),
            ),
            (LONG, b"\x80\0\0\0\0\0\0\0", Ok(Value::Int(i64::MIN))),
            (FLOAT, b"\x3f\xc0\0\0", Ok(Value::Float(1.5))),
            (DOUBLE, b"\x3f\xf8\0\0\0\0\0\0", Ok(Value::Float(1.5))),
        ] {
            let found = convert(&kind, Some(bytes));
            assert_eq!(found, expect.map_err(str::to_owned), "{}", kind.classes[0]);
            assert_eq!(convert(&kind, None), Ok(Value::Null), "{}", kind.classes[0]);
        }
    }

    #[test]
    fn only_utf_8_is_an_encoding() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let context = ConverterContext {
            runtime: runtime.handle().clone(),
            part: RecordPart::Key,
        };
        for (encoding, accepted) in [("utf8", true), ("UTF-8", true), ("ISO-8859-1", false)] {
            let given = Properties::from([(ENCODING.to_owned(), encoding.to_owned())]);
            let config = (STRING.config_def)().parse(&given).unwrap();
            let built = (STRING.build)(&config, &context);
            assert_eq!(built.is_ok(), accepted, "{encoding}");
            if let Err(error) = built {
                assert_eq!(error.kind(), ErrorKind::Config);
            }
        }
    }
}
