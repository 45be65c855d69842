//! The classic group protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and the groups' lists.

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::super::broker::Broker;
use super::super::error_code::ErrorCode;
use super::super::group::{Answer, Group, Joining, NotJoined, Phase};
use super::super::wire::{Read, Reader, Writer};
use super::Request;

/// The generation of who is in none.
const NO_GENERATION: i32 = -1;

pub(super) async fn join(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let name = body.string()?;
    let session = milliseconds(body.i32()?);
    let rebalance = milliseconds(body.i32()?);
    let joining = Joining {
        member: body.string()?,
        client: request.client.clone(),
        session,
        rebalance,
        protocol_type: body.string()?,
        protocols: body.array(|it| Ok((it.string()?, it.bytes()?)))?,
        asks_for_id: request.version >= 4,
    };
    let member = joining.member.clone();
    let new_id = format!("{}-{}", request.client, Uuid::new_v4());
    let refused = |error| {
        Err(NotJoined {
            error,
            member: member.clone(),
        })
    };
    let answer = if name.is_empty() {
        Answer::Now(refused(ErrorCode::InvalidGroupId))
    } else {
        let mut state = broker.state();
        state
            .group_or_new(&name)
            .join(joining, new_id, Instant::now())
    };
    let joined = match answer {
        Answer::Now(outcome) => outcome,
        // The other end goes when the member joins once more on another connection.
        Answer::Later(answer) => {
            let outcome = answer.await;
            outcome.unwrap_or_else(|_| refused(ErrorCode::RebalanceInProgress))
        }
    };
    let mut response = request.throttled_since(2);
    match joined {
        Ok(joined) => {
            response.i16(0);
            response.i32(joined.generation);
            response.string(&joined.protocol);
            response.string(&joined.leader);
            response.string(&joined.member);
            response.array(joined.members, |it, (id, metadata)| {
                it.string(&id);
                it.bytes(&metadata);
            });
        }
        Err(NotJoined { error, member }) => {
            response.i16(error.code());
            response.i32(NO_GENERATION);
            response.string("");
            response.string("");
            response.string(&member);
            response.array([], |_, (): ()| {});
        }
    }
    Ok(response)
}

fn milliseconds(number: i32) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

pub(super) async fn sync(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let name = body.string()?;
    let generation = body.i32()?;
    let member = body.string()?;
    let assignments = body.array(|it| Ok((it.string()?, it.bytes()?)))?;
    let answer = match broker.state().group(&name) {
        Some(group) => group.sync(&member, generation, assignments, Instant::now()),
        None => Answer::Now(Err(ErrorCode::UnknownMemberId)),
    };
    let synced = match answer {
        Answer::Now(outcome) => outcome,
        Answer::Later(answer) => {
            let outcome = answer.await;
            outcome.unwrap_or(Err(ErrorCode::RebalanceInProgress))
        }
    };
    let mut response = request.throttled_since(1);
    response.i16(ErrorCode::of(&synced));
    response.bytes(&synced.unwrap_or_default());
    Ok(response)
}

pub(super) fn heartbeat(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let name = body.string()?;
    let generation = body.i32()?;
    let member = body.string()?;
    let beat = match broker.state().group(&name) {
        Some(group) => group.heartbeat(&member, generation, Instant::now()),
        None => Err(ErrorCode::UnknownMemberId),
    };
    let mut response = request.throttled_since(1);
    response.i16(ErrorCode::of(&beat));
    Ok(response)
}

pub(super) fn leave(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let name = request.body.string()?;
    let member = request.body.string()?;
    let left = match broker.state().group(&name) {
        Some(group) => group.leave(&member, Instant::now()),
        None => Err(ErrorCode::UnknownMemberId),
    };
    let mut response = request.throttled_since(1);
    response.i16(ErrorCode::of(&left));
    Ok(response)
}

pub(super) fn describe(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let names = request.body.array(Reader::string)?;
    let mut state = broker.state();
    let mut response = request.throttled_since(1);
    response.array(names, |it, name| {
        it.i16(0);
        it.string(&name);
        match state.group(&name) {
            Some(group) => write_group(it, group, &broker.addr.ip().to_string()),
            // What Kafka says of a group that it does not know.
            None => {
                it.string("Dead");
                it.string("");
                it.string("");
                it.array([], |_, (): ()| {});
            }
        }
    });
    Ok(response)
}

fn write_group(writer: &mut Writer, group: &Group, host: &str) {
    writer.string(group.phase().name());
    writer.string(&group.protocol_type);
    let protocol = match group.phase() {
        Phase::Stable => group.protocol.as_str(),
        _ => "",
    };
    writer.string(protocol);
    writer.array(&group.members, |it, (id, member)| {
        it.string(id);
        it.string(&member.client);
        it.string(host);
        it.bytes(&member.metadata(protocol));
        it.bytes(&member.assignment);
    });
}

pub(super) fn list(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let state = broker.state();
    let mut response = request.throttled_since(1);
    response.i16(0);
    response.array(&state.groups, |it, (name, group)| {
        it.string(name);
        it.string(&group.protocol_type);
    });
    Ok(response)
}

pub(super) fn delete(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let names = request.body.array(Reader::string)?;
    let mut state = broker.state();
    let mut response = request.throttled_since(0);
    response.array(names, |it, name| {
        let deleted = match state.groups.get(&name).map(Group::phase) {
            Some(Phase::Empty) => {
                state.groups.remove(&name);
                Ok(())
            }
            Some(_) => Err(ErrorCode::NonEmptyGroup),
            None => Err(ErrorCode::GroupIdNotFound),
        };
        it.string(&name);
        it.i16(ErrorCode::of(&deleted));
    });
    Ok(response)
}

/// The topics that a group's members have subscribed to, as their metadata says: a version, and
/// the list.
pub(super) fn subscribed(group: &Group) -> Vec<String> {
    let topics = |metadata: Bytes| {
        let mut reader = Reader::new(metadata, super::super::wire::Encoding::Classic);
        reader.i16()?;
        reader.array(Reader::string)
    };
    let members = group.members.values();
    let metadata = members.map(|it| it.metadata(&group.protocol));
    // What is not in the consumers' own format names no topic.
    metadata
        .filter_map(|it| topics(it).ok())
        .flatten()
        .collect()
}
