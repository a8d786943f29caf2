//! (seam)

pub mod admin;
pub mod medium;
