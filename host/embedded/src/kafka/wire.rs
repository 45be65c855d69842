//! Kafka's encodings: reading a request and writing a response, both in one version of an API.
//!
//! The types are those of the protocol guide (<https://kafka.apache.org/protocol>). A version is
//! flexible (KIP-482) or not: in flexible versions, lengths are unsigned variable-length integers
//! plus one, and each structure ends in tagged fields. [`Reader`] and [`Writer`] know which of
//! both they are in, so that a handler names the fields once for all versions.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A request that does not follow the protocol: its connection is closed, as Kafka does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("malformed request: {0}")]
pub(super) struct Malformed(pub &'static str);

/// What reading one field gives.
pub(super) type Read<T> = Result<T, Malformed>;

/// Whether a version of an API uses compact lengths and tagged fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// Fixed lengths, no tagged fields.
    Classic,
    /// KIP-482.
    Flexible,
}

/// Reads the fields of a request, in order.
#[derive(Debug)]
pub(super) struct Reader {
    rest: Bytes,
    encoding: Encoding,
}

impl Reader {
    pub(super) fn new(bytes: Bytes, encoding: Encoding) -> Self {
        Self {
            rest: bytes,
            encoding,
        }
    }

    /// What follows the header is in the encoding of the API's version.
    pub(super) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    fn take(&mut self, length: usize) -> Read<Bytes> {
        if length > self.rest.len() {
            return Err(Malformed("it ends in the middle of a field"));
        }
        Ok(self.rest.split_to(length))
    }

    pub(super) fn i8(&mut self) -> Read<i8> {
        Ok(self.take(1)?.get_i8())
    }

    pub(super) fn i16(&mut self) -> Read<i16> {
        Ok(self.take(2)?.get_i16())
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        Ok(self.take(4)?.get_i32())
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        Ok(self.take(8)?.get_i64())
    }

    pub(super) fn bool(&mut self) -> Read<bool> {
        Ok(self.i8()? != 0)
    }

    fn unsigned_varint(&mut self) -> Read<u32> {
        let mut value = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.take(1)?.get_u8();
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a variable-length integer is too long"))
    }

    /// The length of what follows; `None` is null.
    fn length(&mut self, classic: impl FnOnce(&mut Self) -> Read<i32>) -> Read<Option<usize>> {
        let length = match self.encoding {
            Encoding::Classic => i64::from(classic(self)?),
            Encoding::Flexible => i64::from(self.unsigned_varint()?) - 1,
        };
        Ok(usize::try_from(length).ok())
    }

    pub(super) fn nullable_string(&mut self) -> Read<Option<String>> {
        let Some(length) = self.length(|it| Ok(i32::from(it.i16()?)))? else {
            return Ok(None);
        };
        let text = String::from_utf8(self.take(length)?.into());
        text.map(Some)
            .map_err(|_| Malformed("a string is not UTF-8"))
    }

    pub(super) fn string(&mut self) -> Read<String> {
        self.nullable_string()?
            .ok_or(Malformed("a string is null that must not be"))
    }

    pub(super) fn nullable_bytes(&mut self) -> Read<Option<Bytes>> {
        match self.length(Self::i32)? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn bytes(&mut self) -> Read<Bytes> {
        self.nullable_bytes()?
            .ok_or(Malformed("bytes are null that must not be"))
    }

    pub(super) fn nullable_array<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Option<Vec<T>>> {
        let Some(length) = self.length(Self::i32)? else {
            return Ok(None);
        };
        // The items are not there for a length that is not true, so none is reserved for.
        (0..length)
            .map(|_| item(self))
            .collect::<Read<_>>()
            .map(Some)
    }

    pub(super) fn array<T>(&mut self, item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        Ok(self.nullable_array(item)?.unwrap_or_default())
    }

    /// The end of a structure: its tagged fields, of which none is used.
    pub(super) fn tags(&mut self) -> Read<()> {
        if self.encoding == Encoding::Flexible {
            for _ in 0..self.unsigned_varint()? {
                self.unsigned_varint()?;
                let length = self.unsigned_varint()? as usize;
                self.take(length)?;
            }
        }
        Ok(())
    }
}

/// Writes the fields of a response, in order.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: BytesMut,
    encoding: Encoding,
}

/// Where the length of the frame goes.
const FRAME: usize = 4;

impl Writer {
    /// Begins with the header: the number that the request had.
    pub(super) fn response(correlation: i32, header: Encoding, body: Encoding) -> Self {
        let mut writer = Self {
            bytes: BytesMut::with_capacity(256),
            encoding: header,
        };
        writer.bytes.put_bytes(0, FRAME);
        writer.i32(correlation);
        writer.tags();
        writer.encoding = body;
        writer
    }

    /// The frame: length, header and body.
    pub(super) fn finish(mut self) -> Bytes {
        let length = u32::try_from(self.bytes.len() - FRAME).unwrap_or(u32::MAX);
        self.bytes[..FRAME].copy_from_slice(&length.to_be_bytes());
        self.bytes.freeze()
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.put_i8(value);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value > 0x7F {
            self.bytes.put_u8((value & 0x7F) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    fn length(&mut self, length: Option<usize>, classic: impl FnOnce(&mut Self, i32)) {
        // Nothing that is answered comes near to two gigabytes.
        let length = length.map_or(-1, |length| i32::try_from(length).unwrap_or(i32::MAX));
        match self.encoding {
            Encoding::Classic => classic(self, length),
            Encoding::Flexible => self.unsigned_varint(length.wrapping_add(1) as u32),
        }
    }

    pub(super) fn nullable_string(&mut self, text: Option<&str>) {
        self.length(text.map(str::len), |it, length| it.i16(length as i16));
        self.bytes.put_slice(text.unwrap_or_default().as_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(Some(bytes.len()), Self::i32);
        self.bytes.put_slice(bytes);
    }

    /// Record batches, one after the other, as one field of bytes.
    pub(super) fn records(&mut self, batches: &[Bytes]) {
        let length = batches.iter().map(Bytes::len).sum();
        self.length(Some(length), Self::i32);
        self.bytes.reserve(length);
        for batch in batches {
            self.bytes.put_slice(batch);
        }
    }

    pub(super) fn array<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        let items = items.into_iter();
        self.length(Some(items.len()), Self::i32);
        for it in items {
            item(self, it);
        }
    }

    /// Ends a structure.
    pub(super) fn tags(&mut self) {
        if self.encoding == Encoding::Flexible {
            self.unsigned_varint(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoding: Encoding, write: impl FnOnce(&mut Writer)) -> Bytes {
        let mut writer = Writer::response(7, Encoding::Classic, encoding);
        write(&mut writer);
        let frame = writer.finish();
        assert_eq!(frame[..4], ((frame.len() - 4) as u32).to_be_bytes());
        assert_eq!(frame[4..8], 7_i32.to_be_bytes());
        frame.slice(8..)
    }

    #[test]
    fn what_is_written_is_read_in_both_encodings() {
        let long = "x".repeat(300);
        for encoding in [Encoding::Classic, Encoding::Flexible] {
            let body = written(encoding, |it| {
                it.array([1, 2, 3], Writer::i32);
                it.string(&long);
                it.nullable_string(None);
                it.records(&[Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
                it.bool(true);
                it.tags();
            });
            let mut reader = Reader::new(body, encoding);
            assert_eq!(reader.array(Reader::i32), Ok(vec![1, 2, 3]));
            assert_eq!(reader.string().as_deref(), Ok(long.as_str()));
            assert_eq!(reader.nullable_string(), Ok(None));
            assert_eq!(reader.bytes().as_deref(), Ok(&b"abc"[..]));
            assert_eq!(reader.bool(), Ok(true));
            assert_eq!(reader.tags(), Ok(()));
            assert!(reader.i8().is_err(), "all is read");
        }
    }

    #[test]
    fn a_compact_length_is_one_more() {
        assert_eq!(
            written(Encoding::Flexible, |it| it.string("ab")),
            &b"\x03ab"[..]
        );
        assert_eq!(
            written(Encoding::Classic, |it| it.string("ab")),
            &b"\0\x02ab"[..]
        );
    }

    #[test]
    fn lengths_that_are_not_true_are_refused() {
        let huge = Bytes::from_static(&[0x7F, 0xFF, 0xFF, 0xFF, 1]);
        assert!(
            Reader::new(huge.clone(), Encoding::Classic)
                .bytes()
                .is_err()
        );
        let mut reader = Reader::new(huge, Encoding::Classic);
        assert!(reader.array(Reader::i8).is_err());
        let endless = Bytes::from_static(&[0xFF; 6]);
        assert!(Reader::new(endless, Encoding::Flexible).string().is_err());
        let null = Bytes::from_static(&[0xFF, 0xFF]);
        assert!(Reader::new(null, Encoding::Classic).string().is_err());
        let not_text = Bytes::from_static(&[0, 1, 0xFF]);
        assert!(Reader::new(not_text, Encoding::Classic).string().is_err());
    }

    #[test]
    fn tagged_fields_are_passed_over() {
        let tagged = Bytes::from_static(&[2, 0, 1, 9, 5, 0, 42]);
        let mut reader = Reader::new(tagged, Encoding::Flexible);
        assert_eq!(reader.tags(), Ok(()));
        assert_eq!(reader.i8(), Ok(42));
    }
}
