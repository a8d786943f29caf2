//! The counter that client ids come from: raised by Compare-and-Write, so that no id is ever given
//! out twice, not even across formats.

use crate::blocking_io::BlockingIo;
use crate::error::{Error, PageFault};
use crate::page::layout::{HEADER_BYTES, PageHeader, Stamp, kind};
use crate::page::verify::verify_envelope;
use crate::page_store::PageStore;
use crate::superblock::{COUNTER, RECORD_BYTES, Superblock, finish_record};
use zerocopy::FromBytes;

/// Writes the client counter, `clients` ids given out so far, into `record`.
pub(crate) fn write_counter(record: &mut [u8], superblock: &Superblock, clients: u64) {
    record.fill(0);
    let (_, rest) = PageHeader::mut_from_prefix(record).expect("a record holds a header");
    rest[..8].copy_from_slice(&clients.to_le_bytes());
    let stamp = Stamp::new(clients, 0);
    finish_record(
        record,
        superblock,
        kind::CLIENT_COUNTER,
        COUNTER,
        clients + 1,
        stamp,
    );
}

/// Client ids given out so far.
pub(crate) fn read_counter(record: &[u8]) -> Result<u64, PageFault> {
    let header = verify_envelope(record, kind::CLIENT_COUNTER)?;
    let at = COUNTER / RECORD_BYTES as u64;
    if header.page.get() != at {
        return Err(PageFault::new("page number", &at, &header.page.get()));
    }
    let value = record[HEADER_BYTES..HEADER_BYTES + 8]
        .try_into()
        .expect("eight bytes");
    Ok(u64::from_le_bytes(value))
}

/// Reads the client counter.
pub(crate) fn load_counter<P: PageStore>(io: &mut BlockingIo<'_, P>) -> Result<u64, Error> {
    let buffer = io.buffer(RECORD_BYTES)?;
    let buffer = io.read(COUNTER, buffer)?;
    read_counter(&buffer).map_err(|fault| damaged(io, COUNTER, fault))
}

fn damaged<P: PageStore>(io: &BlockingIo<'_, P>, offset: u64, fault: PageFault) -> Error {
    Error::DamagedPage {
        device: io.device(),
        page: offset / RECORD_BYTES as u64,
        fault: Box::new(fault),
    }
}

/// Takes a client id that nobody had before and nobody will have again.
pub(crate) fn take_client_id<P: PageStore>(
    io: &mut BlockingIo<'_, P>,
    superblock: &Superblock,
) -> Result<u64, Error> {
    const ATTEMPTS: u32 = 10_000;
    let mut old = io.buffer(RECORD_BYTES)?;
    let mut new = io.buffer(RECORD_BYTES)?;
    for _ in 0..ATTEMPTS {
        old = io.read(COUNTER, old)?;
        let clients = read_counter(&old).map_err(|fault| damaged(io, COUNTER, fault))?;
        write_counter(&mut new, superblock, clients + 1);
        // An id whose counter write has an unknown outcome is not used: opening fails instead.
        let (taken, old_again, new_again) = io.compare_and_write(COUNTER, old, new)?;
        if taken {
            return Ok(clients + 1);
        }
        (old, new) = (old_again, new_again);
    }
    Err(Error::Contention {
        attempts: ATTEMPTS,
        page: COUNTER / RECORD_BYTES as u64,
    })
}
