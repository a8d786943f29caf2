//! What the tests of the protocol share.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod explorer;
pub(crate) mod fleet;
pub(crate) mod history;
pub(crate) mod sample;
pub(crate) mod seeds;
pub(crate) mod versions;
