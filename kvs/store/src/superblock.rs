//! The store's own records: two superblock copies and the counter that client ids come from.
//!
//! They stand at fixed byte offsets, 4 KiB each, whatever the page size, so that a reader who does
//! not know it yet finds them: the first copy at 0, the second at 16 KiB, the counter at 32 KiB.
//! Home pages begin at 64 KiB.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::blocking_io::BlockingIo;
use crate::error::{Error, PageFault};
use crate::hash::KeyHasher;
use crate::info::StoreInfo;
use crate::page::PageContext;
use crate::page::layout::{HEADER_BYTES, LAYOUT_VERSION, MAGIC, PageHeader, Stamp, flags, kind};
use crate::page::verify::{is_zero, page_crc, uuid_text, verify_envelope};
use crate::page_store::PageStore;

/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 4096;
/// Where the superblock copies stand.
pub(crate) const COPIES: [u64; 2] = [0, 16 << 10];
/// Where the counter stands.
pub(crate) const COUNTER: u64 = 32 << 10;
/// Where the home pages begin.
pub(crate) const HOME_START: u64 = 64 << 10;
/// The epoch of a store on one device.
pub(crate) const EPOCH: u64 = 1;

/// Feature bits this version knows. A set bit it does not know forbids opening (`INCOMPAT`) or
/// writing (`RO_COMPAT`); bits of the third kind, compat, forbid nothing.
const KNOWN_INCOMPAT: u64 = 0;
const KNOWN_RO_COMPAT: u64 = 0;
/// SipHash-1-3 over the key, multiplied by the page count, high half.
const HASH_SIPHASH13_SCALED: u32 = 1;

/// What a superblock says after its header.
#[derive(Clone, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct SuperblockBody {
    pub(crate) compat: U64,
    pub(crate) ro_compat: U64,
    pub(crate) incompat: U64,
    pub(crate) hash_seed: [u8; 16],
    pub(crate) hash_kind: U32,
    pub(crate) page_bytes: U32,
    pub(crate) first_home: U64,
    pub(crate) home_pages: U64,
    pub(crate) epoch: U64,
}

/// A superblock copy that was found whole.
#[derive(Clone, Debug)]
pub(crate) struct Superblock {
    pub(crate) uuid: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) version: u64,
    pub(crate) body: SuperblockBody,
}

impl Superblock {
    pub(crate) fn new(
        uuid: [u8; 16],
        generation: u64,
        hash_seed: [u8; 16],
        page_bytes: u32,
        home_pages: u64,
    ) -> Self {
        let body = SuperblockBody {
            compat: U64::ZERO,
            ro_compat: U64::ZERO,
            incompat: U64::ZERO,
            hash_seed,
            hash_kind: HASH_SIPHASH13_SCALED.into(),
            page_bytes: page_bytes.into(),
            first_home: (HOME_START / u64::from(page_bytes)).into(),
            home_pages: home_pages.into(),
            epoch: EPOCH.into(),
        };
        Self {
            uuid,
            generation,
            version: 1,
            body,
        }
    }

    pub(crate) fn page_bytes(&self) -> usize {
        usize::try_from(self.body.page_bytes.get()).expect("checked when read")
    }

    pub(crate) fn context(&self) -> PageContext {
        PageContext {
            uuid: self.uuid,
            generation: self.generation,
            epoch: self.body.epoch.get(),
        }
    }

    pub(crate) fn hasher(&self) -> KeyHasher {
        KeyHasher::new(
            &self.body.hash_seed,
            self.body.first_home.get(),
            self.body.home_pages.get(),
        )
    }

    pub(crate) fn info(&self, device: String, clients: u64) -> StoreInfo {
        StoreInfo {
            device,
            uuid: uuid_text(&self.uuid),
            layout_version: LAYOUT_VERSION,
            generation: self.generation,
            page_bytes: self.body.page_bytes.get(),
            home_pages: self.body.home_pages.get(),
            payload_bytes: self.body.page_bytes.get() - HEADER_BYTES as u32,
            reserved_pages: self.body.first_home.get(),
            clients,
        }
    }

    /// Writes the copy that stands at byte `offset` into `record`.
    pub(crate) fn write_to(&self, record: &mut [u8], offset: u64) {
        record.fill(0);
        let (_, rest) = PageHeader::mut_from_prefix(record).expect("a record holds a header");
        let (body, _) = SuperblockBody::mut_from_prefix(rest).expect("a record holds a body");
        *body = self.body.clone();
        finish_record(
            record,
            self,
            kind::SUPERBLOCK,
            offset,
            self.version,
            Stamp::NONE,
        );
    }

    /// The copy at byte `offset`, if it is whole and this version can read it.
    fn read_from(record: &[u8], offset: u64) -> Result<Self, PageFault> {
        let header = verify_envelope(record, kind::SUPERBLOCK)?;
        let at = offset / RECORD_BYTES as u64;
        if header.page.get() != at {
            return Err(PageFault::new("page number", &at, &header.page.get()));
        }
        let (body, _) = SuperblockBody::read_from_prefix(&record[HEADER_BYTES..])
            .expect("a record holds a body");
        let page_bytes = body.page_bytes.get();
        if ![4096, 8192, 16384].contains(&page_bytes) {
            return Err(PageFault::new(
                "page size",
                &"4096, 8192 or 16384",
                &page_bytes,
            ));
        }
        if body.hash_kind.get() != HASH_SIPHASH13_SCALED {
            return Err(PageFault::new(
                "hash kind",
                &HASH_SIPHASH13_SCALED,
                &body.hash_kind.get(),
            ));
        }
        if body.first_home.get() != HOME_START / u64::from(page_bytes) {
            let expected = HOME_START / u64::from(page_bytes);
            return Err(PageFault::new(
                "first home page",
                &expected,
                &body.first_home.get(),
            ));
        }
        if body.home_pages.get() < MIN_HOME_PAGES || body.home_pages.get() > MAX_HOME_PAGES {
            let expected = format!("{MIN_HOME_PAGES} to {MAX_HOME_PAGES}");
            return Err(PageFault::new(
                "number of home pages",
                &expected,
                &body.home_pages.get(),
            ));
        }
        let generation = header.generation.get();
        Ok(Self {
            uuid: header.store_uuid,
            generation,
            version: header.version.get(),
            body,
        })
    }
}

/// Fewest home pages a store works with.
pub(crate) const MIN_HOME_PAGES: u64 = 2;
/// Most: directory entries have 32 bits for a page.
pub(crate) const MAX_HOME_PAGES: u64 = u32::MAX as u64 - 16;

/// Header and CRC of a record.
pub(crate) fn finish_record(
    record: &mut [u8],
    superblock: &Superblock,
    record_kind: u8,
    offset: u64,
    version: u64,
    stamp: Stamp,
) {
    let (header, _) = PageHeader::mut_from_prefix(record).expect("a record holds a header");
    header.magic = MAGIC.into();
    header.layout_version = LAYOUT_VERSION.into();
    header.kind = record_kind;
    header.flags = flags::STABLE;
    header.store_uuid = superblock.uuid;
    header.generation = superblock.generation.into();
    header.page = (offset / RECORD_BYTES as u64).into();
    header.epoch = EPOCH.into();
    header.version = version.into();
    header.stamp = stamp;
    let crc = page_crc(record);
    let (header, _) = PageHeader::mut_from_prefix(record).expect("a record holds a header");
    header.crc32c = crc.into();
}

/// The superblock copies as they were found.
pub(crate) struct FoundCopies {
    /// What each copy says.
    pub(crate) copies: [Result<Superblock, PageFault>; 2],
    /// Whether all of both records is zero.
    pub(crate) blank: bool,
    /// First bytes of the device, in hexadecimal.
    pub(crate) begins: String,
}

impl FoundCopies {
    pub(crate) fn read<P: PageStore>(io: &mut BlockingIo<'_, P>) -> Result<Self, Error> {
        let geometry = io.store().geometry();
        let bytes = u64::from(geometry.block_bytes) * geometry.blocks;
        if bytes < HOME_START {
            let page_bytes = RECORD_BYTES as u32;
            return Err(Error::DeviceTooSmall {
                device: io.device(),
                bytes,
                pages: bytes / u64::from(page_bytes),
                page_bytes,
                needed_pages: HOME_START / u64::from(page_bytes) + MIN_HOME_PAGES,
            });
        }
        let mut buffer = io.buffer(RECORD_BYTES)?;
        let mut blank = true;
        let mut begins = String::new();
        let mut copies = Vec::with_capacity(2);
        for offset in COPIES {
            buffer = io.read(offset, buffer)?;
            blank &= is_zero(&buffer);
            if offset == 0 {
                begins = hex_of(&buffer[..16]);
            }
            copies.push(Superblock::read_from(&buffer, offset));
        }
        let copies = copies.try_into().expect("two copies were read");
        Ok(Self {
            copies,
            blank,
            begins,
        })
    }

    /// The copy that counts: the later one of those that are whole.
    pub(crate) fn newest(&self) -> Option<&Superblock> {
        self.copies
            .iter()
            .flatten()
            .max_by_key(|copy| (copy.generation, copy.version))
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The superblock of the store on this device.
pub(crate) fn load<P: PageStore>(io: &mut BlockingIo<'_, P>) -> Result<Superblock, Error> {
    let found = FoundCopies::read(io)?;
    let Some(superblock) = found.newest() else {
        if found.blank {
            return Err(Error::NotFormatted {
                device: io.device(),
                found: "nothing but zeros".to_owned(),
            });
        }
        let [Err(first), Err(second)] = found.copies else {
            unreachable!("no copy is whole")
        };
        if first.field == "magic" && second.field == "magic" {
            return Err(Error::NotFormatted {
                device: io.device(),
                found: format!("begins {}", found.begins),
            });
        }
        let (first, second) = (Box::new(first), Box::new(second));
        return Err(Error::DamagedSuperblock {
            device: io.device(),
            first,
            second,
        });
    };
    let unknown = superblock.body.incompat.get() & !KNOWN_INCOMPAT;
    if unknown != 0 {
        let (kind, hint) = ("incompat", "");
        return Err(Error::UnknownFeatures {
            device: io.device(),
            kind,
            unknown,
            hint,
        });
    }
    let geometry = io.store().geometry();
    let bytes = u64::from(geometry.block_bytes) * geometry.blocks;
    let pages = superblock.body.first_home.get() + superblock.body.home_pages.get();
    let page_bytes = superblock.body.page_bytes.get();
    if bytes / u64::from(page_bytes) < pages {
        return Err(Error::DeviceTooSmall {
            device: io.device(),
            bytes,
            pages: bytes / u64::from(page_bytes),
            page_bytes,
            needed_pages: pages,
        });
    }
    Ok(superblock.clone())
}

/// Refuses to write to a store with features that this version would break.
pub(crate) fn check_writable(superblock: &Superblock, device: String) -> Result<(), Error> {
    let unknown = superblock.body.ro_compat.get() & !KNOWN_RO_COMPAT;
    if unknown == 0 {
        return Ok(());
    }
    let (kind, hint) = ("ro-compat", ", or open it to read only");
    Err(Error::UnknownFeatures {
        device,
        kind,
        unknown,
        hint,
    })
}

/// Writes a copy that is damaged or older than the other anew.
pub(crate) fn repair<P: PageStore>(io: &mut BlockingIo<'_, P>) -> Result<(), Error> {
    let found = FoundCopies::read(io)?;
    let Some(newest) = found.newest().cloned() else {
        return Ok(());
    };
    for (copy, offset) in found.copies.iter().zip(COPIES) {
        let current = matches!(copy, Ok(copy)
            if (copy.generation, copy.version) == (newest.generation, newest.version));
        if !current {
            write_copy(io, &newest, offset)?;
        }
    }
    Ok(())
}

/// Replaces the copy at byte `offset`, unless somebody else just did.
pub(crate) fn write_copy<P: PageStore>(
    io: &mut BlockingIo<'_, P>,
    superblock: &Superblock,
    offset: u64,
) -> Result<bool, Error> {
    let old = io.buffer(RECORD_BYTES)?;
    let mut new = io.buffer(RECORD_BYTES)?;
    let old = io.read(offset, old)?;
    superblock.write_to(&mut new, offset);
    Ok(io.compare_and_write(offset, old, new)?.0)
}
