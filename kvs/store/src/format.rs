//! Making a store.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::acceptance::accept;
use crate::blocking_io::BlockingIo;
use crate::client_counter::{read_counter, write_counter};
use crate::error::Error;
use crate::options::{FormatOptions, FormatReport};
use crate::page::layout::Stamp;
use crate::page::verify::{is_zero, uuid_text, verify_data};
use crate::page::{Content, PageEdit};
use crate::page_store::PageStore;
use crate::prediction::predict;
use crate::superblock::{
    COPIES, COUNTER, FoundCopies, HOME_START, MAX_HOME_PAGES, MIN_HOME_PAGES, RECORD_BYTES,
    Superblock, hex_of, write_copy,
};

/// Pages looked at between two calls of the progress function.
const CHUNK: u64 = 4096;

/// Makes a store on `store`, erasing what is there if `options.force` says so.
///
/// Pages are not written: one that is all zeros, or of an older format generation of the same
/// store, counts as empty. But all are read, unless `options.known_blank`, and any other page is
/// overwritten with an empty image (with `force`) or makes the call fail (without).
///
/// # Errors
/// [`Error::StoreExists`] and [`Error::ForeignData`] without `force`; [`Error::UnfitDevice`],
/// [`Error::DeviceTooSmall`], [`Error::Option`]; [`Error::Device`].
pub fn format<P: PageStore>(store: &mut P, options: &FormatOptions) -> Result<FormatReport, Error> {
    let page_bytes = options.page_bytes;
    if ![4096, 8192, 16384].contains(&page_bytes) {
        return Err(Error::Option {
            option: "the page size",
            value: page_bytes.to_string(),
            needed: "it may be 4096, 8192 or 16384 bytes",
        });
    }
    accept(store, page_bytes)?;
    let mut io = BlockingIo::new(store);
    let home_pages = count_home_pages(&io, options)?;
    let found = FoundCopies::read(&mut io)?;
    let existing = found.newest().cloned();
    if let (Some(existing), false) = (&existing, options.force) {
        let uuid = uuid_text(&existing.uuid);
        return Err(Error::StoreExists {
            device: io.device(),
            uuid,
        });
    }
    let mut random = Pcg64Mcg::seed_from_u64(options.seed);
    let mut uuid: [u8; 16] = random.random();
    // RFC 9562 §5.4: version 4, variant 10.
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let hash_seed = random.random();
    let (uuid, generation) = existing
        .as_ref()
        .map_or((uuid, 1), |old| (old.uuid, old.generation + 1));
    let superblock = Superblock::new(uuid, generation, hash_seed, page_bytes, home_pages);

    // Stamps of overwritten pages must be new ones too, so formatting takes a client id.
    let buffer = io.buffer(RECORD_BYTES)?;
    let counter = io.read(COUNTER, buffer)?;
    let clients = existing
        .as_ref()
        .and_then(|_| read_counter(&counter).ok())
        .unwrap_or(0)
        + 1;
    let mut overwritten_pages = 0;
    if !options.known_blank {
        if !options.force {
            refuse_foreign_records(&mut io)?;
        }
        let mut sweep = Sweep {
            superblock: &superblock,
            clients,
            sequence: 0,
        };
        overwritten_pages = sweep.run(&mut io, options)?;
    }
    let mut new = io.buffer(RECORD_BYTES)?;
    write_counter(&mut new, &superblock, clients);
    let mut written = io.compare_and_write(COUNTER, counter, new)?.0;
    // The second copy first: until the first is written too, the later generation counts.
    for offset in COPIES.into_iter().rev() {
        written = written && write_copy(&mut io, &superblock, offset)?;
    }
    if !written {
        return Err(Error::Contention {
            attempts: 1,
            page: 0,
        });
    }
    let prediction = options.expect_records.map(|records| {
        let value_bytes = options.value_bytes.unwrap_or(1000) as usize;
        let (page_bytes, key_bytes) = (page_bytes as usize, options.key_bytes as usize);
        predict(page_bytes, home_pages, records, key_bytes, value_bytes)
    });
    let info = superblock.info(io.device(), clients);
    Ok(FormatReport {
        info,
        prediction,
        overwritten_pages,
    })
}

fn count_home_pages<P: PageStore>(
    io: &BlockingIo<'_, P>,
    options: &FormatOptions,
) -> Result<u64, Error> {
    let geometry = io.store().geometry();
    let bytes = geometry.blocks * u64::from(geometry.block_bytes);
    let page_bytes = options.page_bytes;
    let pages = bytes / u64::from(page_bytes);
    let reserved = HOME_START / u64::from(page_bytes);
    let there = pages.saturating_sub(reserved).min(MAX_HOME_PAGES);
    let home_pages = options.pages.unwrap_or(there);
    if there < MIN_HOME_PAGES || home_pages > there {
        return Err(Error::DeviceTooSmall {
            device: io.device(),
            bytes,
            pages,
            page_bytes,
            needed_pages: reserved + home_pages.max(MIN_HOME_PAGES),
        });
    }
    if home_pages < MIN_HOME_PAGES {
        return Err(Error::Option {
            option: "the number of pages",
            value: home_pages.to_string(),
            needed: "a store has at least 2",
        });
    }
    Ok(home_pages)
}

/// Refuses anything but zeros where the store's own records will be.
fn refuse_foreign_records<P: PageStore>(io: &mut BlockingIo<'_, P>) -> Result<(), Error> {
    let mut buffer = io.buffer(RECORD_BYTES)?;
    for page in 0..HOME_START / RECORD_BYTES as u64 {
        buffer = io.read(page * RECORD_BYTES as u64, buffer)?;
        if !is_zero(&buffer) {
            let begins = hex_of(&buffer[..16]);
            return Err(Error::ForeignData {
                device: io.device(),
                page,
                begins,
            });
        }
    }
    Ok(())
}

/// Looks at every page, and overwrites those that would not count as empty.
struct Sweep<'a> {
    superblock: &'a Superblock,
    clients: u64,
    sequence: u64,
}

impl Sweep<'_> {
    fn run<P: PageStore>(
        &mut self,
        io: &mut BlockingIo<'_, P>,
        options: &FormatOptions,
    ) -> Result<u64, Error> {
        let page_bytes = self.superblock.page_bytes();
        let context = self.superblock.context();
        let first = self.superblock.body.first_home.get();
        let end = first + self.superblock.body.home_pages.get();
        let mut overwritten = 0;
        let mut foreign = Vec::new();
        let mut start = first;
        while start < end {
            let count = CHUNK.min(end - start);
            let device = io.device();
            io.sweep(start, count, page_bytes, |page, bytes| {
                if verify_data(bytes, &context, page) == Ok(Content::Blank) {
                    return Ok(());
                }
                if !options.force {
                    let begins = hex_of(&bytes[..16]);
                    return Err(Error::ForeignData {
                        device: device.clone(),
                        page,
                        begins,
                    });
                }
                foreign.push(page);
                Ok(())
            })?;
            overwritten += foreign.len() as u64;
            foreign.sort_unstable();
            for page in foreign.drain(..) {
                self.overwrite(io, page)?;
            }
            start += count;
            if let Some(progress) = options.progress {
                progress(start - first, end - first);
            }
        }
        Ok(overwritten)
    }

    /// An empty image, stamped: zeros could come twice, and a late Compare-and-Write with them.
    fn overwrite<P: PageStore>(
        &mut self,
        io: &mut BlockingIo<'_, P>,
        page: u64,
    ) -> Result<(), Error> {
        let page_bytes = self.superblock.page_bytes();
        let offset = page * page_bytes as u64;
        let old = io.buffer(page_bytes)?;
        let old = io.read(offset, old)?;
        let mut new = io.buffer(page_bytes)?;
        self.sequence += 1;
        let stamp = Stamp::new(self.clients, self.sequence);
        PageEdit::begin(&old, true, &mut new, &self.superblock.context(), page)
            .finish(stamp, 0, None);
        let (written, _, _) = io.compare_and_write(offset, old, new)?;
        if written {
            Ok(())
        } else {
            Err(Error::Contention { attempts: 1, page })
        }
    }
}
