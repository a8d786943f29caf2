//! Cycle model of the NVMe controller.
//!
//! The same controller as the Verilog under `rtl/`, told apart only by how it is simulated: event
//! driven, with the latencies and depths of one table ([`Timing`], [`Geometry`]). `README.md` has the
//! block diagram. One room a block, in the order in which a command passes them:
//!
//! | file | block |
//! |---|---|
//! | `registers`, `doorbells` | CQ and CC: the register file of each function |
//! | `fetch`, `reads`, `receive`, `tags` | host reads: SQE prefetch, one read a cycle, RC, tags and completion space |
//! | `queue`, `heads`, `room`, `dispatch` | SQE FIFOs, fused pairs, CQ slots, turns of functions and queues |
//! | `context`, `decode` | a command under way, and every check of it |
//! | `prp` | the PRP walker |
//! | `segments`, `buffers`, `lock_stage`, `range_lock` | buffers and locks of a command's pieces |
//! | `drr`, `fair_turns`, `rows` | who moves the next granule |
//! | `read_path`, `write_path`, `axi` | medium to host, host to medium, compare |
//! | `rq`, `output` | the port to the hosts |
//! | `completion`, `msix` | CQEs and interrupts |
//! | `admin`, `admin_engine`, `abort` | admin commands: what they mean, and carrying it out |
//! | `reset`, `power` | enable, shutdown, function reset, bus master, loss of power |
//! | `medium` | the DRAM image |
//! | `model`, `schedule`, `pipeline`, `take_if` | the whole, and what runs next |
//!
//! Not modelled: DRAM refresh and ECC, link errors (the host's side injects them), power states
//! beyond the one that Identify shows, NVM subsystem reset.

mod abort;
pub mod admin;
mod admin_engine;
mod axi;
mod buffers;
mod completion;
mod context;
mod decode;
mod direct;
mod dispatch;
mod doorbells;
pub mod drr;
mod fair_turns;
mod fetch;
mod function;
mod heads;
mod lock_stage;
pub mod medium;
mod model;
mod msix;
mod options;
mod output;
mod pipeline;
mod power;
mod prp;
mod queue;
pub mod range_lock;
mod read_path;
mod reads;
mod receive;
mod registers;
mod reset;
mod room;
mod rows;
mod rq;
mod schedule;
mod segments;
mod tags;
mod take_if;
mod timing;
mod trace;
mod write_path;

pub use model::Model;
pub use options::{
    DataPath, MAXIMUM_IO_QUEUES, MAXIMUM_VIRTUAL_FUNCTIONS, ModelError, ModelOptions,
};
pub use registers::capabilities;
pub use timing::{Geometry, Timing};
pub use trace::{CommandTrace, LockEvent, LockStep, TraceOptions};
