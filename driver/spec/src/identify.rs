//! Identify data structures (NVMe 1.1 §5.11).

mod controller;
mod namespace;

pub use controller::{IdentifyController, PowerState};
pub use namespace::{IdentifyNamespace, LbaFormat};

/// CNS 00h: Identify Namespace.
pub const CNS_NAMESPACE: u8 = 0x00;
/// CNS 01h: Identify Controller.
pub const CNS_CONTROLLER: u8 = 0x01;
/// CNS 02h: the list of active namespace identifiers.
pub const CNS_ACTIVE_NAMESPACES: u8 = 0x02;
/// Bytes of every Identify data structure.
pub const IDENTIFY_BYTES: usize = 4096;
