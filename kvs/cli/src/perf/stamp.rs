//! Data that says where it belongs and how often it was changed.

/// What a stamped place holds after `counter` changes: every 8 bytes depend on the place, on the
/// change, and on their own position.
pub(super) fn write_image(block: u64, counter: u32, into: &mut [u8]) {
    for (index, word) in into.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&word_of(block, counter, index).to_le_bytes());
    }
}

fn word_of(block: u64, counter: u32, index: usize) -> u64 {
    (block << 32 | u64::from(counter))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(index as u64)
}

/// Does `found` hold exactly [`write_image`]'s bytes?
///
/// # Errors
/// Says where it does not.
pub(super) fn check_image(block: u64, counter: u32, found: &[u8]) -> Result<(), String> {
    for (index, word) in found.chunks_exact(8).enumerate() {
        let expected = word_of(block, counter, index).to_le_bytes();
        if word != expected {
            return Err(format!(
                "block {block} does not hold change {counter}: bytes {} on are {word:02x?}, expected \
                 {expected:02x?}",
                index * 8
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_differ_in_every_word() {
        let (mut one, mut two, mut other) = ([0; 64], [0; 64], [0; 64]);
        write_image(7, 1, &mut one);
        write_image(7, 2, &mut two);
        write_image(8, 1, &mut other);
        for ((a, b), c) in one.chunks(8).zip(two.chunks(8)).zip(other.chunks(8)) {
            assert_ne!(a, b);
            assert_ne!(a, c);
        }
    }

    #[test]
    fn a_changed_byte_is_found() {
        let mut data = vec![0; 4096];
        write_image(7, 1, &mut data);
        assert_eq!(check_image(7, 1, &data), Ok(()));
        data[100] ^= 1;
        assert!(
            check_image(7, 1, &data)
                .unwrap_err()
                .contains("bytes 96 on")
        );
        assert!(check_image(7, 2, &data).is_err());
    }
}
