//! How telescopes are: as JSON, of which the declared schema makes Avro.

use serde_json::json;

use super::{Expect, Plan, Sample};

/// The topic, as the system's document names it.
pub const STATUS_TOPIC: &str = "telescope.status";
/// The declaration of its messages.
pub const STATUS_DECLARATION: &str =
    include_str!("../../../../../connectors/schemas/telescope.status-value.json");

const TELESCOPES: usize = 3;
const STATES: [&str; 4] = ["IDLE", "SLEWING", "TRACKING", "EXPOSING"];
const STATUS_MILLIS: i64 = 5_000;

/// So many states as the plan has records, keyed by `telescope_id`.
pub fn telescope_status(plan: Plan) -> impl Iterator<Item = Sample> {
    (0..plan.records).map(move |index| {
        let telescope = format!("scope-{}", 1 + index % TELESCOPES);
        let record = json!({
            "status_id": format!("{:08x}-0004-4000-8000-{index:012x}", plan.seed & 0xFFFF_FFFF),
            "telescope_id": telescope,
            "state": STATES[index / TELESCOPES % STATES.len()],
            "right_ascension": (plan.scatter(index, 71) % 2_400) as f64 / 100.0,
            "declination": (plan.scatter(index, 72) % 18_000) as f64 / 100.0 - 90.0,
            "altitude": null,
            "azimuth": null,
            "current_command_id": null,
            "readings": { "mirror_celsius": (plan.scatter(index, 73) % 300) as f64 / 10.0 },
            "message": null,
            "reported_at": plan.start_seconds * 1_000 + index as i64 * STATUS_MILLIS,
        });
        Sample {
            topic: STATUS_TOPIC,
            key: telescope,
            value: record.to_string().into_bytes(),
            timestamp: None,
            expect: Expect::Landed,
            planted: None,
        }
    })
}
