//! From a key to its pages.

use siphasher::sip::SipHasher13;

/// The keyed hash, its key from the superblock: whoever chooses the keys cannot choose the pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHasher {
    sip: SipHasher13,
    first_page: u64,
    pages: u64,
}

/// Hash of a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// The half that entries carry, to skip comparing most keys.
    pub(crate) fn tag(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }

    /// The part that the overflow directory carries.
    pub(crate) fn fingerprint(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl KeyHasher {
    /// A hash over home pages `first_page` to `first_page + pages`.
    pub(crate) fn new(seed: &[u8; 16], first_page: u64, pages: u64) -> Self {
        Self {
            sip: SipHasher13::new_with_key(seed),
            first_page,
            pages,
        }
    }

    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.sip.hash(key))
    }

    /// The home page of a key with this hash.
    pub(crate) fn home(&self, hash: KeyHash) -> u64 {
        self.first_page + scale(hash.0, self.pages)
    }

    /// One past the last home page.
    pub(crate) fn end(&self) -> u64 {
        self.first_page + self.pages
    }

    pub(crate) fn first_page(&self) -> u64 {
        self.first_page
    }

    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// The pages that may host an entry with this hash, its home left out: each page once, in an
    /// order that differs from key to key.
    pub(crate) fn probe(&self, hash: KeyHash, index: u32) -> u64 {
        let mixed = mix(hash.0);
        let others = self.pages - 1;
        let mut stride = 1 + scale(mix(mixed), others);
        while greatest_common_divisor(stride, others) != 1 {
            stride += 1;
        }
        let start = scale(mixed, others);
        let place =
            (u128::from(start) + u128::from(stride) * u128::from(index)) % u128::from(others);
        let place = u64::try_from(place).expect("smaller than the number of pages");
        // The home page is left out by counting round the ring from the page after it.
        let home = self.home(hash) - self.first_page;
        self.first_page + (home + 1 + place) % self.pages
    }
}

/// `hash` scaled to 0..`range`, without the bias and the cost of a division.
fn scale(hash: u64, range: u64) -> u64 {
    let scaled = (u128::from(hash) * u128::from(range)) >> 64;
    u64::try_from(scaled).expect("smaller than the range")
}

/// The finalizer of SplitMix64: a bijection that mixes every bit into every other.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn probes_visit_every_other_page_once() {
        for pages in [2, 3, 4, 7, 8, 30, 101] {
            let hasher = KeyHasher::new(&[7; 16], 16, pages);
            for key in 0..50_u32 {
                let hash = hasher.hash(&key.to_le_bytes());
                let home = hasher.home(hash);
                assert!((16..16 + pages).contains(&home));
                let others = u32::try_from(pages - 1).unwrap();
                let seen: BTreeSet<u64> =
                    (0..others).map(|index| hasher.probe(hash, index)).collect();
                assert_eq!(seen.len() as u64, pages - 1, "pages {pages}");
                assert!(!seen.contains(&home) && seen.iter().all(|p| (16..16 + pages).contains(p)));
            }
        }
    }

    #[test]
    fn homes_are_even() {
        let hasher = KeyHasher::new(&[1; 16], 0, 10);
        let mut counts = [0_u32; 10];
        for key in 0..10_000_u32 {
            counts[usize::try_from(hasher.home(hasher.hash(&key.to_le_bytes()))).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
