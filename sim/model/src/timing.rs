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
        /// A doorbell write on CQ to the queue's new pointer at the engines.
        doorbell_cycles = 1;
        /// The last beat of a completion on RC to its data, its tag and its space being accounted for.
        receive_cycles = 2;
        /// Between two choices of the dispatcher: its throughput.
        dispatch_cycles = 4;
        /// Taking an SQE out of its FIFO to the command decoded and checked.
        decode_cycles = 3;
        /// An admin command decoded to its answer formed.
        admin_cycles = 65;
        /// An admin command's answer formed to its first beat of data, when it has data.
        admin_data_cycles = 3;
        /// A segment's turn on AXI W to AW.
        write_start_cycles = 1;
        /// The last beat of R to the outcome of a compare.
        compare_cycles = 2;
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
        /// Staging buffers of 4 KiB between AXI R and RQ, for all functions; a compare takes one, too.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 1234567 as 1,234,567.
    fn grouped(value: u64) -> String {
        let digits = value.to_string();
        let first = (digits.len() - 1) % 3 + 1;
        let (head, tail) = digits.split_at(first);
        let groups = tail.as_bytes().chunks(3).map(String::from_utf8_lossy);
        groups.fold(head.to_owned(), |text, group| format!("{text},{group}"))
    }

    /// The README's table is what the Verilog is held to: every row, its default and its meaning.
    #[test]
    fn the_readme_shows_every_row_with_its_default() {
        let readme = include_str!("../README.md");
        let values: Vec<(&str, u64)> = Timing::default()
            .values()
            .chain(
                Geometry::default()
                    .values()
                    .map(|(name, value)| (name, value.into())),
            )
            .collect();
        let rows: Vec<_> = Timing::ROWS.iter().chain(Geometry::ROWS).collect();
        assert_eq!(values.len(), rows.len());
        for ((name, value), (row, what)) in values.into_iter().zip(rows) {
            assert_eq!(name, *row);
            let line = format!("| `{name}` | {} | {} |", grouped(value), what.trim());
            assert!(
                readme.lines().any(|readme_line| readme_line == line),
                "sim/model/README.md lacks this row:\n{line}"
            );
        }
        assert_eq!(
            readme.matches("\n| `").count(),
            Timing::ROWS.len() + Geometry::ROWS.len()
        );
    }
}
