//! Keys, and values that name the operation that wrote them.

/// Shortest value: the number of the operation.
pub const MIN_VALUE_BYTES: usize = 8;

/// Key number `key`: of 6 to 45 bytes, so that entries do not line up.
pub fn key_bytes(key: u32) -> Vec<u8> {
    let mut bytes = format!("k{key:05}").into_bytes();
    bytes.resize(6 + (key as usize * 7) % 40, b'.');
    bytes
}

/// Fills `value` with what operation number `operation` writes: its number, then words that follow
/// from it, each another.
pub fn fill_value(operation: u64, value: &mut [u8]) {
    for (index, place) in (0..).zip(value.chunks_mut(8)) {
        let word = if index == 0 {
            operation
        } else {
            mixed(operation ^ (index << 48))
        };
        place.copy_from_slice(&word.to_le_bytes()[..place.len()]);
    }
}

/// A value of `bytes` bytes, at least [`MIN_VALUE_BYTES`].
pub fn value_of(operation: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes.max(MIN_VALUE_BYTES)];
    fill_value(operation, &mut value);
    value
}

/// The operation that wrote `value`; `None` when no operation writes such a value.
pub fn writer_of(value: &[u8]) -> Option<u64> {
    let operation = u64::from_le_bytes(*value.first_chunk()?);
    (value == value_of(operation, value.len())).then_some(operation)
}

/// SplitMix64's finalizer.
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_one_value_and_half_of_another_is_nobodys() {
        let value = value_of(7, 1000);
        assert_eq!(writer_of(&value), Some(7));
        let mut torn = value;
        torn[512..].copy_from_slice(&value_of(8, 1000)[512..]);
        assert_eq!(writer_of(&torn), None);
        assert_eq!(writer_of(b"short"), None);
    }
}
