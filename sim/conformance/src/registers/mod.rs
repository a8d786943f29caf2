//! BAR0: controller registers, doorbells, and what resets do to them.

pub mod controller;
pub mod doorbells;
pub mod reset;
pub mod shutdown;
