//! Checks every result of a run against what has been acknowledged: no lost update, no stale read.
//!
//! Every operation of the store returns the entry's version, and versions order the writes of a
//! key. With them linearizability of each key is a matter of comparing numbers:
//! - a read that begins after version v was acknowledged (or read by anybody) returns v or newer;
//! - a write that begins after that gets a version newer than v;
//! - no two writes get one version, and a version's value is the one its writer wrote;
//! - when all is quiet, the store holds the newest version, and the counter in it has been raised
//!   once by each acknowledged read-modify-write.
//!
//! Memory is 24 bytes a record, and what was acknowledged while the oldest running operation ran.

use std::collections::VecDeque;

use super::record::{Stamp, Writer};

/// The newest that is known of a record.
#[derive(Clone, Copy, Default)]
struct Newest {
    version: u64,
    writer: Writer,
    /// What the counter must be once all is quiet.
    counter: u32,
}

/// An acknowledged write, kept while an operation runs that began before it.
struct Acknowledged {
    order: u64,
    record: u64,
    version: u64,
    writer: Writer,
}

/// An operation that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    order: u64,
    record: u64,
    /// Newest version known to be committed at the begin.
    floor: u64,
}

/// How a write changes the counter of its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CounterChange {
    /// Set to 0 (an insert or a blind update).
    Reset,
    /// Raised by one (a read-modify-write).
    Raise,
}

/// The shadow of a store during a run.
#[derive(Default)]
pub struct History {
    newest: Vec<Newest>,
    recent: VecDeque<Acknowledged>,
    running: Vec<u64>,
    order: u64,
    lost_updates: u64,
    stale_reads: u64,
    details: Vec<String>,
}

/// Violations described in words; the rest is only counted.
const DETAILS: usize = 8;

impl History {
    /// Acknowledged writes that are not there, or not as they were written.
    pub fn lost_updates(&self) -> u64 {
        self.lost_updates
    }

    /// Reads that returned less than had been acknowledged before they began.
    pub fn stale_reads(&self) -> u64 {
        self.stale_reads
    }

    /// The first violations, in words.
    pub fn details(&self) -> &[String] {
        &self.details
    }

    /// Forgets the counts (not the records), for the next workload on the same store.
    pub fn start_counting(&mut self) {
        self.lost_updates = 0;
        self.stale_reads = 0;
        self.details.clear();
    }

    /// Bytes the history holds.
    pub fn memory_bytes(&self) -> usize {
        self.newest.capacity() * size_of::<Newest>()
            + self.recent.capacity() * size_of::<Acknowledged>()
    }

    /// Makes room for `records` records, so that no growth doubles the memory later.
    pub fn reserve(&mut self, records: u64) {
        let records = records as usize;
        if records > self.newest.len() {
            self.newest.reserve_exact(records - self.newest.len());
            self.newest.resize(records, Newest::default());
        }
    }

    fn newest(&mut self, record: u64) -> &mut Newest {
        self.reserve(record + 1);
        &mut self.newest[record as usize]
    }

    /// An operation on `record` begins.
    pub fn begin(&mut self, record: u64) -> Begun {
        self.order += 1;
        self.running.push(self.order);
        Begun {
            order: self.order,
            record,
            floor: self.newest(record).version,
        }
    }

    /// Ends an operation without a result, such as one that failed without any effect.
    pub fn abandon(&mut self, begun: Begun) {
        self.end(begun);
    }

    fn end(&mut self, begun: Begun) {
        if let Some(at) = self.running.iter().position(|&order| order == begun.order) {
            self.running.swap_remove(at);
        }
        let oldest = self.running.iter().min().copied().unwrap_or(u64::MAX);
        while self.recent.front().is_some_and(|a| a.order < oldest) {
            self.recent.pop_front();
        }
    }

    fn lost(&mut self, detail: impl FnOnce() -> String) {
        self.lost_updates += 1;
        if self.details.len() < DETAILS {
            self.details.push(format!("lost update: {}", detail()));
        }
    }

    fn stale(&mut self, detail: impl FnOnce() -> String) {
        self.stale_reads += 1;
        if self.details.len() < DETAILS {
            self.details.push(format!("stale read: {}", detail()));
        }
    }

    /// `version` of `record` was written by `writer`: does anything known say otherwise?
    fn check_identity(&mut self, record: u64, version: u64, writer: Writer) {
        let newest = *self.newest(record);
        let other = if newest.version == version && newest.writer != writer {
            Some(newest.writer)
        } else {
            self.recent
                .iter()
                .find(|a| a.record == record && a.version == version && a.writer != writer)
                .map(|a| a.writer)
        };
        if let Some(other) = other {
            self.lost(|| {
                format!(
                    "record {record} version {version} belongs to writes {:?} and {:?} \
                     (client, sequence)",
                    other.parts(),
                    writer.parts()
                )
            });
        }
        let newest = self.newest(record);
        if version > newest.version {
            newest.version = version;
            newest.writer = writer;
        }
    }

    /// A read returned `version` with `stamp`, or nothing (`None`).
    pub fn read_ended(&mut self, begun: Begun, result: Option<(u64, Stamp)>) {
        self.check_read(begun.record, begun.floor, result);
        self.end(begun);
    }

    fn check_read(&mut self, record: u64, floor: u64, result: Option<(u64, Stamp)>) {
        match result {
            None if floor == 0 => {}
            None => self.lost(|| format!("record {record} (version {floor}) is not found")),
            Some((version, stamp)) if stamp.record != record => self.lost(|| {
                format!(
                    "record {record} version {version} holds record {}",
                    stamp.record
                )
            }),
            Some((version, stamp)) => {
                if version < floor {
                    self.stale(|| {
                        format!("record {record}: version {version} after {floor} was acknowledged")
                    });
                }
                self.check_identity(record, version, stamp.writer);
            }
        }
    }

    /// A scan that began as `begun` returned this record. Its floor is what was known when the scan
    /// began: not known exactly when the record has been written since, and not checked then.
    pub fn scanned(&mut self, begun: Begun, version: u64, stamp: Stamp) {
        let written_since = self
            .recent
            .iter()
            .any(|a| a.record == stamp.record && a.order > begun.order);
        let floor = if written_since {
            0
        } else {
            self.newest(stamp.record).version
        };
        self.check_read(stamp.record, floor, Some((version, stamp)));
    }

    /// Ends a scan.
    pub fn scan_ended(&mut self, begun: Begun) {
        self.end(begun);
    }

    /// A write was acknowledged with `version`.
    pub fn write_ended(
        &mut self,
        begun: Begun,
        version: u64,
        writer: Writer,
        counter: CounterChange,
    ) {
        let record = begun.record;
        if version <= begun.floor {
            self.lost(|| {
                format!(
                    "record {record}: write {:?} got version {version} after {} was acknowledged",
                    writer.parts(),
                    begun.floor
                )
            });
        }
        self.check_identity(record, version, writer);
        self.order += 1;
        let order = self.order;
        self.recent.push_back(Acknowledged {
            order,
            record,
            version,
            writer,
        });
        let newest = self.newest(record);
        newest.counter = match counter {
            CounterChange::Reset => 0,
            CounterChange::Raise => newest.counter.wrapping_add(1),
        };
        self.end(begun);
    }

    /// Something is wrong with a value itself (torn, or not of this benchmark).
    pub fn damaged(&mut self, begun: Begun, what: &str) {
        let record = begun.record;
        self.lost(|| format!("record {record}: {what}"));
        self.end(begun);
    }

    /// All is quiet, and the store holds this of `record`.
    pub fn check_final(&mut self, record: u64, found: Option<(u64, Stamp)>) {
        let newest = *self.newest(record);
        self.check_read(record, newest.version, found);
        if let Some((version, stamp)) = found
            && version == newest.version
            && stamp.counter != u64::from(newest.counter)
        {
            self.lost(|| {
                format!(
                    "record {record}: counter {} after {} acknowledged read-modify-writes",
                    stamp.counter, newest.counter
                )
            });
        } else if let Some((version, _)) = found
            && version > newest.version
        {
            self.lost(|| {
                format!(
                    "record {record}: version {version} though the newest acknowledged is {}",
                    newest.version
                )
            });
        }
    }
}

#[cfg(test)]
mod tests;
