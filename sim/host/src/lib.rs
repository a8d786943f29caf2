//! The host's half of a simulated PCIe link.

pub mod endpoint;
