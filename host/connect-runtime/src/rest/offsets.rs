//! `/connectors/{name}/offsets`.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use connect_api::{
    Offset, OffsetChange, SourceOffset, SourceOffsetChange, SourcePartition, TopicPartition,
};
use serde_json::{Value, json};

use super::connectors::Answer;
use super::{Api, RestError, body};
use crate::herder::SourceOffsetsChange;

pub(super) async fn get(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    let element =
        |partition: Value, offset: Value| json!({ "partition": partition, "offset": offset });
    let offsets: Vec<Value> = if is_source(&api, &name).await? {
        let stored = api.herder.source_offsets(&name).await?.into_iter();
        let stored = stored.map(|(partition, offset)| {
            element(Value::Object(partition.0), Value::Object(offset.0))
        });
        stored.collect()
    } else {
        let committed = api.herder.offsets(&name).await?.into_iter();
        let committed = committed.map(|(TopicPartition { topic, partition }, offset)| {
            element(
                json!({ "kafka_topic": &*topic, "kafka_partition": partition }),
                json!({ "kafka_offset": offset.0 }),
            )
        });
        committed.collect()
    };
    Ok(Json(json!({ "offsets": offsets })).into_response())
}

async fn is_source(api: &Api, name: &str) -> Result<bool, RestError> {
    let view = api.herder.connector(name).await?;
    Ok(api.herder.connector_type(&view.config) == "source")
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
    if is_source(&api, &name).await? {
        let offsets: Result<Vec<_>, RestError> = offsets.iter().map(source_element).collect();
        let change = SourceOffsetsChange::Alter(offsets?);
        api.herder.alter_source_offsets(&name, change).await?;
    } else {
        let offsets: Result<Vec<_>, RestError> = offsets.iter().map(element).collect();
        let change = OffsetChange::Alter(each_once(offsets?)?);
        api.herder.alter_offsets(&name, change).await?;
    }
    Ok(told("altered"))
}

pub(super) async fn reset(State(api): State<Api>, Path(name): Path<String>) -> Answer {
    if is_source(&api, &name).await? {
        let change = SourceOffsetsChange::Reset;
        api.herder.alter_source_offsets(&name, change).await?;
    } else {
        api.herder.alter_offsets(&name, OffsetChange::Reset).await?;
    }
    Ok(told("reset"))
}

/// A source's own partition, and the offset to go on from; none: as if it had never been read.
pub(super) fn source_element(element: &Value) -> Result<SourceOffsetChange, RestError> {
    let bad = |why: &str| Err(RestError::bad_request(why));
    let partition = match element.get("partition") {
        Some(Value::Object(partition)) => SourcePartition(partition.clone()),
        None | Some(Value::Null) => {
            return bad("The partition for a source connector offset cannot be null or missing");
        }
        Some(_) => return bad("The partition for a source connector offset must be a JSON object"),
    };
    match element.get("offset") {
        None | Some(Value::Null) => Ok((partition, None)),
        Some(Value::Object(offset)) => Ok((partition, Some(SourceOffset(offset.clone())))),
        Some(_) => bad("The offset for a source connector must be null or a JSON object"),
    }
}

fn told(what: &str) -> Response {
    let message = format!("The offsets for this connector have been {what} successfully");
    Json(json!({ "message": message })).into_response()
}

/// A partition that is given twice must be given one offset.
fn each_once(
    offsets: Vec<(TopicPartition, Option<Offset>)>,
) -> Result<Vec<(TopicPartition, Option<Offset>)>, RestError> {
    let mut each = BTreeMap::new();
    for (topic_partition, offset) in offsets {
        match each.get(&topic_partition) {
            Some(other) if *other != offset => {
                return Err(RestError::bad_request(format!(
                    "The partition {topic_partition} is given with two different offsets"
                )));
            }
            _ => each.insert(topic_partition, offset),
        };
    }
    Ok(each.into_iter().collect())
}

/// One partition and the offset to go on from; none: as if it had never been read.
pub(super) fn element(element: &Value) -> Result<(TopicPartition, Option<Offset>), RestError> {
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
    let Some(topic) = topic.as_str() else {
        return bad("Kafka topic names must be valid strings and may not be null");
    };
    if number.is_null() {
        return bad("Kafka partitions must be valid numbers and may not be null");
    }
    let unparsed = |what: &str, kind: &str, value: &Value| {
        RestError::bad_request(format!(
            "Failed to parse the following Kafka {what} value in the provided offsets: '{}'. \
             {kind} values for sink connectors need to be integers.",
            text(value)
        ))
    };
    let Ok(partition) = text(number).parse::<i32>() else {
        return Err(unparsed("partition", "Partition", number));
    };
    let topic_partition = TopicPartition::new(topic, partition);
    let offset = match element.get("offset") {
        None | Some(Value::Null) => return Ok((topic_partition, None)),
        Some(offset) => offset.get("kafka_offset"),
    };
    let Some(offset) = offset else {
        return bad(
            "The offset for a sink connector should either be null or contain the key \
             'kafka_offset'",
        );
    };
    match text(offset).parse() {
        Ok(next) if next >= 0 => Ok((topic_partition, Some(Offset(next)))),
        _ => Err(unparsed("offset", "Offset", offset)),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
