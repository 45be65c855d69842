//! The alerts that made-up operators act on: of a file, or those of the topic of alerts that are
//! open.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use connect_api::{Properties, mask};
use connect_runtime::sample::read_topic;
use serde_json::Value as Json;

use super::generate::Alert;

/// The topic of alerts, as the system's document names it.
const TOPIC: &str = "operator_alerts";
/// Messages of it that are read at most, of each partition: the last ones.
const MOST: usize = 1_000_000;
const OPEN: &str = "OPEN";

/// Those of a file, a line of JSON each.
pub fn of_file(file: &Path) -> Result<Vec<Alert>> {
    let named = || file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(named)?;
    let lines = text.lines().enumerate();
    let alerts = lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            let json: Json = serde_json::from_str(line)?;
            let field = |name: &str| {
                let text = json[name].as_str().map(str::to_owned);
                text.with_context(|| format!("{}, line {}: no {name}", file.display(), at + 1))
            };
            Ok(Alert {
                alert_id: field("alert_id")?,
                vehicle_id: field("vehicle_id")?,
            })
        });
    let alerts: Vec<Alert> = alerts.collect::<Result<_>>().with_context(named)?;
    ensure!(!alerts.is_empty(), "{} has no alerts", file.display());
    Ok(alerts)
}

/// Those of the topic whose last message says that they are open.
pub fn of_topic(client: &Properties) -> Result<Vec<Alert>> {
    let partitions = read_topic(client, TOPIC, MOST, true).map_err(|error| {
        anyhow!(
            "which alerts? Those of topic {TOPIC} cannot be read: {}. --alerts FILE names others",
            mask(error.chain())
        )
    })?;
    let records = partitions.iter().flat_map(|(_, records)| records);
    let values = records.filter_map(|record| record.value.as_deref());
    let open = open(values);
    ensure!(
        !open.is_empty(),
        "which alerts? Topic {TOPIC} has none that is {OPEN}. --alerts FILE names others"
    );
    Ok(open)
}

/// The alerts that are open after these messages, by their ids.
fn open<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<Alert> {
    let mut open = BTreeMap::new();
    for value in values {
        let Ok(mut message) = serde_json::from_slice::<Json>(value) else {
            continue;
        };
        // A converter with schemas wraps the message.
        if message.get("payload").is_some_and(Json::is_object) {
            message = message["payload"].take();
        }
        let text = |name: &str| message[name].as_str().map(str::to_owned);
        let (Some(alert_id), Some(vehicle_id)) = (text("alert_id"), text("vehicle_id")) else {
            continue;
        };
        if message["alert_status"] == OPEN {
            open.insert(alert_id, vehicle_id);
        } else {
            open.remove(&alert_id);
        }
    }
    let alerts = open.into_iter().map(|(alert_id, vehicle_id)| Alert {
        alert_id,
        vehicle_id,
    });
    alerts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_whose_last_message_is_open() {
        let messages = [
            r#"{"alert_id": "b", "vehicle_id": "v1", "alert_status": "OPEN"}"#,
            r#"{"alert_id": "a", "vehicle_id": "v2", "alert_status": "OPEN"}"#,
            r#"{"alert_id": "b", "vehicle_id": "v1", "alert_status": "ACKNOWLEDGED"}"#,
            r#"{"schema": {}, "payload": {"alert_id": "c", "vehicle_id": "v3",
                "alert_status": "OPEN"}}"#,
            r#"{"alert_id": "d", "alert_status": "OPEN"}"#,
            "no JSON",
        ];
        let alert = |alert_id: &str, vehicle_id: &str| Alert {
            alert_id: alert_id.to_owned(),
            vehicle_id: vehicle_id.to_owned(),
        };
        let open = open(messages.iter().map(|message| message.as_bytes()));
        assert_eq!(open, [alert("a", "v2"), alert("c", "v3")]);
    }
}
