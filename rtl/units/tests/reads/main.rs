//! The read path and its sender against a memory that answers in any order, with errors, and hosts that
//! take what comes at their own pace: every byte goes where it belongs, once, and every command ends once.
#![cfg(feature = "verilator")]

mod commands;
mod link;
mod memory;

use std::collections::BTreeMap;

use commands::{Command, PAGE, PART, medium_dword};
use link::{Link, Tlp};
use memory::{Beat, Memory};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: u64 = 7;
const ROWS: u64 = 49;
const CYCLES: u32 = 40_000;
/// Cycles in which all must have ended after that.
const MOST_CYCLES: u32 = 400_000;

/// How it goes: largest payload (log2 of 128 bytes), one start, one error, one reset in so many cycles,
/// beats or commands; and how often the link is ready, out of 4.
#[derive(Clone, Copy)]
struct Traffic {
    seed: u64,
    max_payload: u64,
    start_every: u32,
    bad_every: u32,
    reset_every: u32,
    ready_of_4: u32,
}

struct Bench {
    traffic: Traffic,
    random: Pcg64Mcg,
    reader: Module,
    sender: Module,
    memory: Memory,
    link: Link,
    commands: BTreeMap<u64, Command>,
    gone: u64,
    /// Rows of the lock that are free.
    rows: Vec<u64>,
    /// What the PRP memory and the buffers show in the next cycle.
    page: u64,
    compare_data: Vec<u8>,
    sent: u32,
    failed: u32,
    compared: u32,
    differing: u32,
    bytes: u64,
}

impl Bench {
    fn new(traffic: Traffic) -> Self {
        let mut reader = Module::new("read_path");
        let mut sender = Module::new("read_sender");
        reader.reset();
        sender.reset();
        sender.set("max_payload", traffic.max_payload);
        Self {
            traffic,
            random: Pcg64Mcg::seed_from_u64(traffic.seed),
            reader,
            sender,
            memory: Memory::default(),
            link: Link::default(),
            commands: BTreeMap::new(),
            gone: 0,
            rows: (0..ROWS).collect(),
            page: 0,
            compare_data: Vec::new(),
            sent: 0,
            failed: 0,
            compared: 0,
            differing: 0,
            bytes: 0,
        }
    }

    /// Grants a lock.
    fn start(&mut self) {
        self.reader.set("start_valid", 0);
        if !self.random.random_ratio(1, self.traffic.start_every) {
            return;
        }
        let function = self.random.random_range(0..FUNCTIONS);
        let context = function << 5 | self.random.random_range(0..16);
        if self.commands.contains_key(&context) {
            return;
        }
        let Some(lock_row) = self.rows.pop() else {
            return;
        };
        let mut command = Command::new(&mut self.random, context, lock_row);
        command.was_gone = self.gone >> function & 1 == 1;
        self.reader.set("start_valid", 1);
        self.reader.set("start_context", context);
        let row = function << 3 | self.random.random_range(1..5);
        self.reader.set("start_row", row);
        self.reader.set("start_lock_row", lock_row);
        self.commands.insert(context, command);
    }

    /// Answers the tables that are asked in the same cycle.
    fn answer(&mut self) {
        let reader = &mut self.reader;
        let sending = self.sender.get("sending_context");
        reader.set("sending_context", sending);
        reader.evaluate();
        if let Some(command) = self.commands.get(&reader.get("cost_context")) {
            reader.set("cost_length", command.length);
            reader.set("cost_offset", command.offset);
            reader.set("cost_compares", command.compares.into());
        }
        if let Some(command) = self.commands.get(&reader.get("look_context")) {
            reader.set("look_address", command.address);
            reader.set("look_length", command.length);
            reader.set("look_offset", command.offset);
            reader.set("look_compares", command.compares.into());
            reader.set("look_half", command.half);
        }
        reader.evaluate();
        if let Some(command) = self.commands.get(&reader.get("buffer_context"))
            && command.compares
        {
            let page = reader.get("buffer_page") as usize;
            assert_eq!(reader.get("buffer_half"), command.half);
            if let Some(number) = command.pages.get(page) {
                reader.set("buffer_number", *number);
                reader.evaluate();
            }
        }
        let context = reader.get("page_context");
        let index = reader.get("page_index") as usize;
        let command = self.commands.get(&context);
        let page = command.and_then(|command| command.pages.get(index));
        self.page = page.copied().unwrap_or(0);
        for (from, to) in [
            ("sending_dead", "sending_dead"),
            ("store_word", "store_word"),
        ] {
            let value = reader.get(from);
            self.sender.set(to, value);
        }
        for port in [
            "valid", "context", "buffer", "address", "length", "offset", "last",
        ] {
            let port = format!("burst_{port}");
            let value = reader.get(&port);
            self.sender.set(&port, value);
        }
        let words = reader.get_bytes("words");
        self.sender.set_bytes("words", &words);
        self.sender.evaluate();
    }

    /// A granule of a Read is told to the sender.
    fn note_granule(&mut self) {
        if self.reader.get("burst_valid") == 1 {
            let context = self.reader.get("burst_context");
            let command = self.commands.get_mut(&context).expect("a command");
            assert!(!command.compares && !command.ended);
            let length = command.granule();
            assert_eq!(self.reader.get("burst_length"), length);
            assert_eq!(
                self.reader.get("burst_offset"),
                (command.address + command.asked) % 32
            );
            command.asked += length;
            let last = command.asked == command.length;
            assert_eq!(self.reader.get("burst_last"), u64::from(last));
        }
    }

    /// A burst has been asked for.
    fn note_burst(&mut self, (address, words): (u64, u64)) {
        let command = self.commands.get_mut(&(address / PART)).expect("a command");
        command.words += words;
        if command.compares {
            assert_eq!(address, command.address + command.asked);
            command.asked += words * 32;
            assert!(command.asked <= command.length);
        }
    }

    /// A beat stands on R.
    fn note_beat(&mut self, beat: &Beat) {
        let context = beat.address / PART;
        let command = self.commands.get_mut(&context).expect("a command");
        command.words_read += 1;
        command.bad |= beat.bad;
        if command.compares {
            let at = beat.address - command.address;
            let number = command.pages[(at / PAGE) as usize];
            let expected = (context >> 5 << 4 | number) << 7 | at % PAGE / 32;
            assert_eq!(self.reader.get("compare_word"), expected);
            self.compare_data = command.buffered(at);
        }
    }

    /// What memories were asked for in a cycle they show in the next.
    fn clock(&mut self) {
        self.reader.clock();
        self.sender.clock();
        self.reader.set("page_number", self.page);
        let Self {
            reader,
            compare_data,
            ..
        } = self;
        reader.set_bytes("compare_data", compare_data);
        for (from, to) in [
            ("valid", "valid"),
            ("buffer", "buffer"),
            ("dropped", "dropped"),
        ] {
            let value = self.sender.get(&format!("sent_{from}"));
            self.reader.set(&format!("sent_{to}"), value);
        }
    }

    /// A TLP has been taken.
    fn receive(&mut self, tlp: &Tlp) {
        let found = self.commands.iter_mut().find(|(context, command)| {
            *context >> 5 == tlp.function
                && !command.compares
                && command.sent < command.asked
                && command.host_address() == tlp.address
        });
        let (context, command) = found.expect("a command that this belongs to");
        assert!(!command.ended, "{context:#x}");
        let bytes = 4 * tlp.dwords.len() as u64;
        assert!(tlp.address % PAGE + bytes <= PAGE, "{tlp:x?}");
        for (index, dword) in tlp.dwords.iter().enumerate() {
            let at = command.address + command.sent + 4 * index as u64;
            assert_eq!(
                *dword,
                medium_dword(at),
                "{context:#x} {command:?} + {index}"
            );
        }
        command.sent += bytes;
        assert!(command.sent <= command.asked);
        self.bytes += bytes;
    }

    /// What the reader and the sender say about commands in this cycle.
    fn note_ends(&mut self) {
        for (module, valid, name, port) in [
            (&self.sender, "sent_valid", "sent", "sent_context"),
            (
                &self.reader,
                "read_failed_valid",
                "failed",
                "read_failed_context",
            ),
            (
                &self.reader,
                "compared_valid",
                "compared",
                "compared_context",
            ),
        ] {
            if module.get(valid) == 0 || (name == "sent" && module.get("sent_last") == 0) {
                continue;
            }
            let context = module.get(port);
            let command = self.commands.get_mut(&context).expect("a command");
            assert!(!command.ended, "{context:#x} ends twice");
            command.ended = true;
            match name {
                "sent" => {
                    assert!(
                        !command.bad && command.sent == command.length,
                        "{command:?}"
                    );
                    self.sent += 1;
                }
                "failed" => {
                    assert!(!command.compares && command.may_fail(), "{command:?}");
                    self.failed += 1;
                }
                _ => {
                    let failed = module.get("compared_failed") == 1;
                    assert!(command.compares && (!command.bad || failed), "{command:?}");
                    assert!(!failed || command.may_fail(), "{command:?}");
                    let differs = module.get("compared_differs") == 1;
                    assert!(
                        failed || differs == command.differs_at.is_some(),
                        "{command:?}"
                    );
                    self.compared += 1;
                    self.differing += u32::from(differs);
                }
            }
        }
        if self.reader.get("release_valid") == 1 {
            let row = self.reader.get("release_row");
            let found = self
                .commands
                .values_mut()
                .find(|command| command.lock_row == row);
            let command = found.expect("a command");
            assert!(!command.compares && !command.released, "{command:?}");
            let over = command.asked == command.length || command.may_fail();
            assert!(over && command.words_read == command.words, "{command:?}");
            command.released = true;
        }
        let rows = &mut self.rows;
        self.commands.retain(|_, command| {
            let over = command.ended && (command.compares || command.released);
            if over {
                rows.push(command.lock_row);
            }
            !over
        });
    }
}

fn run(traffic: Traffic) {
    let mut bench = Bench::new(traffic);
    let seed = traffic.seed;
    for cycle in 0..CYCLES + MOST_CYCLES {
        if cycle > CYCLES && bench.commands.is_empty() {
            break;
        }
        if traffic.reset_every > 0 && bench.random.random_ratio(1, traffic.reset_every) {
            bench.gone = bench.random.random_range(0..1 << FUNCTIONS)
                & bench.random.random_range(0..1 << FUNCTIONS);
        }
        bench.reader.set("gone", bench.gone);
        for (context, command) in &mut bench.commands {
            command.was_gone |= bench.gone >> (context >> 5) & 1 == 1;
        }
        if cycle < CYCLES {
            bench.start();
        } else {
            bench.reader.set("start_valid", 0);
        }
        let ready = bench.random.random_ratio(traffic.ready_of_4, 4);
        let takes = bench.random.random_ratio(3, 4);
        bench.reader.set("m_axi_arready", takes.into());
        bench.sender.set("data_ready", ready.into());
        let Bench {
            memory,
            reader,
            sender,
            random,
            ..
        } = &mut bench;
        let beat = memory.drive(reader, sender, random, cycle, traffic.bad_every);
        bench.answer();
        bench.note_granule();
        if let Some(beat) = beat {
            bench.note_beat(&beat);
        }
        if takes && bench.reader.get("m_axi_arvalid") == 1 {
            let burst = bench.memory.take(&bench.reader, &mut bench.random, cycle);
            bench.note_burst(burst);
        }
        let most_dwords = 32 << traffic.max_payload;
        if let Some(tlp) = bench.link.take(&bench.sender, ready, most_dwords) {
            bench.receive(&tlp);
        }
        bench.note_ends();
        bench.clock();
    }
    assert!(
        bench.commands.is_empty(),
        "seed {seed}: {:#x?} never end",
        bench.commands
    );
    println!(
        "seed {seed}: {} sent, {} bytes, {} failed, {} compared, {} differ",
        bench.sent, bench.bytes, bench.failed, bench.compared, bench.differing
    );
    assert!(bench.sent > 40 && bench.compared > 20, "seed {seed}");
    let fails = traffic.reset_every > 0 || traffic.bad_every < 100_000;
    assert!(!fails || bench.failed > 5, "seed {seed}");
}

const QUIET: Traffic = Traffic {
    seed: 0,
    max_payload: 1,
    start_every: 40,
    bad_every: 1_000_000_000,
    reset_every: 0,
    ready_of_4: 4,
};

#[test]
fn every_byte_goes_where_it_belongs() {
    run(Traffic { seed: 21, ..QUIET });
    run(Traffic {
        seed: 22,
        max_payload: 0,
        start_every: 10,
        ready_of_4: 3,
        ..QUIET
    });
    run(Traffic {
        seed: 23,
        max_payload: 5,
        start_every: 300,
        ..QUIET
    });
}

#[test]
fn a_bad_response_ends_its_command_and_no_other() {
    run(Traffic {
        seed: 24,
        bad_every: 2_000,
        ..QUIET
    });
    run(Traffic {
        seed: 25,
        bad_every: 300,
        ready_of_4: 1,
        ..QUIET
    });
}

#[test]
fn a_reset_ends_the_commands_of_its_function() {
    run(Traffic {
        seed: 26,
        reset_every: 500,
        ..QUIET
    });
    run(Traffic {
        seed: 27,
        bad_every: 1_000,
        reset_every: 200,
        ready_of_4: 2,
        ..QUIET
    });
}
