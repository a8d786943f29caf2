//! Serves a simulated NVMe controller over vfio-user: one socket a function, all of them functions of
//! one device, each for a client of its own.
//!
//! ```text
//! DIR/pf/cntrl ──┐                       ┌── FunctionSide: DMA ranges, eventfds
//! DIR/vf0/cntrl ─┤ Session ── commands ──┤
//! DIR/vf1/cntrl ─┘    │                  └── Engine ── Endpoint (cycle model, or the Verilog)
//!                 DoorbellPage ──────────────┘   └── HostSide: Port
//! ```
//!
//! One thread does everything, and never waits for a client: what takes time (a register read, a
//! reset, memory that a client shares by messages only) is a state of the client's
//! session, behind which that client's other commands wait, and nobody else's. The endpoint's
//! writes and reads go straight to and from the clients' mapped memory.
//!
//! A client that breaks the protocol, goes away or takes its memory away is dropped: its function is
//! reset, its memory and descriptors are given back, and the next client finds the function as after
//! power-up.

mod ahead;
mod arrivals;
mod commands;
mod config;
mod directory;
mod dma;
mod doorbells;
mod engine;
mod function;
mod host;
mod interrupts;
mod mapped_file;
mod options;
mod pace;
mod remote;
mod server;
mod session;
mod sigbus;
mod stop;
mod streaming;

pub use directory::function_name;
pub use options::{Doorbells, Event, Pace, ServerError, ServerOptions};
pub use pace::FREE_CYCLES;
pub use server::Server;
pub use stop::stop_on_signals;
