//! Free ranges of numbers: bus addresses of a function, offsets within a piece of memory.

use std::collections::BTreeMap;

/// First fit over sorted free ranges; ranges that touch are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct FreeRanges {
    /// Start to length; never empty ranges, never two that touch.
    free: BTreeMap<u64, u64>,
}

impl FreeRanges {
    /// Nothing is free.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// `bytes` bytes that start at a multiple of `alignment` (a power of two).
    pub(crate) fn take(&mut self, bytes: u64, alignment: u64) -> Option<u64> {
        let found = self.free.iter().find_map(|(&start, &length)| {
            let aligned = start.checked_next_multiple_of(alignment)?;
            let before = aligned - start;
            (length >= before && length - before >= bytes).then_some((start, length, aligned))
        });
        let (start, length, aligned) = found?;
        self.free.remove(&start);
        let before = aligned - start;
        if before > 0 {
            self.free.insert(start, before);
        }
        let after = length - before - bytes;
        if after > 0 {
            self.free.insert(aligned + bytes, after);
        }
        Some(aligned)
    }

    /// `bytes` bytes from `start` are free (again). They must not overlap what is.
    pub(crate) fn give(&mut self, start: u64, bytes: u64) {
        let (mut start, mut bytes) = (start, bytes);
        if bytes == 0 {
            return;
        }
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.free.remove(&before);
            start = before;
            bytes += length;
        }
        if let Some(length) = self.free.remove(&(start + bytes)) {
            bytes += length;
        }
        self.free.insert(start, bytes);
    }

    /// Is all of 0 to `bytes` free?
    pub(crate) fn is_whole(&self, bytes: u64) -> bool {
        self.free.get(&0) == Some(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_become_one_range_again() {
        let mut ranges = FreeRanges::new();
        ranges.give(0, 0x4000);
        let taken: Vec<u64> = (0..4)
            .map(|_| ranges.take(0x1000, 0x1000).expect("room"))
            .collect();
        assert_eq!(taken, [0, 0x1000, 0x2000, 0x3000]);
        assert_eq!(ranges.take(1, 1), None);
        for start in [0x1000, 0x3000, 0, 0x2000] {
            ranges.give(start, 0x1000);
        }
        assert!(ranges.is_whole(0x4000));
    }

    #[test]
    fn an_alignment_leaves_what_is_before_it_free() {
        let mut ranges = FreeRanges::new();
        ranges.give(0x1000, 0x40_0000);
        assert_eq!(ranges.take(0x20_0000, 0x20_0000), Some(0x20_0000));
        assert_eq!(ranges.take(0x1f_f000, 0x1000), Some(0x1000));
        assert_eq!(ranges.take(0x1000, 0x1000), Some(0x40_0000));
        assert_eq!(ranges.take(0x1000, 0x1000), None);
    }

    #[test]
    fn the_end_of_the_address_space_is_no_overflow() {
        let mut ranges = FreeRanges::new();
        ranges.give(u64::MAX - 0x1fff, 0x1fff);
        assert_eq!(ranges.take(0x1000, 0x20_0000), None);
        assert_eq!(ranges.take(0x1000, 0x1000), Some(u64::MAX - 0x1fff));
    }

    proptest! {
        /// Against a plain table of bytes.
        #[test]
        fn nothing_is_handed_out_twice(steps in prop::collection::vec((1u64..40, 0u32..4, any::<bool>()), 1..60)) {
            const SIZE: u64 = 256;
            let mut ranges = FreeRanges::new();
            ranges.give(0, SIZE);
            let mut used = vec![false; SIZE as usize];
            let mut held = Vec::new();
            for (bytes, shift, free) in steps {
                if free && !held.is_empty() {
                    let (start, bytes): (u64, u64) = held.swap_remove(held.len() / 2);
                    used[start as usize..][..bytes as usize].fill(false);
                    ranges.give(start, bytes);
                } else if let Some(start) = ranges.take(bytes, 1 << shift) {
                    prop_assert!(start.is_multiple_of(1 << shift) && start + bytes <= SIZE);
                    let range = &mut used[start as usize..][..bytes as usize];
                    prop_assert!(range.iter().all(|used| !used));
                    range.fill(true);
                    held.push((start, bytes));
                }
            }
            for (start, bytes) in held {
                ranges.give(start, bytes);
            }
            prop_assert!(ranges.is_whole(SIZE));
        }
    }
}
