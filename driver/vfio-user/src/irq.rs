//! Interrupts of a PCI device: how many there are, and how they are signalled.

use rustix::io::Errno;

use crate::message::{payload_with_tail, payloads};

/// The pin.
pub const INTX: u32 = 0;
/// MSI.
pub const MSI: u32 = 1;
/// MSI-X.
pub const MSIX: u32 = 2;
/// Errors of the device.
pub const ERROR: u32 = 3;
/// The server asks for the device back.
pub const REQUEST: u32 = 4;
/// Interrupt types of a PCI device.
pub const COUNT: u32 = 5;

/// [`IrqInfo::flags`]: can signal an eventfd.
pub const INFO_EVENTFD: u32 = 1 << 0;
/// [`IrqInfo::flags`]: can be masked and unmasked.
pub const INFO_MASKABLE: u32 = 1 << 1;
/// [`IrqInfo::flags`]: masks itself when it is signalled.
pub const INFO_AUTOMASKED: u32 = 1 << 2;
/// [`IrqInfo::flags`]: to use more vectors, all must be switched off first.
pub const INFO_NORESIZE: u32 = 1 << 3;

const DATA_NONE: u32 = 1 << 0;
const DATA_BOOL: u32 = 1 << 1;
const DATA_EVENTFD: u32 = 1 << 2;
const DATA_MASK: u32 = DATA_NONE | DATA_BOOL | DATA_EVENTFD;
const ACTION_MASK: u32 = 1 << 3;
const ACTION_UNMASK: u32 = 1 << 4;
const ACTION_TRIGGER: u32 = 1 << 5;

payloads! {
    /// `DEVICE_GET_IRQ_INFO`, and its reply (`struct vfio_irq_info`).
    IrqInfo {
        /// Bytes of this structure.
        argsz: u32,
        /// [`INFO_EVENTFD`] and so on.
        flags: u32,
        /// Which type.
        index: u32,
        /// Vectors of this type.
        count: u32,
    }

    /// `DEVICE_SET_IRQS`, before its data (`struct vfio_irq_set`); with it the eventfds.
    IrqSet {
        /// Bytes of this structure and its data.
        argsz: u32,
        /// One kind of data and one action.
        flags: u32,
        /// Which type.
        index: u32,
        /// First vector.
        start: u32,
        /// Vectors.
        count: u32,
    }
}

/// What `DEVICE_SET_IRQS` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Masks vectors.
    Mask,
    /// Unmasks them.
    Unmask,
    /// Signals them; with eventfds, says what signals them from now on.
    Trigger,
}

/// What comes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data<'a> {
    /// Nothing: all vectors of the range; a range of none switches the whole type off.
    None,
    /// A byte for each vector: those that are not zero.
    Bool(&'a [u8]),
    /// As many descriptors as vectors; none takes away what was there.
    Eventfd,
}

impl IrqSet {
    /// A message without data, for all vectors of a range.
    pub const fn none(index: u32, action: Action, start: u32, count: u32) -> Self {
        Self::new(index, DATA_NONE | action_bit(action), start, count, 0)
    }

    /// A message with a byte for each vector.
    pub const fn bools(index: u32, action: Action, start: u32, count: u32) -> Self {
        Self::new(index, DATA_BOOL | action_bit(action), start, count, count)
    }

    /// A message with an eventfd for each vector, or without any to take them away.
    pub const fn eventfds(index: u32, action: Action, start: u32, count: u32) -> Self {
        Self::new(index, DATA_EVENTFD | action_bit(action), start, count, 0)
    }

    const fn new(index: u32, flags: u32, start: u32, count: u32, data: u32) -> Self {
        Self {
            argsz: data.saturating_add(size_of::<Self>() as u32),
            flags,
            index,
            start,
            count,
        }
    }

    /// Reads a payload: the fixed part, the action, the data.
    ///
    /// # Errors
    /// `EINVAL`: too short, not exactly one action and one kind of data, or fewer bytes than vectors.
    pub fn decode(payload: &[u8]) -> Result<(Self, Action, Data<'_>), Errno> {
        let (set, tail): (Self, _) = payload_with_tail(payload)?;
        let action = match set.flags & !DATA_MASK {
            ACTION_MASK => Action::Mask,
            ACTION_UNMASK => Action::Unmask,
            ACTION_TRIGGER => Action::Trigger,
            _ => return Err(Errno::INVAL),
        };
        let data = match set.flags & DATA_MASK {
            DATA_NONE => Data::None,
            DATA_BOOL => Data::Bool(tail.get(..set.count as usize).ok_or(Errno::INVAL)?),
            DATA_EVENTFD => Data::Eventfd,
            _ => return Err(Errno::INVAL),
        };
        Ok((set, action, data))
    }
}

const fn action_bit(action: Action) -> u32 {
    match action {
        Action::Mask => ACTION_MASK,
        Action::Unmask => ACTION_UNMASK,
        Action::Trigger => ACTION_TRIGGER,
    }
}
