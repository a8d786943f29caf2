//! The admin engine: what the controller answers to every admin command (NVMe 1.1 §5).
//!
//! Written as the hardware tables it stands for. [`execute`] looks at one command and at the
//! function's own rows ([`FunctionAdmin`]), and says what is to happen ([`AdminAction`]); it moves no
//! data, owns no queue and knows no time. The core does the rest: it owns the queues, transfers the
//! one 4 KiB buffer, posts the completions.
//!
//! | file | what |
//! |---|---|
//! | `action` | what a command leads to |
//! | `config` | what the device is: sizes, counts, names |
//! | `state` | one function's rows: features, events, error log |
//! | `counters` | I/O counters of one function, fed by the core |
//! | `decoder` | `execute`: from opcode to family, and what a rejection leaves behind |
//! | `queue`, `abort`, `identify`, `feature`, `log` | one file a family of commands |
//! | `async_event` | asynchronous events: held requests, pending events, masks |
//! | `error_log` | the ring behind log page 01h |
//! | `prp` | where an admin transfer of at most 4 KiB goes |

mod abort;
mod action;
mod async_event;
mod config;
mod counters;
mod decoder;
mod error_log;
mod feature;
mod identify;
mod log;
mod prp;
mod queue;
mod state;
#[cfg(test)]
mod tests;

pub use action::{AdminAction, HostPiece};
pub use async_event::{EVENT_REQUESTS, EventCompletion};
pub use config::AdminConfig;
pub use counters::IoCounters;
pub use decoder::{ADMIN_STATUSES, AdminBuffer, ControllerView, execute};
pub use error_log::{CommandError, ERROR_LOG_ENTRIES};
pub use feature::{FeatureRow, Features, feature_rows};
pub use identify::{
    FIRMWARE_REVISION, controller as identify_controller, namespace as identify_namespace,
};
pub use state::FunctionAdmin;
