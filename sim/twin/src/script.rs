//! A script: all that is done to a twin. It depends on the seed alone, never on what a twin answers.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::Cycle;
use pcie_host::{HostOptions, ReadFault};

/// May commands that are under way together touch the same blocks?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// No: whatever the order, every command has one result.
    ConflictFree,
    /// Yes, all the time: who wins may differ by a cycle, so the order of the locks decides.
    Conflicting,
}

/// Everything a run depends on but the device itself.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it was made from.
    pub seed: u64,
    /// The device and its host.
    pub setup: Setup,
    /// What is done, one after the other.
    pub rounds: Vec<Round>,
}

/// The device and its host.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which kind of mix.
    pub mix: Mix,
    /// Bytes of a logical block.
    pub block_bytes: u32,
    /// Blocks of the namespace.
    pub blocks: u64,
    /// Functions in use, the PF first.
    pub functions: Vec<FunctionSetup>,
    /// The link and the host behind it.
    pub host: HostOptions,
    /// AXI AR to the first beat of R.
    pub mem_cycles: Cycle,
    /// The last beat of AXI W to B.
    pub write_response_cycles: Cycle,
    /// The host looks at its completion queues every so many cycles.
    pub polling_cycles: Cycle,
    /// Seed of random stalls at every port of the Verilog, beat by beat; results only, no cycles.
    pub stalls: Option<u64>,
}

/// Queues of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionSetup {
    /// Slots of the admin queues.
    pub admin_entries: u32,
    /// Slots of completion queues 1, 2, …
    pub completion_queues: Vec<u32>,
    /// Submission queues 1, 2, …: slots, and the completion queue.
    pub submission_queues: Vec<(u32, u16)>,
    /// MSI-X is on.
    pub interrupts: bool,
}

/// A part of a script: it ends when every command has been answered.
#[derive(Clone, Debug)]
pub struct Round {
    /// Each group waits for the one before it: nothing is under way together.
    pub serial: bool,
    /// What is sent, in this order where it is to one queue.
    pub groups: Vec<Group>,
    /// Wrong doorbells: function, offset in BAR0, value.
    pub doorbells: Vec<(u8, u64, u32)>,
    /// A function loses what it is doing.
    pub upheaval: Option<Upheaval>,
    /// Log pages and features are read at the end.
    pub look: bool,
}

impl Round {
    /// Is one of its reads lost without a word?
    pub fn has_lost_read(&self) -> bool {
        let commands = self.groups.iter().flat_map(|group| &group.commands);
        let mut spoils = commands.filter_map(|command| command.data.as_ref()?.spoil);
        spoils.any(|spoil| {
            matches!(
                spoil,
                Spoil::Read { fault, .. } | Spoil::ReadOfList { fault } if fault == ReadFault::Lost
            )
        })
    }
}

/// Commands that are handed over together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Of this function.
    pub function: u8,
    /// To this queue.
    pub queue: u16,
    /// The host waits so long after the group before it of the queue.
    pub wait_cycles: Cycle,
    /// A doorbell for each command and not one for all.
    pub doorbell_each: bool,
    /// The commands.
    pub commands: Vec<Command>,
}

/// What must become of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// It is carried out; what spoils its data decides its status.
    CarriedOut,
    /// It is refused with this status, and touches nothing.
    Refused(Status),
    /// It touches no block, and both twins answer the same.
    Same,
    /// It is answered when something happens, or never (Asynchronous Event Request).
    Held,
}

/// A command.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its identifier, in a script given once.
    pub id: u16,
    /// What is sent, but for identifier and PRP entries.
    pub entry: SubmissionEntry,
    /// Its data.
    pub data: Option<Data>,
    /// What must become of it.
    pub expect: Expect,
    /// Something that races with it decides whether it is carried out: an upheaval, an Abort.
    pub races: bool,
}

/// The data of a command in host memory.
#[derive(Clone, Debug)]
pub struct Data {
    /// How many.
    pub bytes: u32,
    /// Offset in the first page.
    pub offset: u32,
    /// Seed of the order of the pages; 0 is as they lie in memory.
    pub scatter: u64,
    /// Where in its page a PRP list begins.
    pub list_offset: u32,
    /// What the host sends, block by block; empty for data that the device sends.
    pub tags: Vec<u64>,
    /// A byte that is not what its block's tag says.
    pub flipped_byte: Option<u32>,
    /// What is wrong with it.
    pub spoil: Option<Spoil>,
}

/// What is wrong with a command's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoil {
    /// The page of this byte is not mapped.
    Unmapped {
        /// A byte of the data.
        byte: u32,
    },
    /// The PRP list is not mapped.
    UnmappedList,
    /// The entry of the list for this byte has an offset.
    Misaligned {
        /// A byte of the data, not in the first page.
        byte: u32,
    },
    /// The read of this byte goes wrong.
    Read {
        /// A byte of the data.
        byte: u32,
        /// How.
        fault: ReadFault,
    },
    /// The first read of the PRP list goes wrong.
    ReadOfList {
        /// How.
        fault: ReadFault,
    },
}

impl Spoil {
    /// Does the command suffer from it, or does it only take longer?
    pub fn is_fatal(self) -> bool {
        match self {
            Self::Read { fault, .. } | Self::ReadOfList { fault } => {
                !matches!(fault, ReadFault::Delayed { .. })
            }
            Self::Unmapped { .. } | Self::UnmappedList | Self::Misaligned { .. } => true,
        }
    }
}

/// How a function loses what it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upheaval {
    /// Which one; the PF takes all along, the link, too.
    pub function: u8,
    /// After the round's beginning.
    pub after_cycles: Cycle,
    /// How.
    pub kind: UpheavalKind,
}

/// How a function loses what it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpheavalKind {
    /// Function level reset.
    FunctionReset,
    /// The link goes down and comes up again: a hot reset of all functions.
    LinkDown,
    /// CC.EN is cleared.
    Disable,
    /// Shutdown is asked for; CC.EN is cleared when it is complete.
    Shutdown,
    /// Bus-master enable is taken away; CC.EN is cleared after it.
    BusMasterOff,
    /// A submission queue is deleted.
    DeleteQueue(u16),
}

impl Upheaval {
    /// Does it take all functions along?
    pub const fn hits_all(&self) -> bool {
        match self.kind {
            UpheavalKind::LinkDown => true,
            UpheavalKind::FunctionReset => self.function == 0,
            _ => false,
        }
    }

    /// Does it take `queue` of `function` along?
    pub fn hits(&self, function: u8, queue: u16) -> bool {
        match self.kind {
            _ if self.hits_all() => true,
            UpheavalKind::DeleteQueue(deleted) => {
                self.function == function && (queue == deleted || queue == 0)
            }
            _ => self.function == function,
        }
    }
}

impl Data {
    /// Bytes of host memory from the start of its first page.
    pub fn pages(&self) -> u32 {
        (self.offset + self.bytes).div_ceil(4096)
    }
}

impl Script {
    /// Is there a read of which nothing is ever heard? The twins give it up after the 50 ms of their own timer.
    pub fn has_lost_read(&self) -> bool {
        self.rounds.iter().any(Round::has_lost_read)
    }

    /// Every command with its group.
    pub fn commands(&self) -> impl Iterator<Item = (&Group, &Command)> {
        let groups = self.rounds.iter().flat_map(|round| &round.groups);
        groups.flat_map(|group| group.commands.iter().map(move |command| (group, command)))
    }
}

/// What a block holds that has this tag.
pub fn contents(tag: u64, bytes: usize) -> Vec<u8> {
    let mut state = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut data = Vec::with_capacity(bytes);
    while data.len() < bytes {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        data.extend_from_slice(&(word ^ word >> 31).to_le_bytes());
    }
    data.truncate(bytes);
    data
}
