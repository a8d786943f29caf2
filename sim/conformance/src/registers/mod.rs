//! BAR0: controller registers, doorbells, and what resets do to them.

pub mod controller;
pub mod doorbells;
pub mod known_bugs;
pub mod own_state;
pub mod reset;
pub mod reset_in_turn;
pub mod shutdown;
