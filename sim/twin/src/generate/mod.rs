//! Scripts by seed.

mod admin;
mod blocks;
mod io;
mod memory;
mod near_miss;
mod setup;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::script::{Group, Mix, Round, Script, Setup, Upheaval, UpheavalKind};
use blocks::Blocks;
pub use blocks::first_tag;

/// One seed in so many has a lost read, one only: a twin evaluates 6.25 million cycles until it gives that up.
const LOSING_SEEDS: u64 = 50;
/// Which of them.
const LOSING_SEED: u64 = 7;

/// Which commands a script has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Only {
    /// All that there are, with errors, resets and Aborts.
    #[default]
    Everything,
    /// Reads, Writes, Compares and pairs that are carried out, and nothing else.
    Moves,
    /// Of these, Reads.
    Reads,
    /// Writes.
    Writes,
    /// Compares.
    Compares,
    /// Pairs.
    Pairs,
}

impl Only {
    /// All of them, with the names that the command line has for them.
    pub const ALL: [(&'static str, Self); 6] = [
        ("everything", Self::Everything),
        ("moves", Self::Moves),
        ("reads", Self::Reads),
        ("writes", Self::Writes),
        ("compares", Self::Compares),
        ("pairs", Self::Pairs),
    ];
}

/// What scripts may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the largest command.
    pub most_bytes: u32,
    /// Commands of a script, about.
    pub commands: usize,
    /// Random stalls at every port, whatever the seed says.
    pub stalls: Option<bool>,
    /// Only such commands.
    pub only: Only,
    /// At most so many functions.
    pub functions: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            most_bytes: 128 << 10,
            commands: 80,
            stalls: None,
            only: Only::Everything,
            functions: None,
        }
    }
}

/// The script of a seed.
pub fn script(seed: u64, limits: Limits) -> Script {
    let mut generator = Generator::new(seed, limits);
    let rounds = generator.rounds();
    Script {
        seed,
        setup: generator.setup,
        rounds,
    }
}

/// What is made so far.
struct Generator {
    random: Pcg64Mcg,
    limits: Limits,
    setup: Setup,
    blocks: Blocks,
    next_id: u16,
    /// Commands still to be made, about.
    left: usize,
    /// Bytes still to be moved, about.
    bytes_left: u64,
    /// Functions with a request for asynchronous events outstanding.
    listeners: u32,
    /// The next read that goes wrong is one of which nothing is ever heard.
    loses_a_read: bool,
}

impl Generator {
    fn new(seed: u64, limits: Limits) -> Self {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let setup = setup::setup(&mut random, seed, &limits);
        Self {
            blocks: Blocks::new(&setup),
            random,
            limits,
            setup,
            next_id: 0x8000,
            left: limits.commands,
            bytes_left: 1 << 20,
            listeners: 0,
            loses_a_read: seed % LOSING_SEEDS == LOSING_SEED,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn choose<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.random.random_range(0..among.len())]
    }

    fn id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn function(&mut self) -> u8 {
        self.random.random_range(0..self.setup.functions.len()) as u8
    }

    fn queue(&mut self, function: u8) -> u16 {
        let queues = &self.setup.functions[usize::from(function)].submission_queues;
        self.random.random_range(1..=queues.len()) as u16
    }

    fn rounds(&mut self) -> Vec<Round> {
        let mut rounds = match self.limits.only {
            Only::Everything => vec![self.listen()],
            _ => vec![],
        };
        while self.left > 0 && self.bytes_left > 0 {
            rounds.push(self.round());
        }
        rounds
    }

    /// Some functions ask for asynchronous events, before anything can happen.
    fn listen(&mut self) -> Round {
        let mut groups = Vec::new();
        for function in 0..self.setup.functions.len() as u8 {
            if self.chance(40) {
                groups.push(self.event_request(function));
                self.listeners |= 1 << function;
            }
        }
        Round {
            serial: true,
            groups,
            doorbells: vec![],
            upheaval: None,
            look: false,
        }
    }

    fn round(&mut self) -> Round {
        let conflicting = self.setup.mix == Mix::Conflicting;
        let serial = !conflicting && self.chance(30);
        let everything = self.limits.only == Only::Everything;
        let upheaval = if !serial && everything && self.chance(25) {
            Some(self.upheaval())
        } else {
            None
        };
        let most = self.left.clamp(1, if serial { 12 } else { 40 });
        let commands = self.random.random_range(most.div_ceil(2)..=most);
        self.left = self.left.saturating_sub(commands);
        self.blocks.begin_round();
        let mut groups = Vec::new();
        let mut made = 0;
        while made < commands {
            let group = self.group(upheaval.as_ref());
            made += group.commands.len().max(1);
            groups.push(group);
        }
        if !serial && everything && self.chance(15) {
            groups.extend(self.racing_abort(&mut made));
        }
        self.blocks.end_round();
        let doorbells = if everything {
            self.wrong_doorbells(upheaval.as_ref())
        } else {
            vec![]
        };
        Round {
            serial,
            groups,
            doorbells,
            upheaval,
            look: everything && self.chance(40),
        }
    }

    fn group(&mut self, upheaval: Option<&Upheaval>) -> Group {
        let function = self.function();
        let admin = self.limits.only == Only::Everything && self.chance(8);
        let queue = if admin { 0 } else { self.queue(function) };
        let races = upheaval.is_some_and(|upheaval| upheaval.hits(function, queue));
        let mut commands = if admin {
            self.admin(function)
        } else {
            self.io(races)
        };
        for command in &mut commands {
            command.races = races;
        }
        Group {
            function,
            queue,
            wait_cycles: self.wait_cycles(),
            doorbell_each: self.chance(20),
            commands,
        }
    }

    fn wait_cycles(&mut self) -> u64 {
        match self.random.random_range(0..4) {
            0 | 1 => 0,
            2 => self.random.random_range(0..200),
            _ => self.random.random_range(0..2000),
        }
    }

    fn upheaval(&mut self) -> Upheaval {
        let function = self.function();
        let kind = match self.random.random_range(0..10) {
            0..3 => UpheavalKind::FunctionReset,
            3..6 => UpheavalKind::Disable,
            6 => UpheavalKind::BusMasterOff,
            7 => UpheavalKind::Shutdown,
            9 => UpheavalKind::LinkDown,
            _ => UpheavalKind::DeleteQueue(self.queue(function)),
        };
        Upheaval {
            function,
            after_cycles: self.random.random_range(100..5000),
            kind,
        }
    }
}
