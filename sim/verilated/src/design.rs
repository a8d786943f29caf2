//! A verilated design: its ports as addresses, and its clock. The only unsafe code of this crate.

#![expect(unsafe_code, reason = "the ports are memory of a C++ object")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::NonNull;
use std::slice;

#[repr(C)]
struct RawPort {
    name: *const c_char,
    at: *mut c_void,
    bits: u32,
}

/// What the shim fills in; as in `shim.cpp`.
#[repr(C)]
pub(crate) struct RawDesign {
    model: *mut c_void,
    ports: *const RawPort,
    port_count: usize,
    cycle: extern "C" fn(*mut c_void),
    record: extern "C" fn(*mut c_void, *const c_char) -> bool,
    close: extern "C" fn(*mut c_void),
}

/// A top module with its parameters, as this build has it.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) virtual_functions: u8,
    pub(crate) io_queues: u16,
    pub(crate) lba_shift: u8,
    pub(crate) atomic_unit_bytes: u32,
    pub(crate) tags: u8,
    open: unsafe extern "C" fn(*mut RawDesign),
}

include!(concat!(env!("OUT_DIR"), "/variants.rs"));

/// An instance. The pins of [`pin`](Self::pin) point into it and must not outlive it.
pub(crate) struct Design(RawDesign);

impl Design {
    pub(crate) fn open(variant: &Variant) -> Self {
        let mut design = std::mem::MaybeUninit::uninit();
        // SAFETY: the shim fills every field and keeps no pointer to the struct.
        unsafe {
            (variant.open)(design.as_mut_ptr());
            Self(design.assume_init())
        }
    }

    /// One clock cycle: what stands at the inputs is taken at its rising edge, and the outputs follow.
    #[inline]
    pub(crate) fn cycle(&mut self) {
        (self.0.cycle)(self.0.model);
    }

    /// Records waves from now on; false when the file cannot be made, or this build has no waves.
    pub(crate) fn record(&mut self, path: &Path) -> bool {
        let name = CString::new(path.as_os_str().as_encoded_bytes());
        name.is_ok_and(|name| (self.0.record)(self.0.model, name.as_ptr()))
    }

    fn find(&self, name: &str) -> Option<&RawPort> {
        // SAFETY: the shim's table, which lives as long as the model.
        let ports = unsafe { slice::from_raw_parts(self.0.ports, self.0.port_count) };
        // SAFETY: names are string literals of the shim.
        let is_it =
            |port: &&RawPort| unsafe { CStr::from_ptr(port.name) }.to_bytes() == name.as_bytes();
        ports.iter().find(is_it)
    }

    /// A port of the type that Verilator gives its width: `u8` to 8 bits, `u16` to 16, `u32` to 32,
    /// `u64` to 64, and words of 32 bits beyond.
    ///
    /// # Panics
    /// There is no such port, or it has another width: this crate does not fit to the Verilog.
    pub(crate) fn pin<T: PinValue>(&self, name: &str) -> Pin<T> {
        self.optional_pin(name)
            .unwrap_or_else(|| panic!("the design has no port {name}"))
    }

    /// [`pin`](Self::pin) of a port that a design may lack.
    pub(crate) fn optional_pin<T: PinValue>(&self, name: &str) -> Option<Pin<T>> {
        let port = self.find(name)?;
        let bits = 8 * size_of::<T>() as u32;
        assert_eq!(
            verilated_bits(port.bits),
            bits,
            "port {name} has {} bits, the harness expects {bits}",
            port.bits
        );
        NonNull::new(port.at.cast()).map(Pin)
    }

    /// A port of at most 32 bits whose width depends on a parameter.
    pub(crate) fn narrow_pin(&self, name: &str) -> NarrowPin {
        match self.find(name).map(|port| verilated_bits(port.bits)) {
            Some(8) => NarrowPin::Bits8(self.pin(name)),
            Some(16) => NarrowPin::Bits16(self.pin(name)),
            _ => NarrowPin::Bits32(self.pin(name)),
        }
    }
}

impl Drop for Design {
    fn drop(&mut self) {
        (self.0.close)(self.0.model);
    }
}

/// Bits of what Verilator keeps a port of `bits` in.
const fn verilated_bits(bits: u32) -> u32 {
    match bits {
        0..=8 => 8,
        9..=16 => 16,
        17..=32 => 32,
        33..=64 => 64,
        _ => bits.div_ceil(32) * 32,
    }
}

/// Types that a port can have: every bit pattern is a value.
pub(crate) trait PinValue: Copy {}
impl PinValue for u8 {}
impl PinValue for u16 {}
impl PinValue for u32 {}
impl PinValue for u64 {}
impl<const WORDS: usize> PinValue for [u32; WORDS] {}

/// A port.
pub(crate) struct Pin<T>(NonNull<T>);

impl<T: PinValue> Pin<T> {
    #[inline]
    pub(crate) fn get(&self) -> T {
        // SAFETY: a port of the model, of this size (checked when the pin was made) and written by
        // nobody while no call into the design is under way; its owner drops pins before the design.
        unsafe { self.0.as_ptr().read() }
    }

    #[inline]
    pub(crate) fn set(&self, value: T) {
        // SAFETY: as in `get`.
        unsafe { self.0.as_ptr().write(value) }
    }
}

/// A port whose width depends on a parameter.
pub(crate) enum NarrowPin {
    Bits8(Pin<u8>),
    Bits16(Pin<u16>),
    Bits32(Pin<u32>),
}

impl NarrowPin {
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        match self {
            Self::Bits8(pin) => pin.get().into(),
            Self::Bits16(pin) => pin.get().into(),
            Self::Bits32(pin) => pin.get(),
        }
    }

    #[inline]
    pub(crate) fn set(&self, value: u32) {
        match self {
            Self::Bits8(pin) => pin.set(value as u8),
            Self::Bits16(pin) => pin.set(value as u16),
            Self::Bits32(pin) => pin.set(value),
        }
    }
}
