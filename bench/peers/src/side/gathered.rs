//! Look-ups that go out together, in one request.

use super::Place;

/// Places and keys of the next request for many keys; what they took is used again.
#[derive(Default)]
pub(super) struct Gathered {
    kept: Vec<(Place, Vec<u8>)>,
    count: usize,
}

impl Gathered {
    /// One more look-up.
    pub(super) fn push(&mut self, place: Place, key: &[u8]) {
        if self.count == self.kept.len() {
            self.kept.push((place, Vec::new()));
        }
        let (kept_place, kept_key) = &mut self.kept[self.count];
        self.count += 1;
        *kept_place = place;
        kept_key.clear();
        kept_key.extend_from_slice(key);
    }

    /// All since the last call, in their order.
    pub(super) fn take(&mut self) -> impl ExactSizeIterator<Item = (Place, &[u8])> + Clone {
        let count = std::mem::take(&mut self.count);
        let taken = self.kept[..count].iter();
        taken.map(|(place, key)| (*place, key.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_and_in_order() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.take().len(), 0);
        for round in 0..3 {
            let keys = [&b"longer"[..], b"k", b""];
            for (place, key) in keys[round..].iter().enumerate() {
                gathered.push(place, key);
            }
            let expected: Vec<_> = keys[round..].iter().copied().enumerate().collect();
            assert_eq!(gathered.take().collect::<Vec<_>>(), expected);
            assert_eq!(gathered.take().len(), 0);
        }
    }
}
