//! Avro's binary encoding, written by hand: it owes nothing to the library that the worker reads
//! it with.

/// The bytes of one record, field by field in the order of its schema.
#[derive(Clone, Debug, Default)]
pub struct Avro(Vec<u8>);

impl Avro {
    /// A record with no frame about it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A record in the frame of Confluent's serialisers: a zero and the schema's id.
    pub fn framed(schema: u32) -> Self {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&schema.to_be_bytes());
        Self(bytes)
    }

    /// An int or a long. It is also the branch of a union, and the symbol of an enum.
    #[must_use]
    pub fn long(mut self, number: i64) -> Self {
        let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while zigzag > 0x7f {
            self.0.push(zigzag.to_le_bytes()[0] | 0x80);
            zigzag >>= 7;
        }
        self.0.push(zigzag.to_le_bytes()[0]);
        self
    }

    /// A boolean.
    #[must_use]
    pub fn boolean(mut self, flag: bool) -> Self {
        self.0.push(u8::from(flag));
        self
    }

    /// A double.
    #[must_use]
    pub fn double(mut self, number: f64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Bytes, or a decimal's unscaled digits.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.long(length).fixed(bytes)
    }

    /// Bytes of a type `fixed`, whose length the schema tells.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A string.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Another record, as the value of a field.
    #[must_use]
    pub fn record(self, record: &Self) -> Self {
        self.fixed(&record.0)
    }
}

impl From<Avro> for Vec<u8> {
    fn from(record: Avro) -> Self {
        record.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Avro's specification.
    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let numbers = [0, -1, 1, -2, 2, -64, 64, i64::MIN];
        let bytes: Vec<u8> = numbers.into_iter().fold(Avro::new(), Avro::long).into();
        let smallest = [[0xff; 9].as_slice(), &[0x01]].concat();
        assert_eq!(
            bytes,
            [&[0, 1, 2, 3, 4, 0x7f, 0x80, 0x01], smallest.as_slice()].concat()
        );
        assert_eq!(
            Vec::from(Avro::framed(258).text("foo")),
            b"\0\0\0\x01\x02\x06foo"
        );
    }
}
