//! Producers' ids and transactions (KIP-98, KIP-360, KIP-447).

use std::time::{Duration, Instant};

use super::super::batch::{Outcome, Producer};
use super::super::broker::Broker;
use super::super::error_code::ErrorCode;
use super::super::wire::{Read, Reader, Writer};
use super::offsets::{self, LeaderEpoch};
use super::{Request, by_topic, map_by_topic};

/// The id and epoch of who has none.
const NOBODY: Producer = Producer { id: -1, epoch: -1 };

fn read_producer(body: &mut Reader) -> Read<Producer> {
    Ok(Producer {
        id: body.i64()?,
        epoch: body.i16()?,
    })
}

/// The error as a version of an API has it that knows PRODUCER_FENCED since `since`.
fn fenced_since<T>(
    since: i16,
    version: i16,
    outcome: Result<T, ErrorCode>,
) -> Result<T, ErrorCode> {
    outcome.map_err(|error| match error {
        ErrorCode::ProducerFenced if version < since => ErrorCode::InvalidProducerEpoch,
        other => other,
    })
}

pub(super) fn init_producer(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let id = body.nullable_string()?;
    let timeout = Duration::from_millis(u64::try_from(body.i32()?).unwrap_or(0));
    let current = match version {
        3.. => read_producer(body)?,
        _ => NOBODY,
    };
    let mut state = broker.state();
    let outcome = match id {
        None => Ok(state.transactions.idempotent()),
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        Some(id) => {
            let current = (current != NOBODY).then_some(current);
            let made = state.transactions.init(&id, timeout, current);
            made.map(|(producer, ended)| {
                if let Some(ended) = ended {
                    state.end(ended);
                }
                producer
            })
        }
    };
    drop(state);
    broker.wake_fetches();
    let outcome = fenced_since(4, version, outcome);
    let mut response = request.throttled_since(0);
    response.i16(ErrorCode::of(&outcome));
    let producer = outcome.unwrap_or(NOBODY);
    response.i64(producer.id);
    response.i16(producer.epoch);
    response.tags();
    Ok(response)
}

pub(super) fn add_partitions(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let id = body.string()?;
    let producer = read_producer(body)?;
    let topics = by_topic(body, Reader::i32)?;
    let mut state = broker.state();
    let answers = map_by_topic(topics, |topic, partition| {
        let added = state.topics.log(topic, partition).map(|_| ());
        let added = added.and_then(|()| {
            let partition = (topic.to_owned(), partition);
            let now = Instant::now();
            state
                .transactions
                .add_partitions(&id, producer, [partition], now)
        });
        (partition, fenced_since(2, version, added))
    });
    let mut response = request.throttled_since(0);
    offsets::write_codes(&mut response, answers);
    Ok(response)
}

pub(super) fn add_offsets(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let id = body.string()?;
    let producer = read_producer(body)?;
    let group = body.string()?;
    let mut state = broker.state();
    let added = state
        .transactions
        .add_group(&id, producer, group, Instant::now());
    let added = fenced_since(2, request.version, added);
    let mut response = request.throttled_since(0);
    response.i16(ErrorCode::of(&added));
    Ok(response)
}

pub(super) fn end(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let id = body.string()?;
    let producer = read_producer(body)?;
    let outcome = match body.bool()? {
        true => Outcome::Commit,
        false => Outcome::Abort,
    };
    let mut state = broker.state();
    let ended = state.transactions.end(&id, producer, outcome).map(|ended| {
        if let Some(ended) = ended {
            state.end(ended);
        }
    });
    drop(state);
    broker.wake_fetches();
    let ended = fenced_since(2, request.version, ended);
    let mut response = request.throttled_since(0);
    response.i16(ErrorCode::of(&ended));
    Ok(response)
}

pub(super) fn offset_commit(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let id = body.string()?;
    let group_name = body.string()?;
    let producer = read_producer(body)?;
    let mut generation = -1;
    let mut member = String::new();
    if version >= 3 {
        generation = body.i32()?;
        member = body.string()?;
        body.nullable_string()?;
    }
    let topics = by_topic(body, |it| {
        offsets::committed(it, LeaderEpoch::since(2, version))
    })?;
    let mut state = broker.state();
    let allowed = state.transactions.check_group(&id, producer, &group_name);
    let allowed = allowed.and_then(|()| {
        let group = state.group_or_new(&group_name);
        group.check_transaction(&member, generation)
    });
    let allowed = fenced_since(3, version, allowed);
    let answers = map_by_topic(topics, |topic, (partition, offset)| {
        let outcome = allowed.and_then(|()| {
            state.topics.log(topic, partition)?;
            let at = (topic.to_owned(), partition);
            let group = state.group_or_new(&group_name);
            group.offsets.commit_in_transaction(producer.id, at, offset);
            Ok(())
        });
        (partition, outcome)
    });
    let mut response = request.throttled_since(0);
    offsets::write_codes(&mut response, answers);
    response.tags();
    Ok(response)
}
