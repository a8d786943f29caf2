//! Options of a controller and of a queue pair.

/// How a controller is brought up and when the driver loses patience with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControllerOptions {
    /// Entries of the admin queues, 2 to 256; the default is 32.
    pub admin_entries: u16,
    /// How long an admin command may take before the controller is reset.
    pub admin_timeout_ns: u64,
    /// Keep Asynchronous Event Requests outstanding; see
    /// [`Controller::take_events`](crate::Controller::take_events).
    pub async_events: bool,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            admin_entries: 32,
            admin_timeout_ns: 5_000_000_000,
            async_events: true,
        }
    }
}

/// How a client learns of completions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CompletionMode {
    /// By looking at the queue; the controller sends no interrupt.
    #[default]
    Polling,
    /// The controller sends MSI-X vector n for queue n. The client may still poll.
    Msix,
}

/// Size and manners of a queue pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueOptions {
    /// Slots of the submission queue, 2 to 1,024 and at most CAP.MQES; one less commands can be in
    /// flight, of which a Compare-and-Write takes two. The default is 64.
    pub entries: u32,
    /// Polling or interrupts.
    pub completion: CompletionMode,
    /// How long a command may take before it is aborted. The default is 5 s.
    pub command_timeout_ns: u64,
    /// How long an Abort may take to end its command before the controller is reset. The default
    /// is 1 s.
    pub abort_timeout_ns: u64,
    /// Set Force Unit Access on Writes, those of pairs included, when the controller has a volatile
    /// write cache: what has ended is durable. The default is true; without a cache it costs nothing.
    pub force_unit_access: bool,
    /// Most DMA memory that the pool of buffers takes, in bytes. The default is 8 MiB.
    pub buffer_memory_bytes: usize,
}

impl QueueOptions {
    /// Most entries of a queue pair: a command identifier carries the slot in 10 bits.
    pub const MAXIMUM_ENTRIES: u32 = 1024;
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            entries: 64,
            completion: CompletionMode::Polling,
            command_timeout_ns: 5_000_000_000,
            abort_timeout_ns: 1_000_000_000,
            force_unit_access: true,
            buffer_memory_bytes: 8 << 20,
        }
    }
}
