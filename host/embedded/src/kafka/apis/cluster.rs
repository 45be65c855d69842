//! What the cluster is: one broker, its APIs, and where the partitions and coordinators are.

use super::super::NODE_ID;
use super::super::broker::{Broker, State};
use super::super::error_code::ErrorCode;
use super::super::topics::NewTopic;
use super::super::wire::{Encoding, Read, Reader, Writer};
use super::{APIS, Request};

const CLUSTER_ID: &str = "ferrule-dev";

/// What stands for operations that the client has not asked for.
const NO_OPERATIONS: i32 = i32::MIN;

/// The only epoch of a leader: there is no other broker to take over.
const LEADER_EPOCH: i32 = 0;

/// The answer to a version of ApiVersions that is not there: in version 0, as KIP-511 has it.
pub(super) fn unsupported_version(correlation: i32) -> Writer {
    let mut response = Writer::response(correlation, Encoding::Classic, Encoding::Classic);
    response.i16(ErrorCode::UnsupportedVersion.code());
    write_apis(&mut response);
    response
}

fn write_apis(response: &mut Writer) {
    response.array(&APIS, |it, api| {
        it.i16(api.key);
        it.i16(api.min);
        it.i16(api.max);
        it.tags();
    });
}

pub(super) fn api_versions(_: &Broker, request: &mut Request) -> Read<Writer> {
    let mut response = request.response();
    response.i16(0);
    write_apis(&mut response);
    if request.version >= 1 {
        response.i32(0);
    }
    response.tags();
    Ok(response)
}

fn write_broker(response: &mut Writer, broker: &Broker) {
    response.i32(NODE_ID);
    response.string(&broker.addr.ip().to_string());
    response.i32(broker.addr.port().into());
}

pub(super) fn metadata(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let names = body.nullable_array(Reader::string)?;
    let missing = if version < 4 || body.bool()? {
        Missing::IsCreated
    } else {
        Missing::IsAnError
    };
    let mut response = request.throttled_since(3);
    response.array([broker], |it, broker| {
        write_broker(it, broker);
        it.nullable_string(None);
    });
    if version >= 2 {
        response.nullable_string(Some(CLUSTER_ID));
    }
    response.i32(NODE_ID);
    let mut state = broker.state();
    let names = match names {
        Some(names) => names,
        None => state.topics.iter().map(|(name, _)| name.clone()).collect(),
    };
    response.array(names, |it, name| {
        let partitions = partitions(&mut state, &name, missing);
        it.i16(ErrorCode::of(&partitions));
        it.string(&name);
        it.bool(false);
        it.array(0..partitions.unwrap_or(0), |it, partition| {
            it.i16(0);
            it.i32(partition);
            it.i32(NODE_ID);
            if version >= 7 {
                it.i32(LEADER_EPOCH);
            }
            it.array([NODE_ID], Writer::i32);
            it.array([NODE_ID], Writer::i32);
            if version >= 5 {
                it.array([], Writer::i32);
            }
        });
        if version >= 8 {
            it.i32(NO_OPERATIONS);
        }
    });
    if version >= 8 {
        response.i32(NO_OPERATIONS);
    }
    Ok(response)
}

/// What becomes of a topic that a client asks about and that is not there.
#[derive(Clone, Copy)]
enum Missing {
    /// It is made, as by Kafka with its default of `auto.create.topics.enable`.
    IsCreated,
    IsAnError,
}

/// How many partitions a topic has.
fn partitions(state: &mut State, name: &str, missing: Missing) -> Result<i32, ErrorCode> {
    if state.topics.get(name).is_none() {
        let new = NewTopic {
            name: name.to_owned(),
            partitions: -1,
            replication_factor: -1,
            configs: Vec::new(),
        };
        match missing {
            Missing::IsCreated => state.topics.create(new)?,
            Missing::IsAnError => state.topics.check(&new)?,
        }
    }
    let topic = state.topics.get(name);
    let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(topic.partitions.len() as i32)
}

/// Groups and transactions have one coordinator: this broker.
pub(super) fn find_coordinator(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let mut response = request.throttled_since(1);
    response.i16(0);
    if request.version >= 1 {
        response.nullable_string(None);
    }
    write_broker(&mut response, broker);
    Ok(response)
}

pub(super) fn describe(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let mut response = request.throttled_since(0);
    response.i16(0);
    response.nullable_string(None);
    response.string(CLUSTER_ID);
    response.i32(NODE_ID);
    response.array([broker], |it, broker| {
        write_broker(it, broker);
        it.nullable_string(None);
        it.tags();
    });
    response.i32(NO_OPERATIONS);
    response.tags();
    Ok(response)
}
