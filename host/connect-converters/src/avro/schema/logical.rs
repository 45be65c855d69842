//! Avro's logical types, and Connect's own.

use connect_api::Kind;
use serde_json::{Map, Value as Json};

use super::Typed;
use crate::avro::plan::Plan;

/// Gives a type the meaning that its attributes say. As Avro asks, a logical type that is unknown,
/// or does not fit its type, is ignored; nanoseconds stay integers, since microseconds lose digits.
pub(super) fn apply(typed: &mut Typed, json: &Map<String, Json>) {
    let text = |key: &str| json.get(key).and_then(Json::as_str);
    let logical = text("logicalType").unwrap_or_default();
    let connect = text("connect.name").and_then(|name| name.strip_prefix(CONNECTS_OWN));
    let narrow = text("connect.type");
    let (kind, plan) = match (&typed.plan, logical, connect, narrow) {
        (Plan::Int { .. }, "date", ..) | (Plan::Int { .. }, _, Some("Date"), _) => {
            (Kind::Date, Plan::Date)
        }
        (Plan::Int { .. }, "time-millis", ..) | (Plan::Int { .. }, _, Some("Time"), _) => {
            (Kind::Time, Plan::TimeMillis)
        }
        (Plan::Int { .. }, _, _, Some("int8")) => {
            let (min, max) = (i8::MIN.into(), i8::MAX.into());
            (Kind::Int8, Plan::Int { min, max })
        }
        (Plan::Int { .. }, _, _, Some("int16")) => {
            let (min, max) = (i16::MIN.into(), i16::MAX.into());
            (Kind::Int16, Plan::Int { min, max })
        }
        (Plan::Long, "time-micros", ..) => (Kind::Time, Plan::TimeMicros),
        (Plan::Long, "timestamp-millis" | "local-timestamp-millis", ..)
        | (Plan::Long, _, Some("Timestamp"), _) => (Kind::Timestamp, Plan::TimestampMillis),
        (Plan::Long, "timestamp-micros" | "local-timestamp-micros", ..) => {
            (Kind::Timestamp, Plan::TimestampMicros)
        }
        (Plan::Fixed(16), "uuid", ..) => (Kind::String, Plan::Uuid),
        (Plan::Bytes | Plan::Fixed(_), "decimal", ..)
        | (Plan::Bytes | Plan::Fixed(_), _, Some("Decimal"), _) => {
            let Some(scale) = scale(json) else {
                return;
            };
            let fixed = match typed.plan {
                Plan::Fixed(size) => Some(size),
                _ => None,
            };
            if let Some(precision) = json.get("precision").and_then(Json::as_u64) {
                let parameter = (
                    "connect.decimal.precision".into(),
                    precision.to_string().into(),
                );
                typed.schema.parameters.push(parameter);
            }
            (Kind::Decimal(Some(scale)), Plan::Decimal { scale, fixed })
        }
        _ => return,
    };
    typed.schema.kind = kind;
    typed.plan = plan;
}

const CONNECTS_OWN: &str = "org.apache.kafka.connect.data.";

/// Whether a name is one that [`Kind`] says.
pub(super) fn is_connects_own(name: &str) -> bool {
    let logical = name.strip_prefix(CONNECTS_OWN);
    matches!(logical, Some("Decimal" | "Date" | "Time" | "Timestamp"))
}

fn scale(json: &Map<String, Json>) -> Option<i32> {
    let given = json
        .get("scale")
        .or_else(|| json.get("connect.parameters")?.get("scale"));
    match given {
        None => Some(0),
        Some(Json::String(text)) => text.parse().ok(),
        Some(number) => i32::try_from(number.as_i64()?).ok(),
    }
}
