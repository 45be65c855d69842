//! CreateTopics, DeleteTopics and CreatePartitions.

use super::super::broker::Broker;
use super::super::error_code::ErrorCode;
use super::super::topics::NewTopic;
use super::super::wire::{Read, Reader, Writer};
use super::Request;

fn new_topic(body: &mut Reader) -> Read<NewTopic> {
    let name = body.string()?;
    let mut partitions = body.i32()?;
    let mut replication_factor = body.i16()?;
    let assignments = body.array(|it| Ok((it.i32()?, it.array(Reader::i32)?)))?;
    if !assignments.is_empty() {
        // Which broker has what is the client's choice then; there is one.
        partitions = assignments.len() as i32;
        let copies = assignments.iter().map(|(_, brokers)| brokers.len()).max();
        replication_factor = copies.map_or(-1, |copies| copies as i16);
    }
    let configs = body.array(|it| Ok((it.string()?, it.nullable_string()?)))?;
    Ok(NewTopic {
        name,
        partitions,
        replication_factor,
        configs,
    })
}

pub(super) fn create(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let topics = body.array(new_topic)?;
    let _timeout = body.i32()?;
    let only_validate = body.bool()?;
    let mut state = broker.state();
    let mut response = request.throttled_since(2);
    response.array(topics, |it, new| {
        let name = new.name.clone();
        let made = if only_validate {
            state.topics.check(&new)
        } else {
            state.topics.create(new)
        };
        it.string(&name);
        it.i16(ErrorCode::of(&made));
        it.nullable_string(None);
    });
    Ok(response)
}

pub(super) fn delete(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let names = request.body.array(Reader::string)?;
    let mut state = broker.state();
    let mut response = request.throttled_since(1);
    response.array(names, |it, name| {
        let deleted = state.delete_topic(&name);
        it.string(&name);
        it.i16(ErrorCode::of(&deleted));
    });
    drop(state);
    broker.wake_fetches();
    Ok(response)
}

pub(super) fn create_partitions(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let topics = body.array(|it| {
        let topic = (it.string()?, it.i32()?);
        it.nullable_array(|it| it.array(Reader::i32))?;
        Ok(topic)
    })?;
    let _timeout = body.i32()?;
    let only_validate = body.bool()?;
    let mut state = broker.state();
    let mut response = request.throttled_since(0);
    response.array(topics, |it, (name, count)| {
        let grown = if only_validate {
            state.topics.check_growth(&name, count)
        } else {
            state.topics.grow(&name, count)
        };
        it.string(&name);
        it.i16(ErrorCode::of(&grown));
        it.nullable_string(None);
    });
    Ok(response)
}
