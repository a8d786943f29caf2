//! The host against a small endpoint that does what a test tells it, and logs what reaches it.

mod configuration;
mod copying;
mod echo;
mod faults;
mod interrupts;
mod memory;
mod reset;
mod rules;
mod single_root;
mod timing;
mod waiting;
