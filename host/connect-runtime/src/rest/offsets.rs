//! `/connectors/{name}/offsets`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::connectors::Answer;
use super::{Api, RestError, body};
use crate::storage::TargetState;

pub(super) async fn get(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let committed = api.herder.offsets(&name).await?;
    let offsets: Vec<Value> = committed
        .into_iter()
        .map(|(topic, partition, offset)| {
            json!({
                "partition": { "kafka_topic": topic, "kafka_partition": partition },
                "offset": { "kafka_offset": offset },
            })
        })
        .collect();
    Ok(Json(json!({ "offsets": offsets })).into_response())
}

pub(super) async fn alter(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    given: Bytes,
) -> Answer {
    let request = body::object(&headers, &given)?;
    let offsets = request
        .get("offsets")
        .and_then(Value::as_array)
        .filter(|o| !o.is_empty());
    let offsets = offsets.ok_or_else(|| {
        let why = "Partitions / offsets need to be provided for an alter offsets request";
        RestError::bad_request(why)
    })?;
    for element in offsets {
        check(element)?;
    }
    refuse(&api, &name).await
}

pub(super) async fn reset(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    refuse(&api, &name).await
}

/// A sink keeps its offsets beside its rows; altering Kafka's alone would change nothing.
async fn refuse(api: &Api, name: &str) -> Answer {
    let view = api.herder.connector(name).await?;
    if view.target_state != TargetState::Stopped || !view.tasks.is_empty() {
        return Err(RestError::bad_request(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This \
             can be done for the specified connector by issuing a 'PUT' request to the \
             '/connectors/{name}/stop' endpoint"
        )));
    }
    Err(RestError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        format!(
            "Failed to modify offsets for connector {name} because it doesn't support external \
             modification of offsets"
        ),
    ))
}

fn check(element: &Value) -> Result<(), RestError> {
    let bad = |why: &str| Err(RestError::bad_request(why));
    let partition = match element.get("partition") {
        None | Some(Value::Null) => {
            return bad("The partition for a sink connector offset cannot be null or missing");
        }
        Some(partition) => partition,
    };
    let (Some(topic), Some(number)) = (
        partition.get("kafka_topic"),
        partition.get("kafka_partition"),
    ) else {
        return bad(
            "The partition for a sink connector offset must contain the keys \
                    'kafka_topic' and 'kafka_partition'",
        );
    };
    if !topic.is_string() {
        return bad("Kafka topic names must be valid strings and may not be null");
    }
    if number.is_null() {
        return bad("Kafka partitions must be valid numbers and may not be null");
    }
    if !is_integer(number) {
        return Err(RestError::bad_request(format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{}'. \
             Partition values for sink connectors need to be integers.",
            text(number)
        )));
    }
    let offset = match element.get("offset") {
        None | Some(Value::Null) => return Ok(()),
        Some(offset) => offset.get("kafka_offset"),
    };
    match offset {
        None => bad(
            "The offset for a sink connector should either be null or contain the key \
                     'kafka_offset'",
        ),
        Some(offset) if !is_integer(offset) => Err(RestError::bad_request(format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{}'. \
             Offset values for sink connectors need to be integers.",
            text(offset)
        ))),
        Some(_) => Ok(()),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn is_integer(value: &Value) -> bool {
    value.is_i64()
        || value
            .as_str()
            .is_some_and(|text| text.parse::<i64>().is_ok())
}
