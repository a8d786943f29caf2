//! Geometry of the device.

/// What the device is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstantOptions {
    /// How messages name the device; a function adds its number.
    pub name: String,
    /// Blocks of the namespace.
    pub blocks: u64,
    /// Bytes of a block: 512, 1,024, 2,048 or 4,096.
    pub block_bytes: u32,
    /// Functions, each a controller of its own on the shared namespace; 1 to 9.
    pub functions: u8,
    /// I/O queue pairs of each function.
    pub queue_pairs: u16,
    /// Most entries of a queue.
    pub queue_entries: u32,
    /// MDTS: largest transfer, 2^n pages.
    pub maximum_data_transfer: u8,
    /// ACWU, AWUN and AWUPF in blocks.
    pub atomic_blocks: u16,
    /// CAP.DSTRD: doorbells are 4 << n bytes apart.
    pub doorbell_stride: u8,
    /// Delivers completions late and in an order drawn from this seed; `None`: at once, in order.
    pub shuffle_seed: Option<u64>,
}

impl Default for InstantOptions {
    /// 64 MiB in blocks of 4 KiB, one function with four queue pairs.
    fn default() -> Self {
        Self {
            name: "instant".into(),
            blocks: 16_384,
            block_bytes: 4096,
            functions: 1,
            queue_pairs: 4,
            queue_entries: 1024,
            maximum_data_transfer: 5,
            atomic_blocks: 4,
            doorbell_stride: 0,
            shuffle_seed: None,
        }
    }
}
