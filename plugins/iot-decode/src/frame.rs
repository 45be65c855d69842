//! The binary frame of a device, and what a frame comes to in any form.
//!
//! Numbers are big-endian. Texts are UTF-8, with their length in bytes before them.
//!
//! | bytes | what |
//! |---|---|
//! | 2 | the magic `IF`: 49 46 |
//! | 1 | the version: 1 |
//! | 1 | flags: bit 0, a timestamp follows; bit 1, a mode follows; the others are 0 |
//! | 6 | the device's MAC address |
//! | 8 | the timestamp, if bit 0 is set: milliseconds since 1970, signed |
//! | 1 + n | the mode, if bit 1 is set: a length of one byte, and the text |
//! | 1 | how many data points follow: at least one |
//! | … | the data points |
//! | 4 | CRC-32 (that of IEEE 802.3, zlib and PNG) of all bytes before it |
//!
//! A data point:
//!
//! | bytes | what |
//! |---|---|
//! | 1 + n | the label: a length of one byte, at least 1, and the text |
//! | 2 | the pin, signed; -1 for none |
//! | 1 | the type of the value: 0 none, 1 boolean, 2 int32, 3 int64, 4 float32, 5 float64 |
//! | 0, 1, 4 or 8 | the value; a boolean is 0 or 1, and NaN is no value |
//! | 1 + n | the unit: a length of one byte, perhaps 0, and the text |

use std::fmt::Write as _;

use ferrule_plugin::{Failure, Result};

use crate::crc::crc32;

/// What every binary frame begins with.
pub(crate) const MAGIC: [u8; 2] = *b"IF";
pub(crate) const VERSION: u8 = 1;
pub(crate) const HAS_TIMESTAMP: u8 = 1;
pub(crate) const HAS_MODE: u8 = 2;
const CRC_BYTES: usize = 4;

/// What a device sent at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) mac_address: String,
    /// Microseconds since 1970; none: when the record came.
    pub(crate) timestamp: Option<i64>,
    pub(crate) mode: Option<String>,
    pub(crate) points: Vec<Point>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) pin: Option<String>,
    pub(crate) value: Option<f64>,
    pub(crate) unit: String,
    /// Microseconds since 1970; none: that of its frame.
    pub(crate) timestamp: Option<i64>,
}

/// Reads a binary frame.
pub(crate) fn read(bytes: &[u8]) -> Result<Frame> {
    let mut rest = Rest {
        bytes: bytes.strip_prefix(&MAGIC).unwrap_or_default(),
        part: "header",
    };
    let version = rest.byte()?;
    if version != VERSION {
        return Err(Failure::new(format_args!(
            "the frame is of version {version}; this plugin reads version {VERSION}"
        )));
    }
    // What is damaged is not to be read any further, whatever else is wrong with it.
    let (body, crc) = bytes.split_at(bytes.len().saturating_sub(CRC_BYTES));
    if crc != crc32(body).to_be_bytes() {
        return Err(Failure::new(
            "the frame is damaged or cut off: its CRC-32 does not fit",
        ));
    }
    rest.bytes = rest
        .bytes
        .get(..rest.bytes.len().saturating_sub(CRC_BYTES))
        .unwrap_or_default();
    rest.frame()
}

/// What is still to be read, and the part of the frame that it is in.
struct Rest<'a> {
    bytes: &'a [u8],
    part: &'static str,
}

impl<'a> Rest<'a> {
    fn frame(mut self) -> Result<Frame> {
        let flags = self.byte()?;
        if flags & !(HAS_TIMESTAMP | HAS_MODE) != 0 {
            return Err(Failure::new("the frame has flags that are not known"));
        }
        let mac_address = mac(self.array()?);
        let timestamp = match flags & HAS_TIMESTAMP {
            0 => None,
            _ => Some(self.timestamp()?),
        };
        let mode = match flags & HAS_MODE {
            0 => None,
            _ => Some(self.text()?),
        };
        let count = self.byte()?;
        if count == 0 {
            return Err(Failure::new("the frame has no data points"));
        }
        self.part = "data points";
        let points = (0..count).map(|_| self.point()).collect::<Result<_>>()?;
        if !self.bytes.is_empty() {
            return Err(Failure::new(format_args!(
                "the frame has {} bytes behind its data points",
                self.bytes.len()
            )));
        }
        Ok(Frame {
            mac_address,
            timestamp,
            mode,
            points,
        })
    }

    fn timestamp(&mut self) -> Result<i64> {
        let millis = i64::from_be_bytes(self.array()?);
        millis
            .checked_mul(1000)
            .ok_or_else(|| Failure::at("timestamp", "is out of range"))
    }

    fn point(&mut self) -> Result<Point> {
        let label = self.text()?;
        if label.is_empty() {
            return Err(Failure::new("a data point has no label"));
        }
        let pin = i16::from_be_bytes(self.array()?);
        let value = match self.byte()? {
            0 => None,
            1 => match self.byte()? {
                it @ (0 | 1) => Some(f64::from(it)),
                _ => return Err(Failure::new("a boolean is neither 0 nor 1")),
            },
            2 => Some(f64::from(i32::from_be_bytes(self.array()?))),
            3 => Some(i64::from_be_bytes(self.array()?) as f64),
            4 => Some(f64::from(f32::from_be_bytes(self.array()?))),
            5 => Some(f64::from_be_bytes(self.array()?)),
            kind => {
                return Err(Failure::new(format_args!(
                    "a data point is of type {kind}, which is not known"
                )));
            }
        };
        let value = match value {
            // What a sensor says that has nothing to say.
            Some(it) if it.is_nan() => None,
            Some(it) if it.is_infinite() => {
                return Err(Failure::at("value", "is infinite, which JSON cannot tell"));
            }
            value => value,
        };
        Ok(Point {
            label,
            pin: (pin != -1).then(|| pin.to_string()),
            value,
            unit: self.text()?,
            timestamp: None,
        })
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((first, rest)) = self.bytes.split_first_chunk() else {
            return Err(self.ended());
        };
        self.bytes = rest;
        Ok(*first)
    }

    fn text(&mut self) -> Result<String> {
        let length = usize::from(self.byte()?);
        let Some((text, rest)) = self.bytes.split_at_checked(length) else {
            return Err(self.ended());
        };
        self.bytes = rest;
        match std::str::from_utf8(text) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Failure::new("a text of the frame is not UTF-8")),
        }
    }

    fn ended(&self) -> Failure {
        Failure::new(format_args!("the frame ends within its {}", self.part))
    }
}

fn mac(bytes: [u8; 6]) -> String {
    let mut text = String::with_capacity(17);
    for (at, byte) in bytes.iter().enumerate() {
        let separator = if at == 0 { "" } else { ":" };
        // Text takes whatever is written to it.
        let _ = write!(text, "{separator}{byte:02x}");
    }
    text
}
