//! Inputs of several parts: a NUL ends each but the last.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// The parts of an input.
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next part; nothing, when there is none.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (part, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &self.0[self.0.len()..]),
        };
        self.0 = rest;
        part
    }

    /// The next part as text; none, when it is no UTF-8.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    /// All that is left, NULs included.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}
