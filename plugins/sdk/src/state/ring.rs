//! The last values of something.

use std::collections::VecDeque;
use std::collections::vec_deque;

use crate::state::Stored;
use crate::state::stored::{read_all, write_all};

/// The last `N` values, oldest first. It is the value of a state entry:
///
/// ```
/// use ferrule_plugin::state::{Map, Ring};
///
/// let speeds = Map::<Ring<f64, 3>>::named("speeds");
/// for speed in [1.0, 2.0, 3.0, 4.0] {
///     let mut last = speeds.get("T-1")?.unwrap_or_default();
///     last.push(speed);
///     speeds.insert("T-1", &last)?;
/// }
/// let last = speeds.get("T-1")?.unwrap_or_default();
/// assert_eq!(last.iter().copied().collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
/// # Ok::<(), ferrule_plugin::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ring<T, const N: usize>(VecDeque<T>);

impl<T, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Ring(VecDeque::new())
    }
}

impl<T, const N: usize> Ring<T, N> {
    /// Adds a value; gives the oldest one when there are then more than `N`.
    pub fn push(&mut self, value: T) -> Option<T> {
        self.0.push_back(value);
        if self.0.len() > N {
            self.0.pop_front()
        } else {
            None
        }
    }

    /// The value that was added last.
    pub fn last(&self) -> Option<&T> {
        self.0.back()
    }

    /// The values, oldest first.
    pub fn iter(&self) -> vec_deque::Iter<'_, T> {
        self.0.iter()
    }

    /// How many values there are, `N` at most.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Stored, const N: usize> Stored for Ring<T, N> {
    fn write(&self, out: &mut Vec<u8>) {
        write_all(&self.0, out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        // A version of the plugin that kept more leaves the last ones.
        let mut all: VecDeque<T> = read_all(bytes)?;
        all.drain(..all.len().saturating_sub(N));
        Some(Ring(all))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_the_last_ones(values in proptest::collection::vec(any::<i32>(), 0..20)) {
            let mut ring = Ring::<i32, 4>::default();
            for (at, value) in values.iter().enumerate() {
                let oldest = ring.push(*value);
                prop_assert_eq!(oldest, at.checked_sub(4).map(|at| values[at]));
                ring = Ring::from_bytes(&ring.to_bytes()).unwrap();
            }
            let last = &values[values.len().saturating_sub(4)..];
            prop_assert_eq!(ring.iter().copied().collect::<Vec<_>>(), last);
            prop_assert_eq!((ring.len(), ring.last()), (last.len(), last.last()));
            let fewer = Ring::<i32, 2>::from_bytes(&ring.to_bytes()).unwrap();
            prop_assert_eq!(fewer.len(), last.len().min(2));
        }
    }
}
