//! From a record to a frame: what the rules need of it.

use ferrule_plugin::state::Stored;
use ferrule_plugin::{Failure, FromRow, Json, Record, Result, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use crate::fault::{Field, Shape};

/// The record.
#[derive(FromRow)]
pub(crate) struct Telemetry<'a> {
    event_id: &'a str,
    vehicle_id: &'a str,
    #[row(coerce)]
    event_time: Timestamp,
    frame_index: i64,
    telemetry: Json<'a>,
    metadata: Option<Json<'a>>,
}

/// A frame of a vehicle, on its way into the order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame<'a> {
    pub(crate) vehicle: &'a str,
    /// The replay that the frame is of, as a hash; 0 for none.
    pub(crate) session: u64,
    pub(crate) event_id: Uuid,
    /// When the record came, in milliseconds since 1970.
    pub(crate) received: i64,
    pub(crate) sample: Sample,
}

/// What the rules look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) index: i64,
    /// Microseconds since 1970.
    pub(crate) event_time: i64,
    /// Metres per second.
    pub(crate) velocity: f64,
    /// Along the way of the vehicle: negative when it brakes.
    pub(crate) acceleration: Acceleration,
    pub(crate) label_probability: Option<f64>,
    pub(crate) yaw_rate: Option<f64>,
}

/// An acceleration in metres per second squared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Acceleration {
    /// Along the way of the vehicle.
    Along(f64),
    /// Its magnitude; the frame before tells whether the vehicle brakes.
    Magnitude(f64),
}

#[derive(Deserialize)]
struct Motion {
    velocity: Vector,
    acceleration: Vector,
    label_probability: Option<f64>,
    yaw_rate: Option<f64>,
}

#[derive(Deserialize)]
struct Vector {
    x: Option<f64>,
    y: Option<f64>,
    #[serde(default)]
    z: Option<f64>,
    magnitude: Option<f64>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    replay_session_id: Option<&'a serde_json::value::RawValue>,
}

/// What [`Motion`] reads.
const MOTION: Shape = Shape::Object(&[
    Field::required("velocity", &VECTOR),
    Field::required("acceleration", &VECTOR),
    Field::optional("label_probability", &Shape::Number),
    Field::optional("yaw_rate", &Shape::Number),
]);
/// What [`Vector`] reads.
const VECTOR: Shape = Shape::Object(&[
    Field::optional("x", &Shape::Number),
    Field::optional("y", &Shape::Number),
    Field::optional("z", &Shape::Number),
    Field::optional("magnitude", &Shape::Number),
]);
/// What [`Metadata`] reads.
const METADATA: Shape = Shape::Object(&[Field::optional("replay_session_id", &Shape::Any)]);

impl<'a> Frame<'a> {
    /// Reads a record.
    pub(crate) fn read(record: Record<'a>) -> Result<Frame<'a>> {
        let telemetry: Telemetry<'a> = record.row()?.read()?;
        if telemetry.vehicle_id.is_empty() {
            return Err(Failure::at("vehicle_id", "must not be empty"));
        }
        if telemetry.frame_index < 0 {
            return Err(Failure::at("frame_index", "must not be negative"));
        }
        let event_id = Uuid::try_parse(telemetry.event_id)
            .map_err(|_| Failure::at("event_id", "must be a UUID"))?;
        let Timestamp(event_time) = telemetry.event_time;
        let motion = Motion::read(telemetry.telemetry)?;
        let (velocity, acceleration) = motion.along()?;
        Ok(Frame {
            vehicle: telemetry.vehicle_id,
            session: telemetry.metadata.map_or(Ok(0), session)?,
            event_id,
            received: record.timestamp().unwrap_or(event_time.div_euclid(1000)),
            sample: Sample {
                index: telemetry.frame_index,
                event_time,
                velocity,
                acceleration,
                label_probability: motion.label_probability,
                yaw_rate: motion.yaw_rate,
            },
        })
    }
}

impl Motion {
    fn read(json: Json<'_>) -> Result<Motion> {
        serde_json::from_str(json.0).map_err(|_| MOTION.fault("telemetry", json.0))
    }

    /// The velocity, and the acceleration along it.
    fn along(&self) -> Result<(f64, Acceleration)> {
        let magnitude = |vector: &Vector, field| {
            let least = vector.magnitude.or_else(|| {
                let (x, y) = vector.x.zip(vector.y)?;
                let z = vector.z.unwrap_or(0.0);
                Some((x * x + y * y + z * z).sqrt())
            });
            least.ok_or_else(|| Failure::at(field, "needs a magnitude, or x and y"))
        };
        let velocity = magnitude(&self.velocity, "telemetry.velocity")?;
        let acceleration = magnitude(&self.acceleration, "telemetry.acceleration")?;
        let (v, a) = (&self.velocity, &self.acceleration);
        let product = |(v, a): (Option<f64>, Option<f64>)| Some(v? * a?);
        let sum = product((v.x, a.x)).zip(product((v.y, a.y)));
        let sum = sum.map(|(x, y)| x + y + product((v.z, a.z)).unwrap_or(0.0));
        let along = match sum.filter(|_| velocity > 0.0) {
            Some(sum) => Acceleration::Along(sum / velocity),
            // Who stands has no way to brake along.
            None => Acceleration::Magnitude(acceleration),
        };
        Ok((velocity, along))
    }
}

/// The hash of the replay's name (FNV-1a); its text is as JSON has it.
fn session(json: Json<'_>) -> Result<u64> {
    let metadata: Metadata<'_> =
        serde_json::from_str(json.0).map_err(|_| METADATA.fault("metadata", json.0))?;
    let Some(name) = metadata.replay_session_id else {
        return Ok(0);
    };
    let hash = name
        .get()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Ok(hash)
}

impl Sample {
    /// The acceleration along the way, known when the frame before is.
    pub(crate) fn along(&self) -> f64 {
        match self.acceleration {
            Acceleration::Along(it) | Acceleration::Magnitude(it) => it,
        }
    }

    /// Tells from the frame before whether the vehicle brakes.
    pub(crate) fn after(mut self, before: Option<&Sample>) -> Sample {
        if let Acceleration::Magnitude(it) = self.acceleration {
            let brakes = before.is_some_and(|before| before.velocity > self.velocity);
            self.acceleration = Acceleration::Along(if brakes { -it } else { it });
        }
        self
    }
}

impl Stored for Sample {
    fn write(&self, out: &mut Vec<u8>) {
        self.index.write(out);
        self.event_time.write(out);
        self.velocity.write(out);
        matches!(self.acceleration, Acceleration::Along(_)).write(out);
        self.along().write(out);
        self.label_probability.write(out);
        self.yaw_rate.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Sample> {
        Some(Sample {
            index: Stored::read(bytes)?,
            event_time: Stored::read(bytes)?,
            velocity: Stored::read(bytes)?,
            acceleration: match bool::read(bytes)? {
                true => Acceleration::Along(Stored::read(bytes)?),
                false => Acceleration::Magnitude(Stored::read(bytes)?),
            },
            label_probability: Stored::read(bytes)?,
            yaw_rate: Stored::read(bytes)?,
        })
    }
}
