//! CRC32C (Castagnoli), the check of every page.

/// CRC32C of `bytes`.
///
/// `crc-fast` folds with carry-less multiplication over wide registers where the processor has
/// them: 89 ns for 4 KiB in cache where the `crc32` instruction of SSE 4.2 alone takes 185 ns.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn gives_the_check_value_of_the_standard() {
        // RFC 3720 appendix B.4, and the catalogue's check value.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn agrees_with_a_second_implementation_at_every_length() {
        let bytes: Vec<u8> = (0..20_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for len in (0..600).chain([4088, 8184, 16376, 20_000]) {
            assert_eq!(
                crc32c(&bytes[..len]),
                ::crc32c::crc32c(&bytes[..len]),
                "{len} bytes"
            );
        }
    }
}
