//! The trailer of an image file: where it stands, and its header page.

use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ATOMIC_UNIT_BYTES;

/// Alignment of the trailer and of its parts: a page, so that the parts map and write alone.
pub(super) const PAGE_BYTES: usize = 4096;
/// Offset of the redo slot within the trailer.
pub(super) const REDO_OFFSET: usize = PAGE_BYTES;
/// Bytes of the whole trailer.
pub(super) const TRAILER_BYTES: usize = 2 * PAGE_BYTES + ATOMIC_UNIT_BYTES;
/// The layout written by this version.
pub(super) const LAYOUT_VERSION: u32 = 1;

const MAGIC: [u8; 16] = *b"RDStore image\r\n\x1a";

/// The header, at the start of the trailer.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 16],
    layout_version: U32,
    block_bytes: U32,
    image_bytes: U64,
    redo_slots: U32,
    redo_unit_bytes: U32,
    /// CRC32C of all bytes before.
    checksum: U32,
}

impl Header {
    const CHECKED_BYTES: usize = size_of::<Self>() - size_of::<U32>();
}

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Description {
    /// Bytes of the image.
    pub(super) image_bytes: u64,
    /// Bytes of a logical block.
    pub(super) block_bytes: u32,
}

/// What is wrong with the bytes at the place of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeaderError {
    /// No magic.
    NoMagic,
    /// A layout this version does not know.
    UnknownLayout(u32),
    /// Anything else.
    Damaged(&'static str),
}

impl Description {
    /// Where the trailer begins: the first page boundary at or after the end of the image.
    /// `None` when no file can be that long.
    pub(super) fn trailer_offset(self) -> Option<u64> {
        let offset = self
            .image_bytes
            .checked_next_multiple_of(PAGE_BYTES as u64)?;
        (offset <= i64::MAX as u64 - TRAILER_BYTES as u64).then_some(offset)
    }

    /// The header's bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut header = Header {
            magic: MAGIC,
            layout_version: U32::new(LAYOUT_VERSION),
            block_bytes: U32::new(self.block_bytes),
            image_bytes: U64::new(self.image_bytes),
            redo_slots: U32::new(1),
            redo_unit_bytes: U32::new(ATOMIC_UNIT_BYTES as u32),
            checksum: U32::new(0),
        };
        header.checksum = U32::new(crc32c::crc32c(&header.as_bytes()[..Header::CHECKED_BYTES]));
        header.as_bytes().to_vec()
    }

    /// Reads a header from the first bytes of `bytes`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (header, _) = Header::read_from_prefix(bytes).map_err(|_| HeaderError::NoMagic)?;
        if header.magic != MAGIC {
            return Err(HeaderError::NoMagic);
        }
        if header.layout_version.get() != LAYOUT_VERSION {
            return Err(HeaderError::UnknownLayout(header.layout_version.get()));
        }
        if header.checksum.get() != crc32c::crc32c(&header.as_bytes()[..Header::CHECKED_BYTES]) {
            return Err(HeaderError::Damaged("its header fails its checksum"));
        }
        if header.redo_slots.get() != 1 || header.redo_unit_bytes.get() != ATOMIC_UNIT_BYTES as u32
        {
            return Err(HeaderError::Damaged(
                "its redo slots are not those of this layout",
            ));
        }
        Ok(Self {
            image_bytes: header.image_bytes.get(),
            block_bytes: header.block_bytes.get(),
        })
    }
}
