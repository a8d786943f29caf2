//! RDStore beside memcached and Redis: one load generator, one check of every value, rounds that
//! alternate between the sides, and ratios.
//!
//! The servers run on one core and the client on another. It compares a device in shared memory on
//! one machine with servers behind sockets on the same machine, and says so.

pub mod contest;
pub mod cores;
pub mod device;
pub mod line_up;
pub mod load;
pub mod process;
pub mod protocol;
pub mod report;
pub mod servers;
pub mod side;
pub mod statistics;
pub mod stint;
pub mod value;
pub mod verdict;
