//! What the block tells beside its streams, as levels: settings of the link, state of each function.

use pcie_host::endpoint::{Cycle, FunctionId, LinkSettings};

use crate::design::{Design, NarrowPin, Pin};

/// Cycles for which a hot reset is held.
const HOT_RESET_CYCLES: Cycle = 8;

/// The side-band pins.
pub(crate) struct SideBand {
    max_payload: Pin<u8>,
    max_read_request: Pin<u8>,
    boundary: Pin<u8>,
    space_bytes: Pin<u32>,
    space_headers: Pin<u16>,
    enable: NarrowPin,
    bus_master: NarrowPin,
    msix_enable: NarrowPin,
    msix_mask: NarrowPin,
    reset: NarrowPin,
    reset_done: NarrowPin,
    hot_reset: Pin<u8>,
    read_credits: [Pin<u8>; 2],
    /// Resets that the host waits for; one of a VF that is gone is finished and not reported.
    awaited: u32,
    /// Resets to begin when the one under way, of a VF that was gone, is done.
    again: u32,
    hot_until: Option<Cycle>,
}

fn set_bit(pin: &NarrowPin, function: FunctionId, value: bool) {
    let bit = 1 << function.0;
    pin.set(if value {
        pin.get() | bit
    } else {
        pin.get() & !bit
    });
}

/// Code of a size: 128 bytes is 0, each step doubles.
const fn size_code(bytes: u32) -> u8 {
    let bytes = if bytes < 128 { 128 } else { bytes };
    (bytes.ilog2() - 7) as u8
}

impl SideBand {
    pub(crate) fn new(design: &Design) -> Self {
        let side_band = Self {
            max_payload: design.pin("cfg_max_payload"),
            max_read_request: design.pin("cfg_max_read_req"),
            boundary: design.pin("cfg_rcb_status"),
            space_bytes: design.pin("completion_space_bytes"),
            space_headers: design.pin("completion_space_headers"),
            enable: design.narrow_pin("cfg_function_enable"),
            bus_master: design.narrow_pin("cfg_bus_master_enable"),
            msix_enable: design.narrow_pin("cfg_msix_enable"),
            msix_mask: design.narrow_pin("cfg_msix_mask"),
            reset: design.narrow_pin("cfg_flr_in_process"),
            reset_done: design.narrow_pin("cfg_flr_done"),
            hot_reset: design.pin("hot_reset"),
            read_credits: ["pcie_tfc_nph_av", "pcie_tfc_npd_av"].map(|name| design.pin(name)),
            awaited: 0,
            again: 0,
            hot_until: None,
        };
        side_band.set_read_credits(true);
        side_band.enable.set(1);
        side_band
    }

    /// Credits for reads: more than anybody uses, or none.
    pub(crate) fn set_read_credits(&self, there: bool) {
        for pin in &self.read_credits {
            pin.set(if there { 3 } else { 0 });
        }
    }

    pub(crate) fn set_link(&self, link: LinkSettings) {
        self.max_payload.set(size_code(link.max_payload_bytes));
        self.max_read_request
            .set(size_code(link.max_read_request_bytes));
        self.boundary
            .set((link.read_completion_boundary_bytes >= 128).into());
        self.space_bytes.set(link.completion_space_bytes);
        self.space_headers.set(link.completion_space_headers as u16);
    }

    pub(crate) fn set_bus_master(&self, function: FunctionId, enabled: bool) {
        set_bit(&self.bus_master, function, enabled);
    }

    pub(crate) fn set_msix(&self, function: FunctionId, enabled: bool, masked: bool) {
        set_bit(&self.msix_enable, function, enabled);
        set_bit(&self.msix_mask, function, masked);
    }

    /// Functions of `kept` keep their levels, the others are as after a reset.
    fn clear_but(&self, kept: u32) {
        for pin in [&self.bus_master, &self.msix_enable, &self.msix_mask] {
            pin.set(pin.get() & kept);
        }
    }

    pub(crate) fn set_virtual_functions(&mut self, count: u8) {
        let there = (2_u32 << count) - 1;
        self.enable.set(there);
        self.clear_but(there);
        self.awaited &= there;
        self.again &= there;
    }

    pub(crate) fn reset(&mut self, function: FunctionId) {
        let bit = 1 << function.0;
        self.clear_but(!bit);
        if self.reset.get() & bit != 0 && self.awaited & bit == 0 {
            self.again |= bit;
        }
        self.awaited |= bit;
        self.reset.set(self.reset.get() | bit);
    }

    /// Everything of every function; held for some cycles from `now` on.
    pub(crate) fn hot_reset(&mut self, now: Cycle) {
        self.hot_reset.set(1);
        self.hot_until = Some(now + HOT_RESET_CYCLES);
        self.enable.set(1);
        self.clear_but(0);
        self.reset.set(0);
        self.awaited = 0;
        self.again = 0;
    }

    /// Is a reset under way?
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.hot_until.is_some() || (self.reset.get() | self.again) != 0
    }

    /// Functions whose reset the endpoint reports done in this cycle and the host waits for, as bits.
    /// Their levels fall after the edge.
    #[inline]
    pub(crate) fn sample(&mut self) -> u32 {
        self.reset_done.get() & self.reset.get()
    }

    /// After the edge of cycle `now`; `done` is what [`sample`](Self::sample) found. Returns the resets
    /// to report.
    #[inline]
    pub(crate) fn after_edge(&mut self, now: Cycle, done: u32) -> u32 {
        if self.hot_until.is_some_and(|until| until <= now) {
            self.hot_until = None;
            self.hot_reset.set(0);
        }
        if done == 0 {
            // What had to wait for a cycle without its level.
            if self.again != 0 {
                let again = self.again & !self.reset.get();
                self.again &= !again;
                self.reset.set(self.reset.get() | again);
            }
            return 0;
        }
        self.reset.set(self.reset.get() & !done);
        let report = done & self.awaited & !self.again;
        self.awaited &= !report;
        report
    }
}
