//! Numbers that look random and are the same for one seed.

/// SplitMix64, after Steele, Lea and Flood.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of these.
    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// A size: mostly small, now and then up to `most`.
    pub fn size(&mut self, most: usize) -> usize {
        match self.below(100) {
            0..80 => self.below(most.min(300)),
            80..98 => self.below(most.min(10_000)),
            _ => self.below(most),
        }
    }

    /// Bytes without any order.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Decimal digits, the first of which is no zero.
    pub fn digits(&mut self, count: usize) -> String {
        let digit = |_| char::from(b'1' + self.below(9) as u8);
        (0..count.max(1)).map(digit).collect()
    }
}
