//! Records: Produce, Fetch, ListOffsets and DeleteRecords.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::batch::Batch;
use super::super::broker::{Broker, State};
use super::super::error_code::ErrorCode;
use super::super::log::{Found, Isolation, Log, Room};
use super::super::wire::{Read, Reader, Writer};
use super::{ByTopic, Request, by_topic, map_by_topic, write_by_topic};

/// The most that one Fetch gets, as Kafka's `fetch.max.bytes`.
const FETCH_BYTES: usize = 55 << 20;

/// The longest that a Fetch waits.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Where there is no offset or time.
const NONE: i64 = -1;

/// ListOffsets asks for these by a time below zero.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

pub(super) fn produce(broker: &Broker, request: &mut Request) -> Read<Option<Writer>> {
    let body = &mut request.body;
    let transactional_id = body.nullable_string()?;
    let acks = body.i16()?;
    let _timeout = body.i32()?;
    let topics = by_topic(body, |it| Ok((it.i32()?, it.nullable_bytes()?)))?;
    let mut state = broker.state();
    let answers = map_by_topic(topics, |topic, (partition, records)| {
        let written = match acks {
            -1..=1 => append(
                &mut state,
                transactional_id.as_deref(),
                topic,
                partition,
                records.unwrap_or_default(),
            ),
            _ => Err(ErrorCode::InvalidRequiredAcks),
        };
        let log = state.topics.log(topic, partition);
        (partition, written, log.map_or(NONE, Log::start))
    });
    drop(state);
    broker.wake_fetches();
    if acks == 0 {
        return Ok(None);
    }
    let version = request.version;
    let mut response = request.response();
    write_by_topic(&mut response, answers, |it, (partition, written, start)| {
        it.i32(partition);
        it.i16(ErrorCode::of(&written));
        it.i64(written.unwrap_or(NONE));
        it.i64(NONE);
        if version >= 5 {
            it.i64(start);
        }
    });
    response.i32(0);
    Ok(Some(response))
}

fn append(
    state: &mut State,
    transactional_id: Option<&str>,
    topic: &str,
    partition: i32,
    records: Bytes,
) -> Result<i64, ErrorCode> {
    state.topics.log(topic, partition)?;
    let batch = Batch::parse(records)?;
    if batch.is_transactional() {
        let (Some(id), Some(producer)) = (transactional_id, batch.producer) else {
            return Err(ErrorCode::InvalidTxnState);
        };
        let partition = (topic.to_owned(), partition);
        state
            .transactions
            .check_partition(id, producer, &partition)?;
    }
    state.topics.append(topic, partition, batch)
}

/// What a client wants of one partition.
#[derive(Clone, Copy)]
struct Wanted {
    partition: i32,
    offset: i64,
    max_bytes: usize,
}

/// What there is of one partition.
struct Available {
    partition: i32,
    found: Result<Found, ErrorCode>,
    start: i64,
    end: i64,
    stable_end: i64,
}

struct Fetch {
    max_wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
    isolation: Isolation,
    topics: ByTopic<Wanted>,
}

impl Fetch {
    fn read(body: &mut Reader, version: i16) -> Read<Self> {
        let _replica = body.i32()?;
        let max_wait = u64::try_from(body.i32()?).unwrap_or(0);
        let min_bytes = size(body.i32()?);
        let max_bytes = size(body.i32()?).min(FETCH_BYTES);
        let isolation = read_isolation(body)?;
        if version >= 7 {
            // There are no sessions (KIP-227): each Fetch names all that it wants.
            let _session = (body.i32()?, body.i32()?);
        }
        let topics = by_topic(body, |it| {
            let partition = it.i32()?;
            if version >= 9 {
                it.i32()?;
            }
            let offset = it.i64()?;
            if version >= 5 {
                it.i64()?;
            }
            let max_bytes = size(it.i32()?);
            Ok(Wanted {
                partition,
                offset,
                max_bytes,
            })
        })?;
        Ok(Self {
            max_wait: Duration::from_millis(max_wait).min(MAX_WAIT),
            min_bytes,
            max_bytes,
            isolation,
            topics,
        })
    }

    /// What there is now, and whether that is worth an answer.
    fn look(&self, state: &State) -> (ByTopic<Available>, bool) {
        let mut taken = 0;
        let mut failed = false;
        let available = map_by_topic(self.topics.clone(), |topic, wanted| {
            let room = Room {
                bytes: wanted.max_bytes.min(self.max_bytes.saturating_sub(taken)),
                first_batch_whole: taken == 0,
            };
            let log = state.topics.log(topic, wanted.partition);
            let read = |log: &Log| log.read(wanted.offset, self.isolation, room);
            let found = log.and_then(read);
            match &found {
                Ok(found) => taken += found.bytes(),
                Err(_) => failed = true,
            }
            Available {
                partition: wanted.partition,
                found,
                start: log.map_or(NONE, Log::start),
                end: log.map_or(NONE, Log::end),
                stable_end: log.map_or(NONE, |it| it.end_for(Isolation::ReadCommitted)),
            }
        });
        let enough = taken >= self.min_bytes || failed || self.topics.is_empty();
        (available, enough)
    }
}

pub(super) async fn fetch(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let version = request.version;
    let fetch = Fetch::read(&mut request.body, version)?;
    let until = Instant::now() + fetch.max_wait;
    let mut appended = broker.appended();
    let topics = loop {
        let (available, enough) = fetch.look(&broker.state());
        if enough
            || tokio::time::timeout_at(until, appended.changed())
                .await
                .is_err()
        {
            break available;
        }
    };
    let mut response = request.throttled_since(0);
    if version >= 7 {
        response.i16(0);
        response.i32(0);
    }
    write_by_topic(&mut response, topics, |it, available| {
        it.i32(available.partition);
        it.i16(ErrorCode::of(&available.found));
        it.i64(available.end);
        it.i64(available.stable_end);
        if version >= 5 {
            it.i64(available.start);
        }
        let found = available.found.unwrap_or_default();
        it.array(found.aborted, |it, aborted| {
            it.i64(aborted.producer);
            it.i64(aborted.first);
        });
        if version >= 11 {
            it.i32(-1);
        }
        it.records(&found.batches);
    });
    Ok(response)
}

fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

fn read_isolation(body: &mut Reader) -> Read<Isolation> {
    Ok(match body.i8()? {
        1 => Isolation::ReadCommitted,
        _ => Isolation::ReadUncommitted,
    })
}

pub(super) fn list_offsets(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let (body, version) = (&mut request.body, request.version);
    let _replica = body.i32()?;
    let isolation = match version {
        2.. => read_isolation(body)?,
        _ => Isolation::ReadUncommitted,
    };
    let topics = by_topic(body, |it| {
        let partition = it.i32()?;
        if version >= 4 {
            it.i32()?;
        }
        Ok((partition, it.i64()?))
    })?;
    let state = broker.state();
    let answers = map_by_topic(topics, |topic, (partition, time)| {
        let found = state.topics.log(topic, partition).map(|log| match time {
            LATEST => (log.end_for(isolation), NONE),
            EARLIEST => (log.start(), NONE),
            time => log.at_time(time).unwrap_or((NONE, NONE)),
        });
        (partition, found)
    });
    let mut response = request.throttled_since(2);
    write_by_topic(&mut response, answers, |it, (partition, found)| {
        it.i32(partition);
        it.i16(ErrorCode::of(&found));
        let (offset, time) = found.unwrap_or((NONE, NONE));
        it.i64(time);
        it.i64(offset);
        if version >= 4 {
            it.i32(-1);
        }
    });
    Ok(response)
}

pub(super) fn delete_records(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let topics = by_topic(&mut request.body, |it| Ok((it.i32()?, it.i64()?)))?;
    let mut state = broker.state();
    let answers = map_by_topic(topics, |topic, (partition, offset)| {
        let delete = |log: &mut Log| log.delete_before(offset);
        (partition, state.topics.change(topic, partition, delete))
    });
    let mut response = request.throttled_since(0);
    write_by_topic(&mut response, answers, |it, (partition, start)| {
        it.i32(partition);
        it.i64(start.unwrap_or(NONE));
        it.i16(ErrorCode::of(&start));
    });
    Ok(response)
}
