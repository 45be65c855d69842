//! Commands to telescopes and what answers them: as JSON, of which the declared schema makes Avro.

use serde_json::json;

use super::{Expect, Plan, Planted, Sample};

/// The topics, as the system's document names them.
pub const COMMANDS_TOPIC: &str = "telescope.commands";
/// Where commands are answered.
pub const ACKNOWLEDGMENTS_TOPIC: &str = "telescope.acknowledgments";

/// The declarations of both.
pub const DECLARATIONS: [(&str, &str); 2] = [
    (
        COMMANDS_TOPIC,
        include_str!("../../../../../connectors/schemas/telescope.commands-value.json"),
    ),
    (
        ACKNOWLEDGMENTS_TOPIC,
        include_str!("../../../../../connectors/schemas/telescope.acknowledgments-value.json"),
    ),
];

const TELESCOPES: usize = 3;
const COMMANDS: [&str; 4] = ["SLEW", "TRACK", "EXPOSE", "PARK"];
const APPLICATIONS: [&str; 2] = ["telescope-robotics", "telescope-data-handler"];
/// From one command to the next, and from a command to its answer.
const COMMAND_MILLIS: i64 = 10_000;
const ANSWER_MILLIS: i64 = 2_000;

/// So many commands as the plan has records, each followed by its acknowledgment, but for exactly
/// `unanswered` of them, which are spread over all. Keyed by `telescope_id`.
pub fn telescope_commands(plan: Plan, unanswered: usize) -> impl Iterator<Item = Sample> {
    let before = move |index: usize| index * unanswered / plan.records.max(1);
    (0..plan.records).flat_map(move |index| {
        let is_answered = before(index + 1) == before(index);
        let answer = is_answered.then(|| answer(plan, index));
        [Some(command(plan, index, is_answered)), answer]
            .into_iter()
            .flatten()
    })
}

fn telescope(index: usize) -> String {
    format!("scope-{}", 1 + index % TELESCOPES)
}

fn id(plan: Plan, part: u16, index: usize) -> String {
    format!(
        "{:08x}-{part:04x}-4000-8000-{index:012x}",
        plan.seed & 0xFFFF_FFFF
    )
}

fn command(plan: Plan, index: usize, is_answered: bool) -> Sample {
    let (command_id, telescope) = (id(plan, 2, index), telescope(index));
    let issued_at = plan.start_seconds * 1_000 + index as i64 * COMMAND_MILLIS;
    let record = json!({
        "command_id": command_id,
        "telescope_id": telescope,
        "command_type": COMMANDS[index / TELESCOPES % COMMANDS.len()],
        "parameters": {
            "right_ascension": format!("{:.2}", (plan.scatter(index, 51) % 2_400) as f64 / 100.0),
            "exposure_seconds": (1 + plan.scatter(index, 52) % 600).to_string(),
        },
        "observation_id": format!("OBS-{:04}", index / 100),
        "priority": plan.scatter(index, 53) % 3,
        "issued_by": "control-center",
        "issued_at": issued_at,
        "expires_at": issued_at + 6 * COMMAND_MILLIS,
    });
    Sample {
        topic: COMMANDS_TOPIC,
        key: telescope.clone(),
        value: record.to_string().into_bytes(),
        timestamp: None,
        expect: Expect::Landed,
        planted: (!is_answered).then(|| Planted {
            what: "unanswered",
            key: command_id,
            details: json!({ "telescope_id": telescope }),
        }),
    }
}

fn answer(plan: Plan, index: usize) -> Sample {
    let telescope = telescope(index);
    let is_failed = plan.scatter(index, 54).is_multiple_of(10);
    let record = json!({
        "acknowledgment_id": id(plan, 3, index),
        "command_id": id(plan, 2, index),
        "telescope_id": telescope,
        "application": APPLICATIONS[index % APPLICATIONS.len()],
        "status": if is_failed { "FAILED" } else { "COMPLETED" },
        "message": is_failed.then_some("the dome is closed"),
        "error_code": is_failed.then_some(17),
        "acknowledged_at":
            plan.start_seconds * 1_000 + index as i64 * COMMAND_MILLIS + ANSWER_MILLIS,
    });
    Sample {
        topic: ACKNOWLEDGMENTS_TOPIC,
        key: telescope,
        value: record.to_string().into_bytes(),
        timestamp: None,
        expect: Expect::Landed,
        planted: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn exactly_so_many_commands_are_unanswered() {
        for (records, unanswered) in [(10, 0), (10, 3), (7, 7)] {
            let mut open = BTreeSet::new();
            let mut planted = BTreeSet::new();
            for sample in telescope_commands(Plan::demo(records), unanswered) {
                planted.extend(sample.planted.map(|it| it.key));
                let record: Value = serde_json::from_slice(&sample.value).unwrap();
                let id = record["command_id"].as_str().unwrap().to_owned();
                match sample.topic {
                    COMMANDS_TOPIC => assert!(open.insert(id)),
                    _ => assert!(open.remove(&id)),
                }
            }
            assert_eq!(open.len(), unanswered);
            assert_eq!(open, planted);
        }
    }
}
