//! Misbehaviour on demand.

use nvme_spec::Status;

/// What happens to a command that an [`Injection`] picks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It ends with this status and is not executed. On the Compare of a pair the Write ends with
    /// 09h; on the Write of a pair the Compare's own status stands.
    Status(Status),
    /// A Compare, alone or of a pair, finds a difference whatever the data is.
    Miscompare,
    /// It is taken and never executed. An Abort ends it.
    LoseCommand,
    /// It is executed and its completion lost. An Abort finds nothing to abort.
    LoseCompletion,
    /// Its completion is posted twice.
    AnswerTwice,
    /// Its completion is spoiled.
    Spoil(Corruption),
    /// The function is gone from here on, and only reads of its registers show it.
    Vanish,
    /// The controller stops with CSTS.CFS set.
    Fatal,
}

/// How a completion queue entry is spoiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Corruption {
    /// Another command identifier.
    CommandId(u16),
    /// Another submission queue.
    QueueId(u16),
    /// Another SQ head.
    Head(u16),
    /// The phase tag of the last round.
    Phase,
    /// It is written one slot too far.
    Slot,
}

/// Picks one command and says what happens to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Injection {
    pub(crate) fault: Fault,
    function: Option<u8>,
    queue: Option<u16>,
    opcode: Option<u8>,
    skip: u32,
}

impl Injection {
    /// Hits the next I/O or admin command of any function.
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            function: None,
            queue: None,
            opcode: None,
            skip: 0,
        }
    }

    /// Only commands of this function count.
    #[must_use]
    pub const fn on_function(mut self, function: u8) -> Self {
        self.function = Some(function);
        self
    }

    /// Only commands of this submission queue count; 0 is the admin queue.
    #[must_use]
    pub const fn on_queue(mut self, queue: u16) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Only commands with this opcode count. Admin and NVM opcodes overlap: name the queue, too.
    #[must_use]
    pub const fn on_opcode(mut self, opcode: u8) -> Self {
        self.opcode = Some(opcode);
        self
    }

    /// Lets this many commands that count pass first.
    #[must_use]
    pub const fn after(mut self, commands: u32) -> Self {
        self.skip = commands;
        self
    }

    /// Does it hit this command? Counts down.
    pub(crate) fn hits(&mut self, function: u8, queue: u16, opcode: u8) -> bool {
        if self.function.is_some_and(|wanted| wanted != function)
            || self.queue.is_some_and(|wanted| wanted != queue)
            || self.opcode.is_some_and(|wanted| wanted != opcode)
        {
            return false;
        }
        if self.skip == 0 {
            return true;
        }
        self.skip -= 1;
        false
    }
}

/// Is a function there?
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Presence {
    /// It answers.
    #[default]
    Present,
    /// Gone, as on a bus: posted writes vanish, reads fail.
    Vanished,
    /// Gone, and the back end knows: every access fails.
    Removed,
}
