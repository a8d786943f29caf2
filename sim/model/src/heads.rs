//! What stands at the head of each SQE FIFO, as the dispatcher and the fetch engine see it: looked at a
//! row a cycle, after something was taken from it or has come to it, and told in the next cycle.

use nvme_spec::opcode::nvm;
use nvme_spec::{Fuse, SubmissionEntry};
use pcie_host::endpoint::Cycle;

use crate::model::Model;
use crate::queue::SubmissionQueue;
use crate::schedule::{Engine, NEVER};

type Row = (usize, usize);

/// What stands at the head of a FIFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Head {
    /// Nothing.
    #[default]
    Empty,
    /// A fused first whose neighbour has not come. It waits here, holding nothing.
    Waits,
    /// One command.
    Single,
    /// A fused first whose neighbour is no fused second, or a second without a first.
    Orphan,
    /// A fused first and the fused second behind it.
    Pair,
}

impl Head {
    /// Commands that it is.
    pub(crate) const fn completions(self) -> u8 {
        match self {
            Self::Pair => 2,
            _ => 1,
        }
    }

    /// It can go.
    pub(crate) const fn is_ready(self) -> bool {
        !matches!(self, Self::Empty | Self::Waits)
    }
}

impl SubmissionQueue {
    fn head_of_fifo(&self, is_admin: bool) -> Head {
        let Some(first) = self.peek(0) else {
            return Head::Empty;
        };
        // Admin commands have no fuse field.
        match first.fuse() {
            _ if is_admin => Head::Single,
            Fuse::First => match self.peek(1).map(SubmissionEntry::fuse) {
                None => Head::Waits,
                Some(Fuse::Second) => Head::Pair,
                Some(_) => Head::Orphan,
            },
            Fuse::Second => Head::Orphan,
            Fuse::Normal | Fuse::Reserved => Head::Single,
        }
    }
}

/// Bytes a command will move: what its queue's turn is charged with.
fn cost_bytes(block_bytes: u32, most: u32, sqe: &SubmissionEntry) -> u32 {
    match sqe.opcode() {
        nvm::READ | nvm::WRITE | nvm::COMPARE => {
            sqe.block_count().saturating_mul(block_bytes).min(most)
        }
        _ => 64,
    }
}

/// What was found out about a row.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    row: Row,
    head: Head,
    is_hungry: bool,
    cost_bytes: u32,
}

/// Rows to look at.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// Taken from, and the cycle in which it is looked at.
    popped: Option<(Cycle, Row)>,
    /// Something has come to it.
    here: Option<Row>,
    /// Looked at in the cycle before.
    fresh: Option<Fresh>,
}

impl Heads {
    /// SQEs have been asked for in the cycle in which the row is looked at.
    pub(crate) fn forget_hunger(&mut self, function: usize, queue: usize) {
        if let Some(fresh) = &mut self.fresh
            && fresh.row == (function, queue)
        {
            fresh.is_hungry = false;
        }
    }

    /// The function has no queues any more.
    pub(crate) fn forget_function(&mut self, function: usize) {
        self.popped = self.popped.filter(|(_, row)| row.0 != function);
        self.here = self.here.filter(|row| row.0 != function);
        self.fresh = self.fresh.filter(|fresh| fresh.row.0 != function);
    }
}

impl Model {
    /// SQEs have been taken from the row in this cycle.
    pub(crate) fn popped_from(&mut self, function: usize, queue: usize) {
        let at = self.now + 1;
        self.heads.popped = Some((at, (function, queue)));
        self.schedule.no_later_than(Engine::Heads, at);
    }

    /// An SQE of the row is there from this cycle on.
    pub(crate) fn has_come_to(&mut self, function: usize, queue: usize) {
        self.heads.here = Some((function, queue));
        self.schedule.no_later_than(Engine::Heads, self.now);
    }

    /// Tells what was found in the cycle before, and looks at the next row.
    pub(crate) fn run_heads(&mut self) {
        if let Some(fresh) = self.heads.fresh.take() {
            self.tell_head(fresh);
        }
        let mut next = NEVER;
        let row = match self.heads.popped {
            Some((at, row)) if at <= self.now => {
                self.heads.popped = None;
                Some(row)
            }
            popped => {
                next = popped.map_or(NEVER, |(at, _)| at);
                self.heads.here.take()
            }
        };
        if let Some((function, id)) = row {
            let queue = &self.functions[function].submission[id];
            if queue.live && !queue.deleting {
                let head = queue.head_of_fifo(id == 0);
                let most = self.geometry.maximum_transfer_bytes;
                let cost = queue
                    .peek(0)
                    .map_or(0, |sqe| cost_bytes(self.block_bytes, most, sqe));
                self.heads.fresh = Some(Fresh {
                    row: (function, id),
                    head,
                    is_hungry: queue.fifo_used == 0
                        || (queue.fifo_used == 1 && head == Head::Waits),
                    cost_bytes: cost * u32::from(head.completions()),
                });
                next = self.now + 1;
            }
        }
        if self.heads.here.is_some() {
            next = self.now + 1;
        }
        self.schedule.set(Engine::Heads, next);
    }

    fn tell_head(&mut self, fresh: Fresh) {
        let (function, id) = fresh.row;
        let queue = &mut self.functions[function].submission[id];
        if !queue.live || queue.deleting {
            return;
        }
        queue.head_there = fresh.head;
        queue.is_hungry = fresh.is_hungry;
        queue.cost_bytes = fresh.cost_bytes;
        self.queue_changed(function, id as u16);
        self.want_fetch(function, id as u16);
        self.kick_dispatch();
    }
}
