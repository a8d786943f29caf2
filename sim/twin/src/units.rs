//! What is carried out as one: a command, or the two halves of a pair.

use nvme_spec::{Fuse, Status, opcode::nvm};

use crate::script::{Command, Data, Expect, Group, Round, Spoil};

/// What is locked, written and compared as one: AWUN = AWUPF = ACWU.
pub(crate) const UNIT_BYTES: u32 = 16_384;

/// A command, or the two halves of a pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit<'a> {
    /// Where it is sent.
    pub(crate) group: &'a Group,
    /// The command; of a pair, the Compare.
    pub(crate) command: &'a Command,
    /// The Write of a pair.
    pub(crate) second: Option<&'a Command>,
}

impl<'a> Unit<'a> {
    /// The units of a round, in its order.
    pub(crate) fn of(round: &'a Round) -> Vec<Self> {
        let mut units = Vec::new();
        for group in &round.groups {
            let mut commands = group.commands.iter();
            while let Some(command) = commands.next() {
                let is_pair =
                    command.expect == Expect::CarriedOut && command.entry.fuse() == Fuse::First;
                let second = if is_pair { commands.next() } else { None };
                units.push(Self {
                    group,
                    command,
                    second,
                });
            }
        }
        units
    }

    /// It has blocks: a Read, Write, Compare or pair that is to be carried out.
    pub(crate) fn blocks(&self) -> Option<std::ops::Range<u64>> {
        let entry = &self.command.entry;
        let has_blocks = matches!(entry.opcode(), nvm::READ | nvm::WRITE | nvm::COMPARE);
        (self.group.queue != 0 && self.command.expect == Expect::CarriedOut && has_blocks)
            .then(|| entry.starting_lba()..entry.starting_lba() + u64::from(entry.block_count()))
    }

    /// It may change its blocks.
    pub(crate) fn writes(&self) -> bool {
        self.second.is_some() || self.command.entry.opcode() == nvm::WRITE
    }

    /// Bytes of the pieces that it locks one after the other.
    pub(crate) fn piece_bytes(&self) -> u32 {
        if self.command.entry.opcode() == nvm::READ {
            u32::MAX
        } else {
            UNIT_BYTES
        }
    }
}

/// What becomes of a command with such data, when nothing else is wrong.
pub(crate) fn spoilt_status(data: Option<&Data>) -> Option<Status> {
    let spoil = data?.spoil.filter(|spoil| spoil.is_fatal())?;
    Some(match spoil {
        Spoil::Misaligned { .. } => Status::INVALID_FIELD,
        _ => Status::DATA_TRANSFER_ERROR,
    })
}

/// First byte of the data that does not arrive: nothing of its piece may be written.
pub(crate) fn first_lost_byte(data: &Data) -> Option<u32> {
    match data.spoil.filter(|spoil| spoil.is_fatal())? {
        Spoil::Unmapped { byte } => {
            Some(((data.offset + byte) & !4095).saturating_sub(data.offset))
        }
        Spoil::Read { byte, .. } => Some(byte),
        Spoil::UnmappedList | Spoil::Misaligned { .. } | Spoil::ReadOfList { .. } => Some(0),
    }
}
