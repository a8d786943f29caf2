//! What goes to the endpoint: CQ and RC, cut into beats.

use std::collections::VecDeque;

use pcie_host::endpoint::{Cycle, FunctionId, ReadStatus};

use super::{
    BEAT_DWORDS, COMPLETION_DWORDS, MEMORY_READ, MEMORY_WRITE, REQUEST_DWORDS, block_function,
};

/// Largest payload in dwords: PCIe's 4 KiB.
const MAXIMUM_DWORDS: usize = 1024;
/// Where the functions' BARs are: not at 0, so that an endpoint that looks at all bits is found.
const BAR_BASE: u64 = 0x38_4000_0000;
/// log2 of a function's BAR0.
const BAR_APERTURE: u32 = 14;

/// A beat towards the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat {
    /// Not before this cycle.
    pub(crate) from: Cycle,
    pub(crate) data: [u32; BEAT_DWORDS],
    pub(crate) keep: u8,
    pub(crate) last: bool,
    pub(crate) user: [u32; 3],
    /// First beat of a request that waits for a non-posted credit.
    pub(crate) non_posted: bool,
}

/// Cuts a TLP of `dwords` into beats; `user` gets number and dwords of each, and whether it is the last.
fn push_beats(
    beats: &mut VecDeque<Beat>,
    from: Cycle,
    dwords: &[u32],
    user: impl Fn(usize, usize, bool) -> [u32; 3],
) {
    let count = dwords.len().div_ceil(BEAT_DWORDS);
    for (index, piece) in dwords.chunks(BEAT_DWORDS).enumerate() {
        let mut data = [0; BEAT_DWORDS];
        data[..piece.len()].copy_from_slice(piece);
        let last = index + 1 == count;
        beats.push_back(Beat {
            from,
            data,
            keep: (0xff_u32 >> (BEAT_DWORDS - piece.len())) as u8,
            last,
            user: user(index, piece.len(), last),
            non_posted: false,
        });
    }
}

/// Byte enables of the bytes `start..start + length` counted from a dword boundary before them:
/// dwords touched, first and last byte enables.
fn byte_enables(start: u64, length: u64) -> (u32, u32, u32) {
    let within = start & 3;
    if length == 0 {
        return (1, 0, 0);
    }
    let dwords = ((within + length - 1) / 4 + 1) as u32;
    let first = (0xf << within) & 0xf;
    let last = 0xf >> (3 - (within + length - 1) % 4);
    if dwords == 1 {
        (1, first & last, 0)
    } else {
        (dwords, first, last)
    }
}

/// A request of the host to BAR0, as beats on CQ.
pub(crate) struct RegisterRequest<'a> {
    pub(crate) function: FunctionId,
    pub(crate) offset: u64,
    /// Bytes of a write; `None` is a read.
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) length_bytes: u64,
    pub(crate) tag: u8,
}

impl RegisterRequest<'_> {
    /// Appends its beats, not before cycle `from`. It must not cross a page.
    pub(crate) fn push(&self, beats: &mut VecDeque<Beat>, from: Cycle) {
        let (count, first, last) = byte_enables(self.offset, self.length_bytes);
        let function = block_function(self.function);
        let address = BAR_BASE + (u64::from(function) << BAR_APERTURE) + self.offset;
        let kind = if self.data.is_some() {
            MEMORY_WRITE
        } else {
            MEMORY_READ
        };
        let mut dwords = vec![
            address as u32 & !3,
            (address >> 32) as u32,
            count | kind << 11,
            u32::from(self.tag) | function << 8 | BAR_APERTURE << 24,
        ];
        let mut enables = vec![false; 4 * REQUEST_DWORDS];
        if let Some(data) = self.data {
            let mut bytes = vec![0; (self.offset & 3) as usize];
            enables.resize(enables.len() + bytes.len(), false);
            bytes.extend_from_slice(data);
            enables.resize(enables.len() + data.len(), true);
            bytes.resize(4 * count as usize, 0);
            dwords.extend(bytes.chunks(4).map(dword));
        }
        enables.resize(4 * dwords.len(), false);
        let at = beats.len();
        push_beats(beats, from, &dwords, |index, _, _| {
            let enables = &enables[32 * index..];
            let enables = enables.iter().take(32).enumerate();
            let enables = enables.fold(0, |bits, (bit, set)| bits | u64::from(*set) << bit);
            let begins = index == 0;
            let head = if begins {
                u64::from(first | last << 4)
            } else {
                0
            };
            let low = head | enables << 8 | u64::from(begins) << 40;
            [low as u32, (low >> 32) as u32, 0]
        });
        beats[at].non_posted = self.data.is_none();
    }
}

fn dword(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A completion of a read of the endpoint, as beats on RC.
pub(crate) struct ReadCompletion<'a> {
    pub(crate) tag: u8,
    pub(crate) function: FunctionId,
    /// Address of the first byte.
    pub(crate) address: u64,
    /// Bytes of the read still to come, these included.
    pub(crate) remaining_bytes: u32,
    pub(crate) data: &'a [u8],
    pub(crate) status: ReadStatus,
    /// Request Completed.
    pub(crate) last: bool,
}

impl ReadCompletion<'_> {
    /// Appends its beats, not before cycle `from`.
    pub(crate) fn push(&self, beats: &mut VecDeque<Beat>, from: Cycle) {
        let (error, status) = match self.status {
            ReadStatus::Success => (0, 0),
            ReadStatus::Poisoned => (1, 0),
            ReadStatus::UnsupportedRequest => (2, 1),
            ReadStatus::CompleterAbort => (2, 4),
            ReadStatus::FunctionReset => (8, 0),
            ReadStatus::Timeout => (9, 0),
        };
        let poisoned = u32::from(self.status == ReadStatus::Poisoned);
        let count = (self.data.len() / 4) as u32;
        let mut dwords = [0; COMPLETION_DWORDS + MAXIMUM_DWORDS];
        dwords[0] = self.address as u32 & 0xfff
            | error << 12
            | (self.remaining_bytes & 0x1fff) << 16
            | u32::from(self.last) << 30;
        dwords[1] = count | status << 11 | poisoned << 14 | block_function(self.function) << 16;
        dwords[2] = self.tag.into();
        for (dword, bytes) in dwords[COMPLETION_DWORDS..]
            .iter_mut()
            .zip(self.data.chunks_exact(4))
        {
            *dword = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let dwords = &dwords[..COMPLETION_DWORDS + count as usize];
        push_beats(beats, from, dwords, |index, length, last| {
            let header = if index == 0 { COMPLETION_DWORDS } else { 0 };
            let valid = (u64::from(u32::MAX) >> (32 - 4 * length)) as u32;
            let enables = valid & !((1_u64 << (4 * header)) - 1) as u32;
            let begins = u32::from(index == 0);
            let ends = if last {
                1 | (length as u32 - 1) << 1
            } else {
                0
            };
            [enables, begins | ends << 2, 0]
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_enables_follow_the_bytes() {
        assert_eq!(byte_enables(0, 4), (1, 0xf, 0));
        assert_eq!(byte_enables(8, 8), (2, 0xf, 0xf));
        assert_eq!(byte_enables(1, 2), (1, 0b0110, 0));
        assert_eq!(byte_enables(3, 2), (2, 0b1000, 0b0001));
        assert_eq!(byte_enables(2, 8), (3, 0b1100, 0b0011));
        assert_eq!(byte_enables(0, 0), (1, 0, 0));
    }

    #[test]
    fn a_completion_is_cut_into_beats_with_its_marks() {
        let data: Vec<u8> = (0..=255).collect();
        let mut beats = VecDeque::new();
        let completion = ReadCompletion {
            tag: 9,
            function: FunctionId(2),
            address: 0x1_2345_6f00,
            remaining_bytes: 512,
            data: &data,
            status: ReadStatus::Success,
            last: false,
        };
        completion.push(&mut beats, 7);
        assert_eq!(beats.len(), 9);
        assert_eq!(
            beats[0].data[..4],
            [0xf00 | 512 << 16, 64 | 65 << 16, 9, 0x0302_0100]
        );
        assert_eq!((beats[0].keep, beats[0].user), (0xff, [0xffff_f000, 1, 0]));
        assert_eq!((beats[8].keep, beats[8].last), (0b111, true));
        // Ends with dword 2 of the beat.
        assert_eq!(beats[8].user, [0xfff, (1 | 2 << 1) << 2, 0]);
    }

    #[test]
    fn a_register_write_of_any_shape_has_its_byte_enables() {
        let mut beats = VecDeque::new();
        let request = RegisterRequest {
            function: FunctionId(1),
            offset: 0x1003,
            data: Some(&[0xaa, 0xbb]),
            length_bytes: 2,
            tag: 0,
        };
        request.push(&mut beats, 0);
        assert_eq!(beats.len(), 1);
        let beat = beats[0];
        assert_eq!(beat.data[4..], [0xaa00_0000, 0xbb, 0, 0]);
        assert_eq!(beat.data[0] & 0x3fff, 0x1000);
        assert_eq!(beat.data[2], 2 | 1 << 11);
        assert_eq!(beat.data[3] >> 8 & 0xff, 64);
        assert_eq!(beat.keep, 0b11_1111);
        let user = u64::from(beat.user[0]) | u64::from(beat.user[1]) << 32;
        assert_eq!(user & 0xff, 0b0001_1000);
        assert_eq!(user >> 8 & 0xffff_ffff, 0b11 << 19);
        assert_eq!(user >> 40, 1);
    }
}
