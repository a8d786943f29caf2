//! Walker and memory, with the hosts around them.

use std::collections::{BTreeMap, VecDeque};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

use crate::commands::{Beat, Command, Read};
use crate::host::{ENTRY, PAGE, Set};

pub(crate) const FUNCTIONS: usize = 7;
const CONTEXTS: usize = 16;
const SUCCESS: u64 = 0;
const INVALID_FIELD: u64 = 2;
const DATA_TRANSFER_ERROR: u64 = 4;

pub(crate) struct Bench {
    pub(crate) random: Pcg64Mcg,
    pub(crate) walker: Module,
    pub(crate) memory: Module,
    pub(crate) host: BTreeMap<u64, u64>,
    pub(crate) commands: BTreeMap<u64, Command>,
    pub(crate) reads: Vec<Read>,
    /// Reads handed over that the way out has not sent yet.
    pub(crate) beats: VecDeque<Beat>,
    /// Pages to look up: from which cycle on, context, set, place, number.
    pub(crate) lookups: VecDeque<(u32, u64, u64, u64, u64)>,
    pub(crate) looked: Vec<(&'static str, u64)>,
    pub(crate) walked: u32,
    pub(crate) failed: u32,
    pub(crate) pairs: u32,
    pub(crate) chained: u32,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let mut walker = Module::new("prp_walker");
        walker.reset();
        Self {
            random: Pcg64Mcg::seed_from_u64(seed),
            walker,
            memory: Module::new("prp_memory"),
            host: BTreeMap::new(),
            commands: BTreeMap::new(),
            reads: Vec::new(),
            beats: VecDeque::new(),
            lookups: VecDeque::new(),
            looked: Vec::new(),
            walked: 0,
            failed: 0,
            pairs: 0,
            chained: 0,
        }
    }

    /// Starts a command in a context that is free.
    pub(crate) fn start(&mut self, wrong_every: u32) {
        let function = self.random.random_range(0..FUNCTIONS) as u64;
        let context = function << 5 | self.random.random_range(0..CONTEXTS) as u64;
        if self.commands.contains_key(&context) {
            return;
        }
        let two = self.random.random_ratio(1, 3);
        let most = if two { 32 } else { 256 };
        let length = 512 * self.random.random_range(1..=most);
        let Self { random, host, .. } = self;
        let set_count = if two { 2 } else { 1 };
        let sets: Vec<Set> = (0..set_count)
            .map(|_| Set::new(random, host, length, wrong_every))
            .collect();
        let walker = &mut self.walker;
        walker.set("start_valid", 1);
        walker.set("start_context", context);
        walker.set("start_two_sets", two.into());
        walker.set("start_length", length);
        let prps = |set: &Set| [set.prp1.to_le_bytes(), set.prp2.to_le_bytes()].concat();
        walker.set_bytes("start_prps", &prps(&sets[0]));
        walker.set_bytes("start_second_prps", &prps(&sets[set_count - 1]));
        self.pairs += u32::from(two);
        let sets_at = sets[0].prp2;
        let mut command = Command {
            sets,
            walking: 0,
            known: 0,
            at: sets_at,
            statuses: [SUCCESS; 2],
            reading: false,
            was_gone: false,
        };
        command.skip();
        self.commands.insert(context, command);
    }

    /// The walker asks for a piece of a list.
    pub(crate) fn take_read(&mut self, most_bytes: u64) {
        let context = self.walker.get("list_context");
        let command = self.commands.get_mut(&context).expect("a command");
        assert!(!command.reading && !command.is_walked(), "{context:#x}");
        let set = &command.sets[command.walking];
        let missing = (set.list.len() - command.known) as u64;
        let address = command.at;
        let in_page = (PAGE - address % PAGE) / ENTRY;
        let count = missing.min(in_page).min(most_bytes / ENTRY);
        let read = Read {
            context,
            address: self.walker.get("list_address"),
            bytes: self.walker.get("list_bytes"),
            place: self.walker.get("list_dword"),
            received: 0,
        };
        let place = (command.known as u64 + 16 * command.walking as u64) * 2;
        assert_eq!(
            (read.address, read.bytes, read.place),
            (address, count * ENTRY, place),
            "{context:#x}"
        );
        command.reading = true;
        self.reads.push(read);
    }

    /// One of the reads under way gets a piece of its data.
    pub(crate) fn answer(&mut self) {
        let read = &mut self.reads;
        if read.is_empty() {
            return;
        }
        let index = self.random.random_range(0..read.len());
        let read = &mut self.reads[index];
        let from = read.address + read.received;
        let end = read.address + read.bytes;
        let to = match self.random.random_range(0..3) {
            0 => (from / 64 + 1) * 64,
            1 => (from / 128 + 2) * 128,
            _ => end,
        }
        .min(end);
        let dwords: Vec<u32> = (from..to)
            .step_by(4)
            .map(|at| {
                let entry = self.host.get(&(at - at % ENTRY)).copied().unwrap_or(7);
                (entry >> (at % ENTRY * 8)) as u32
            })
            .collect();
        let mut position = (read.place + read.received / 4).wrapping_sub(3);
        read.received += to - from;
        let finished = (to == end).then(|| self.reads[index].clone());
        let mut rest = &dwords[..];
        let mut first = true;
        let context = self.reads[index].context;
        while !rest.is_empty() {
            let header = if first { 3 } else { 0 };
            let count = rest.len().min(8 - header);
            let rotation = position % 8;
            let mut beat = Beat {
                context,
                word: position / 8 % 8,
                split: rotation,
                lanes: 0,
                data: [0x5a5a_5a5a; 8],
                end: None,
            };
            for (index, dword) in rest[..count].iter().enumerate() {
                let lane = (rotation as usize + header + index) % 8;
                beat.lanes |= 1 << lane;
                beat.data[lane] = *dword;
            }
            rest = &rest[count..];
            if rest.is_empty() {
                beat.end = finished.clone();
            }
            self.beats.push_back(beat);
            position = position.wrapping_add(8);
            first = false;
        }
        if to == end {
            self.reads.swap_remove(index);
        }
    }

    /// What a read that has ended means for its command.
    pub(crate) fn note_end(&mut self, read: &Read, failed: bool) {
        let command = self.commands.get_mut(&read.context).expect("a command");
        command.reading = false;
        if failed {
            return command.fail(DATA_TRANSFER_ERROR);
        }
        let entries: Vec<u64> = (read.address..read.address + read.bytes)
            .step_by(ENTRY as usize)
            .collect();
        if entries.iter().any(|at| !self.host[at].is_multiple_of(PAGE)) {
            return command.fail(INVALID_FIELD);
        }
        let set = &command.sets[command.walking];
        let known = set.list[command.known..]
            .iter()
            .zip(&entries)
            .take_while(|(wanted, at)| wanted == at)
            .count();
        command.known += known;
        // What follows the entries of a page is the pointer to the next one.
        command.at = match entries.get(known) {
            Some(pointer) => self.host[pointer],
            None => read.address + read.bytes,
        };
        self.chained += u32::from(known < entries.len());
        command.skip();
    }

    /// A command comes out.
    pub(crate) fn finish(&mut self, cycle: u32, gone: u64) {
        let context = self.walker.get("walked_context");
        let statuses = [
            self.walker.get("walked_status"),
            self.walker.get("walked_second_status"),
        ];
        let command = self.commands.remove(&context).expect("a command");
        self.walked += 1;
        assert!(!command.reading, "{context:#x} has a read under way");
        let is_gone = gone >> (context >> 5) & 1 == 1;
        if (command.was_gone || is_gone) && statuses == [DATA_TRANSFER_ERROR, SUCCESS] {
            return;
        }
        assert!(command.is_walked(), "{context:#x} is walked too early");
        assert_eq!(statuses, command.statuses, "{context:#x}");
        self.failed += u32::from(statuses != [SUCCESS; 2]);
        for (number, set) in command.sets.iter().enumerate() {
            if statuses[0] != SUCCESS || statuses[number] != SUCCESS {
                break;
            }
            for (place, page) in set.pages.iter().enumerate() {
                // A pair's second head is written a cycle later.
                self.lookups
                    .push_back((cycle + 2, context, number as u64, place as u64, *page));
            }
        }
    }

    /// Looks pages up, and checks those looked up in the cycle before.
    pub(crate) fn look(&mut self, cycle: u32) {
        for (port, page) in self.looked.drain(..) {
            assert_eq!(self.memory.get(port), page, "{port}");
        }
        for side in ["read", "fetch"] {
            if self.random.random_ratio(1, 4) {
                continue;
            }
            let Some(&(due, context, set, place, page)) = self.lookups.front() else {
                continue;
            };
            if due > cycle {
                continue;
            }
            self.lookups.pop_front();
            self.memory.set(&format!("{side}_context"), context);
            self.memory.set(&format!("{side}_set"), set);
            self.memory.set(&format!("{side}_index"), place);
            let port = if side == "read" {
                "read_page"
            } else {
                "fetch_page"
            };
            self.looked.push((port, page));
        }
    }

    /// The beat of this cycle; returns the read that ends with it, and whether it has failed.
    pub(crate) fn come(&mut self, fail_every: u32) -> Option<(Read, bool)> {
        for module in [&mut self.walker, &mut self.memory] {
            module.set("come_valid", 0);
        }
        self.walker.set("end_valid", 0);
        if self.random.random_ratio(1, 5) {
            return None;
        }
        let beat = self.beats.pop_front()?;
        let failed = beat.end.is_some() && self.random.random_ratio(1, fail_every);
        let data: Vec<u8> = beat
            .data
            .iter()
            .flat_map(|dword| dword.to_le_bytes())
            .collect();
        for module in [&mut self.walker, &mut self.memory] {
            module.set("come_valid", (!failed).into());
            module.set("come_context", beat.context);
            module.set("come_word", beat.word);
            module.set("come_lanes", beat.lanes);
            module.set("come_split", beat.split);
            module.set_bytes("come_data", &data);
        }
        let read = beat.end?;
        self.walker.set("end_valid", 1);
        self.walker.set("end_context", read.context);
        self.walker.set("end_failed", failed.into());
        Some((read, failed))
    }

    /// A read that the way out throws away, for its function is gone.
    pub(crate) fn drop_unsent(&mut self, gone: u64) -> Option<Read> {
        self.walker.set("unsent_valid", 0);
        let index = self
            .reads
            .iter()
            .position(|read| gone >> (read.context >> 5) & 1 == 1 && read.received == 0)?;
        if !self.random.random_ratio(1, 3) {
            return None;
        }
        let read = self.reads.swap_remove(index);
        self.walker.set("unsent_valid", 1);
        self.walker.set("unsent_context", read.context);
        Some(read)
    }
}
