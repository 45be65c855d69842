//! Buffers that records are copied into, out of librdkafka's.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use connect_api::{RawHeader, RawRecord};
use rdkafka::message::BorrowedMessage;

use crate::kafka::raw_record;

/// Bytes of a buffer; what is larger has one of its own.
const BUFFER: usize = 256 * 1024;
/// Full buffers that are remembered. A task has fewer in use, unless its records are large.
const REMEMBERED: usize = 32;

/// Where records are copied to: they share buffers, and a buffer is used again once all of its
/// records are gone. The allocator would put small things in the gap, and keep it.
#[derive(Default)]
pub(super) struct Arena {
    current: BytesMut,
    /// Those that are full, the oldest first.
    full: VecDeque<BytesMut>,
}

impl Arena {
    /// Copies the record out of the client; none of its bytes where they are more than `most`.
    pub(super) fn copy(&mut self, message: &BorrowedMessage<'_>, most: usize) -> RawRecord {
        if message_size(message) > most {
            return raw_record(message, |_| Bytes::new());
        }
        raw_record(message, |bytes| self.keep(bytes))
    }

    fn keep(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > BUFFER {
            return Bytes::copy_from_slice(bytes);
        }
        if self.current.capacity() < bytes.len() {
            let next = self.next();
            let full = std::mem::replace(&mut self.current, next);
            if self.full.len() == REMEMBERED {
                self.full.pop_front();
            }
            self.full.push_back(full);
        }
        self.current.put_slice(bytes);
        self.current.split().freeze()
    }

    /// A buffer that nobody uses any more, or else a new one.
    fn next(&mut self) -> BytesMut {
        let mut full = self.full.iter_mut();
        let free = full.position(|buffer| buffer.try_reclaim(BUFFER));
        let free = free.and_then(|at| self.full.remove(at));
        free.unwrap_or_else(|| BytesMut::with_capacity(BUFFER))
    }
}

/// Bytes of key and value while they are the client's.
pub(super) fn message_size(message: &BorrowedMessage<'_>) -> usize {
    message.key_len() + message.payload_len()
}

/// Bytes of key, value and headers. An empty header, which is two bytes in Kafka, counts for what
/// it takes here.
pub(super) fn size(record: &RawRecord) -> usize {
    let len = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record
        .headers
        .iter()
        .map(|h| size_of::<RawHeader>() + h.name.len() + len(&h.value))
        .sum();
    len(&record.key) + len(&record.value) + headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 1024;

    /// A buffer full of pieces, each with another number.
    fn fill(arena: &mut Arena) -> Vec<Bytes> {
        let pieces = 0..BUFFER / PIECE;
        pieces.map(|n| arena.keep(&[n as u8; PIECE])).collect()
    }

    fn is_whole(pieces: &[Bytes]) -> bool {
        let pieces = pieces.iter().enumerate();
        pieces
            .into_iter()
            .all(|(n, piece)| piece == &[n as u8; PIECE][..])
    }

    #[test]
    fn a_buffer_is_used_again_once_its_records_are_gone() {
        let mut arena = Arena::default();
        let first = fill(&mut arena);
        let second = fill(&mut arena);
        let address = first[0].as_ptr();
        assert_ne!(second[0].as_ptr(), address);
        assert!(is_whole(&first));
        drop(first);
        let third = fill(&mut arena);
        assert_eq!(third[0].as_ptr(), address);
        assert!(is_whole(&second) && is_whole(&third));
    }

    #[test]
    fn what_is_large_has_a_buffer_of_its_own() {
        let mut arena = Arena::default();
        assert_eq!(arena.keep(&vec![7; BUFFER + 1]).len(), BUFFER + 1);
        assert_eq!(arena.keep(b"small"), &b"small"[..]);
    }
}
