//! Are the twins twins? Random command mixes by seed on the cycle model and on the Verilog, and what
//! both have done, held against each other and against an untimed oracle.
//!
//! | file | what |
//! |---|---|
//! | `script`, `generate` | what is done, by seed: devices, hosts, commands, faults, resets |
//! | `drive`, `twins` | doing it on a twin through the simulated host |
//! | `outcome` | what was seen |
//! | `compare` | twin against twin, where no order can make a difference |
//! | `oracle`, `units` | the same in the order of the locks, without time |
//! | `locks` | the rules of the range lock |
//! | `cycles` | latencies and throughput side by side |
//! | `check`, `shrink` | one script, and the shortest that still shows a mismatch |
//! | `events`, `diverge` | what passes the ports, and where the twins begin to differ in time |
//! | `show`, `report` | scripts and figures for people and machines |
//! | `spoiled` | twins with mistakes put in |

pub mod check;
mod compare;
pub mod cycles;
pub mod diverge;
mod drive;
pub mod events;
pub mod generate;
mod locks;
mod oracle;
pub mod outcome;
pub mod report;
pub mod script;
pub mod show;
pub mod shrink;
pub mod spoiled;
pub mod twins;
mod units;
