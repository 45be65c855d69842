//! Bytes of a file, taken apart into lines.

use std::borrow::Cow;

/// The longest line: a broker takes no record near to that by default, and a file without line ends
/// must not fill the memory.
pub(crate) const MAX_LINE_BYTES: usize = 16 << 20;

/// A line without its end, and the position in the file behind that end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) next_position: u64,
}

/// What was read of a file and not yet taken as lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
    /// Bytes of the buffer that are known to hold no end of a line.
    searched: usize,
    /// The position in the file of the first byte that was not taken.
    position: u64,
}

impl Lines {
    /// Lines of a file that is read from this position.
    pub(crate) fn new(position: u64) -> Self {
        Self {
            position,
            ..Self::default()
        }
    }

    /// The position of the first byte that belongs to no line yet.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the line that is being read is longer than any may be.
    pub(crate) fn is_too_long(&self) -> bool {
        self.buffer.len() - self.taken > MAX_LINE_BYTES
    }

    /// Adds what follows in the file.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line that has its end: `\n`, `\r` or `\r\n`. A `\r` that is the last byte so far
    /// may be the first half of an end, and is waited behind, as Kafka does.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let found = self.buffer[self.searched..].iter().position(is_end);
        let Some(found) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        self.searched = end;
        let next = match (self.buffer[end], self.buffer.get(end + 1)) {
            (b'\r', None) => return None,
            (b'\r', Some(b'\n')) => end + 2,
            _ => end + 1,
        };
        let start = std::mem::replace(&mut self.taken, next);
        self.searched = next;
        self.position += (next - start) as u64;
        Some(Line {
            text: String::from_utf8_lossy(&self.buffer[start..end]),
            next_position: self.position,
        })
    }
}
