//! What a record of the benchmark looks like: its key, and a value that says who wrote it.

use super::distribution::fnv_hash;

/// Who wrote a value: unique for each write of a run, and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Writer(u64);

impl Writer {
    const SEQUENCE_BITS: u32 = 48;

    /// The `sequence`th write of client `client`, counted from 1.
    pub fn new(client: u16, sequence: u64) -> Self {
        debug_assert!(sequence > 0 && sequence < 1 << Self::SEQUENCE_BITS);
        Self((u64::from(client) << Self::SEQUENCE_BITS) | sequence)
    }

    /// Client and sequence.
    pub fn parts(self) -> (u16, u64) {
        (
            (self.0 >> Self::SEQUENCE_BITS) as u16,
            self.0 & ((1 << Self::SEQUENCE_BITS) - 1),
        )
    }
}

/// Bytes at the start of each value that say what it is.
pub const STAMP_BYTES: usize = 32;
const MAGIC: u64 = u64::from_le_bytes(*b"rdstycsb");

/// What stands in a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The record it belongs to.
    pub record: u64,
    /// Who wrote it.
    pub writer: Writer,
    /// Read-modify-writes that this record has seen.
    pub counter: u64,
}

/// Length of the longest key: "user" and 20 digits.
pub const LONGEST_KEY_BYTES: usize = 24;

/// The key of a record, as YCSB makes it: hashed, so that record numbers have no order.
pub fn write_key(record: u64, into: &mut Vec<u8>) {
    use std::io::Write;
    into.clear();
    // Writing into a Vec cannot fail.
    let _ = write!(into, "user{}", fnv_hash(record));
}

/// Fills `value` (at least [`STAMP_BYTES`] long): the stamp, then bytes that follow from it.
pub fn write_value(stamp: Stamp, value: &mut [u8]) {
    let words = [MAGIC, stamp.record, stamp.writer.0, stamp.counter];
    for (slot, word) in value.chunks_exact_mut(8).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    // One pattern byte a value: enough to see a mix of two values, at the price of a memset.
    value[STAMP_BYTES..].fill(pattern(stamp.writer));
}

fn pattern(writer: Writer) -> u8 {
    (writer.0 ^ (writer.0 >> Writer::SEQUENCE_BITS)).wrapping_mul(0x9d) as u8
}

/// Reads the stamp back, or says what is wrong with the value.
///
/// # Errors
/// The value is too short, is none of this benchmark, or is a mix of several.
pub fn read_value(value: &[u8]) -> Result<Stamp, String> {
    let mut words = [0u64; 4];
    if value.len() < STAMP_BYTES {
        return Err(format!(
            "a value of {} bytes is none of this benchmark",
            value.len()
        ));
    }
    for (word, slot) in words.iter_mut().zip(value.chunks_exact(8)) {
        // `chunks_exact(8)` gives slices of 8 bytes.
        *word = u64::from_le_bytes(slot.try_into().unwrap_or_default());
    }
    if words[0] != MAGIC {
        return Err("the value was not written by this benchmark".into());
    }
    let stamp = Stamp {
        record: words[1],
        writer: Writer(words[2]),
        counter: words[3],
    };
    let expected = pattern(stamp.writer);
    if let Some(offset) = value[STAMP_BYTES..]
        .iter()
        .position(|&byte| byte != expected)
    {
        let (client, sequence) = stamp.writer.parts();
        return Err(format!(
            "the value of client {client}, write {sequence} is torn at byte {}",
            STAMP_BYTES + offset
        ));
    }
    Ok(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_say_who_wrote_them_and_show_a_tear() {
        let stamp = Stamp {
            record: 7,
            writer: Writer::new(3, 99),
            counter: 5,
        };
        let mut value = vec![0; 100];
        write_value(stamp, &mut value);
        assert_eq!(read_value(&value), Ok(stamp));
        assert_eq!(stamp.writer.parts(), (3, 99));
        value[90] ^= 1;
        assert!(read_value(&value).unwrap_err().contains("torn at byte 90"));
        assert!(read_value(b"short").unwrap_err().contains("5 bytes"));
        assert!(read_value(&[0; 64]).unwrap_err().contains("not written by"));
    }

    #[test]
    fn keys_are_hashed_record_numbers() {
        let mut key = Vec::new();
        write_key(0, &mut key);
        assert_eq!(key, b"user12161962213042174405");
    }
}
