//! The load, the same for every side: keys, order of requests, values, and the check of what comes
//! back.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use rdstore_cli::ycsb::record::write_key;
use rdstore_cli::ycsb::workload::{OperationKind, Workload};
use serde::Serialize;

use crate::side::{Ended, Place, Side};
use crate::value::{Stamp, Template};

/// Requests that are drawn once, for all sides and all rounds.
const DRAWN: usize = 1 << 20;

/// What is asked for.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Mix {
    /// Look-ups alone: YCSB C.
    Gets,
    /// Updates alone, of the same keys.
    Updates,
    /// Half look-ups, half updates: YCSB A.
    A,
    /// No keys: pages from anywhere on the device, by the driver alone.
    Reads,
}

/// Keys and requests.
pub struct Load {
    keys: Vec<Vec<u8>>,
    /// Records in the order they are asked for: scrambled zipfian.
    requests: Vec<u32>,
    /// YCSB A: which of the requests are updates.
    updates: Vec<bool>,
}

impl Load {
    /// The load on `records` records; one seed gives one load.
    pub fn new(records: u32, seed: u64) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut distribution = Workload::A.requests(u64::from(records));
        let mut updates = Vec::with_capacity(DRAWN);
        let mut requests = Vec::with_capacity(DRAWN);
        for _ in 0..DRAWN {
            updates.push(Workload::A.draw_kind(&mut random) == OperationKind::Update);
            requests.push(distribution.sample(u64::from(records), &mut random) as u32);
        }
        let keys = (0..u64::from(records)).map(|record| {
            let mut key = Vec::new();
            write_key(record, &mut key);
            key
        });
        Self {
            keys: keys.collect(),
            requests,
            updates,
        }
    }

    /// Records that there are.
    pub fn records(&self) -> usize {
        self.keys.len()
    }

    /// Request number `at`: a record, and whether it is an update.
    pub(crate) fn request(&self, mix: Mix, at: usize) -> (usize, bool) {
        let at = at % DRAWN;
        let update = match mix {
            Mix::Gets | Mix::Reads => false,
            Mix::Updates => true,
            Mix::A => self.updates[at],
        };
        (self.requests[at] as usize, update)
    }
}

/// What is known of a record, whatever a side says.
#[derive(Clone, Copy, Default)]
struct Record {
    /// No write before this one can be the latest.
    oldest_sequence: u64,
    /// Updates in flight, and whether two were in flight at once since there was none.
    in_flight: u32,
    overlapped: bool,
}

/// An operation in flight.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    record: usize,
    /// It replaces a value.
    pub(crate) update: bool,
    /// An update's own; the oldest that a look-up may bring.
    sequence: u64,
    /// When it was handed to its side.
    pub(crate) started: Instant,
}

/// What has been written to a server, whatever it says: all its connections share it.
pub struct Ledger {
    records: Vec<Record>,
    template: Template,
    next_sequence: u64,
}

impl Ledger {
    /// Writes every record once.
    ///
    /// # Errors
    /// The side's.
    pub fn fill(side: &mut impl Side, load: &Load) -> Result<Self> {
        const OUTSTANDING: usize = 16;
        let mut ledger = Self {
            records: vec![Record::default(); load.records()],
            template: Template::new(7),
            next_sequence: 1,
        };
        let mut operations = vec![None; OUTSTANDING];
        let mut free: Vec<Place> = (0..OUTSTANDING).collect();
        let mut next = 0;
        while next < load.records() || free.len() < OUTSTANDING {
            while next < load.records()
                && let Some(place) = free.pop()
            {
                operations[place] = Some(ledger.start(side, load, place, next, true)?);
                next += 1;
            }
            side.advance(|place, ended| {
                let operation = operations[place].take();
                ledger.conclude(operation.as_ref(), &ended)?;
                free.push(place);
                Ok(())
            })?;
        }
        Ok(ledger)
    }

    pub(crate) fn start(
        &mut self,
        side: &mut impl Side,
        load: &Load,
        place: Place,
        record: usize,
        update: bool,
    ) -> Result<Operation> {
        let started = Instant::now();
        let known = &mut self.records[record];
        let key = &load.keys[record];
        let mut sequence = known.oldest_sequence;
        if update {
            sequence = self.next_sequence;
            self.next_sequence += 1;
            known.overlapped |= known.in_flight > 0;
            known.in_flight += 1;
            let value = self.template.stamped(Stamp {
                record: record as u64,
                sequence,
            });
            side.update(place, key, value)?;
        } else {
            side.get(place, key)?;
        }
        Ok(Operation {
            record,
            update,
            sequence,
            started,
        })
    }

    /// Checks how an operation ended, and takes down what follows for its record.
    pub(crate) fn conclude(
        &mut self,
        operation: Option<&Operation>,
        ended: &Ended<'_>,
    ) -> Result<Operation> {
        let operation = *operation.context("an operation has ended twice")?;
        let record = &mut self.records[operation.record];
        match (operation.update, ended) {
            (true, Ended::Updated) => {
                record.in_flight -= 1;
                if !record.overlapped {
                    record.oldest_sequence = operation.sequence;
                }
                record.overlapped &= record.in_flight > 0;
            }
            (false, Ended::Found(value)) => {
                let stamp = Stamp::of(value).map_err(|what| anyhow!(what))?;
                ensure!(
                    stamp.record == operation.record as u64,
                    "record {} was asked for and record {} came",
                    operation.record,
                    stamp.record
                );
                ensure!(
                    (operation.sequence..self.next_sequence).contains(&stamp.sequence),
                    "record {}: write {} came; write {} had ended before the look-up began, and {} \
                     is yet to come",
                    operation.record,
                    stamp.sequence,
                    operation.sequence,
                    self.next_sequence
                );
            }
            (true, Ended::Found(_)) => bail!("an update ended as a look-up"),
            (false, Ended::Updated) => bail!("a look-up ended as an update"),
        }
        Ok(operation)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::stint::{Stint, run};
    use crate::value::VALUE_BYTES;

    /// A map that answers at once, or wrongly.
    #[derive(Default)]
    struct Map {
        values: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
        due: VecDeque<(Place, Option<Vec<u8>>)>,
        /// Updates are acknowledged and forgotten.
        forgets: bool,
    }

    impl Side for Map {
        fn get(&mut self, place: Place, key: &[u8]) -> Result<()> {
            self.due.push_back((place, self.values.get(key).cloned()));
            Ok(())
        }

        fn update(&mut self, place: Place, key: &[u8], value: &[u8]) -> Result<()> {
            if !self.forgets {
                self.values.insert(key.to_vec(), value.to_vec());
            }
            self.due.push_back((place, None));
            Ok(())
        }

        fn advance(
            &mut self,
            mut on_end: impl FnMut(Place, Ended<'_>) -> Result<()>,
        ) -> Result<()> {
            match self.due.pop_front() {
                Some((place, Some(value))) => on_end(place, Ended::Found(&value)),
                Some((place, None)) => on_end(place, Ended::Updated),
                None => Ok(()),
            }
        }
    }

    fn stint(mix: Mix, outstanding: usize) -> Stint {
        Stint {
            mix,
            outstanding,
            batch: 1,
            measured: Duration::from_millis(20),
            warm_up: Duration::from_millis(2),
        }
    }

    #[test]
    fn every_operation_ends_and_every_value_is_checked() {
        let load = Load::new(100, 1);
        let mut map = Map::default();
        let mut ledger = Ledger::fill(&mut map, &load).unwrap();
        assert_eq!(map.values.len(), 100);
        for (mix, outstanding) in [(Mix::Gets, 1), (Mix::Updates, 4), (Mix::A, 32)] {
            let ran = run(&mut map, &mut ledger, &load, 0, &stint(mix, outstanding)).unwrap();
            assert_eq!(ran.verified + ran.updates, ran.operations, "{mix:?}");
            assert_eq!(ran.updates == 0, mix == Mix::Gets);
            assert_eq!(ran.verified == 0, mix == Mix::Updates);
            let counted = ran.get_ns.len() + ran.update_ns.len();
            assert!(
                counted > 0 && counted <= ran.operations,
                "{mix:?}: {counted}"
            );
            assert!(map.due.is_empty());
        }
    }

    #[test]
    fn a_lost_update_a_wrong_record_and_a_cut_value_are_found() {
        let load = Load::new(100, 1);
        let mut map = Map::default();
        let mut ledger = Ledger::fill(&mut map, &load).unwrap();
        let gets = |map: &mut Map, ledger: &mut Ledger, mix| {
            let ran = run(map, ledger, &load, 0, &stint(mix, 1));
            map.due.clear();
            ran.unwrap_err().to_string()
        };
        let honest = map.values.clone();

        for value in map.values.values_mut() {
            value.truncate(VALUE_BYTES - 1);
        }
        assert!(gets(&mut map, &mut ledger, Mix::Gets).contains("3583 bytes"));

        let mut shifted: Vec<_> = honest.values().cloned().collect();
        shifted.rotate_left(1);
        map.values = honest.keys().cloned().zip(shifted).collect();
        assert!(gets(&mut map, &mut ledger, Mix::Gets).contains("was asked for"));

        map.values = honest;
        map.forgets = true;
        let message = gets(&mut map, &mut ledger, Mix::A);
        assert!(message.contains("had ended before"), "{message}");
    }

    #[test]
    fn of_two_updates_at_once_either_may_win() {
        let load = Load::new(1, 1);
        let mut map = Map::default();
        let mut ledger = Ledger::fill(&mut map, &load).unwrap();
        let first = ledger.start(&mut map, &load, 0, 0, true).unwrap();
        let image = map.values.clone();
        let second = ledger.start(&mut map, &load, 1, 0, true).unwrap();
        for operation in [second, first] {
            ledger.conclude(Some(&operation), &Ended::Updated).unwrap();
        }
        // The first was carried out last.
        map.values = image;
        let get = ledger.start(&mut map, &load, 0, 0, false).unwrap();
        let value = map.values.values().next().unwrap();
        ledger.conclude(Some(&get), &Ended::Found(value)).unwrap();
        // One alone settles it.
        let third = ledger.start(&mut map, &load, 0, 0, true).unwrap();
        ledger.conclude(Some(&third), &Ended::Updated).unwrap();
        let get = ledger.start(&mut map, &load, 0, 0, false).unwrap();
        let stale = Template::new(7)
            .stamped(Stamp {
                record: 0,
                sequence: 2,
            })
            .to_vec();
        assert!(ledger.conclude(Some(&get), &Ended::Found(&stale)).is_err());
    }
}
