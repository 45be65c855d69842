//! What operators do about alerts: each is acknowledged, and then ended.

use serde_json::{Value, json};

use super::{Expect, Malformed, Plan, Sample, cut, iso};

/// The topic of actions, as the system's document names it.
pub const ACTIONS_TOPIC: &str = "operator_actions";

const KINDS: [Malformed; 4] = [
    Malformed::InvalidJson,
    Malformed::MissingField,
    Malformed::UnknownName,
    Malformed::EmptyId,
];

/// Actions for each alert.
pub const ACTIONS_OF_AN_ALERT: usize = 2;
const LAST: [&str; 2] = ["RESOLVE", "DISMISS"];
const OPERATORS: u64 = 5;

/// An alert to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub alert_id: String,
    /// Its vehicle.
    pub vehicle_id: String,
}

/// Actions in JSON, keyed by `action_id`: all alerts are acknowledged one after the other, and then
/// each is resolved or dismissed.
pub fn operator_actions(plan: Plan, alerts: Vec<Alert>) -> impl Iterator<Item = Sample> {
    (0..plan.records).filter_map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let good = plan.good_before(index);
        let count = alerts.len();
        let at = good % count.max(1);
        let alert = alerts.get(at)?;
        let action_type = match good / count {
            0 => "ACKNOWLEDGE",
            _ => LAST[plan.scatter(at, 41) as usize % LAST.len()],
        };
        // The same for the same alert alone: an action that comes again is dropped, and its step in
        // the history is one row.
        let mark = hash(&alert.alert_id).wrapping_add(index as u64);
        let id = format!(
            "{:08x}-0001-4000-8000-{:012x}",
            plan.seed & 0xFFFF_FFFF,
            mark & 0xFFFF_FFFF_FFFF
        );
        let mut record = json!({
            "action_id": id,
            "alert_id": alert.alert_id,
            "vehicle_id": alert.vehicle_id,
            // The one who acknowledges an alert ends it.
            "operator_id": format!("operator_{:03}", 1 + plan.scatter(at, 42) % OPERATORS),
            "action_type": action_type,
            "processing_time": iso(plan.start_seconds + index as i64, 0),
            "metadata": { "comment": format!("action {index}") },
        });
        match kind {
            Some(Malformed::MissingField) => record["alert_id"] = Value::Null,
            Some(Malformed::UnknownName) => record["action_type"] = json!("IGNORE"),
            Some(Malformed::EmptyId) => record["operator_id"] = json!(""),
            _ => {}
        }
        let text = record.to_string().into_bytes();
        Some(Sample {
            topic: ACTIONS_TOPIC,
            key: id,
            value: match kind {
                Some(Malformed::InvalidJson) => cut(text),
                _ => text,
            },
            timestamp: None,
            expect: kind.map_or(Expect::Landed, Expect::Refused),
            planted: None,
        })
    })
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Well-formed actions that are not to be taken, after [`operator_actions`] of the same plan:
/// every third alert, which is over, is acknowledged once more, and two actions are on alerts that
/// there are not. These are as old as `long_ago`, in milliseconds since 1970, so that nobody waits
/// for their alert.
#[cfg(feature = "dev")]
pub fn illegal_actions(
    plan: Plan,
    alerts: &[Alert],
    long_ago: i64,
) -> impl Iterator<Item = Sample> + '_ {
    let unknown = (0..2).map(|number| Alert {
        alert_id: format!("{number:08x}-0006-4000-8000-000000000000"),
        vehicle_id: "vehicle-of-nobody".to_owned(),
    });
    let over = alerts.iter().step_by(3).cloned();
    let all = over.map(|alert| (alert, None));
    let all = all.chain(unknown.map(move |alert| (alert, Some(long_ago))));
    all.enumerate().map(move |(index, (alert, timestamp))| {
        let id = format!(
            "{:08x}-0005-4000-8000-{index:012x}",
            plan.seed & 0xFFFF_FFFF
        );
        let time = plan.start_seconds + (plan.records + index) as i64;
        let record = json!({
            "action_id": id,
            "alert_id": alert.alert_id,
            "vehicle_id": alert.vehicle_id,
            "operator_id": "operator_001",
            "action_type": "ACKNOWLEDGE",
            "processing_time": iso(time, 0),
            "metadata": { "comment": "too late, or of nothing" },
        });
        Sample {
            topic: ACTIONS_TOPIC,
            key: id,
            value: record.to_string().into_bytes(),
            timestamp,
            expect: Expect::Refused(Malformed::NotLegal),
            planted: None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::Bad;
    use super::*;

    #[test]
    fn each_alert_is_acknowledged_and_then_ended() {
        let alert = |n: usize| Alert {
            alert_id: format!("a{n}"),
            vehicle_id: format!("v{n}"),
        };
        let plan = Plan {
            bad: Bad::Of(4),
            ..Plan::demo(24)
        };
        let mut done: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut bad = 0;
        for sample in operator_actions(plan, (0..10).map(alert).collect()) {
            if let Expect::Refused(_) = sample.expect {
                bad += 1;
                continue;
            }
            let action: Value = serde_json::from_slice(&sample.value).unwrap();
            let text = |field: &str| action[field].as_str().unwrap().to_owned();
            assert_eq!(sample.key, text("action_id"));
            done.entry(text("alert_id"))
                .or_default()
                .push(text("action_type"));
        }
        assert_eq!((done.len(), bad), (10, 4));
        // Other alerts have other actions.
        let ids = |first: usize| {
            let samples = operator_actions(plan, (first..first + 10).map(alert).collect());
            samples.map(|sample| sample.key).collect::<BTreeSet<_>>()
        };
        assert_eq!(ids(0).len(), 24);
        assert!(ids(0).is_disjoint(&ids(10)));
        for actions in done.values() {
            assert_eq!(actions.len(), 2);
            assert!(actions[0] == "ACKNOWLEDGE" && LAST.contains(&&*actions[1]));
        }
    }
}
