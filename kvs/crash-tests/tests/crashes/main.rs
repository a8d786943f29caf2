//! Crashes, deaths and faults, end to end: store, driver, host, model and an image file.

mod client_death;
mod client_ids;
mod crash_cycles;
mod faults;
