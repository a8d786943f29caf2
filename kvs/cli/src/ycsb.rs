//! `rdstore ycsb`: the YCSB core workloads on K clients of one store.

pub mod distribution;
pub mod fleet;
pub mod history;
pub mod load;
pub mod measure;
pub mod mix;
pub mod record;
pub mod report;
mod run;
pub mod workload;

pub use run::run;
