//! The redo record: how a unit gets into the image whole or not at all.
//!
//! A write has four steps, and the process may die between any two instructions of them:
//! 1. fill the slot (offset, length, data, checksum) while its flag is clear: the image is the old one;
//! 2. set the flag: from here on the unit counts as written;
//! 3. copy the data into the image: half of it may be there, the slot holds all of it;
//! 4. clear the flag.
//!
//! Opening an image whose flag is set does step 3 again. What a killed process has stored stays in
//! the page cache, so the order of the stores is all that matters; a compiler fence keeps it, as a
//! processor lets none of its stores become visible that stand behind the instruction it died at.

use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use zerocopy::FromBytes;

use super::ATOMIC_UNIT_BYTES;
use super::trailer::{PAGE_BYTES, REDO_OFFSET};

/// Flag: the slot holds a unit that counts as written.
const COMMITTED: u64 = 0x0064_6574_7469_6d63;
const CLEAR: u64 = 0;

const FLAG: usize = REDO_OFFSET;
const OFFSET: usize = REDO_OFFSET + 8;
const LENGTH: usize = REDO_OFFSET + 16;
const CHECKSUM: usize = REDO_OFFSET + 20;
const DATA: usize = REDO_OFFSET + PAGE_BYTES;

/// A flag is set but the slot does not hold what it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DamagedRecord(pub(super) &'static str);

/// Step 1: fills the slot with the pieces, one after the other. They have at most
/// [`ATOMIC_UNIT_BYTES`] in all.
pub(super) fn fill(trailer: &mut [u8], offset: u64, pieces: &[&[u8]]) {
    let mut end = DATA;
    for piece in pieces {
        trailer[end..][..piece.len()].copy_from_slice(piece);
        end += piece.len();
    }
    put_u64(trailer, OFFSET, offset);
    put_u32(trailer, LENGTH, (end - DATA) as u32);
    let checksum = crc32c::crc32c(&trailer[DATA..end]);
    put_u32(trailer, CHECKSUM, checksum);
}

/// The data that `fill` has put into the slot.
pub(super) fn data(trailer: &[u8]) -> &[u8] {
    &trailer[DATA..][..get_u32(trailer, LENGTH) as usize]
}

/// Step 2: the unit counts as written.
pub(super) fn commit(trailer: &mut [u8]) {
    store_flag(trailer, COMMITTED);
}

/// Step 4: the image holds the unit.
pub(super) fn clear(trailer: &mut [u8]) {
    store_flag(trailer, CLEAR);
}

/// One store that no other store moves across.
fn store_flag(trailer: &mut [u8], value: u64) {
    compiler_fence(Ordering::SeqCst);
    let flag = AtomicU64::mut_from_bytes(&mut trailer[FLAG..FLAG + 8])
        .expect("the flag stands at a multiple of 4 KiB");
    flag.store(value.to_le(), Ordering::Release);
    compiler_fence(Ordering::SeqCst);
}

/// Does step 3 again for a unit that a dead process left behind, and step 4.
/// True when there was one.
pub(super) fn replay(image: &mut [u8], trailer: &mut [u8]) -> Result<bool, DamagedRecord> {
    match get_u64(trailer, FLAG) {
        CLEAR => return Ok(false),
        COMMITTED => {}
        _ => {
            return Err(DamagedRecord(
                "the flag of its redo record has an unknown value",
            ));
        }
    }
    let offset = get_u64(trailer, OFFSET);
    let length = get_u32(trailer, LENGTH) as usize;
    if length > ATOMIC_UNIT_BYTES {
        return Err(DamagedRecord(
            "its redo record is longer than an atomic unit",
        ));
    }
    let data = &trailer[DATA..][..length];
    if crc32c::crc32c(data) != get_u32(trailer, CHECKSUM) {
        return Err(DamagedRecord("its redo record fails its checksum"));
    }
    let target = usize::try_from(offset)
        .ok()
        .and_then(|start| image.get_mut(start..start.checked_add(length)?))
        .ok_or(DamagedRecord("its redo record points outside the image"))?;
    target.copy_from_slice(data);
    clear(trailer);
    Ok(true)
}

fn put_u64(trailer: &mut [u8], at: usize, value: u64) {
    trailer[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn put_u32(trailer: &mut [u8], at: usize, value: u32) {
    trailer[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn get_u64(trailer: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&trailer[at..at + 8]);
    u64::from_le_bytes(bytes)
}

fn get_u32(trailer: &[u8], at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&trailer[at..at + 4]);
    u32::from_le_bytes(bytes)
}
