//! The range lock's trace ports: which command asks for which blocks, is granted them, gives them up.

use nvme_model::{LockEvent, LockStep};
use pcie_host::endpoint::{Cycle, FunctionId};

use crate::design::{Design, NarrowPin, Pin};

/// The trace's blocks are of this size, whatever the logical blocks are.
const BLOCK_BYTES: u64 = 512;
/// A context's number: its function above these bits.
const CONTEXT_BITS: u32 = 5;

/// A row that goes.
struct Release {
    valid: Pin<u8>,
    context: NarrowPin,
}

impl Release {
    fn new(design: &Design, name: &str) -> Self {
        Self {
            valid: design.pin(&format!("lock_trace_{name}_valid")),
            context: design.narrow_pin(&format!("lock_trace_{name}_context")),
        }
    }
}

/// The trace ports of a controller.
pub(crate) struct Locks {
    request_valid: Pin<u8>,
    request_context: NarrowPin,
    request_queue: NarrowPin,
    request_command: Pin<u16>,
    request_first: NarrowPin,
    request_last: NarrowPin,
    request_exclusive: Pin<u8>,
    grant_valid: Pin<u8>,
    grant_context: NarrowPin,
    releases: [Release; 2],
    /// The request of each context that holds a lock or waits for one.
    requests: Vec<Option<LockEvent>>,
    /// Keep the steps?
    pub(crate) keeps: bool,
    pub(crate) events: Vec<LockEvent>,
}

impl Locks {
    /// The ports, if the design has them.
    pub(crate) fn new(design: &Design) -> Option<Self> {
        let request_valid = design.optional_pin("lock_trace_request_valid")?;
        let narrow = |name: &str| design.narrow_pin(&format!("lock_trace_{name}"));
        Some(Self {
            request_valid,
            request_context: narrow("request_context"),
            request_queue: narrow("request_queue"),
            request_command: design.pin("lock_trace_request_command"),
            request_first: narrow("request_first"),
            request_last: narrow("request_last"),
            request_exclusive: design.pin("lock_trace_request_exclusive"),
            grant_valid: design.pin("lock_trace_grant_valid"),
            grant_context: narrow("grant_context"),
            releases: ["release", "release_write"].map(|name| Release::new(design, name)),
            requests: vec![None; 1 << 10],
            keeps: false,
            events: Vec::new(),
        })
    }

    fn push(&mut self, at: Cycle, step: LockStep, context: u32) {
        if let Some(request) = self.requests[context as usize] {
            self.events.push(LockEvent {
                at,
                step,
                ..request
            });
        }
    }

    /// What happened in the cycle before this one. A row that goes is in nobody's way in the same cycle.
    #[inline]
    pub(crate) fn sample(&mut self, now: Cycle) {
        if !self.keeps {
            return;
        }
        let now = now.saturating_sub(1);
        if self.grant_valid.get() != 0 {
            self.push(now, LockStep::Granted, self.grant_context.get());
        }
        for index in 0..self.releases.len() {
            let release = &self.releases[index];
            if release.valid.get() != 0 {
                let context = release.context.get();
                self.push(now, LockStep::Released, context);
                self.requests[context as usize] = None;
            }
        }
        if self.request_valid.get() != 0 {
            let context = self.request_context.get();
            let event = LockEvent {
                at: now,
                step: LockStep::Requested,
                function: FunctionId((context >> CONTEXT_BITS) as u8),
                queue_id: self.request_queue.get() as u16,
                command_id: self.request_command.get(),
                start: u64::from(self.request_first.get()) * BLOCK_BYTES,
                end: (u64::from(self.request_last.get()) + 1) * BLOCK_BYTES,
                exclusive: self.request_exclusive.get() != 0,
            };
            self.requests[context as usize] = Some(event);
            self.events.push(event);
        }
    }
}
