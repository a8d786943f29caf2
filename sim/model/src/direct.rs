//! The data path without a clock: a command moves all its data in the cycle in which it is decoded.
//!
//! For a device that is served to hosts in real time, where cycles say nothing. Everything before and
//! behind the data is as ever: registers, SQE fetch, checks, slots, completions, interrupts, resets. A
//! command that cannot be done at once takes the timed path: one with a PRP list, one whose host cannot be
//! read at once ([`Port::read_at_once`]), and any while a command of the timed path is in the range lock.

use nvme_spec::Status;
use pcie_host::endpoint::{FunctionId, MemoryWrite, Port};

use crate::context::Kind;
use crate::model::Model;
use crate::options::DataPath;

impl Model {
    /// Executes a command that has passed its checks, if that can be done at once.
    pub(crate) fn execute_at_once(&mut self, id: u16, port: &mut dyn Port) -> bool {
        if !self.may_go_at_once(id) {
            return false;
        }
        match self.contexts[id].kind {
            Kind::Read => {
                self.send_at_once(id, port);
                self.finish_sent(id);
                true
            }
            Kind::Write => {
                let fetched = self.fetch_at_once(id, 0, port);
                if fetched {
                    self.write_at_once(id, 0);
                    self.finish_ended(id);
                }
                fetched
            }
            Kind::Compare | Kind::Pair => self.compare_at_once(id, port),
            Kind::Free | Kind::Decoding | Kind::Status | Kind::Admin => false,
        }
    }

    /// Are all its pages known, its half or halves in order, and nobody in the range lock?
    fn may_go_at_once(&self, id: u16) -> bool {
        let context = &self.contexts[id];
        let row = &self.functions[usize::from(context.function)];
        let halves = usize::from(context.completions);
        self.data_path == DataPath::AtOnce
            && self.lock.is_empty()
            && self.timing.media_cycles == 0
            && row.bus_master
            && !row.draining
            && context.length <= self.geometry.atomic_unit_bytes
            && context.status == [Status::SUCCESS; 2]
            && usize::from(context.fetched_sets) == halves
            && context.prp[..halves]
                .iter()
                .all(|set| set.known == set.entries)
    }

    /// A Read's data, from the medium to the host.
    fn send_at_once(&self, id: u16, port: &mut dyn Port) {
        let context = &self.contexts[id];
        let mut from = 0;
        while from < context.length {
            let (address, length) = self.host_piece(id, 0, from, context.length);
            let place = context.medium_offset + u64::from(from);
            port.memory_write(
                self.now,
                MemoryWrite {
                    function: FunctionId(context.function),
                    address,
                    data: self.medium.bytes(place, length as usize),
                },
            );
            from += length;
        }
    }

    /// The host's data of a half, into the buffers; false when it cannot be read at once.
    fn fetch_at_once(&mut self, id: u16, half: usize, port: &mut dyn Port) -> bool {
        let context = &self.contexts[id];
        let (function, total) = (FunctionId(context.function), context.length);
        let buffer = self.buffer_offset(id, half);
        let mut from = 0;
        while from < total {
            let (address, length) = self.host_piece(id, half, from, total);
            let into = &mut self.buffers[(buffer + from) as usize..][..length as usize];
            if !port.read_at_once(function, address, into) {
                return false;
            }
            from += length;
        }
        true
    }

    /// A Compare, or a pair: the Write's data are fetched when there is no difference.
    fn compare_at_once(&mut self, id: u16, port: &mut dyn Port) -> bool {
        if !self.fetch_at_once(id, 0, port) {
            return false;
        }
        let context = &self.contexts[id];
        let length = context.length as usize;
        let sent = &self.buffers[self.buffer_offset(id, 0) as usize..][..length];
        let differs = self.medium.bytes(context.medium_offset, length) != sent;
        if !differs && context.kind == Kind::Pair {
            if !self.fetch_at_once(id, 1, port) {
                return false;
            }
            self.write_at_once(id, 1);
        }
        if differs {
            self.fail(id, Status::COMPARE_FAILURE);
        }
        self.finish_ended(id);
        true
    }

    /// The data of a half, from the buffers to the medium.
    fn write_at_once(&mut self, id: u16, half: usize) {
        let from = self.buffer_offset(id, half) as usize;
        let context = &mut self.contexts[id];
        context.wrote = true;
        let data = &self.buffers[from..][..context.length as usize];
        self.medium.write_atomic(context.medium_offset, data);
    }
}
