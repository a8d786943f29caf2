//! AXI4 read channels: any order between IDs, beats of different IDs mixed, errors now and then.

use std::collections::VecDeque;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

use crate::commands::{PAGE, medium_dword};

const IDS: usize = 8;

/// A burst: address of the next word, words left.
#[derive(Clone, Debug)]
struct Burst {
    address: u64,
    words: u64,
    ready_at: u32,
}

#[derive(Default)]
pub(crate) struct Memory {
    bursts: [VecDeque<Burst>; IDS],
}

/// What stands on R.
pub(crate) struct Beat {
    pub(crate) address: u64,
    pub(crate) bad: bool,
}

impl Memory {
    /// Takes what stands on AR: address and words.
    pub(crate) fn take(&mut self, reader: &Module, random: &mut Pcg64Mcg, now: u32) -> (u64, u64) {
        let words = reader.get("m_axi_arlen") + 1;
        let address = reader.get("m_axi_araddr");
        assert_eq!(address % 32, 0);
        assert!(
            address % PAGE + words * 32 <= PAGE,
            "{address:#x} + {words} words crosses 4 KiB"
        );
        let ready_at = now + random.random_range(1..60);
        self.bursts[reader.get("m_axi_arid") as usize].push_back(Burst {
            address,
            words,
            ready_at,
        });
        let under_way: usize = self.bursts.iter().map(VecDeque::len).sum();
        assert!(under_way <= 8, "{under_way} bursts");
        (address, words)
    }

    /// Puts a beat on R, if one is due.
    pub(crate) fn drive(
        &mut self,
        reader: &mut Module,
        sender: &mut Module,
        random: &mut Pcg64Mcg,
        now: u32,
        bad_every: u32,
    ) -> Option<Beat> {
        reader.set("m_axi_rvalid", 0);
        sender.set("store_valid", 0);
        let first = random.random_range(0..IDS);
        let id = (0..IDS)
            .map(|index| (first + index) % IDS)
            .find(|id| {
                let burst = self.bursts[*id].front();
                burst.is_some_and(|burst| burst.ready_at <= now)
            })
            .filter(|_| random.random_ratio(4, 5))?;
        let burst = self.bursts[id].front_mut()?;
        let bad = random.random_ratio(1, bad_every);
        let data: Vec<u8> = (0..8)
            .flat_map(|dword| {
                let dword = medium_dword(burst.address + 4 * dword);
                if bad { !dword } else { dword }.to_le_bytes()
            })
            .collect();
        let address = burst.address;
        burst.address += 32;
        burst.words -= 1;
        if burst.words == 0 {
            self.bursts[id].pop_front();
        }
        reader.set("m_axi_rvalid", 1);
        reader.set("m_axi_rid", id as u64);
        reader.set_bytes("m_axi_rdata", &data);
        reader.set("m_axi_rresp", if bad { 2 } else { 0 });
        sender.set("store_valid", 1);
        sender.set("store_good", (!bad).into());
        sender.set_bytes("store_data", &data);
        Some(Beat { address, bad })
    }
}
