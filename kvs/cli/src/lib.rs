//! The `rdstore` command line: everything but `main`.

pub mod args;
pub mod args_device;
pub mod args_ycsb;
pub mod outcome;
pub mod output;
pub mod progress;
pub mod size;
pub mod uri;
pub mod ycsb;
