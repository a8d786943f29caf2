//! What the tests of the protocol share.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod explorer;
pub(crate) mod history;
pub(crate) mod sample;
