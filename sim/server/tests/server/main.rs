//! The server against a raw client: every message, every way to misbehave.

mod client;
mod input_output;
mod memory;
mod misbehaviour;
mod rig;
