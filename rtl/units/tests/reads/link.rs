//! The way out: takes the sender's TLPs, at its own pace, and cuts them into address and dwords.

use rtl_units::Module;

/// A memory write.
#[derive(Debug)]
pub(crate) struct Tlp {
    pub(crate) function: u64,
    pub(crate) address: u64,
    pub(crate) dwords: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Link {
    /// Function, address, dwords announced.
    open: Option<(u64, u64, usize)>,
    dwords: Vec<u32>,
}

impl Link {
    /// The cycle's beat, taken or not. A TLP does not pause.
    pub(crate) fn take(&mut self, sender: &Module, ready: bool, most_dwords: usize) -> Option<Tlp> {
        if sender.get("data_valid") == 0 {
            assert!(self.open.is_none(), "a TLP pauses for want of data");
            return None;
        }
        if !ready {
            return None;
        }
        let beat: Vec<u32> = sender
            .get_bytes("data_beat")
            .chunks(4)
            .map(|dword| u32::from_le_bytes(dword.try_into().expect("4 bytes")))
            .collect();
        let lanes = sender.get("data_keep").count_ones() as usize;
        assert_eq!(sender.get("data_keep"), (1 << lanes) - 1);
        let first = sender.get("data_first") == 1;
        assert_eq!(first, self.open.is_none(), "a TLP begins");
        if first {
            let address = u64::from(beat[0] & !3) | u64::from(beat[1]) << 32;
            let number = u64::from(beat[2] >> 16 & 0xff);
            let function = if number == 0 { 0 } else { number - 63 };
            assert_eq!(sender.get("data_function"), function);
            assert_eq!(beat[2] >> 11 & 0xf, 1, "a memory write");
            let count = (beat[2] & 0x7ff) as usize;
            assert_eq!(sender.get("data_one_dword"), u64::from(count == 1));
            assert!(count > 0 && count <= most_dwords, "{count} dwords");
            self.open = Some((function, address, count));
        }
        self.dwords.extend(&beat[if first { 4 } else { 0 }..lanes]);
        if sender.get("data_last") == 0 {
            assert_eq!(lanes, 8);
            return None;
        }
        let (function, address, count) = self.open.take()?;
        let dwords = std::mem::take(&mut self.dwords);
        assert_eq!(dwords.len(), count, "dwords of a TLP");
        Some(Tlp {
            function,
            address,
            dwords,
        })
    }
}
