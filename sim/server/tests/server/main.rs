//! The server against a raw client: every message, every way to misbehave.

mod client;
mod input_output;
mod interrupts;
mod memory;
mod messages;
mod misbehaviour;
mod rig;
mod spdk;
mod time;
