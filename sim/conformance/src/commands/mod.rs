//! Commands and their fields: what is wrong with them, and the status the standard gives it.

pub mod admin;
pub mod events;
pub mod features;
pub mod identify;
pub mod io;
pub mod logs;
pub mod prps;
pub mod queues;
