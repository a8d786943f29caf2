//! The values: who wrote them is said at both ends.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Bytes of a value: with a key of 24 bytes one record fills a page of 4 KiB.
pub const VALUE_BYTES: usize = 3584;
const STAMP_BYTES: usize = 16;

/// What a value says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Which record it belongs to.
    pub record: u64,
    /// Which write of this run it is; higher is later.
    pub sequence: u64,
}

impl Stamp {
    fn bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..8].copy_from_slice(&self.record.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    /// Reads the stamp of a value that was looked up.
    ///
    /// # Errors
    /// A value of another length, or whose ends do not agree.
    pub fn of(value: &[u8]) -> Result<Self, String> {
        if value.len() != VALUE_BYTES {
            return Err(format!(
                "a value has {} bytes instead of {VALUE_BYTES}",
                value.len()
            ));
        }
        let (head, tail) = (&value[..STAMP_BYTES], &value[VALUE_BYTES - STAMP_BYTES..]);
        if head != tail {
            return Err("the head and the tail of a value are of different writes".into());
        }
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&head[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Ok(Self {
            record: word(0),
            sequence: word(8),
        })
    }
}

/// Where values are made: random bytes, of which a write changes both ends.
pub struct Template([u8; VALUE_BYTES]);

impl Template {
    /// The same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; VALUE_BYTES];
        Pcg64Mcg::seed_from_u64(seed).fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The value of a write.
    pub fn stamped(&mut self, stamp: Stamp) -> &[u8] {
        let stamp = stamp.bytes();
        self.0[..STAMP_BYTES].copy_from_slice(&stamp);
        self.0[VALUE_BYTES - STAMP_BYTES..].copy_from_slice(&stamp);
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_who_wrote_it_and_shows_a_tear() {
        let mut template = Template::new(1);
        let stamp = Stamp {
            record: 77,
            sequence: 5,
        };
        let mut value = template.stamped(stamp).to_vec();
        assert_eq!(Stamp::of(&value), Ok(stamp));
        value[VALUE_BYTES - 1] ^= 1;
        assert!(Stamp::of(&value).unwrap_err().contains("different writes"));
        assert!(Stamp::of(&value[1..]).unwrap_err().contains("3583 bytes"));
    }
}
