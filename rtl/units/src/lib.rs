//! Modules of `rtl/` one by one: ports by name, evaluated on demand. The tests hold them against the
//! parts of the cycle model that they stand for.
#![cfg(feature = "verilator")]
#![expect(
    unsafe_code,
    reason = "the verilated modules are C++, their ports plain memory"
)]

use std::ffi::{CString, c_char, c_void};

/// A kind of module.
struct Unit {
    name: &'static str,
    open: unsafe extern "C" fn() -> *mut c_void,
    eval: unsafe extern "C" fn(*mut c_void),
    close: unsafe extern "C" fn(*mut c_void),
    port: unsafe extern "C" fn(*mut c_void, *const c_char, *mut u32) -> *mut u8,
}

include!(concat!(env!("OUT_DIR"), "/units.rs"));

/// One module.
#[derive(Debug)]
pub struct Module {
    raw: *mut c_void,
    unit: &'static Unit,
}

impl std::fmt::Debug for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Bytes of Verilator's representation of a signal: 1, 2, 4, 8, or whole 32-bit words.
const fn bytes_of(bits: u32) -> usize {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        33..=64 => 8,
        _ => 4 * bits.div_ceil(32) as usize,
    }
}

impl Module {
    /// The module of that name, all inputs 0.
    ///
    /// # Panics
    /// When build.rs has made none of that name.
    pub fn new(name: &str) -> Self {
        let unit = UNITS.iter().find(|unit| unit.name == name);
        let Some(unit) = unit else {
            panic!("build.rs makes no {name}");
        };
        // SAFETY: allocates a module and has no other effect.
        let raw = unsafe { (unit.open)() };
        Self { raw, unit }
    }

    fn port(&self, name: &str) -> (*mut u8, u32) {
        let c_name = CString::new(name).unwrap_or_default();
        let mut bits = 0;
        // SAFETY: the module lives, and the name ends with a zero.
        let at = unsafe { (self.unit.port)(self.raw, c_name.as_ptr(), &raw mut bits) };
        assert!(!at.is_null(), "{} has no port {name}", self.unit.name);
        (at, bits)
    }

    /// Sets an input, least significant byte first; what is left out is 0.
    ///
    /// # Panics
    /// When there is no such port, or the value is wider.
    pub fn set_bytes(&mut self, name: &str, value: &[u8]) {
        let (at, bits) = self.port(name);
        let length = bytes_of(bits);
        let mut bytes = value.to_vec();
        assert!(
            bytes
                .iter()
                .skip(bits.div_ceil(8) as usize)
                .all(|byte| *byte == 0),
            "{name} has {bits} bits"
        );
        bytes.resize(length, 0);
        // SAFETY: the port has as many bytes, as its declaration says, and the module lives.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at, length) };
    }

    /// Sets an input of at most 64 bits.
    pub fn set(&mut self, name: &str, value: u64) {
        self.set_bytes(name, &value.to_le_bytes());
    }

    /// Value of a port, least significant byte first.
    pub fn get_bytes(&self, name: &str) -> Vec<u8> {
        let (at, bits) = self.port(name);
        let mut bytes = vec![0; bytes_of(bits)];
        // SAFETY: the port has as many bytes, as its declaration says, and the module lives.
        unsafe { std::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), bytes.len()) };
        bytes
    }

    /// Value of a port; of a wide one the low 64 bits.
    pub fn get(&self, name: &str) -> u64 {
        let bytes = self.get_bytes(name);
        bytes
            .iter()
            .take(8)
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// Lets inputs reach the outputs.
    pub fn evaluate(&mut self) {
        // SAFETY: the module lives.
        unsafe { (self.unit.eval)(self.raw) };
    }

    /// One clock cycle: the inputs are taken at its edge.
    pub fn clock(&mut self) {
        self.set("clk", 1);
        self.evaluate();
        self.set("clk", 0);
        self.evaluate();
    }

    /// Two cycles of reset.
    pub fn reset(&mut self) {
        self.set("rst", 1);
        self.clock();
        self.clock();
        self.set("rst", 0);
        self.evaluate();
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: nobody uses the module any more.
        unsafe { (self.unit.close)(self.raw) };
    }
}

/// Fields of equal width side by side, first in the low bits, as bytes.
pub fn packed(width_bits: u32, values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        for bit in 0..width_bits {
            let at = (index as u32 * width_bits + bit) as usize;
            if at / 8 == bytes.len() {
                bytes.push(0);
            }
            bytes[at / 8] |= ((value >> bit & 1) as u8) << (at % 8);
        }
    }
    bytes
}
