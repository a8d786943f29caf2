//! Device tests of the controller, written once for every twin.

pub mod rig;

pub use rig::{DeviceOptions, Factory, Rig};
