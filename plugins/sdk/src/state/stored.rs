//! Typed values as the bytes of a state entry.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Failure, Result};

/// A type that can be the value of a state entry. Numbers are little-endian; what has a length is
/// preceded by it, in 32 bits. A struct implements it field by field:
///
/// ```
/// use ferrule_plugin::state::Stored;
///
/// struct Seen { at: i64, speed: f64 }
///
/// impl Stored for Seen {
///     fn write(&self, out: &mut Vec<u8>) {
///         self.at.write(out);
///         self.speed.write(out);
///     }
///     fn read(bytes: &mut &[u8]) -> Option<Seen> {
///         Some(Seen { at: Stored::read(bytes)?, speed: Stored::read(bytes)? })
///     }
/// }
/// ```
pub trait Stored: Sized {
    /// Adds the value to the bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes the value off the front of the bytes; none if they do not hold one.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// The value as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The value that the bytes hold, with none left over. What another version of the plugin wrote
    /// in another form is a failure.
    fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        match Self::read(&mut bytes) {
            Some(it) if bytes.is_empty() => Ok(it),
            _ => Err(Failure::new(
                "the plugin's state has another form: another version of the plugin wrote it",
            )),
        }
    }
}

macro_rules! numbers {
    ($($type:ty),+) => {$(
        impl Stored for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*first))
            }
        }
    )+};
}

numbers!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64);

impl Stored for () {
    fn write(&self, _: &mut Vec<u8>) {}

    fn read(_: &mut &[u8]) -> Option<()> {
        Some(())
    }
}

impl Stored for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(bytes: &mut &[u8]) -> Option<bool> {
        match u8::read(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Stored for String {
    fn write(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<String> {
        let length = u32::read(bytes)? as usize;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(it) = self {
            it.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<Option<T>> {
        match bool::read(bytes)? {
            true => T::read(bytes).map(Some),
            false => Some(None),
        }
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<(A, B)> {
        Some((A::read(bytes)?, B::read(bytes)?))
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_all(self, out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Vec<T>> {
        read_all(bytes)
    }
}

impl<T: Stored + Ord> Stored for BTreeSet<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_all(self, out);
    }

    fn read(bytes: &mut &[u8]) -> Option<BTreeSet<T>> {
        read_all(bytes)
    }
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn write(&self, out: &mut Vec<u8>) {
        length(self.len(), out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<BTreeMap<K, V>> {
        read_all::<(K, V), _>(bytes)
    }
}

fn length(length: usize, out: &mut Vec<u8>) {
    match u32::try_from(length) {
        Ok(length) => length.write(out),
        Err(_) => panic!("a value of the state has more than 2^32 elements"),
    }
}

pub(super) fn write_all<'a, T: Stored + 'a>(
    all: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
    out: &mut Vec<u8>,
) {
    let all = all.into_iter();
    length(all.len(), out);
    for each in all {
        each.write(out);
    }
}

pub(super) fn read_all<T: Stored, All: FromIterator<T>>(bytes: &mut &[u8]) -> Option<All> {
    let length = u32::read(bytes)?;
    (0..length).map(|_| T::read(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Everything = (
        (i64, (u16, Option<f64>)),
        (Vec<(String, bool)>, BTreeMap<u8, BTreeSet<u128>>),
    );

    proptest! {
        #[test]
        fn a_value_comes_back(
            number in any::<i64>(),
            short in any::<u16>(),
            float in proptest::option::of(-1e9..1e9),
            texts in proptest::collection::vec((".{0,8}", any::<bool>()), 0..5),
            sets in proptest::collection::btree_map(
                any::<u8>(),
                proptest::collection::btree_set(any::<u128>(), 0..4),
                0..4,
            ),
        ) {
            let it: Everything = ((number, (short, float)), (texts, sets));
            let bytes = it.to_bytes();
            prop_assert_eq!(Everything::from_bytes(&bytes), Ok(it));
            let mut cut = &bytes[..bytes.len() - 1];
            prop_assert!(Everything::read(&mut cut).is_none());
            prop_assert!(Everything::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            Everything::from_bytes(&bytes).ok();
        }
    }
}
