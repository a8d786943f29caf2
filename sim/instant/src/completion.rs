//! Posting completions: at once, when a slot becomes free, late and in random order, or wrongly.

use nvme_spec::{COMPLETION_ENTRY_BYTES, CompletionEntry, Status};
use rand::RngExt;

use crate::controller::Controller;
use crate::device::Device;
use crate::dma::HostMemory;
use crate::fault::{Corruption, Fault};

/// A completion on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting {
    pub(crate) function: u8,
    pub(crate) queue: u16,
    pub(crate) command_id: u16,
    pub(crate) status: Status,
    pub(crate) dword0: u32,
    pub(crate) fault: Option<Fault>,
}

impl Device {
    /// A command has ended.
    #[inline]
    pub(crate) fn complete(&mut self, memory: &HostMemory, posting: Posting) {
        if posting.fault == Some(Fault::LoseCompletion) {
            return;
        }
        if self.shuffle.is_some() && posting.queue != 0 {
            self.delayed.push(posting);
            return;
        }
        self.deliver(memory, posting);
    }

    /// Posts some of the delayed completions in random order; false when there were none.
    pub(crate) fn deliver_delayed(&mut self, memory: &HostMemory) -> bool {
        let Some(random) = self.shuffle.as_mut().filter(|_| !self.delayed.is_empty()) else {
            return false;
        };
        let count = random.random_range(1..=self.delayed.len());
        for _ in 0..count {
            let Some(random) = self.shuffle.as_mut() else {
                break;
            };
            let pick = random.random_range(0..self.delayed.len());
            let posting = self.delayed.swap_remove(pick);
            self.deliver(memory, posting);
        }
        true
    }

    #[inline]
    fn deliver(&mut self, memory: &HostMemory, posting: Posting) {
        let controller = &mut self.controllers[usize::from(posting.function)];
        // A queue that was deleted in the meantime has no place for it.
        if post(controller, memory, posting).is_some() {
            self.activity += 1;
        }
        if posting.fault == Some(Fault::AnswerTwice) {
            let again = Posting {
                fault: None,
                ..posting
            };
            let controller = &mut self.controllers[usize::from(posting.function)];
            let _ = post(controller, memory, again);
        }
    }

    /// The host has taken entries: what waited for a slot can go out.
    pub(crate) fn completion_head_moved(&mut self, memory: &HostMemory, function: u8, queue: u16) {
        let controller = &mut self.controllers[usize::from(function)];
        let mut posted = 0;
        while let Some(completion) = controller.completion[usize::from(queue)].as_mut() {
            if completion.is_full() {
                break;
            }
            let Some(posting) = completion.waiting.pop_front() else {
                break;
            };
            let _ = post(controller, memory, posting);
            posted += 1;
        }
        self.activity += posted;
    }
}

#[inline]
fn post(controller: &mut Controller, memory: &HostMemory, posting: Posting) -> Option<()> {
    let submission = controller
        .submission
        .get(usize::from(posting.queue))?
        .as_ref()?;
    let (head, index) = (submission.head, usize::from(submission.completion_queue));
    let queue = controller.completion.get_mut(index)?.as_mut()?;
    if queue.is_full() {
        queue.waiting.push_back(posting);
        return None;
    }
    let mut entry = CompletionEntry::new(
        posting.dword0,
        head as u16,
        posting.queue,
        posting.command_id,
        posting.status,
        false,
        queue.phase,
    );
    let mut slot = queue.tail;
    if let Some(Fault::Spoil(corruption)) = posting.fault {
        match corruption {
            Corruption::CommandId(id) => entry.dword3 = (entry.dword3 & !0xffff) | u32::from(id),
            Corruption::QueueId(id) => entry.submission_queue_id = id,
            Corruption::Head(head) => entry.submission_head = head,
            Corruption::Phase => entry.dword3 ^= 1 << 16,
            Corruption::Slot => slot = (slot + 1) % queue.entries,
        }
    }
    let address = queue.address + u64::from(slot) * COMPLETION_ENTRY_BYTES as u64;
    if memory.post(controller.number, address, entry).is_err() {
        // A queue in memory that is not mapped any more: a real device would report a fatal error.
        controller.status.set_fatal(true);
        return None;
    }
    queue.tail += 1;
    if queue.tail == queue.entries {
        queue.tail = 0;
        queue.phase = !queue.phase;
    }
    if let Some((true, fired)) = queue
        .vector
        .and_then(|vector| controller.vectors.get_mut(usize::from(vector)))
    {
        *fired = true;
    }
    Some(())
}
