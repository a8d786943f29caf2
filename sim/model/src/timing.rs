//! The one table of numbers that the controller is built to: latencies and throughputs ([`Timing`]),
//! widths, depths and counts ([`Geometry`]). `rtl/` is held to the same table; `README.md` shows the
//! rows on the arrows of the block diagram, and a test fails when a row is missing there.

use pcie_host::endpoint::Cycle;

/// Defines a struct of numbers with documentation and default in one row each, and lists the rows.
macro_rules! table {
    (
        $(#[$meta:meta])*
        $name:ident: $type:ty {
            $($(#[doc = $doc:literal])+ $field:ident = $default:expr;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            /// Every row: its name and what it means.
            pub const ROWS: &'static [(&'static str, &'static str)] =
                &[$((stringify!($field), concat!($($doc),+)),)*];

            /// Every row's name and value.
            pub fn values(&self) -> impl Iterator<Item = (&'static str, $type)> + use<> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }
    };
}

table! {
    /// Latencies and throughputs, in cycles of the core clock. The default is the VC709.
    Timing: Cycle {
        /// A register read on CQ to its completion on CC.
        register_read_cycles = 4;
        /// A doorbell write on CQ to the queue's new pointer at the fetch engine.
        doorbell_cycles = 1;
        /// Between the starts of two commands: the dispatcher's throughput.
        dispatch_cycles = 4;
        /// Taking an SQE out of its FIFO to the command decoded and checked.
        decode_cycles = 8;
        /// An admin command decoded to its answer formed.
        admin_cycles = 64;
        /// A request at the range lock to its grant, nothing in its way.
        lock_cycles = 1;
        /// AXI AR to the first beat of R.
        mem_cycles = 25;
        /// The last beat of AXI W to B.
        write_response_cycles = 25;
        /// Extra time of a medium slower than DRAM: once a Read or compare before its first AR, once
        /// a Write before its B; any number of commands at once.
        media_cycles = 0;
        /// CC.EN set to CSTS.RDY set.
        enable_cycles = 16;
        /// A host read sent to giving it up (50 ms).
        completion_timeout_cycles = 6_250_000;
        /// One step of Interrupt Coalescing's aggregation time (100 µs).
        coalescing_step_cycles = 12_500;
    }
}

table! {
    /// Widths, depths and counts. The default is the VC709.
    Geometry: u32 {
        /// Bytes of a beat on every stream and AXI channel.
        beat_bytes = 32;
        /// Bytes of the descriptor in front of the data of an RQ write.
        rq_header_bytes = 16;
        /// Slots of the largest I/O queue (CAP.MQES + 1).
        maximum_queue_entries = 1024;
        /// Prefetched SQEs of each submission queue.
        sqe_fifo_entries = 16;
        /// I/O commands of a function that may be under way at once (a pair is one).
        contexts_per_function = 16;
        /// Data buffers of 4 KiB of each function, for the data of Write, Compare and pairs.
        buffers_per_function = 16;
        /// Rows of the range lock of each function; at most 64 rows in all.
        lock_rows_per_function = 7;
        /// Staging buffers of 4 KiB between AXI R and RQ, for all functions.
        read_staging_buffers = 8;
        /// AXI read bursts under way at once.
        axi_read_bursts = 4;
        /// Tags of host reads, for all functions; at most 64.
        tags = 64;
        /// What a function may move before the next one's turn, in bytes.
        quantum_bytes = 4096;
        /// AWUN = AWUPF = ACWU in bytes, and the segment of a larger Write: at most 16 KiB.
        atomic_unit_bytes = 16_384;
        /// MDTS in bytes: a power of two of 4 KiB pages.
        maximum_transfer_bytes = 131_072;
    }
}
