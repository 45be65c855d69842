//! Decode binary.
//!
//! Makes a row of a frame of bytes (`value.converter` is Kafka's `ByteArrayConverter`). Whatever
//! does not fit is a failure: nothing is guessed, and nothing reads past the end.

use ferrule_plugin::{
    Config, ConfigErrors, Description, Failure, Outcome, Payload, Record, Rows, Timestamp, ToRow,
    Transform, ValueRef, kind_of,
};

#[derive(ToRow)]
struct Measured {
    device: i64,
    at: Timestamp,
    celsius: f64,
}

/// Decodes frames: device (u32), seconds since 1970 (u32), celsius in hundredths (i16), all
/// big-endian, and a byte that is the sum of the others.
pub struct Decode(Rows<Measured>);

/// Takes the next bytes of a frame.
fn take<const N: usize>(frame: &mut &[u8]) -> Result<[u8; N], Failure> {
    let (bytes, rest) = frame
        .split_first_chunk()
        .ok_or_else(|| Failure::new("a short frame"))?;
    *frame = rest;
    Ok(*bytes)
}

impl Decode {
    fn frame(&self, frame: &[u8]) -> ferrule_plugin::Result<Measured> {
        let Some((check, mut body)) = frame.split_last() else {
            return Err(Failure::new("an empty frame"));
        };
        if *check != body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) {
            return Err(Failure::new("a frame with a wrong sum"));
        }
        let measured = Measured {
            device: u32::from_be_bytes(take(&mut body)?).into(),
            at: Timestamp(i64::from(u32::from_be_bytes(take(&mut body)?)) * 1_000_000),
            celsius: f64::from(i16::from_be_bytes(take(&mut body)?)) / 100.0,
        };
        if body.is_empty() {
            Ok(measured)
        } else {
            Err(Failure::new("a frame that goes on"))
        }
    }
}

impl Transform for Decode {
    fn describe() -> Description {
        Description::new("decode", "1.0.0", "Decodes the frames of a thermometer.")
    }

    fn configure(_: &Config) -> Result<Self, ConfigErrors> {
        Ok(Decode(Rows::named("measured")))
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        match record.value() {
            Payload::Scalar(ValueRef::Bytes(frame)) => {
                Ok(Outcome::replace(self.0.row(self.frame(frame)?)))
            }
            Payload::Scalar(other) => Err(Failure::new(format_args!(
                "the value is {}, not bytes",
                kind_of(other)
            ))),
            Payload::Row(_) => Err(Failure::new("the value is a row, not bytes")),
        }
    }
}

ferrule_plugin::export!(Decode);

#[cfg(test)]
mod tests {
    use ferrule_plugin::Value;
    use ferrule_plugin::testing::Runner;

    use super::*;

    fn frame(body: &[u8]) -> Value {
        let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        Value::Bytes([body, &[sum]].concat())
    }

    #[test]
    fn a_frame_becomes_a_row_or_fails() {
        let mut plugin = Runner::<Decode>::new(&[]).unwrap();
        let body = [0, 0, 0, 7, 0x65, 0x92, 0, 0, 0xFF, 0x38];
        let made = plugin.one(frame(&body)).record();
        assert_eq!(made.field("device"), &7i64.into());
        assert_eq!(made.field("celsius"), &(-2.0).into());
        for length in 0..body.len() {
            assert_eq!(
                plugin.one(frame(&body[..length])).failure().1,
                "a short frame"
            );
        }
        let wrong = Value::Bytes(vec![1, 2]);
        assert_eq!(plugin.one(wrong).failure().1, "a frame with a wrong sum");
        assert_eq!(
            plugin.one(frame(&[0; 11])).failure().1,
            "a frame that goes on"
        );
    }
}
