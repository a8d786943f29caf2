//! Whether a page is what the store wrote there.

use zerocopy::FromBytes;

use super::layout::{CRC_START, LAYOUT_VERSION, MAGIC, PageHeader, kind};
use crate::error::PageFault;

/// What every page of a store has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageContext {
    pub(crate) uuid: [u8; 16],
    pub(crate) generation: u64,
    pub(crate) epoch: u64,
}

/// What a page holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// Nothing in this format generation.
    Blank,
    /// Entries.
    Data,
}

/// Why a page cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unusable {
    /// It is damaged.
    Fault(PageFault),
    /// It is of a younger format generation.
    Newer(u64),
}

/// CRC32C of a page.
#[inline]
pub(crate) fn page_crc(bytes: &[u8]) -> u32 {
    crate::checksum::crc32c(&bytes[CRC_START..])
}

#[cold]
fn numeric_fault(field: &'static str, expected: u64, found: u64) -> Unusable {
    Unusable::Fault(PageFault::new(field, &expected, &found))
}

#[cold]
fn hex_fault(field: &'static str, expected: u32, found: u32) -> Unusable {
    Unusable::Fault(PageFault::new(
        field,
        &format_args!("{expected:#010x}"),
        &format_args!("{found:#010x}"),
    ))
}

/// Magic, layout version, CRC and kind of any page of any store.
pub(crate) fn verify_envelope(bytes: &[u8], expected_kind: u8) -> Result<&PageHeader, PageFault> {
    let (header, _) = PageHeader::ref_from_prefix(bytes).expect("a page holds a header");
    let to_fault = |unusable| match unusable {
        Unusable::Fault(fault) => fault,
        Unusable::Newer(_) => unreachable!("an envelope has no generation"),
    };
    if header.magic.get() != MAGIC {
        return Err(to_fault(hex_fault("magic", MAGIC, header.magic.get())));
    }
    let crc = page_crc(bytes);
    if header.crc32c.get() != crc {
        return Err(to_fault(hex_fault("CRC32C", crc, header.crc32c.get())));
    }
    if header.layout_version.get() != LAYOUT_VERSION {
        let found = header.layout_version.get().into();
        return Err(to_fault(numeric_fault(
            "layout version",
            LAYOUT_VERSION.into(),
            found,
        )));
    }
    if header.kind != expected_kind {
        let found = header.kind.into();
        return Err(to_fault(numeric_fault(
            "page kind",
            expected_kind.into(),
            found,
        )));
    }
    Ok(header)
}

/// Whether `bytes` is data page `page` of the store, and whether anything was ever written in it.
#[inline]
pub(crate) fn verify_data(
    bytes: &[u8],
    context: &PageContext,
    page: u64,
) -> Result<Content, Unusable> {
    let (header, _) = PageHeader::ref_from_prefix(bytes).expect("a page holds a header");
    if header.magic.get() == 0 && is_zero(bytes) {
        return Ok(Content::Blank);
    }
    let header = verify_envelope(bytes, kind::DATA).map_err(Unusable::Fault)?;
    if header.store_uuid != context.uuid {
        let (expected, found) = (uuid_text(&context.uuid), uuid_text(&header.store_uuid));
        return Err(Unusable::Fault(PageFault::new(
            "store UUID",
            &expected,
            &found,
        )));
    }
    if header.page.get() != page {
        return Err(numeric_fault("page number", page, header.page.get()));
    }
    let generation = header.generation.get();
    if generation != context.generation {
        return if generation < context.generation {
            Ok(Content::Blank)
        } else {
            Err(Unusable::Newer(generation))
        };
    }
    if header.epoch.get() != context.epoch {
        return Err(numeric_fault("epoch", context.epoch, header.epoch.get()));
    }
    if header.level != 0 {
        return Err(numeric_fault("level", 0, header.level.into()));
    }
    Ok(Content::Data)
}

/// Whether all of `bytes` is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(64)
        .all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

/// A UUID as people write it.
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}
