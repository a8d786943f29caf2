//! The six core workloads of YCSB.

use clap::ValueEnum;
use rand::Rng;

use super::distribution::{Requests, below, unit};

/// Longest scan of workload E, in records.
pub const LONGEST_SCAN_RECORDS: u64 = 100;

/// What an operation does; the names are those of the output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OperationKind {
    /// Get one record.
    Read,
    /// Replace the value of one record.
    Update,
    /// Put a record that was not there.
    Insert,
    /// Read some records in the store's order, from a record on.
    Scan,
    /// Get a record, then replace it by a value that depends on what was read.
    ReadModifyWrite,
}

impl OperationKind {
    /// All kinds, in the order of the output.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Update,
        Self::Insert,
        Self::Scan,
        Self::ReadModifyWrite,
    ];

    /// The name in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
            Self::Insert => "insert",
            Self::Scan => "scan",
            Self::ReadModifyWrite => "read_modify_write",
        }
    }
}

/// A core workload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Workload {
    /// Update heavy: half reads, half updates.
    A,
    /// Read mostly: 95 % reads, 5 % updates.
    B,
    /// Read only.
    C,
    /// Read latest: 95 % reads of recent records, 5 % inserts.
    D,
    /// Short ranges: 95 % scans of 1 to 100 records, 5 % inserts.
    E,
    /// Read-modify-write: half reads, half read-modify-writes.
    F,
}

impl Workload {
    /// All workloads, by name.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F];

    /// The letter in the output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
            Self::E => "e",
            Self::F => "f",
        }
    }

    /// What the letter stands for.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => "update heavy: 50 % read, 50 % update, zipfian",
            Self::B => "read mostly: 95 % read, 5 % update, zipfian",
            Self::C => "read only, zipfian",
            Self::D => "read latest: 95 % read, 5 % insert, latest",
            Self::E => "short ranges: 95 % scan of 1 to 100 records, 5 % insert, zipfian",
            Self::F => "read-modify-write: 50 % read, 50 % read-modify-write, zipfian",
        }
    }

    /// The usual kind, the other kind, and the share of the other kind.
    const fn mix(self) -> (OperationKind, OperationKind, f64) {
        use OperationKind::{Insert, Read, ReadModifyWrite, Scan, Update};
        match self {
            Self::A => (Read, Update, 0.5),
            Self::B => (Read, Update, 0.05),
            Self::C => (Read, Read, 0.0),
            Self::D => (Read, Insert, 0.05),
            Self::E => (Scan, Insert, 0.05),
            Self::F => (Read, ReadModifyWrite, 0.5),
        }
    }

    /// Share of operations that insert a record, 0–1.
    pub const fn insert_share(self) -> f64 {
        match self.mix() {
            (_, OperationKind::Insert, share) => share,
            _ => 0.0,
        }
    }

    /// Draws the kind of the next operation.
    pub fn draw_kind(self, random: &mut impl Rng) -> OperationKind {
        let (usual, other, other_share) = self.mix();
        if unit(random) < other_share {
            other
        } else {
            usual
        }
    }

    /// How it chooses records, when `records` are loaded.
    pub fn requests(self, records: u64) -> Requests {
        match self {
            Self::D => Requests::latest(records),
            _ => Requests::scrambled_zipfian(),
        }
    }
}

/// Draws the length of a scan: uniform, 1 to [`LONGEST_SCAN_RECORDS`].
pub fn draw_scan_records(random: &mut impl Rng) -> usize {
    1 + below(random, LONGEST_SCAN_RECORDS) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    #[test]
    fn mixes_are_those_of_ycsb() {
        use OperationKind::{Insert, Read, ReadModifyWrite, Scan, Update};
        let expected: [(Workload, &[(OperationKind, f64)]); 6] = [
            (Workload::A, &[(Read, 0.5), (Update, 0.5)]),
            (Workload::B, &[(Read, 0.95), (Update, 0.05)]),
            (Workload::C, &[(Read, 1.0)]),
            (Workload::D, &[(Read, 0.95), (Insert, 0.05)]),
            (Workload::E, &[(Scan, 0.95), (Insert, 0.05)]),
            (Workload::F, &[(Read, 0.5), (ReadModifyWrite, 0.5)]),
        ];
        let mut random = Pcg64Mcg::seed_from_u64(1);
        for (workload, mix) in expected {
            let mut counts = BTreeMap::new();
            for _ in 0..100_000 {
                *counts
                    .entry(workload.draw_kind(&mut random))
                    .or_insert(0u32) += 1;
            }
            assert_eq!(counts.len(), mix.len());
            for (kind, share) in mix {
                let drawn = f64::from(counts[kind]) / 100_000.0;
                assert!(
                    (drawn - share).abs() < 0.01,
                    "{workload:?} {kind:?}: {drawn}"
                );
            }
        }
    }

    #[test]
    fn scans_are_of_1_to_100_records() {
        let mut random = Pcg64Mcg::seed_from_u64(2);
        let lengths: Vec<usize> = (0..10_000)
            .map(|_| draw_scan_records(&mut random))
            .collect();
        assert_eq!(lengths.iter().min(), Some(&1));
        assert_eq!(lengths.iter().max(), Some(&100));
        let mean = lengths.iter().sum::<usize>() as f64 / 10_000.0;
        assert!((mean - 50.5).abs() < 1.5, "{mean}");
    }
}
