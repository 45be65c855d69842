//! The plugin `iot-measurement`: a decoded IoT message becomes a row of `iot_measurements`, or
//! fails with the field's name and the reason.

mod extra;
mod input;
mod measurement;
mod number;
mod settings;

use extra::{Extra, Source};
use ferrule_plugin::{
    Config, ConfigErrors, Description, Failure, Kind, Outcome, Payload, Record, RowShape,
    Transform, Value, ValueRef, kind_of,
};
use input::{FIELDS, Input};
use measurement::{Measurement, Reader};
use settings::{ExtraFields, Settings};

/// Holds the configuration and the shape of the rows.
pub struct IotMeasurement {
    settings: Settings,
    shape: RowShape,
    extra: Extra,
}

impl Transform for IotMeasurement {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Shapes decoded IoT messages into rows of measurements. mac_address becomes device_id, \
             mode connector_mode ('unknown'), data_point_label component_type ('unknown'), pin \
             pin_position ('-1'), original_topic topic (''); unit is '' and value null where they \
             are missing. timestamp is ISO 8601 text or a number since 1970, whose size tells \
             whether it is of seconds (up to 2e10), milliseconds (2e13), microseconds (2e16) or \
             nanoseconds. The message is a struct, a JSON object, or raw JSON as text or bytes. A \
             message that does not fit fails.",
        );
        Settings::describe(description)
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let settings = Settings::read(config, &mut errors);
        errors.or(IotMeasurement {
            settings,
            shape: shape(),
            extra: Extra::default(),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let (input, extra) = match record.value() {
            Payload::Row(row) => (Input::of_row(row), Source::Row(row)),
            Payload::Scalar(ValueRef::Json(text) | ValueRef::Text(text)) => (
                Input::of_json(text.as_bytes())?,
                Source::Json(text.as_bytes()),
            ),
            Payload::Scalar(ValueRef::Bytes(bytes)) => {
                (Input::of_json(bytes)?, Source::Json(bytes))
            }
            Payload::Scalar(other) => {
                let kind = kind_of(other);
                return Err(Failure::new(format_args!(
                    "the value is {kind}, not a JSON object"
                )));
            }
        };
        let reader = Reader {
            input,
            spelling: self.settings.spelling,
            numbers: &self.settings.numbers,
        };
        let values = values(reader.measure()?);
        Ok(Outcome::replace(match self.settings.extra_fields {
            ExtraFields::Drop => self.shape.row(values),
            ExtraFields::Keep => self.extra.row(&self.shape, values, extra)?,
        }))
    }
}

/// The columns of a measurement.
const COLUMNS: [(&str, Kind); 8] = [
    ("timestamp", Kind::Timestamp),
    ("device_id", Kind::Text),
    ("connector_mode", Kind::Text),
    ("component_type", Kind::Text),
    ("pin_position", Kind::Text),
    ("value", Kind::Float64),
    ("unit", Kind::Text),
    ("topic", Kind::Text),
];

fn shape() -> RowShape {
    let shape = RowShape::new("iot_measurement");
    COLUMNS
        .iter()
        .fold(shape, |shape, (name, kind)| match *name {
            "value" => shape.optional(name, *kind),
            _ => shape.required(name, *kind),
        })
}

/// The values in the order of the columns.
fn values(measurement: Measurement<'_>) -> [Value; COLUMNS.len()] {
    [
        measurement.timestamp.into(),
        measurement.device_id.into_owned().into(),
        measurement.connector_mode.into_owned().into(),
        measurement.component_type.into_owned().into(),
        measurement.pin_position.into_owned().into(),
        measurement.value.into(),
        measurement.unit.into_owned().into(),
        measurement.topic.into_owned().into(),
    ]
}

ferrule_plugin::export!(IotMeasurement);

#[cfg(test)]
mod tests;
