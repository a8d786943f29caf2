//! What is compared: each side carries out the same look-ups and updates.

mod gathered;
pub mod memcached;
pub mod reads;
pub mod redis;
pub mod socket;
pub mod store;

use anyhow::Result;

/// An operation in flight is named by its place: the same from submission to its end.
pub type Place = usize;

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub enum Ended<'a> {
    /// A look-up: the value, where the side has it.
    Found(&'a [u8]),
    /// An update is in place.
    Updated,
}

/// One side of the comparison, with a connection of its own.
pub trait Side {
    /// Starts looking up `key`.
    ///
    /// # Errors
    /// The side's.
    fn get(&mut self, place: Place, key: &[u8]) -> Result<()>;

    /// Starts replacing the value of `key`, which is there.
    ///
    /// # Errors
    /// The side's.
    fn update(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()>;

    /// Sends what was started, gives way until something may have ended, and hands out what has.
    ///
    /// # Errors
    /// The side's, a key that is missing, and the first of `on_end`.
    fn advance(&mut self, on_end: impl FnMut(Place, Ended<'_>) -> Result<()>) -> Result<()>;
}
