//! Defaults of Avro fields as values.

use std::sync::Arc;

use connect_api::{Decimal, Struct, Value};
use serde_json::Value as Json;

use crate::avro::plan::{Fields, Plan};

/// The value of a default. None where it is not of its type: defaults describe a field and never
/// decide what a record holds, so a bad one is no reason to refuse the record.
pub(super) fn value(plan: &Plan, json: &Json) -> Option<Value> {
    Some(match plan {
        Plan::Null => json.is_null().then_some(Value::Null)?,
        Plan::Boolean => Value::Boolean(json.as_bool()?),
        Plan::Int { min, max } => {
            let number = json.as_i64()?;
            let fits = (i64::from(*min)..=i64::from(*max)).contains(&number);
            fits.then_some(Value::Int(number))?
        }
        Plan::Long => Value::Int(json.as_i64()?),
        Plan::Float => Value::Float((json.as_f64()? as f32).into()),
        Plan::Double => Value::Float(json.as_f64()?),
        Plan::String | Plan::Enum(_) | Plan::Uuid => Value::from(json.as_str()?),
        Plan::Bytes | Plan::Fixed(_) => Value::Bytes(bytes(json)?.into()),
        Plan::Decimal { scale, .. } => {
            Value::Decimal(Box::new(Decimal::from_be_bytes(&bytes(json)?, *scale)))
        }
        Plan::Date => Value::Date(i32::try_from(json.as_i64()?).ok()?),
        Plan::TimeMillis => Value::Time(json.as_i64()?.checked_mul(1000)?),
        Plan::TimeMicros => Value::Time(json.as_i64()?),
        Plan::TimestampMillis => Value::Timestamp(json.as_i64()?.checked_mul(1000)?),
        Plan::TimestampMicros => Value::Timestamp(json.as_i64()?),
        Plan::Array(item) => {
            let items = json.as_array()?.iter();
            Value::Array(items.map(|i| value(&item.plan, i)).collect::<Option<_>>()?)
        }
        Plan::Map(item) => {
            let entries = json.as_object()?.iter();
            let entries =
                entries.map(|(k, v)| Some((Value::from(k.as_str()), value(&item.plan, v)?)));
            Value::Map(entries.collect::<Option<_>>()?)
        }
        // A union's default is one of its first type.
        Plan::Nullable { inner, .. } | Plan::Single(inner) => value(inner, json)?,
        Plan::Record { schema, fields } => {
            let values = row(fields, json)?;
            Value::Struct(Box::new(Struct::new(Arc::clone(schema), values)))
        }
        Plan::Entries(fields) => {
            let mut entries = Vec::new();
            for entry in json.as_array()? {
                let mut values = row(fields, entry)?.into_iter();
                entries.push((values.next()?, values.next()?));
            }
            Value::Map(entries)
        }
        Plan::Union { .. } | Plan::Again(_) => return None,
    })
}

fn row(fields: &Fields, json: &Json) -> Option<Vec<Value>> {
    let of_field = |(name, plan): &(connect_api::Str, Plan)| match json.get(name.as_str())? {
        Json::Null if matches!(plan, Plan::Nullable { .. }) => Some(Value::Null),
        json => value(plan, json),
    };
    fields.plans.iter().map(of_field).collect()
}

/// Avro writes bytes as text, a character a byte.
fn bytes(json: &Json) -> Option<Vec<u8>> {
    json.as_str()?
        .chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}
