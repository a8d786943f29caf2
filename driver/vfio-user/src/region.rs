//! Regions of a PCI device, and the parts of them that a client can map.

use rustix::io::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::message::{payload_with_tail, payloads};

/// BAR0; BAR1 to BAR5 follow.
pub const BAR0: u32 = 0;
/// The expansion ROM.
pub const ROM: u32 = 6;
/// Configuration space.
pub const CONFIG: u32 = 7;
/// VGA.
pub const VGA: u32 = 8;
/// Regions of a PCI device.
pub const COUNT: u32 = 9;

/// [`RegionInfo::flags`]: can be read.
pub const READ: u32 = 1 << 0;
/// [`RegionInfo::flags`]: can be written.
pub const WRITE: u32 = 1 << 1;
/// [`RegionInfo::flags`]: can be mapped; a descriptor comes with the reply.
pub const MMAP: u32 = 1 << 2;
/// [`RegionInfo::flags`]: capabilities follow.
pub const CAPABILITIES: u32 = 1 << 3;

/// ID of the capability that lists the mappable areas.
const SPARSE_MMAP: u16 = 1;
/// Most areas that are believed.
const MOST_AREAS: usize = 64;
/// Most capabilities that are looked at: a chain can be a circle.
const MOST_CAPABILITIES: usize = 64;

payloads! {
    /// `DEVICE_GET_REGION_INFO`, and its reply before the capabilities (`struct vfio_region_info`).
    RegionInfo {
        /// Most bytes of the reply's payload; in the reply, what it needs.
        argsz: u32,
        /// [`READ`], [`WRITE`], [`MMAP`], [`CAPABILITIES`].
        flags: u32,
        /// Which region.
        index: u32,
        /// Where the first capability begins, from the start of this structure.
        cap_offset: u32,
        /// Bytes of the region.
        size: u64,
        /// What `mmap` is given as offset for the region's first byte.
        offset: u64,
    }

    /// A part of a region that can be mapped (`struct vfio_region_sparse_mmap_area`).
    SparseArea {
        /// From the region's first byte.
        offset: u64,
        /// Bytes.
        size: u64,
    }
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct CapabilityHeader {
    id: u16,
    version: u16,
    next: u32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SparseMmap {
    header: CapabilityHeader,
    nr_areas: u32,
    reserved: u32,
}

/// The payload of a reply: `info` with the areas as a capability, or without it where the client's
/// `argsz` has no room; the reply's `argsz` says what there is.
pub fn encode_region_info(mut info: RegionInfo, areas: &[SparseArea], room: u32) -> Vec<u8> {
    let fixed = size_of::<RegionInfo>();
    let whole = if areas.is_empty() {
        fixed
    } else {
        fixed + size_of::<SparseMmap>() + size_of_val(areas)
    };
    info.argsz = whole as u32;
    info.cap_offset = 0;
    if areas.is_empty() {
        return info.as_bytes().to_vec();
    }
    // QEMU wants to see where they begin even before it makes room for them.
    info.flags |= CAPABILITIES;
    info.cap_offset = fixed as u32;
    if (room as usize) < whole {
        return info.as_bytes().to_vec();
    }
    let capability = SparseMmap {
        header: CapabilityHeader {
            id: SPARSE_MMAP,
            version: 1,
            next: 0,
        },
        nr_areas: areas.len() as u32,
        reserved: 0,
    };
    [info.as_bytes(), capability.as_bytes(), areas.as_bytes()].concat()
}

/// Reads the payload of a reply. No areas: the region can be mapped as a whole or not at all, or the
/// reply's `argsz` is larger than the payload, and must be asked for again.
///
/// # Errors
/// `EINVAL`: a payload that contradicts itself.
pub fn decode_region_info(payload: &[u8]) -> Result<(RegionInfo, Vec<SparseArea>), Errno> {
    let (info, _): (RegionInfo, _) = payload_with_tail(payload)?;
    let mut areas = vec![];
    let whole = payload.len() >= info.argsz as usize;
    let mut at = if whole && info.flags & CAPABILITIES != 0 {
        info.cap_offset
    } else {
        0
    };
    for _ in 0..MOST_CAPABILITIES {
        if at == 0 {
            return Ok((info, areas));
        }
        let rest = payload.get(at as usize..).ok_or(Errno::INVAL)?;
        let (header, _): (CapabilityHeader, _) = payload_with_tail(rest)?;
        if header.id == SPARSE_MMAP {
            let (capability, mut tail): (SparseMmap, _) = payload_with_tail(rest)?;
            if capability.nr_areas as usize > MOST_AREAS {
                return Err(Errno::INVAL);
            }
            for _ in 0..capability.nr_areas {
                let (area, more) = payload_with_tail(tail)?;
                areas.push(area);
                tail = more;
            }
        }
        at = header.next;
    }
    Err(Errno::INVAL)
}
