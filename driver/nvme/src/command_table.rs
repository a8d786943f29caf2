//! The commands of a queue pair that have been posted and have not ended.

use crate::buffer::DmaBuffer;
use crate::completion::End;
use crate::error::{CommandKind, Request};
use crate::transport::DmaMemory;

const INDEX_BITS: u32 = 10;
const INDEX_MASK: u16 = (1 << INDEX_BITS) - 1;

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Free,
    /// A command of its own.
    Single,
    /// First of a pair; the slot of its second.
    Compare {
        write: u16,
    },
    /// Second of a pair; the slot of its first.
    Write {
        compare: u16,
    },
}

/// One command. Of a pair, the Compare's slot has the tag and the `old` buffer.
pub(crate) struct Slot<D: DmaMemory> {
    pub(crate) role: Role,
    pub(crate) command: CommandKind,
    /// Rounds of the slot, 6 bits: tells a late or second completion from the present command's.
    round: u8,
    /// An Abort was sent; `deadline_ns` is now that of the Abort.
    pub(crate) aborting: bool,
    pub(crate) blocks: u32,
    pub(crate) lba: u64,
    pub(crate) tag: u64,
    pub(crate) deadline_ns: u64,
    /// Half of a pair that waits for the other half.
    pub(crate) end: Option<End>,
    pub(crate) buffer: Option<DmaBuffer<D>>,
}

impl<D: DmaMemory> Slot<D> {
    pub(crate) const fn request(&self) -> Request {
        Request {
            command: self.command,
            lba: self.lba,
            blocks: self.blocks,
        }
    }
}

pub(crate) struct CommandTable<D: DmaMemory> {
    slots: Vec<Slot<D>>,
    free: Vec<u16>,
}

impl<D: DmaMemory> CommandTable<D> {
    /// A table of `commands` (1 to 1,024) slots.
    pub(crate) fn new(commands: u32) -> Self {
        Self {
            slots: (0..commands)
                .map(|_| Slot {
                    role: Role::Free,
                    command: CommandKind::Flush,
                    round: 0,
                    aborting: false,
                    blocks: 0,
                    lba: 0,
                    tag: 0,
                    deadline_ns: 0,
                    end: None,
                    buffer: None,
                })
                .collect(),
            // Low slots first: a client with few commands in flight stays within few cache lines.
            free: (0..commands as u16).rev().collect(),
        }
    }

    /// Free slots.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.free.len()
    }

    /// Takes a free slot and gives back its index; its fields still have to be filled.
    #[inline]
    pub(crate) fn claim(&mut self) -> Option<u16> {
        self.free.pop()
    }

    #[inline]
    pub(crate) fn slot(&mut self, index: u16) -> &mut Slot<D> {
        &mut self.slots[usize::from(index)]
    }

    /// The identifier under which the command in a slot is sent.
    #[inline]
    pub(crate) fn command_id(&self, index: u16) -> u16 {
        (u16::from(self.slots[usize::from(index)].round) << INDEX_BITS) | index
    }

    /// The slot of a command that is in flight and has not ended.
    #[inline]
    pub(crate) fn find(&self, command_id: u16) -> Option<u16> {
        let index = command_id & INDEX_MASK;
        let slot = self.slots.get(usize::from(index))?;
        (slot.role != Role::Free
            && u16::from(slot.round) == command_id >> INDEX_BITS
            && slot.end.is_none())
        .then_some(index)
    }

    /// Makes a slot free again; its identifier will not be used again for 64 rounds.
    #[inline]
    pub(crate) fn release(&mut self, index: u16) -> Option<DmaBuffer<D>> {
        let slot = &mut self.slots[usize::from(index)];
        slot.role = Role::Free;
        slot.round = (slot.round + 1) & (u16::MAX >> INDEX_BITS) as u8;
        slot.aborting = false;
        slot.end = None;
        self.free.push(index);
        slot.buffer.take()
    }

    /// Slots of commands without a completion so far.
    pub(crate) fn unanswered(&mut self) -> impl Iterator<Item = (u16, &mut Slot<D>)> {
        self.slots
            .iter_mut()
            .enumerate()
            .filter(|(_, slot)| slot.role != Role::Free && slot.end.is_none())
            .map(|(index, slot)| (index as u16, slot))
    }

    /// Slots that stand for a request: single commands and the first of each pair.
    pub(crate) fn requests(&self) -> Vec<u16> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| matches!(slot.role, Role::Single | Role::Compare { .. }))
            .map(|(index, _)| index as u16)
            .collect()
    }
}
