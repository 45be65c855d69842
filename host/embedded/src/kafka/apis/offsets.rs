//! A group's offsets: OffsetCommit, OffsetFetch and OffsetDelete.

use super::super::broker::Broker;
use super::super::error_code::ErrorCode;
use super::super::offsets::{Committed, Offsets};
use super::super::wire::{Read, Reader, Writer};
use super::{ByTopic, Request, by_topic, groups, map_by_topic, write_by_topic};

/// Where there is no offset, or no epoch of a leader.
const NONE: i64 = -1;
const NO_EPOCH: i32 = -1;

/// Whether a version of a request has the epoch of the leader beside the offset.
#[derive(Clone, Copy)]
pub(super) enum LeaderEpoch {
    Sent,
    NotSent,
}

impl LeaderEpoch {
    /// What `version` has of an API that has the epoch since `since`.
    pub(super) fn since(since: i16, version: i16) -> Self {
        if version >= since {
            Self::Sent
        } else {
            Self::NotSent
        }
    }
}

/// One partition's offset, as it stands in both requests that commit offsets.
pub(super) fn committed(reader: &mut Reader, epoch: LeaderEpoch) -> Read<(i32, Committed)> {
    let partition = reader.i32()?;
    let offset = reader.i64()?;
    let leader_epoch = match epoch {
        LeaderEpoch::Sent => reader.i32()?,
        LeaderEpoch::NotSent => NO_EPOCH,
    };
    let metadata = reader.nullable_string()?.unwrap_or_default();
    reader.tags()?;
    let committed = Committed {
        offset,
        leader_epoch,
        metadata,
    };
    Ok((partition, committed))
}

/// Writes a code for each partition.
pub(super) fn write_codes(writer: &mut Writer, topics: ByTopic<(i32, Result<(), ErrorCode>)>) {
    write_by_topic(writer, topics, |it, (partition, outcome)| {
        it.i32(partition);
        it.i16(ErrorCode::of(&outcome));
        it.tags();
    });
}

pub(super) fn offset_commit(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let name = body.string()?;
    let generation = body.i32()?;
    let member = body.string()?;
    if version >= 7 {
        // The instance of a static member (KIP-345): members are all dynamic here.
        body.nullable_string()?;
    }
    if version <= 4 {
        body.i64()?;
    }
    let topics = by_topic(body, |it| committed(it, LeaderEpoch::since(6, version)))?;
    let mut state = broker.state();
    let allowed = match state.group(&name) {
        Some(group) => group.check_commit(&member, generation),
        None if generation < 0 => Ok(()),
        None => Err(ErrorCode::IllegalGeneration),
    };
    let answers = map_by_topic(topics, |topic, (partition, offset)| {
        let outcome = allowed.and_then(|()| {
            state.topics.log(topic, partition)?;
            let group = state.group_or_new(&name);
            group.offsets.commit((topic.to_owned(), partition), offset);
            Ok(())
        });
        (partition, outcome)
    });
    let mut response = request.throttled_since(3);
    write_codes(&mut response, answers);
    Ok(response)
}

pub(super) fn offset_fetch(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let name = body.string()?;
    let topics = body.nullable_array(|it| super::topic(it, Reader::i32))?;
    let wants_stable = version >= 7 && body.bool()?;
    let mut state = broker.state();
    let offsets = state.group(&name).map(|group| &group.offsets);
    // No list asks for all that there are.
    let topics = topics.unwrap_or_else(|| {
        let known = offsets.into_iter().flat_map(Offsets::partitions);
        known
            .map(|(topic, partition)| (topic.clone(), vec![*partition]))
            .collect()
    });
    let answers = map_by_topic(topics, |topic, partition| {
        let at = (topic.to_owned(), partition);
        let unstable = wants_stable && offsets.is_some_and(|it| it.is_unstable(&at));
        let outcome = if unstable {
            Err(ErrorCode::UnstableOffsetCommit)
        } else {
            Ok(offsets.and_then(|it| it.get(&at)))
        };
        (partition, outcome)
    });
    let mut response = request.throttled_since(3);
    write_by_topic(&mut response, answers, |it, (partition, outcome)| {
        let code = ErrorCode::of(&outcome);
        let committed = outcome.ok().flatten();
        it.i32(partition);
        it.i64(committed.map_or(NONE, |it| it.offset));
        if version >= 5 {
            it.i32(committed.map_or(NO_EPOCH, |it| it.leader_epoch));
        }
        it.nullable_string(Some(committed.map_or("", |it| &it.metadata)));
        it.i16(code);
        it.tags();
    });
    if version >= 2 {
        response.i16(0);
    }
    response.tags();
    Ok(response)
}

pub(super) fn offset_delete(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let name = request.body.string()?;
    let topics = by_topic(&mut request.body, Reader::i32)?;
    let mut state = broker.state();
    let mut response = request.response();
    let Some(group) = state.group(&name) else {
        response.i16(ErrorCode::GroupIdNotFound.code());
        response.i32(0);
        response.array([], |_, (): ()| {});
        return Ok(response);
    };
    let subscribed = groups::subscribed(group);
    let answers = map_by_topic(topics, |topic, partition| {
        if subscribed.iter().any(|it| it == topic) {
            return (partition, Err(ErrorCode::GroupSubscribedToTopic));
        }
        group.offsets.remove(&(topic.to_owned(), partition));
        (partition, Ok(()))
    });
    response.i16(0);
    response.i32(0);
    write_codes(&mut response, answers);
    Ok(response)
}
