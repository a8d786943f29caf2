//! What is known of a store from its superblock.

use crate::blocking_io::BlockingIo;
use crate::client_counter::load_counter;
use crate::error::Error;
use crate::page_store::PageStore;
use crate::prediction::{Prediction, predict};
use crate::superblock::load;

/// A store, as its superblock describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreInfo {
    /// The device.
    pub device: String,
    /// The store's UUID, in the usual notation.
    pub uuid: String,
    /// Version of the page layout.
    pub layout_version: u16,
    /// How often the store was formatted.
    pub generation: u64,
    /// Size of a page.
    pub page_bytes: u32,
    /// Pages that take entries (home pages).
    pub home_pages: u64,
    /// Bytes of a page that entries and their headers may take.
    pub payload_bytes: u32,
    /// Pages that the store's own records take, at the begin of the device.
    pub reserved_pages: u64,
    /// Clients that have ever opened the store to write.
    pub clients: u64,
}

impl StoreInfo {
    /// What this store will be like with `records` records of such keys and values, and nothing
    /// else, in it.
    pub fn predict(&self, records: u64, key_bytes: usize, value_bytes: usize) -> Prediction {
        predict(
            self.page_bytes as usize,
            self.home_pages,
            records,
            key_bytes,
            value_bytes,
        )
    }
}

/// Reads the superblock of the store on `store`.
///
/// # Errors
/// [`Error::NotFormatted`], [`Error::DamagedSuperblock`], [`Error::Device`].
pub fn info<P: PageStore>(store: &mut P) -> Result<StoreInfo, Error> {
    let mut io = BlockingIo::new(store);
    let superblock = load(&mut io)?;
    let clients = load_counter(&mut io)?;
    Ok(superblock.info(io.device(), clients))
}
