//! Command opcodes (NVMe 1.1 §5, §6).

/// Admin commands (§5).
pub mod admin {
    /// §5.6 Delete I/O Submission Queue.
    pub const DELETE_SUBMISSION_QUEUE: u8 = 0x00;
    /// §5.4 Create I/O Submission Queue.
    pub const CREATE_SUBMISSION_QUEUE: u8 = 0x01;
    /// §5.10 Get Log Page.
    pub const GET_LOG_PAGE: u8 = 0x02;
    /// §5.5 Delete I/O Completion Queue.
    pub const DELETE_COMPLETION_QUEUE: u8 = 0x04;
    /// §5.3 Create I/O Completion Queue.
    pub const CREATE_COMPLETION_QUEUE: u8 = 0x05;
    /// §5.11 Identify.
    pub const IDENTIFY: u8 = 0x06;
    /// §5.1 Abort.
    pub const ABORT: u8 = 0x08;
    /// §5.12 Set Features.
    pub const SET_FEATURES: u8 = 0x09;
    /// §5.9 Get Features.
    pub const GET_FEATURES: u8 = 0x0a;
    /// §5.2 Asynchronous Event Request.
    pub const ASYNC_EVENT_REQUEST: u8 = 0x0c;
}

/// NVM commands (§6).
pub mod nvm {
    /// §6.8 Flush.
    pub const FLUSH: u8 = 0x00;
    /// §6.14 Write.
    pub const WRITE: u8 = 0x01;
    /// §6.9 Read.
    pub const READ: u8 = 0x02;
    /// §6.6 Compare.
    pub const COMPARE: u8 = 0x05;
}
