//! `rdstore ycsb`: the YCSB core workloads on K clients of one store.

pub mod distribution;
pub mod history;
pub mod record;
pub mod workload;
