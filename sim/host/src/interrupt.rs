//! The window that MSI-X messages are written to, and what has arrived there.

use nvme_driver::transport::DmaPurpose;

use crate::endpoint::FunctionId;
use crate::report::DmaFaultReason;

/// First bus address of the interrupt window: where x86 has it.
pub const WINDOW_START: u64 = 0xfee0_0000;
/// One beyond the window.
pub const WINDOW_END: u64 = 0xfef0_0000;

/// The message address of a function: each has its own, so that one cannot raise another's.
pub const fn message_address(function: FunctionId) -> u64 {
    WINDOW_START | (function.0 as u64) << 12
}

/// Does an access go to the window?
#[inline]
pub const fn is_message(address: u64) -> bool {
    address >= WINDOW_START && address < WINDOW_END
}

/// Interrupts that have arrived and were not taken yet.
pub(crate) struct Interrupts {
    vectors: usize,
    pending: Vec<bool>,
}

impl Interrupts {
    pub(crate) fn new(functions: usize, vectors: u16) -> Self {
        let vectors = usize::from(vectors);
        Self {
            vectors,
            pending: vec![false; functions * vectors],
        }
    }

    /// A message arrives; true when the vector was not pending yet, so that software must wake.
    pub(crate) fn arrive(
        &mut self,
        function: FunctionId,
        address: u64,
        data: &[u8],
    ) -> Result<bool, DmaFaultReason> {
        let vector = match data {
            &[low, high, 0, 0] => usize::from(u16::from_le_bytes([low, high])),
            _ => return Err(DmaFaultReason::InvalidInterrupt),
        };
        if address != message_address(function) || vector >= self.vectors {
            return Err(DmaFaultReason::InvalidInterrupt);
        }
        let pending = &mut self.pending[function.index() * self.vectors + vector];
        Ok(!std::mem::replace(pending, true))
    }

    /// Takes what is pending on a vector that exists.
    pub(crate) fn take(&mut self, function: FunctionId, vector: u16) -> bool {
        self.pending
            .get_mut(function.index() * self.vectors + usize::from(vector))
            .is_some_and(std::mem::take)
    }
}

/// Does a device write to memory of this purpose wake software?
pub(crate) const fn wakes(purpose: DmaPurpose) -> bool {
    matches!(purpose, DmaPurpose::Queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_must_be_the_functions_own() {
        let mut interrupts = Interrupts::new(3, 5);
        let function = FunctionId(1);
        let address = message_address(function);
        assert_eq!(
            interrupts.arrive(function, address, &[4, 0, 0, 0]),
            Ok(true)
        );
        assert_eq!(
            interrupts.arrive(function, address, &[4, 0, 0, 0]),
            Ok(false)
        );
        assert!(!interrupts.take(function, 3));
        assert!(interrupts.take(function, 4));
        assert!(!interrupts.take(function, 4));
        let other = message_address(FunctionId(2));
        for (address, data) in [
            (other, &[4, 0, 0, 0][..]),
            (address, &[5, 0, 0, 0]),
            (address, &[0, 0, 1, 0]),
            (address, &[0; 8]),
            (address + 4, &[0; 4]),
        ] {
            assert_eq!(
                interrupts.arrive(function, address, data),
                Err(DmaFaultReason::InvalidInterrupt)
            );
        }
    }
}
