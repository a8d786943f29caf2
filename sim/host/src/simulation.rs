//! The event loop: one host, one link, one endpoint.

mod control;
mod down;
mod memory_port;
mod up;

use std::rc::Rc;

use crate::arena::{Arena, PageAllocator};
use crate::calendar::Calendar;
use crate::config::{ConfigSpace, FunctionState, Saved};
use crate::downlink::{Downlink, ReadAnswer, Request};
use crate::endpoint::{Cycle, Endpoint, FunctionId, Inbound, LinkSettings, ReadStatus};
use crate::error::HostError;
use crate::fault::LinkEvent;
use crate::fault_engine::FaultEngine;
use crate::hard_block::HardBlock;
use crate::interrupt::Interrupts;
use crate::iommu::Iommu;
use crate::options::{HostOptions, MAX_VIRTUAL_FUNCTIONS};
use crate::tag::TagUse;
use memory_port::MemoryPort;

/// First bus address that is given to DMA memory: beyond 4 GiB, so that nobody drops the upper half.
const FIRST_BUS_ADDRESS: u64 = 0x40_0000_0000;

/// Something the host itself does at a time.
#[derive(Clone, Copy)]
pub(crate) enum Timer {
    /// Data of a read that were held back.
    Delayed(ReadAnswer),
    /// The hard block's completion timeout.
    Timeout(TagUse),
    /// Link up, link down, a surprise.
    Link(LinkEvent),
}

/// Why [`Simulation::run`] came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// What was waited for has happened.
    Met,
    /// It has not, and the limit is reached.
    Limit,
    /// There was no limit, and nothing is left to happen.
    Idle,
}

/// Reset of a function, as the host sees it.
#[derive(Default)]
struct Reset {
    running: bool,
    /// Somebody else's reset: the host restores the registers itself.
    surprise: bool,
    saved: Saved,
    /// The registers are not back yet: nothing there is worth saving.
    unrestored: bool,
}

/// All state.
pub(crate) struct Simulation {
    pub(crate) options: HostOptions,
    pub(crate) endpoint: Box<dyn Endpoint>,
    pub(crate) block: HardBlock,
    downlink: Downlink,
    timers: Calendar<Timer>,
    pub(crate) config: ConfigSpace,
    states: Vec<FunctionState>,
    /// How often each function has come into being: a VF that comes back is another one.
    incarnations: Vec<u32>,
    enabled_vfs: u8,
    link: LinkSettings,
    resets: Vec<Reset>,
    pub(crate) arena: Rc<Arena>,
    allocator: PageAllocator,
    pub(crate) iommus: Vec<Iommu>,
    pub(crate) interrupts: Interrupts,
    next_bus_address: u64,
    now: Cycle,
    /// The endpoint has run up to here.
    advanced: Cycle,
    /// When each function's software has done what it was told so far.
    software_free: Vec<Cycle>,
    /// Device writes to queue memory, interrupts, link events: what clients wait for.
    pub(crate) wakes: u64,
    next_tag: u16,
    /// The access software waits for, and its answer.
    awaited: Option<u16>,
    answer: Option<Option<u64>>,
}

impl Simulation {
    pub(crate) fn new(
        options: HostOptions,
        mut endpoint: Box<dyn Endpoint>,
    ) -> Result<Self, HostError> {
        options.validate()?;
        let total_vfs = endpoint.virtual_functions();
        if total_vfs > MAX_VIRTUAL_FUNCTIONS {
            return Err(HostError::TooManyFunctions {
                count: total_vfs,
                most: MAX_VIRTUAL_FUNCTIONS,
            });
        }
        let functions = usize::from(total_vfs) + 1;
        let vectors = endpoint.vectors_per_function();
        let (faults, events) = FaultEngine::new(&options.faults, options.seed, functions);
        let arena = Arena::new(options.memory_bytes)?;
        let config = ConfigSpace::new(&options, total_vfs, vectors);
        let link = config.link();
        endpoint.receive(0, Inbound::Link(link));
        let mut simulation = Self {
            downlink: Downlink::new(&options, endpoint.receives_first_beats()),
            endpoint,
            block: HardBlock::new(&options, functions, faults),
            timers: Calendar::new(),
            config,
            states: vec![FunctionState::default(); functions],
            incarnations: vec![0; functions],
            enabled_vfs: 0,
            link,
            resets: std::iter::repeat_with(Reset::default)
                .take(functions)
                .collect(),
            allocator: PageAllocator::new(&arena),
            arena: Rc::new(arena),
            iommus: std::iter::repeat_with(Iommu::default)
                .take(functions)
                .collect(),
            interrupts: Interrupts::new(functions, vectors),
            next_bus_address: FIRST_BUS_ADDRESS,
            now: 0,
            advanced: 0,
            software_free: vec![0; functions],
            wakes: 0,
            next_tag: 0,
            awaited: None,
            answer: None,
            options,
        };
        simulation.apply_registers();
        for (cycle, event) in events {
            simulation.schedule_event(cycle, event);
        }
        Ok(simulation)
    }

    pub(crate) fn now(&self) -> Cycle {
        self.now
    }

    /// Runs cycle after cycle in which anything happens, until `met` holds after one of them or the
    /// next is beyond `limit`. `Cycle::MAX` is no limit.
    pub(crate) fn run(&mut self, limit: Cycle, met: impl Fn(&Self) -> bool) -> Stop {
        loop {
            let host = self.next_host_event();
            let device = self.endpoint.next_event().unwrap_or(Cycle::MAX);
            if host.min(device) > limit || host.min(device) == Cycle::MAX {
                if limit == Cycle::MAX {
                    return Stop::Idle;
                }
                self.now = self.now.max(limit);
                return Stop::Limit;
            }
            if device < host {
                // What the endpoint sends comes back a round trip later at the earliest, so it may
                // run ahead that far.
                debug_assert!(
                    device >= self.advanced,
                    "the endpoint's next event is in the past"
                );
                let ahead = device.saturating_add(self.options.rtt_cycles - 1);
                let until = ahead.min(host - 1).min(limit);
                let mut port = MemoryPort {
                    block: &mut self.block,
                    arena: &self.arena,
                    iommus: &mut self.iommus,
                };
                self.endpoint.advance(until, &mut port);
                self.advanced = until;
                continue;
            }
            self.now = host;
            self.run_host_events();
            if met(self) {
                return Stop::Met;
            }
        }
    }

    /// The next cycle in which anything happens.
    pub(crate) fn next_event(&self) -> Option<Cycle> {
        let device = self.endpoint.next_event().unwrap_or(Cycle::MAX);
        let next = self.next_host_event().min(device);
        (next != Cycle::MAX).then_some(next)
    }

    #[inline]
    fn next_host_event(&self) -> Cycle {
        [
            self.timers.next(),
            self.block.next_arrival(),
            self.downlink.software.next(),
            self.downlink.next_request(),
            self.downlink.next_completion(),
        ]
        .into_iter()
        .fold(Cycle::MAX, |first, next| {
            first.min(next.unwrap_or(Cycle::MAX))
        })
    }

    /// Everything of the host that is due now, in a fixed order.
    fn run_host_events(&mut self) {
        let now = self.now;
        while let Some(timer) = self.timers.take(now) {
            self.expire(timer);
        }
        while let Some(up) = self.block.take_arrival(now) {
            self.arrive(up);
        }
        while let Some(request) = self.downlink.software.take(now) {
            self.downlink.send_request(now, request);
        }
        while let Some(request) = self.downlink.take_request(now) {
            self.deliver_request(request);
        }
        while let Some(completion) = self.downlink.take_completion(now) {
            self.deliver_completion(&completion);
        }
    }

    fn expire(&mut self, timer: Timer) {
        match timer {
            Timer::Delayed(answer) => self.downlink.send_data(self.now, &self.block, answer),
            Timer::Timeout(tag_use) => {
                self.downlink
                    .end_in_block(self.now, tag_use, ReadStatus::Timeout);
            }
            Timer::Link(event) => self.link_event(event),
        }
    }

    /// Puts an event into the calendar, not before what the endpoint has already done.
    pub(crate) fn schedule_event(&mut self, cycle: Cycle, event: LinkEvent) {
        self.timers.push(
            cycle.max(self.advanced + 1).max(self.now),
            Timer::Link(event),
        );
    }

    /// Makes an access of the host's software, in the next cycle its function's software is free.
    pub(crate) fn request(&mut self, function: FunctionId, request: Request) {
        let free = &mut self.software_free[function.index()];
        *free = self.now.max(*free) + self.options.software_cycles;
        self.downlink.software.push(*free, request);
    }

    /// The function's software is busy for so long.
    pub(crate) fn spend(&mut self, function: FunctionId, cycles: Cycle) {
        let free = &mut self.software_free[function.index()];
        *free = self.now.max(*free).saturating_add(cycles);
    }

    /// Makes an access that has an answer, and runs until it is there. `None`: nothing answered.
    pub(crate) fn request_answer(
        &mut self,
        function: FunctionId,
        request: impl FnOnce(u16) -> Request,
    ) -> Option<u64> {
        self.next_tag = self.next_tag.wrapping_add(1);
        let tag = self.next_tag;
        self.awaited = Some(tag);
        self.answer = None;
        self.request(function, request(tag));
        let sent = self.software_free[function.index()];
        let limit = sent.saturating_add(self.options.register_timeout_cycles);
        self.run(limit, |simulation| simulation.answer.is_some());
        self.awaited = None;
        let free = &mut self.software_free[function.index()];
        *free = self.now.max(*free);
        self.answer.take().flatten()
    }

    /// Allocates whole pages of host memory.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Result<(usize, usize), HostError> {
        let len = bytes
            .max(1)
            .checked_next_multiple_of(crate::arena::PAGE_BYTES);
        let allocator = &mut self.allocator;
        len.and_then(|len| Some((allocator.allocate(&self.arena, len)?, len)))
            .ok_or_else(|| HostError::OutOfMemory {
                bytes,
                free: self.allocator.free_bytes(),
                total: self.arena.len() as u64,
            })
    }

    /// Frees a block and takes it out of every map.
    pub(crate) fn release(&mut self, offset: usize, len: usize) {
        for iommu in &mut self.iommus {
            iommu.forget(offset, len);
        }
        self.allocator.release(offset, len);
    }

    /// Bus addresses nobody had before, with a page that is never mapped behind them: an access
    /// beyond a buffer, or after its end, is always a fault.
    pub(crate) fn take_bus_addresses(&mut self, len: usize) -> u64 {
        let address = self.next_bus_address;
        self.next_bus_address += (len + crate::arena::PAGE_BYTES) as u64;
        address
    }
}
