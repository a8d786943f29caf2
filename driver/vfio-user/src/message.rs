//! The fixed part of each message's payload, as it follows the header.

use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Reads the fixed part of a payload that has nothing behind it; what follows is left alone.
///
/// # Errors
/// `EINVAL`: the payload is too short.
pub fn payload<T: FromBytes + KnownLayout + Immutable>(bytes: &[u8]) -> Result<T, Errno> {
    payload_with_tail(bytes).map(|(fixed, _)| fixed)
}

/// Reads the fixed part of a payload, and hands over what follows it.
///
/// # Errors
/// `EINVAL`: the payload is too short.
pub fn payload_with_tail<T: FromBytes + KnownLayout + Immutable>(
    bytes: &[u8],
) -> Result<(T, &[u8]), Errno> {
    T::read_from_prefix(bytes).map_err(|_| Errno::INVAL)
}

/// Structures that lie in a payload as they are.
macro_rules! payloads {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        #[derive(zerocopy::FromBytes, zerocopy::IntoBytes)]
        #[derive(zerocopy::Immutable, zerocopy::KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $type,)*
        }
    )*};
}
pub(crate) use payloads;

payloads! {
    /// `VERSION`, before its JSON.
    VersionNumbers {
        /// Must be the same on both sides.
        major: u16,
        /// The lower of both counts.
        minor: u16,
    }

    /// `DMA_MAP`; with it one descriptor, or none where the memory cannot be mapped.
    DmaMap {
        /// Bytes of this structure.
        argsz: u32,
        /// [`DMA_READABLE`], [`DMA_WRITABLE`].
        flags: u32,
        /// Where the range begins in the descriptor's file.
        offset: u64,
        /// First bus address.
        address: u64,
        /// Bytes; address + size may be 2^64.
        size: u64,
    }

    /// `DMA_UNMAP`, and its reply.
    DmaUnmap {
        /// Most bytes of the reply's payload.
        argsz: u32,
        /// [`DMA_UNMAP_ALL`].
        flags: u32,
        /// First bus address.
        address: u64,
        /// Bytes.
        size: u64,
    }

    /// `DEVICE_GET_INFO`, and its reply.
    DeviceInfo {
        /// Most bytes of the reply's payload; in the reply, what it needs.
        argsz: u32,
        /// [`DEVICE_RESET`], [`DEVICE_PCI`].
        flags: u32,
        /// Regions, for PCI at least [`region::COUNT`](crate::region::COUNT).
        num_regions: u32,
        /// Interrupt types, for PCI at least [`irq::COUNT`](crate::irq::COUNT).
        num_irqs: u32,
    }

    /// `REGION_READ`; `REGION_WRITE` before its data; the replies to both.
    RegionAccess {
        /// Within the region.
        offset: u64,
        /// Which region.
        region: u32,
        /// Bytes.
        count: u32,
    }

    /// `DMA_READ`; `DMA_WRITE` before its data; the replies to both.
    DmaAccess {
        /// Bus address.
        address: u64,
        /// Bytes.
        count: u64,
    }

    /// `DEVICE_GET_REGION_IO_FDS`; its reply before the sub-regions.
    RegionIoFds {
        /// Most bytes of the reply's payload; in the reply, what it needs.
        argsz: u32,
        /// Zero.
        flags: u32,
        /// Which region.
        index: u32,
        /// Sub-regions that follow.
        count: u32,
    }
}

/// [`DmaMap::flags`]: the device may read.
pub const DMA_READABLE: u32 = 1 << 0;
/// [`DmaMap::flags`]: the device may write.
pub const DMA_WRITABLE: u32 = 1 << 1;
/// [`DmaUnmap::flags`]: asks for a dirty bitmap, of an earlier version.
pub const DMA_UNMAP_DIRTY_BITMAP: u32 = 1 << 0;
/// [`DmaUnmap::flags`]: every range there is; address and size are 0.
pub const DMA_UNMAP_ALL: u32 = 1 << 1;
/// [`DeviceInfo::flags`]: `DEVICE_RESET` works.
pub const DEVICE_RESET: u32 = 1 << 0;
/// [`DeviceInfo::flags`]: a PCI device.
pub const DEVICE_PCI: u32 = 1 << 1;
