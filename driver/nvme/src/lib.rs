//! User-space polled NVMe driver.

pub mod transport;
