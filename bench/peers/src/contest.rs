//! Who takes part, with what, and the rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::load::{Ledger, Load, Mix};
use crate::process::Process;
use crate::side::Side;
use crate::statistics::Spread;
use crate::stint::{Measured, Stint, run};

/// What is asked for and how many at a time: all who take part in one are measured one after the
/// other, round by round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Discipline {
    /// What is asked for.
    pub mix: Mix,
    /// Operations in flight.
    pub outstanding: usize,
}

impl Discipline {
    /// `outstanding` at a time of `mix`.
    pub const fn new(mix: Mix, outstanding: usize) -> Self {
        Self { mix, outstanding }
    }
}

/// A connection that can carry a load out.
pub trait Contestant {
    /// Carries a stint out; see [`run`].
    ///
    /// # Errors
    /// The side's, and a value that is wrong.
    fn run(
        &mut self,
        ledger: &mut Ledger,
        load: &Load,
        first: usize,
        stint: &Stint,
    ) -> Result<Measured>;
}

impl<S: Side> Contestant for S {
    fn run(
        &mut self,
        ledger: &mut Ledger,
        load: &Load,
        first: usize,
        stint: &Stint,
    ) -> Result<Measured> {
        run(self, ledger, load, first, stint)
    }
}

/// A server, and what was written to it.
struct Server {
    process: Process,
    ledger: Ledger,
    /// Updates of all stints.
    updates: u64,
}

/// One who takes part: a way to use a server.
pub struct Entry {
    /// Its name in the table.
    pub label: &'static str,
    /// How the device's time passes, or how the client waits for a socket.
    pub pacing: &'static str,
    /// What it takes part in.
    pub disciplines: &'static [Discipline],
    /// Which server.
    server: usize,
    contestant: Box<dyn Contestant>,
    /// How many operations are best started together, where it has been tried.
    batches: BTreeMap<Discipline, usize>,
}

/// How long stints are.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Rounds.
    pub rounds: usize,
    /// A stint's measured part.
    pub measured: Duration,
    /// What goes before it.
    pub warm_up: Duration,
}

/// All who take part.
pub struct Contest {
    load: Load,
    servers: Vec<Server>,
    entries: Vec<Entry>,
}

/// What each entry has measured in each discipline, round by round.
pub type Results = BTreeMap<(usize, Discipline), Vec<Measured>>;

impl Contest {
    /// Nobody yet.
    pub fn new(load: Load) -> Self {
        Self {
            load,
            servers: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// The load of all.
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Those who take part.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a server: `side` writes all records to it, and then it is paused. Gives back its number.
    ///
    /// # Errors
    /// The side's.
    pub fn add_server(&mut self, process: Process, side: &mut impl Side) -> Result<usize> {
        let ledger = Ledger::fill(side, &self.load)
            .with_context(|| format!("{}: loading the records", process.name()))?;
        process.pause()?;
        self.servers.push(Server {
            process,
            ledger,
            updates: 0,
        });
        Ok(self.servers.len() - 1)
    }

    /// Adds a way to use a server; gives back its place.
    pub fn add(
        &mut self,
        server: usize,
        label: &'static str,
        pacing: &'static str,
        disciplines: &'static [Discipline],
        contestant: impl Contestant + 'static,
    ) -> usize {
        self.entries.push(Entry {
            label,
            pacing,
            disciplines,
            server,
            contestant: Box::new(contestant),
            batches: BTreeMap::new(),
        });
        self.entries.len() - 1
    }

    /// Lets a server run while `work` uses it.
    ///
    /// # Errors
    /// The server is gone, and those of `work`.
    pub fn awake<T>(&self, server: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let process = &self.servers[server].process;
        process.resume()?;
        let worked = work()?;
        process.pause()?;
        Ok(worked)
    }

    /// Stints of `rounds` rounds, and of the trials before them.
    pub fn stints(&self, rounds: usize) -> usize {
        let disciplines = self.entries.iter().flat_map(|entry| entry.disciplines);
        let trials = disciplines
            .clone()
            .map(|discipline| trials(*discipline).len());
        TRIAL_ROUNDS * trials.sum::<usize>() + rounds * disciplines.count()
    }

    /// How many operations an entry starts together.
    pub fn batch(&self, entry: usize, discipline: Discipline) -> usize {
        self.entries[entry]
            .batches
            .get(&discipline)
            .copied()
            .unwrap_or(1)
    }

    fn stint(
        &mut self,
        entry: usize,
        discipline: Discipline,
        batch: usize,
        first: usize,
        length: Length,
    ) -> Result<Measured> {
        let entry = &mut self.entries[entry];
        let Server {
            process,
            ledger,
            updates,
        } = &mut self.servers[entry.server];
        let stint = Stint {
            mix: discipline.mix,
            outstanding: discipline.outstanding,
            batch,
            measured: length.measured,
            warm_up: length.warm_up,
        };
        process.resume()?;
        let measured = entry.contestant.run(ledger, &self.load, first, &stint);
        let measured = measured.with_context(|| {
            format!(
                "{} ({discipline:?}); the server's last words: {}",
                entry.label,
                process.last_words()
            )
        })?;
        process.pause()?;
        *updates += measured.updates;
        Ok(measured)
    }

    /// Updates of a server's stints so far.
    pub fn updates(&self, server: usize) -> u64 {
        self.servers[server].updates
    }

    /// Finds for each entry how many operations it best starts together: few keep both sides busy,
    /// many share system calls. Each side shall be as fast as it can be.
    fn tune(&mut self, length: Length, progress: &mut impl FnMut(&str)) -> Result<()> {
        for index in 0..self.entries.len() {
            for &discipline in self.entries[index].disciplines {
                let mut best = (1, 0.0);
                for &batch in trials(discipline) {
                    let mut rates = Vec::new();
                    for round in 0..TRIAL_ROUNDS {
                        progress(self.entries[index].label);
                        let first = (1 + round) * 31_337;
                        let measured = self.stint(index, discipline, batch, first, length)?;
                        rates.push(measured.operations_per_s);
                    }
                    let rate = Spread::of(rates).map_or(0.0, |spread| spread.max);
                    if rate > best.1 {
                        best = (batch, rate);
                    }
                }
                self.entries[index].batches.insert(discipline, best.0);
            }
        }
        Ok(())
    }

    /// All rounds: in each, discipline by discipline, the entries one after the other.
    ///
    /// # Errors
    /// Those of a side, with its name.
    pub fn run(&mut self, length: Length, mut progress: impl FnMut(&str)) -> Result<Results> {
        self.tune(length, &mut progress)?;
        let disciplines = self.entries.iter().flat_map(|entry| entry.disciplines);
        let disciplines: BTreeSet<Discipline> = disciplines.copied().collect();
        let mut results = Results::new();
        for round in 0..length.rounds {
            // All sides of a round see the same requests, another round others.
            let first = round * 65_537;
            for &discipline in &disciplines {
                for index in 0..self.entries.len() {
                    if !self.entries[index].disciplines.contains(&discipline) {
                        continue;
                    }
                    progress(self.entries[index].label);
                    let batch = self.batch(index, discipline);
                    let measured = self.stint(index, discipline, batch, first, length)?;
                    results
                        .entry((index, discipline))
                        .or_default()
                        .push(measured);
                }
            }
        }
        Ok(results)
    }
}

/// Times that each number is tried; the best time counts.
const TRIAL_ROUNDS: usize = 2;

/// Numbers that are tried.
fn trials(discipline: Discipline) -> &'static [usize] {
    if discipline.outstanding > 1 {
        &[1, 8, 16]
    } else {
        &[]
    }
}
