//! What users of a site do: page views and clicks, to be counted in windows.

use serde_json::{Value, json};

use super::{Expect, Malformed, Plan, Sample, USER_ACTIVITY, cut, iso};

const KINDS: [Malformed; 4] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::EmptyId,
    Malformed::NotText,
];

const USERS: u64 = 60;
/// From one message to the next: an interval of thirty seconds has three hundred.
const MESSAGE_MILLIS: i64 = 100;

/// Activities, in JSON without a schema, keyed by `user_id`. They are
/// counted: the rows are those of the intervals that they are in.
pub fn user_activity(plan: impl Into<Plan>) -> impl Iterator<Item = Sample> {
    let plan = plan.into();
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let good = plan.good_before(index);
        let user = format!("user-{:03}", plan.scatter(index, 31) % USERS);
        let mut record = json!({
            "user_id": user,
            "activity_type": if good.is_multiple_of(3) { "click" } else { "page_view" },
            "timestamp": iso(plan.start_seconds, 0),
            "metadata": { "page_url": format!("https://example.com/{index}") },
        });
        match kind {
            Some(Malformed::MissingField) => record["user_id"] = Value::Null,
            Some(Malformed::EmptyId) => record["user_id"] = json!(" "),
            Some(Malformed::NotText) => record["activity_type"] = json!(7),
            _ => {}
        }
        let text = record.to_string().into_bytes();
        Sample {
            topic: USER_ACTIVITY.topic,
            key: user,
            value: match kind {
                Some(Malformed::InvalidJson) => cut(text),
                _ => text,
            },
            timestamp: Some(plan.start_seconds * 1_000 + good as i64 * MESSAGE_MILLIS),
            expect: match kind {
                Some(kind) => Expect::Refused(kind),
                None => Expect::Remembered,
            },
            planted: None,
        }
    })
}
