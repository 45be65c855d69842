//! The message as it comes: the fields that matter, from a row or from raw JSON.

use std::borrow::Cow;
use std::fmt;

use ferrule_plugin::{Failure, Field, Result, Row, ValueRef, kind_of};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

ferrule_plugin::fields! {
    /// The names by which a message may call its fields.
    pub(crate) const FIELDS;
    TIMESTAMP = "timestamp",
    MAC_ADDRESS = "mac_address",
    DEVICE_ID = "device_id",
    MODE = "mode",
    CONNECTOR_MODE = "connector_mode",
    DATA_POINT_LABEL = "data_point_label",
    COMPONENT_TYPE = "component_type",
    PIN = "pin",
    PIN_POSITION = "pin_position",
    VALUE = "value",
    UNIT = "unit",
    ORIGINAL_TOPIC = "original_topic",
    TOPIC = "topic",
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum<'a> {
    /// The message does not have the field.
    Absent,
    Null,
    Boolean(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Decimal(&'a str),
    Date(i32),
    Timestamp(i64),
    /// Of no use here; what it is, for the failure.
    Other(&'static str),
}

/// The fields of one message, in the order of [`FIELDS`].
pub(crate) struct Input<'a>([Datum<'a>; FIELDS.len()]);

impl<'a> Input<'a> {
    /// The fields of a row.
    pub(crate) fn of_row(row: Row<'a>) -> Input<'a> {
        let mut input = Input::empty();
        for (datum, name) in input.0.iter_mut().zip(ALL) {
            *datum = row.value(name).map_or(Datum::Absent, Datum::of_value);
        }
        input
    }

    /// The fields of a JSON object; of a name given twice, the last.
    pub(crate) fn of_json(json: &'a [u8]) -> Result<Input<'a>> {
        serde_json::from_slice(json).map_err(|error| {
            // The error's own text may tell values.
            let what = if error.is_data() {
                "not a JSON object"
            } else {
                "not valid JSON"
            };
            let (line, column) = (error.line(), error.column());
            Failure::new(format_args!(
                "the value is {what} (line {line}, column {column})"
            ))
        })
    }

    /// What the message gives under one name.
    pub(crate) fn take(&mut self, field: Field) -> Datum<'a> {
        std::mem::replace(&mut self.0[field.index()], Datum::Absent)
    }

    fn empty() -> Input<'a> {
        Input([const { Datum::Absent }; FIELDS.len()])
    }
}

/// The fields in the order of their names in [`FIELDS`].
const ALL: [Field; FIELDS.len()] = {
    let mut all = [TIMESTAMP; FIELDS.len()];
    let mut index = 0;
    while index < FIELDS.len() {
        all[index] = Field::of(FIELDS, FIELDS[index]);
        index += 1;
    }
    all
};

impl<'a> Datum<'a> {
    fn of_value(value: ValueRef<'a>) -> Datum<'a> {
        match value {
            ValueRef::Null => Datum::Null,
            ValueRef::Boolean(it) => Datum::Boolean(it),
            ValueRef::Int(it) => Datum::Int(it),
            ValueRef::Float(it) => Datum::Float(it),
            ValueRef::Text(it) => Datum::Text(Cow::Borrowed(it)),
            ValueRef::Decimal(it) => Datum::Decimal(it),
            ValueRef::Date(it) => Datum::Date(it),
            ValueRef::Timestamp(it) => Datum::Timestamp(it),
            other => Datum::Other(kind_of(other)),
        }
    }

    /// What it is, for the text of a failure.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Datum::Absent => "missing",
            Datum::Null => "null",
            Datum::Boolean(_) => "a boolean",
            Datum::Int(_) => "an integer",
            Datum::Float(_) => "a float",
            Datum::Text(_) => "text",
            Datum::Decimal(_) => "a decimal",
            Datum::Date(_) => "a date",
            Datum::Timestamp(_) => "a timestamp",
            Datum::Other(kind) => kind,
        }
    }
}

impl<'de> Deserialize<'de> for Input<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Input<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Input<'de>, A::Error> {
                let mut input = Input::empty();
                while let Some(Name(place)) = map.next_key()? {
                    match place {
                        Some(place) => input.0[place] = map.next_value()?,
                        None => map.next_value::<IgnoredAny>().map(drop)?,
                    }
                }
                Ok(input)
            }
        }
        from.deserialize_map(Object)
    }
}

/// The place of a name in [`FIELDS`].
struct Name(Option<usize>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name")
            }

            fn visit_str<E: Error>(self, name: &str) -> std::result::Result<Name, E> {
                Ok(Name(FIELDS.iter().position(|field| *field == name)))
            }
        }
        from.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Datum<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(AnyDatum)
    }
}

struct AnyDatum;

impl<'de> Visitor<'de> for AnyDatum {
    type Value = Datum<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Null)
    }

    fn visit_bool<E: Error>(self, it: bool) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Boolean(it))
    }

    fn visit_i64<E: Error>(self, it: i64) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Int(it))
    }

    fn visit_u64<E: Error>(self, it: u64) -> std::result::Result<Self::Value, E> {
        Ok(i64::try_from(it).map_or(Datum::Float(it as f64), Datum::Int))
    }

    fn visit_f64<E: Error>(self, it: f64) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Float(it))
    }

    fn visit_borrowed_str<E: Error>(self, it: &'de str) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Text(Cow::Borrowed(it)))
    }

    fn visit_str<E: Error>(self, it: &str) -> std::result::Result<Self::Value, E> {
        Ok(Datum::Text(Cow::Owned(it.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut seq: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Datum::Other("nested data"))
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Datum::Other("nested data"))
    }
}
