//! A function's view of its client's memory: the ranges of `DMA_MAP`.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;
use vfio_user_wire::message::{
    DMA_READABLE, DMA_UNMAP_ALL, DMA_UNMAP_DIRTY_BITMAP, DMA_WRITABLE, DmaMap, DmaUnmap,
};

use crate::mapped_file::{MappedFile, MappedFiles};

/// Ranges begin and end on such addresses, so that no request of the device spans two.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Ranges a client may have.
pub(crate) const MOST_RANGES: usize = 65_535;

/// Bit 2 of an earlier version: the range can be mapped.
const DMA_MAPPABLE: u32 = 1 << 2;

/// Where the bytes of a range are.
#[derive(Clone, Debug)]
pub(crate) enum Backing {
    /// In a file, from this offset.
    File(Rc<MappedFile>, u64),
    /// With the client, who is asked by messages.
    Remote,
}

#[derive(Debug)]
struct Range {
    /// Last byte; a range may end at 2^64.
    last: u64,
    flags: u32,
    backing: Backing,
}

/// All ranges of a function, by first byte.
#[derive(Debug, Default)]
pub(crate) struct DmaRanges {
    ranges: BTreeMap<u64, Range>,
    /// The file range found last: queues and buffers of one client lie close together.
    recent: Option<Recent>,
}

#[derive(Debug)]
struct Recent {
    first: u64,
    last: u64,
    flags: u32,
    file: Rc<MappedFile>,
    offset: u64,
}

/// What is at a bus address.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    /// At this offset of this file.
    File(&'a MappedFile, u64),
    /// The client has to be asked.
    Remote,
}

impl DmaRanges {
    /// `DMA_MAP`.
    ///
    /// # Errors
    /// The errno of the reply.
    pub(crate) fn map(
        &mut self,
        request: &DmaMap,
        fds: &[OwnedFd],
        files: &mut MappedFiles,
    ) -> Result<(), Errno> {
        let &DmaMap {
            argsz,
            flags,
            offset,
            address,
            size,
        } = request;
        let known = DMA_READABLE | DMA_WRITABLE | DMA_MAPPABLE;
        let shapeless = (argsz as usize) < size_of::<DmaMap>()
            || flags & !known != 0
            || flags & (DMA_READABLE | DMA_WRITABLE) == 0
            || size == 0
            || !address.is_multiple_of(PAGE_BYTES)
            || !size.is_multiple_of(PAGE_BYTES);
        if shapeless {
            return Err(Errno::INVAL);
        }
        let last = address.checked_add(size - 1).ok_or(Errno::INVAL)?;
        if self.ranges.len() >= MOST_RANGES {
            return Err(Errno::NOSPC);
        }
        let before = self.ranges.range(..=last).next_back();
        if before.is_some_and(|(_, range)| range.last >= address) {
            return Err(Errno::EXIST);
        }
        let backing = match fds {
            [] => Backing::Remote,
            [fd] => {
                let end = offset.checked_add(size).ok_or(Errno::INVAL)?;
                let file = files
                    .get(std::os::fd::AsFd::as_fd(fd), end)
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::NOMEM))?;
                if flags & DMA_WRITABLE != 0 && !file.is_writable() {
                    return Err(Errno::ACCESS);
                }
                Backing::File(file, offset)
            }
            _ => return Err(Errno::INVAL),
        };
        let range = Range {
            last,
            flags,
            backing,
        };
        self.ranges.insert(address, range);
        Ok(())
    }

    /// First and last byte of what `DMA_UNMAP` is about; `None` when there is nothing of it.
    ///
    /// # Errors
    /// The errno of the reply: ranges can be taken away as a whole only.
    pub(crate) fn unmap_span(&self, request: &DmaUnmap) -> Result<Option<(u64, u64)>, Errno> {
        let &DmaUnmap {
            argsz,
            flags,
            address,
            size,
        } = request;
        if (argsz as usize) < size_of::<DmaUnmap>() {
            return Err(Errno::INVAL);
        }
        if flags == DMA_UNMAP_ALL {
            return match (address, size) {
                (0, 0) => Ok(Some((0, u64::MAX))),
                _ => Err(Errno::INVAL),
            };
        }
        if flags & DMA_UNMAP_DIRTY_BITMAP != 0 {
            return Err(Errno::NOTSUP);
        }
        let aligned = address.is_multiple_of(PAGE_BYTES) && size.is_multiple_of(PAGE_BYTES);
        if flags != 0 || size == 0 || !aligned {
            return Err(Errno::INVAL);
        }
        let last = address.checked_add(size - 1).ok_or(Errno::INVAL)?;
        let cut_at_begin = self.ranges.range(..address).next_back();
        let cut_at_end = self.ranges.range(..=last).next_back();
        let is_cut = cut_at_begin.is_some_and(|(_, range)| range.last >= address)
            || cut_at_end.is_some_and(|(_, range)| range.last > last);
        if is_cut {
            return Err(Errno::INVAL);
        }
        let touched = self.ranges.range(address..=last).next().is_some();
        Ok(touched.then_some((address, last)))
    }

    /// Takes away every range inside a span.
    pub(crate) fn remove(&mut self, (first, last): (u64, u64)) {
        self.recent = None;
        if (first, last) == (0, u64::MAX) {
            self.ranges.clear();
        }
        while let Some((&address, _)) = self.ranges.range(first..=last).next() {
            self.ranges.remove(&address);
        }
    }

    /// What is at an access of the device that crosses no page; `None` is a fault.
    #[inline]
    pub(crate) fn find(&mut self, address: u64, bytes: u64, write: bool) -> Option<Target<'_>> {
        let wanted = if write { DMA_WRITABLE } else { DMA_READABLE };
        let last = address.checked_add(bytes.checked_sub(1)?)?;
        let hit = self
            .recent
            .as_ref()
            .is_some_and(|recent| recent.first <= address && last <= recent.last);
        if !hit {
            let (&first, range) = self.ranges.range(..=address).next_back()?;
            if last > range.last {
                return None;
            }
            match &range.backing {
                Backing::Remote => {
                    return (range.flags & wanted != 0).then_some(Target::Remote);
                }
                Backing::File(file, offset) => {
                    self.recent = Some(Recent {
                        first,
                        last: range.last,
                        flags: range.flags,
                        file: Rc::clone(file),
                        offset: *offset,
                    });
                }
            }
        }
        let recent = self.recent.as_ref()?;
        (recent.flags & wanted != 0)
            .then(|| Target::File(&recent.file, recent.offset + (address - recent.first)))
    }

    /// A file that a range lies in has been made shorter.
    pub(crate) fn has_lost_memory(&self) -> bool {
        self.ranges
            .values()
            .any(|range| matches!(&range.backing, Backing::File(file, _) if file.is_lost()))
    }
}
