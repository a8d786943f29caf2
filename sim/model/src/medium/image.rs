//! The image itself: reads, and the two kinds of write.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::MmapMut;

use super::trailer::{Description, TRAILER_BYTES};
use super::{ATOMIC_UNIT_BYTES, MediumError, file, redo};

/// The bytes of the namespace, in memory or in a locked file.
///
/// Offsets are bytes from LBA 0. Reading or writing beyond [`len`](Self::len) is a mistake of the
/// caller and panics: the controller checks LBA ranges before it gets here.
#[derive(Debug)]
pub struct Medium {
    /// Image, then trailer (in memory, too: a crash test needs its redo record).
    map: MmapMut,
    image_bytes: usize,
    trailer_offset: usize,
    block_bytes: u32,
    /// Kept for its lock; `None` in memory.
    file: Option<File>,
    /// After `write_interrupted`: the power is off.
    dead: bool,
}

impl Medium {
    /// An image in memory only, all zero; pages never written take no memory.
    pub fn in_memory(bytes: u64, block_bytes: u32) -> Result<Self, MediumError> {
        let description = file::checked_description(bytes, block_bytes)?;
        let out_of_memory = |source| MediumError::OutOfMemory { bytes, source };
        let length = mapping_length(description)
            .ok_or_else(|| out_of_memory(io::ErrorKind::OutOfMemory.into()))?;
        let map = memmap2::MmapOptions::new()
            .len(length)
            .no_reserve_swap()
            .map_anon()
            .map_err(out_of_memory)?;
        Ok(Self::over(map, description, None))
    }

    /// Asks the kernel for huge pages behind an image in memory: fewer TLB misses, and 2 MiB taken where a
    /// block is written. A kernel without them ignores it, and so does an image in a file.
    pub fn prefer_huge_pages(&mut self) {
        if self.file.is_none() {
            // A hint: what the kernel says to it changes nothing that anybody relies on.
            let _ = self.map.advise(memmap2::Advice::HugePage);
        }
    }

    /// Creates `path` with an image of `bytes`, all zero and sparse, and opens it.
    ///
    /// The file appears under its name complete or not at all.
    ///
    /// # Errors
    /// `AlreadyExists` when there is such a file, and whatever [`open_file`](Self::open_file) has.
    pub fn create_file(
        path: impl AsRef<Path>,
        bytes: u64,
        block_bytes: u32,
    ) -> Result<Self, MediumError> {
        let description = file::checked_description(bytes, block_bytes)?;
        let path = path.as_ref();
        file::create(path, description)?;
        Self::open_file(path, Some(bytes))
    }

    /// Opens an image, locks it, and finishes the write during which its last user died, if any.
    ///
    /// # Errors
    /// A file that is missing, in use, of another size than `expected_bytes`, not an image or a
    /// damaged one, without permission, or not a regular file.
    pub fn open_file(
        path: impl AsRef<Path>,
        expected_bytes: Option<u64>,
    ) -> Result<Self, MediumError> {
        let path = path.as_ref();
        let (file, description) = file::open(path)?;
        if let Some(expected_bytes) = expected_bytes
            && expected_bytes != description.image_bytes
        {
            return Err(MediumError::WrongSize {
                path: path.to_owned(),
                expected_bytes,
                actual_bytes: description.image_bytes,
            });
        }
        let map = file::map(&file, path, description)?;
        let mut medium = Self::over(map, description, Some(file));
        medium.replay().map_err(|damage| MediumError::Damaged {
            path: path.to_owned(),
            what: damage.0,
        })?;
        Ok(medium)
    }

    fn over(map: MmapMut, description: Description, file: Option<File>) -> Self {
        Self {
            image_bytes: description.image_bytes as usize,
            trailer_offset: map.len() - TRAILER_BYTES,
            block_bytes: description.block_bytes,
            map,
            file,
            dead: false,
        }
    }

    /// Bytes of the image.
    #[expect(
        clippy::len_without_is_empty,
        reason = "an image has at least one block"
    )]
    pub const fn len(&self) -> u64 {
        self.image_bytes as u64
    }

    /// Bytes of a logical block it was made for.
    pub const fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    /// False after [`write_interrupted`](Self::write_interrupted): nothing more is written.
    pub const fn accepts_writes(&self) -> bool {
        !self.dead
    }

    /// Copies the bytes at `offset` into `into`.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        into.copy_from_slice(self.bytes(offset, into.len()));
    }

    /// The bytes at `offset`, where they are: for a transfer to the host, or a compare.
    pub fn bytes(&self, offset: u64, length: usize) -> &[u8] {
        &self.map[..self.image_bytes][offset as usize..][..length]
    }

    /// Writes at most [`ATOMIC_UNIT_BYTES`]; whatever instant the process dies at, the image has all
    /// of `data` or nothing of it the next time it is opened.
    ///
    /// Does nothing after [`write_interrupted`](Self::write_interrupted).
    pub fn write_atomic(&mut self, offset: u64, data: &[u8]) {
        self.write_atomic_pieces(offset, &[data]);
    }

    /// [`write_atomic`](Self::write_atomic) of data that lie in several buffers, in this order.
    pub fn write_atomic_pieces(&mut self, offset: u64, pieces: &[&[u8]]) {
        if self.dead {
            return;
        }
        let in_file = self.file.is_some();
        let length = unit_length(pieces);
        let (image, trailer) = self.parts();
        let target = &mut image[offset as usize..][..length];
        if in_file {
            redo::fill(trailer, offset, pieces);
            redo::commit(trailer);
            target.copy_from_slice(redo::data(trailer));
            redo::clear(trailer);
        } else {
            // Nobody can open memory after the death of its process.
            let mut rest = target;
            for piece in pieces {
                let (place, behind) = rest.split_at_mut(piece.len());
                place.copy_from_slice(piece);
                rest = behind;
            }
        }
    }

    /// A crash of the machine inside a write: the redo record is in place, the first `bytes_landed`
    /// bytes (at most all) have reached the image, and from here on nothing is written any more.
    ///
    /// The unit counts as written: the next opening, or [`restart`](Self::restart), completes it.
    /// Does nothing after an earlier crash.
    pub fn write_interrupted(&mut self, offset: u64, data: &[u8], bytes_landed: usize) {
        self.write_pieces_interrupted(offset, &[data], bytes_landed);
    }

    /// [`write_interrupted`](Self::write_interrupted) of data that lie in several buffers.
    pub fn write_pieces_interrupted(&mut self, offset: u64, pieces: &[&[u8]], bytes_landed: usize) {
        if self.dead {
            return;
        }
        self.dead = true;
        let length = unit_length(pieces);
        let (image, trailer) = self.parts();
        let target = &mut image[offset as usize..][..length];
        redo::fill(trailer, offset, pieces);
        redo::commit(trailer);
        let landed = bytes_landed.min(length);
        target[..landed].copy_from_slice(&redo::data(trailer)[..landed]);
    }

    /// Power back on after [`write_interrupted`](Self::write_interrupted), without closing: what
    /// opening the file would do. For crash tests that keep their image in memory.
    pub fn restart(&mut self) {
        // The record in the slot is this process's own.
        let replayed = self.replay();
        debug_assert!(replayed.is_ok(), "own redo record: {replayed:?}");
        self.dead = false;
    }

    fn replay(&mut self) -> Result<bool, redo::DamagedRecord> {
        let (image, trailer) = self.parts();
        redo::replay(image, trailer)
    }

    /// Image and trailer.
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut [u8]) {
        let (image, trailer) = self.map.split_at_mut(self.trailer_offset);
        (&mut image[..self.image_bytes], trailer)
    }
}

/// Bytes of image and trailer, if this machine can address them.
pub(super) fn mapping_length(description: Description) -> Option<usize> {
    let length = description.trailer_offset()? + TRAILER_BYTES as u64;
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= isize::MAX as usize)
}

fn unit_length(pieces: &[&[u8]]) -> usize {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    assert!(
        length <= ATOMIC_UNIT_BYTES,
        "{length} bytes are more than an atomic unit"
    );
    length
}
