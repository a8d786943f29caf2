//! What configuration writes and link events do to the endpoint.

use super::{Reset, Simulation, Timer};
use crate::config::{FunctionState, Saved};
use crate::downlink::Request;
use crate::endpoint::{FunctionId, Inbound, ReadStatus};
use crate::fault::LinkEvent;
use crate::hard_block::Permission;
use crate::report::TraceEvent;

impl Simulation {
    /// Is there such a function, and a link to it?
    pub(crate) fn is_there(&self, function: FunctionId) -> bool {
        self.block.link_up
            && self
                .states
                .get(function.index())
                .is_some_and(|state| state.exists)
    }

    /// How often the function has come into being so far. A handle on an earlier one has lost its
    /// function for good: registers, rings and bus-master of the new one are nobody's yet.
    pub(crate) fn incarnation(&self, function: FunctionId) -> u32 {
        self.incarnations[function.index()]
    }

    /// VFs that exist now.
    pub(crate) fn enabled_vfs(&self) -> u8 {
        self.enabled_vfs
    }

    pub(crate) fn state(&self, function: FunctionId) -> FunctionState {
        self.states[function.index()]
    }

    /// Is a function level reset under way?
    pub(crate) fn is_resetting(&self, function: FunctionId) -> bool {
        self.resets[function.index()].running
    }

    /// What software restores after a reset of the function.
    pub(crate) fn saved(&self, function: FunctionId) -> Saved {
        self.resets[function.index()].saved.clone()
    }

    /// Tells the endpoint what the registers say now and did not say before.
    pub(super) fn apply_registers(&mut self) {
        let link = self.config.link();
        if link != self.link {
            self.link = link;
            self.block.settings = link;
            self.tell(FunctionId::PF, Inbound::Link(link));
        }
        let count = self.config.enabled_vfs();
        if count != self.enabled_vfs {
            self.enabled_vfs = count;
            self.tell(FunctionId::PF, Inbound::VirtualFunctions { count });
        }
        for function in (0..self.states.len()).map(|index| FunctionId(index as u8)) {
            self.apply_function(function);
        }
    }

    fn apply_function(&mut self, function: FunctionId) {
        let before = self.states[function.index()];
        let state = self.config.state(function);
        if state == before {
            return;
        }
        self.states[function.index()] = state;
        let permission = match state {
            FunctionState { exists: false, .. } => Permission::NoFunction(self.now),
            FunctionState {
                bus_master: true, ..
            } => Permission::Granted,
            _ => Permission::Revoked(self.now),
        };
        self.block.set_permission(function, permission);
        if !state.exists {
            self.resets[function.index()] = Reset::default();
            self.block.resetting[function.index()] = false;
            return;
        }
        if !before.exists {
            self.incarnations[function.index()] += 1;
        }
        if state.bus_master != before.bus_master {
            self.tell(
                function,
                Inbound::BusMaster {
                    function,
                    enabled: state.bus_master,
                },
            );
        }
        if (state.msix_enabled, state.msix_masked) != (before.msix_enabled, before.msix_masked) {
            let (enabled, masked) = (state.msix_enabled, state.msix_masked);
            self.tell(
                function,
                Inbound::MsixControl {
                    function,
                    enabled,
                    masked,
                },
            );
        }
    }

    fn tell(&mut self, function: FunctionId, inbound: Inbound<'_>) {
        self.block
            .reports
            .event(self.now, TraceEvent::Sideband, function, 0, 0);
        self.endpoint.receive(self.now, inbound);
    }

    /// Starts a function level reset, unless one is under way.
    pub(super) fn start_reset(&mut self, function: FunctionId, surprise: bool) {
        if !self.is_there(function) || self.resets[function.index()].running {
            return;
        }
        let before = &self.resets[function.index()];
        let saved = if before.unrestored {
            before.saved.clone()
        } else {
            self.config.save(function)
        };
        self.resets[function.index()] = Reset {
            running: true,
            surprise,
            saved,
            unrestored: true,
        };
        self.block.resetting[function.index()] = true;
        self.config.reset(function);
        self.tell(function, Inbound::FunctionReset { function });
        if self.options.reset_ends_reads {
            for tag_use in self.block.tags.renew(function) {
                self.downlink
                    .end_in_block(self.now, tag_use, ReadStatus::FunctionReset);
            }
        }
        self.apply_registers();
    }

    /// Software has written the function's command register, the last that a restoring writes.
    pub(super) fn command_written(&mut self, function: FunctionId) {
        if let Some(reset) = self.resets.get_mut(function.index()) {
            reset.unrestored = reset.running;
        }
    }

    pub(super) fn reset_done(&mut self, function: FunctionId) {
        let reset = &mut self.resets[function.index()];
        reset.running = false;
        if std::mem::take(&mut reset.surprise) {
            for (offset, bytes, value) in self.saved(function).writes() {
                let write = Request::ConfigWrite {
                    function,
                    offset,
                    bytes,
                    value,
                    tag: None,
                };
                self.downlink.send_request(self.now, write);
            }
        }
    }

    pub(super) fn link_event(&mut self, event: LinkEvent) {
        self.block.faults.injected += 1;
        match event {
            LinkEvent::FunctionReset(function) => self.start_reset(function, true),
            LinkEvent::Down => self.link_down(),
            LinkEvent::Up => self.link_up(),
        }
        self.wakes += 1;
    }

    fn link_down(&mut self) {
        self.block.link_up = false;
        self.block.drop_all();
        self.downlink.drop_all(&mut self.block);
        self.drop_delayed();
        if self.awaited.is_some() {
            self.answer = Some(None);
        }
    }

    /// Timers of reads go; those of the link stay.
    fn drop_delayed(&mut self) {
        let mut kept = vec![];
        for (cycle, timer) in self.timers.drain() {
            match timer {
                Timer::Delayed(answer) => self.block.payloads.free(answer.slot),
                Timer::Timeout(_) => {}
                Timer::Link(_) => kept.push((cycle, timer)),
            }
        }
        for (cycle, timer) in kept {
            self.timers.push(cycle, timer);
        }
    }

    fn link_up(&mut self) {
        if self.block.link_up {
            return;
        }
        self.block.link_up = true;
        self.config.power_up(&self.options);
        self.tell(FunctionId::PF, Inbound::HotReset);
        self.link = self.config.link();
        self.block.settings = self.link;
        self.tell(FunctionId::PF, Inbound::Link(self.link));
        self.enabled_vfs = 0;
        for function in (0..self.states.len()).map(|index| FunctionId(index as u8)) {
            self.resets[function.index()] = Reset::default();
            self.states[function.index()] = FunctionState::default();
            self.apply_function(function);
            if function != FunctionId::PF {
                self.block
                    .set_permission(function, Permission::NoFunction(0));
            }
        }
    }
}
