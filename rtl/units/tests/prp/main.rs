//! The PRP walker and its memory against hosts that answer in any order, in pieces, or not at all: every
//! command's pages are found as NVMe 1.1 §4.3 has them, and no read asks for more than it should.
#![cfg(feature = "verilator")]

mod host;

use std::collections::{BTreeMap, VecDeque};

use host::{ENTRY, PAGE, Set};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: usize = 7;
const CONTEXTS: usize = 16;
const CYCLES: u32 = 60_000;
const SUCCESS: u64 = 0;
const INVALID_FIELD: u64 = 2;
const DATA_TRANSFER_ERROR: u64 = 4;

/// A list read that is under way.
#[derive(Clone, Debug)]
struct Read {
    context: u64,
    address: u64,
    bytes: u64,
    /// Dword of the context's room where it begins.
    place: u64,
    received: u64,
}

/// A command that is being walked.
#[derive(Debug)]
struct Command {
    sets: Vec<Set>,
    /// Set that is being walked, its list entries that are known, and where its list goes on.
    walking: usize,
    known: usize,
    at: u64,
    /// As they must come.
    statuses: [u64; 2],
    reading: bool,
    /// Its function was gone for a while: it may have failed for it.
    was_gone: bool,
}

impl Command {
    /// Goes on to the next set that has a list.
    fn skip(&mut self) {
        while self.walking < self.sets.len() && self.known == self.sets[self.walking].list.len() {
            self.walking += 1;
            self.known = 0;
            self.at = self.sets.get(self.walking).map_or(0, |set| set.prp2);
        }
    }

    fn is_walked(&self) -> bool {
        self.walking >= self.sets.len()
    }

    fn fail(&mut self, status: u64) {
        self.statuses[self.walking] = status;
        self.walking = self.sets.len();
    }
}

/// The beats of a completion: what the router makes of each, and the read's end behind the last.
struct Beat {
    context: u64,
    word: u64,
    split: u64,
    lanes: u64,
    data: [u32; 8],
    end: Option<Read>,
}

struct Bench {
    random: Pcg64Mcg,
    walker: Module,
    memory: Module,
    host: BTreeMap<u64, u64>,
    commands: BTreeMap<u64, Command>,
    reads: Vec<Read>,
    /// Reads handed over that the way out has not sent yet.
    beats: VecDeque<Beat>,
    /// Pages to look up: from which cycle on, context, set, place, number.
    lookups: VecDeque<(u32, u64, u64, u64, u64)>,
    looked: Vec<(&'static str, u64)>,
    walked: u32,
    failed: u32,
    pairs: u32,
    chained: u32,
}

impl Bench {
    fn new(seed: u64) -> Self {
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
    fn start(&mut self, wrong_every: u32) {
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
    fn take_read(&mut self, most_bytes: u64) {
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
    fn answer(&mut self) {
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
    fn note_end(&mut self, read: &Read, failed: bool) {
        let command = self.commands.get_mut(&read.context).expect("a command");
        command.reading = false;
        if failed {
            return command.fail(DATA_TRANSFER_ERROR);
        }
        let entries: Vec<u64> = (read.address..read.address + read.bytes)
            .step_by(ENTRY as usize)
            .collect();
        if entries.iter().any(|at| self.host[at] % PAGE != 0) {
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
    fn finish(&mut self, cycle: u32, gone: u64) {
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
    fn look(&mut self, cycle: u32) {
        for (port, page) in self.looked.drain(..) {
            assert_eq!(self.memory.get(port), page, "{port}");
        }
        for side in ["read", "fetch"] {
            if self.random.random_ratio(1, 4) {
                continue;
            }
            let due = self.lookups.pop_front_if(|lookup| lookup.0 <= cycle);
            let Some((_, context, set, place, page)) = due else {
                continue;
            };
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
    fn come(&mut self, fail_every: u32) -> Option<(Read, bool)> {
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
    fn drop_unsent(&mut self, gone: u64) -> Option<Read> {
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

/// Commands, wrong entries, failed reads: one in so many. Functions go away and come back, now and then
/// all of them at once, with all reads lost.
fn run(seed: u64, most_bytes: u64, start_every: u32, wrong_every: u32, resets: bool) {
    let mut bench = Bench::new(seed);
    bench.walker.set("most_bytes", most_bytes);
    let (mut gone, mut forget) = (0u64, false);
    let mut last_start = 0;
    for cycle in 0..CYCLES {
        if resets && bench.random.random_ratio(1, 200) {
            forget = bench.random.random_ratio(1, 4);
            gone = if forget {
                (1 << FUNCTIONS) - 1
            } else {
                bench.random.random_range(0..1 << FUNCTIONS)
                    & bench.random.random_range(0..1 << FUNCTIONS)
            };
        }
        for (context, command) in &mut bench.commands {
            command.was_gone |= gone >> (context >> 5) & 1 == 1;
        }
        bench.walker.set("gone", gone);
        bench.walker.set("forget", forget.into());
        if forget {
            // Whatever was asked for does not come.
            bench.reads.clear();
            bench.beats.clear();
            for command in bench.commands.values_mut() {
                command.reading = false;
            }
        }
        bench.look(cycle);
        let ended = bench.come(wrong_every * 4);
        let unsent = bench.drop_unsent(gone);
        bench.walker.set("start_valid", 0);
        // Contexts are not used again before their pages have been looked up.
        let draining = cycle > CYCLES - 5_000;
        if !forget
            && !draining
            && cycle - last_start >= 4
            && bench.lookups.is_empty()
            && bench.looked.is_empty()
            && bench.random.random_ratio(1, start_every)
        {
            last_start = cycle;
            bench.start(wrong_every);
        }
        bench
            .walker
            .set("list_ready", bench.random.random_ratio(1, 2).into());
        bench
            .walker
            .set("walked_ready", bench.random.random_ratio(3, 4).into());
        bench.walker.evaluate();
        for port in ["head_valid", "head_context", "head_set", "head_listed"] {
            let value = bench.walker.get(port);
            bench.memory.set(port, value);
        }
        let pages = bench.walker.get_bytes("head_pages");
        bench.memory.set_bytes("head_pages", &pages);
        if bench.walker.get("list_valid") == 1 {
            let function = bench.walker.get("list_context") >> 5;
            assert_eq!(gone >> function & 1, 0, "cycle {cycle}: a read for nobody");
            if bench.walker.get("list_ready") == 1 {
                bench.take_read(most_bytes);
            }
        }
        if bench.walker.get("walked_valid") == 1 && bench.walker.get("walked_ready") == 1 {
            bench.finish(cycle, gone);
        }
        if let Some((read, failed)) = ended {
            bench.note_end(&read, failed);
        }
        if let Some(read) = unsent {
            bench.note_end(&read, true);
        }
        if bench.beats.len() < 4 {
            bench.answer();
        }
        bench.walker.clock();
        bench.memory.clock();
    }
    assert!(
        bench.commands.is_empty(),
        "seed {seed}: {:#x?} never come out",
        bench.commands
    );
    println!(
        "seed {seed}: {} commands, {} pairs, {} pointers, {} failed",
        bench.walked, bench.pairs, bench.chained, bench.failed
    );
    let least = CYCLES / 200;
    assert!(
        bench.walked > least && bench.pairs > least / 4,
        "seed {seed}"
    );
    assert!(bench.chained > 50 && bench.failed > 10, "seed {seed}");
}

#[test]
fn lists_are_walked_as_the_standard_has_them() {
    run(11, 512, 2, 40, false);
    run(12, 128, 1, 40, false);
    run(13, 4096, 10, 10, false);
    run(14, 192, 2, 100, false);
}

#[test]
fn a_reset_ends_the_walks_of_its_function_and_no_others() {
    run(15, 512, 2, 60, true);
    run(16, 256, 1, 60, true);
}
