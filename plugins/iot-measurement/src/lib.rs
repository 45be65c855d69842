//! The plugin `iot-measurement`: a decoded IoT message becomes a row of `iot_measurements`, or
//! fails with the field's name and the reason.

mod input;
mod measurement;

use ferrule_plugin::{
    Config, ConfigErrors, Description, Failure, Kind, OutRow, Outcome, Payload, Record, RowShape,
    Transform, ValueRef, kind_of,
};
use input::{FIELDS, Input};
use measurement::Measurement;

/// Holds the shape of the rows.
pub struct IotMeasurement(RowShape);

impl Transform for IotMeasurement {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Shapes decoded IoT messages into rows of measurements. mac_address becomes device_id, \
             mode connector_mode ('unknown'), data_point_label component_type ('unknown'), pin \
             pin_position ('-1'), original_topic topic (''); unit is '' and value null where they \
             are missing. timestamp is ISO 8601 text or a number of seconds, milliseconds or \
             microseconds since 1970. The message is a struct, a JSON object, or raw JSON as text \
             or bytes. A message that does not fit fails.",
        )
    }

    fn configure(_: &Config) -> Result<Self, ConfigErrors> {
        Ok(IotMeasurement(
            RowShape::new("iot_measurement")
                .required("timestamp", Kind::Timestamp)
                .required("device_id", Kind::Text)
                .required("connector_mode", Kind::Text)
                .required("component_type", Kind::Text)
                .required("pin_position", Kind::Text)
                .optional("value", Kind::Float64)
                .required("unit", Kind::Text)
                .required("topic", Kind::Text),
        ))
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let input = match record.value() {
            Payload::Row(row) => Input::of_row(row),
            Payload::Scalar(ValueRef::Json(text) | ValueRef::Text(text)) => {
                Input::of_json(text.as_bytes())?
            }
            Payload::Scalar(ValueRef::Bytes(bytes)) => Input::of_json(bytes)?,
            Payload::Scalar(other) => {
                let kind = kind_of(other);
                return Err(Failure::new(format_args!(
                    "the value is {kind}, not a JSON object"
                )));
            }
        };
        Ok(Outcome::replace(self.row(input.measure()?)))
    }
}

impl IotMeasurement {
    fn row(&self, measurement: Measurement<'_>) -> OutRow {
        self.0.row([
            measurement.timestamp.into(),
            measurement.device_id.into_owned().into(),
            measurement.connector_mode.into_owned().into(),
            measurement.component_type.into_owned().into(),
            measurement.pin_position.into_owned().into(),
            measurement.value.into(),
            measurement.unit.into_owned().into(),
            measurement.topic.into_owned().into(),
        ])
    }
}

ferrule_plugin::export!(IotMeasurement);

#[cfg(test)]
mod tests;
