//! Loads: fairness between functions, deep queues, shared completion queues, interrupts.

pub mod depth;
pub mod fairness;
pub mod interrupts;
pub mod load;
