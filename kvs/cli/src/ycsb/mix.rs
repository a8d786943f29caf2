//! The run phase: a workload's mix of operations.

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use rdstore::{Error, Outcome, ScanPage};

use super::distribution::Requests;
use super::fleet::{Action, Cost, Ended, Request, Work};
use super::history::{Begun, CounterChange, History};
use super::measure::Measures;
use super::record::{Stamp, Writer, read_value};
use super::workload::{OperationKind, Workload, draw_scan_records};
use crate::outcome::CheckFailed;
use crate::progress::Progress;

/// Which records there are, across the workloads of a run.
#[derive(Clone, Debug, Default)]
pub struct Population {
    /// The next record to insert.
    pub next: u64,
    /// Records being inserted.
    inserting: Vec<u64>,
}

impl Population {
    /// Records 0..`records` are there.
    pub fn new(records: u64) -> Self {
        Self {
            next: records,
            inserting: Vec::new(),
        }
    }

    fn start_insert(&mut self) -> u64 {
        self.inserting.push(self.next);
        self.next += 1;
        self.next - 1
    }

    fn end_insert(&mut self, record: u64) {
        self.inserting.retain(|&inserting| inserting != record);
    }

    /// All records below this are in the store.
    pub fn acknowledged(&self) -> u64 {
        self.inserting.iter().min().copied().unwrap_or(self.next)
    }
}

/// A running workload.
pub struct Mix<'a> {
    workload: Workload,
    remaining: u64,
    random: Pcg64Mcg,
    requests: Requests,
    population: &'a mut Population,
    sequences: &'a mut [u64],
    history: Option<&'a mut History>,
    progress: Progress,
    measures: Measures,
}

/// An operation of a [`Mix`].
#[derive(Clone, Copy)]
pub struct Operating {
    kind: OperationKind,
    record: u64,
    started_ns: u64,
    begun: Option<Begun>,
    writer: Writer,
    /// Scan: records still wanted.
    wanted: usize,
}

impl<'a> Mix<'a> {
    /// `operations` of `workload`, drawn from `seed`.
    ///
    /// # Errors
    /// None that depend on the arguments.
    pub fn new(
        workload: Workload,
        operations: u64,
        seed: u64,
        population: &'a mut Population,
        sequences: &'a mut [u64],
        history: Option<&'a mut History>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            workload,
            remaining: operations,
            // Each workload has its own stream: its operations do not depend on what ran before.
            random: Pcg64Mcg::seed_from_u64(seed ^ (workload as u64) << 56),
            requests: workload.requests(population.acknowledged()),
            population,
            sequences,
            history,
            progress: Progress::new(&format!("workload {}", workload.name()), operations),
            measures: Measures::new()?,
        })
    }

    /// What was measured.
    pub fn into_measures(self) -> Measures {
        self.measures
    }

    fn stamp(&mut self, client: usize, record: u64, counter: u64) -> Stamp {
        self.sequences[client] += 1;
        Stamp {
            record,
            writer: Writer::new(client as u16, self.sequences[client]),
            counter,
        }
    }

    fn finish(&mut self, operating: &Operating, now_ns: u64) {
        self.measures
            .record(operating.kind, now_ns - operating.started_ns);
        self.progress.add(1);
    }

    /// Reports a value that is not what any client wrote; true if it was fine.
    fn stamp_of(&mut self, operating: &Operating, value: &[u8]) -> Option<Stamp> {
        match read_value(value) {
            Ok(stamp) => Some(stamp),
            Err(what) => {
                if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), operating.begun)
                {
                    history.damaged(begun, &what);
                }
                None
            }
        }
    }

    fn read_ended(&mut self, operating: &Operating, outcome: &Outcome<&[u8]>) -> Option<Stamp> {
        let found = match outcome {
            // Without --verify a read is no more than a read: nobody looks at the value.
            Outcome::Found { .. }
                if self.history.is_none() && operating.kind == OperationKind::Read =>
            {
                return None;
            }
            Outcome::Found { version, value, .. } => {
                Some((version.0, self.stamp_of(operating, value)?))
            }
            _ => None,
        };
        if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), operating.begun) {
            history.read_ended(begun, found);
        }
        found.map(|(_, stamp)| stamp)
    }

    fn write_ended(
        &mut self,
        operating: &Operating,
        outcome: &Outcome<&[u8]>,
        counter: CounterChange,
    ) {
        if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), operating.begun) {
            history.write_ended(begun, outcome.version().0, operating.writer, counter);
        }
    }

    fn scan_ended(
        &mut self,
        mut operating: Operating,
        page: &ScanPage,
        now_ns: u64,
    ) -> Option<(Operating, Request)> {
        if let Some(begun) = operating.begun {
            for entry in &page.entries {
                match read_value(&entry.value) {
                    Ok(stamp) => {
                        if let Some(history) = self.history.as_deref_mut() {
                            history.scanned(begun, entry.version.0, stamp);
                        }
                    }
                    // Other keys than the benchmark's may be in the store.
                    Err(_) if !entry.key.starts_with(b"user") => {}
                    Err(_) => {
                        self.stamp_of(&operating, &entry.value);
                    }
                }
            }
        }
        operating.wanted = operating.wanted.saturating_sub(page.entries.len());
        if let (Some(next), true) = (page.next, operating.wanted > 0) {
            let action = Action::Scan {
                from: Some(next),
                limit: operating.wanted,
            };
            return Some((
                operating,
                Request {
                    record: operating.record,
                    action,
                },
            ));
        }
        if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), operating.begun) {
            history.scan_ended(begun);
        }
        self.finish(&operating, now_ns);
        None
    }

    /// The look-up of a read-modify-write has ended: its write.
    fn modify(
        &mut self,
        client: usize,
        mut operating: Operating,
        outcome: &Outcome<&[u8]>,
    ) -> anyhow::Result<(Operating, Request)> {
        let record = operating.record;
        let read = match outcome {
            Outcome::Found { version, value, .. } => {
                let stamp = read_value(value)
                    .map_err(|what| CheckFailed(format!("record {record}: {what}")))?;
                if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), operating.begun)
                {
                    history.read_ended(begun, Some((version.0, stamp)));
                }
                (*version, stamp)
            }
            _ => {
                let what = format!("record {record}, which was loaded, is not found");
                return Err(CheckFailed(what).into());
            }
        };
        let stamp = self.stamp(client, record, read.1.counter + 1);
        operating.writer = stamp.writer;
        operating.begun = self
            .history
            .as_deref_mut()
            .map(|history| history.begin(record));
        Ok((
            operating,
            Request {
                record,
                action: Action::Swap(stamp, read.0),
            },
        ))
    }
}

impl Work for Mix<'_> {
    type Tag = Operating;

    fn next(&mut self, client: usize, now_ns: u64) -> Option<(Operating, Request)> {
        self.remaining = self.remaining.checked_sub(1)?;
        let kind = self.workload.draw_kind(&mut self.random);
        let record = match kind {
            OperationKind::Insert => self.population.start_insert(),
            _ => self
                .requests
                .sample(self.population.acknowledged(), &mut self.random),
        };
        let mut writer = Writer::default();
        let mut wanted = 0;
        let action = match kind {
            OperationKind::Read | OperationKind::ReadModifyWrite => Action::Get,
            OperationKind::Update | OperationKind::Insert => {
                let stamp = self.stamp(client, record, 0);
                writer = stamp.writer;
                Action::Put(stamp)
            }
            OperationKind::Scan => {
                wanted = draw_scan_records(&mut self.random);
                Action::Scan {
                    from: None,
                    limit: wanted,
                }
            }
        };
        let begun = self
            .history
            .as_deref_mut()
            .map(|history| history.begin(record));
        let operating = Operating {
            kind,
            record,
            started_ns: now_ns,
            begun,
            writer,
            wanted,
        };
        Some((operating, Request { record, action }))
    }

    fn ended(
        &mut self,
        ended: Ended<'_, Operating>,
    ) -> anyhow::Result<Option<(Operating, Request)>> {
        let operating = ended.tag;
        let outcome = ended.result.map_err(|error| explain(error, &operating))?;
        match (operating.kind, &outcome) {
            (OperationKind::Read, _) => {
                self.read_ended(&operating, &outcome);
            }
            (OperationKind::Update, _) => {
                self.write_ended(&operating, &outcome, CounterChange::Reset);
            }
            (OperationKind::Insert, _) => {
                self.population.end_insert(operating.record);
                self.write_ended(&operating, &outcome, CounterChange::Reset);
            }
            (OperationKind::Scan, Outcome::Scanned(page)) => {
                return Ok(self.scan_ended(operating, page, ended.now_ns));
            }
            (OperationKind::ReadModifyWrite, Outcome::Stored { .. }) => {
                self.write_ended(&operating, &outcome, CounterChange::Raise);
            }
            (OperationKind::ReadModifyWrite, Outcome::Mismatch { .. }) => {
                // Somebody was faster: nothing was written; look again.
                let mut operating = operating;
                if let Some(history) = self.history.as_deref_mut() {
                    if let Some(begun) = operating.begun {
                        history.abandon(begun);
                    }
                    operating.begun = Some(history.begin(operating.record));
                }
                let record = operating.record;
                return Ok(Some((
                    operating,
                    Request {
                        record,
                        action: Action::Get,
                    },
                )));
            }
            (OperationKind::ReadModifyWrite, _) => {
                return self.modify(ended.client, operating, &outcome).map(Some);
            }
            (OperationKind::Scan, _) => anyhow::bail!("a scan ended as something else"),
        }
        self.finish(&operating, ended.now_ns);
        Ok(None)
    }

    fn charge(&mut self, tag: Operating, cost: Cost) {
        self.measures.charge(tag.kind, cost);
    }
}

fn explain(error: Error, operating: &Operating) -> anyhow::Error {
    let full = matches!(error, Error::Full { .. });
    let error = anyhow::Error::new(error).context(format!(
        "{} of record {}",
        operating.kind.name(),
        operating.record
    ));
    if full {
        error.context("use fewer --records, or a larger device (size=)")
    } else {
        error
    }
}
