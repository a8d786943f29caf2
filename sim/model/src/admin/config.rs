//! What the device is, as far as its admin commands tell.

/// Sizes, counts and names that Identify, the features and the queue commands report and check.
/// The same for all functions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminConfig {
    /// Bytes of a logical block: 512 or 4,096.
    pub block_bytes: u32,
    /// Blocks of the namespace.
    pub namespace_blocks: u64,
    /// Virtual functions beside the PF.
    pub virtual_functions: u8,
    /// I/O queue pairs of each function.
    pub io_queues: u16,
    /// MSI-X vectors of each function.
    pub vectors: u16,
    /// Slots of the largest I/O queue (CAP.MQES + 1).
    pub maximum_queue_entries: u32,
    /// Largest transfer of a command in bytes (MDTS): a power of two of 4 KiB pages.
    pub maximum_transfer_bytes: u32,
    /// AWUN = AWUPF = ACWU in bytes.
    pub atomic_unit_bytes: u32,
    /// SN: ASCII, at most 20 characters; several devices of one host should differ.
    pub serial_number: String,
    /// Temperature that the SMART page reports, in Kelvin.
    pub temperature_kelvin: u16,
}

impl Default for AdminConfig {
    /// The controller of the VC709: 6 VFs, 4 I/O queues, 4 KiB blocks, and 1 GiB of them.
    fn default() -> Self {
        Self {
            block_bytes: 4096,
            namespace_blocks: (1 << 30) / 4096,
            virtual_functions: 6,
            io_queues: 4,
            vectors: 5,
            maximum_queue_entries: 1024,
            maximum_transfer_bytes: 128 << 10,
            atomic_unit_bytes: 16 << 10,
            serial_number: String::from("RDS00000001"),
            temperature_kelvin: 313,
        }
    }
}
