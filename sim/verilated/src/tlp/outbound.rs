//! What comes from the endpoint: the beats of RQ and CC, put together to TLPs.

use pcie_host::endpoint::FunctionId;

use super::{BEAT_DWORDS, MEMORY_READ, MEMORY_WRITE, REQUEST_DWORDS, function_of};

/// What came out of RQ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Request {
    /// A posted write; its bytes are in [`Collector::payload`].
    Write { function: FunctionId, address: u64 },
    /// A read.
    Read {
        function: FunctionId,
        address: u64,
        length_bytes: u32,
        tag: u8,
    },
}

/// What came out of CC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) tag: u8,
    pub(crate) function: FunctionId,
    /// `None`: Unsupported Request.
    pub(crate) data: Option<u64>,
}

/// Puts the beats of one stream together to TLPs.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    dwords: Vec<u32>,
    user: u64,
}

/// A beat from the endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutBeat {
    pub(crate) data: [u32; BEAT_DWORDS],
    pub(crate) keep: u8,
    pub(crate) last: bool,
    pub(crate) user: u64,
}

impl Collector {
    /// Takes a beat; true when it ended a TLP, which stays until the next beat.
    fn take(&mut self, beat: &OutBeat, begins: bool) -> bool {
        if begins {
            self.dwords.clear();
            self.user = beat.user;
        }
        let count = beat.keep.trailing_ones() as usize;
        assert!(
            u32::from(beat.keep) == (1 << count) - 1
                && (count == BEAT_DWORDS || beat.last && count > 0),
            "tkeep {:#04x} with tlast {}: only the last beat may be short, from its top",
            beat.keep,
            beat.last
        );
        self.dwords.extend_from_slice(&beat.data[..count]);
        beat.last
    }

    /// Forgets a TLP that has begun.
    pub(crate) fn clear(&mut self) {
        self.dwords.clear();
    }

    /// Payload of the last write, in dwords.
    pub(crate) fn payload(&self) -> &[u32] {
        &self.dwords[REQUEST_DWORDS..]
    }

    /// Takes a beat of RQ; `begins` says that it is the first of a TLP.
    ///
    /// # Panics
    /// The TLP breaks a rule of the block that the host would not notice.
    pub(crate) fn request(&mut self, beat: &OutBeat, begins: bool) -> Option<Request> {
        if !self.take(beat, begins) {
            return None;
        }
        let [low, high, kind, tail] = self.dwords[..REQUEST_DWORDS] else {
            panic!("an RQ descriptor of {} dwords", self.dwords.len());
        };
        let number = kind >> 16 & 0xff;
        let function = function_of(number).unwrap_or_else(|| panic!("RQ: no function {number}"));
        let address = u64::from(low & !3) | u64::from(high) << 32;
        let count = kind & 0x7ff;
        assert!(low & 3 == 0, "RQ: address type {}", low & 3);
        assert!(kind >> 15 & 1 == 0, "RQ: poisoned");
        assert!(tail >> 24 & 1 == 0, "RQ: requester ID enable is set");
        assert!(tail >> 29 & 1 == 0, "RQ: relaxed ordering");
        assert!(self.user >> 11 & 1 == 0, "RQ: discontinue");
        let enables = (self.user & 0xf, self.user >> 4 & 0xf);
        let full = if count == 1 { (0xf, 0) } else { (0xf, 0xf) };
        assert!(
            enables == full,
            "RQ: byte enables {enables:x?} of {count} dwords"
        );
        let payload = self.dwords.len() - REQUEST_DWORDS;
        match kind >> 11 & 0xf {
            MEMORY_READ => {
                assert!(payload == 0, "RQ: a read with {payload} dwords of data");
                Some(Request::Read {
                    function,
                    address,
                    length_bytes: 4 * count,
                    tag: tail as u8,
                })
            }
            MEMORY_WRITE => {
                assert!(
                    payload == count as usize,
                    "RQ: a write of {count} dwords with {payload}"
                );
                Some(Request::Write { function, address })
            }
            other => panic!("RQ: request type {other}"),
        }
    }

    /// Takes a beat of CC; `begins` says that it is the first of a TLP.
    ///
    /// # Panics
    /// As [`request`](Self::request).
    pub(crate) fn answer(&mut self, beat: &OutBeat, begins: bool) -> Option<Answer> {
        if !self.take(beat, begins) {
            return None;
        }
        let [low, middle, high, ref data @ ..] = self.dwords[..] else {
            panic!("a CC descriptor of {} dwords", self.dwords.len());
        };
        let number = high >> 8 & 0xff;
        let function = function_of(number).unwrap_or_else(|| panic!("CC: no function {number}"));
        let count = middle & 0x7ff;
        let status = middle >> 11 & 7;
        assert!(low >> 8 & 3 == 0, "CC: address type {}", low >> 8 & 3);
        assert!(middle >> 14 & 1 == 0, "CC: poisoned");
        assert!(self.user & 1 == 0, "CC: discontinue");
        assert!(
            count as usize == data.len(),
            "CC: {count} dwords announced, {} sent",
            data.len()
        );
        let word = |index: usize| u64::from(data.get(index).copied().unwrap_or(0));
        Some(Answer {
            tag: high as u8,
            function,
            data: (status == 0).then(|| word(0) | word(1) << 32),
        })
    }
}
