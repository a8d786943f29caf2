//! The load phase, and the reading of everything after a run.

use anyhow::Context;
use rdstore::Outcome;

use super::fleet::{Action, Cost, Ended, Request, Work};
use super::history::{Begun, CounterChange, History};
use super::record::{Stamp, Writer, read_value};
use crate::progress::Progress;

/// Puts records 0..`records`, each once.
pub struct Load<'a> {
    /// Records to put.
    pub records: u64,
    /// The next one.
    pub next: u64,
    /// Writes of each client so far.
    pub sequences: &'a mut [u64],
    /// The shadow, if results are checked.
    pub history: Option<&'a mut History>,
    /// What a person sees.
    pub progress: Progress,
}

/// An operation of [`Load`].
#[derive(Clone, Copy)]
pub struct Loading {
    begun: Option<Begun>,
    writer: Writer,
    record: u64,
}

impl Work for Load<'_> {
    type Tag = Loading;

    fn next(&mut self, client: usize, _now_ns: u64) -> Option<(Loading, Request)> {
        if self.next == self.records {
            return None;
        }
        let record = self.next;
        self.next += 1;
        self.sequences[client] += 1;
        let writer = Writer::new(client as u16, self.sequences[client]);
        let begun = self
            .history
            .as_deref_mut()
            .map(|history| history.begin(record));
        let action = Action::Put(Stamp {
            record,
            writer,
            counter: 0,
        });
        Some((
            Loading {
                begun,
                writer,
                record,
            },
            Request { record, action },
        ))
    }

    fn ended(&mut self, ended: Ended<'_, Loading>) -> anyhow::Result<Option<(Loading, Request)>> {
        let outcome = ended.result.with_context(|| {
            format!(
                "loading record {} of {}: use fewer --records, or a larger device (size=)",
                ended.tag.record, self.records
            )
        })?;
        if let (Some(history), Some(begun)) = (self.history.as_deref_mut(), ended.tag.begun) {
            let version = outcome.version().0;
            history.write_ended(begun, version, ended.tag.writer, CounterChange::Reset);
        }
        self.progress.add(1);
        Ok(None)
    }

    fn charge(&mut self, _tag: Loading, _cost: Cost) {}
}

/// Reads records 0..`records`, while nothing else happens, and compares them with the history.
pub struct FinalCheck<'a> {
    /// Records to read.
    pub records: u64,
    /// The next one.
    pub next: u64,
    /// The shadow.
    pub history: &'a mut History,
    /// What a person sees.
    pub progress: Progress,
}

impl Work for FinalCheck<'_> {
    type Tag = u64;

    fn next(&mut self, _client: usize, _now_ns: u64) -> Option<(u64, Request)> {
        if self.next == self.records {
            return None;
        }
        let record = self.next;
        self.next += 1;
        Some((
            record,
            Request {
                record,
                action: Action::Get,
            },
        ))
    }

    fn ended(&mut self, ended: Ended<'_, u64>) -> anyhow::Result<Option<(u64, Request)>> {
        let record = ended.tag;
        let outcome = ended
            .result
            .with_context(|| format!("reading record {record} after the run"))?;
        let found = match outcome {
            Outcome::Found { version, value, .. } => match read_value(value) {
                Ok(stamp) => Some((version.0, stamp)),
                Err(what) => {
                    let begun = self.history.begin(record);
                    self.history.damaged(begun, &what);
                    return Ok(None);
                }
            },
            _ => None,
        };
        self.history.check_final(record, found);
        self.progress.add(1);
        Ok(None)
    }

    fn charge(&mut self, _tag: u64, _cost: Cost) {}
}
