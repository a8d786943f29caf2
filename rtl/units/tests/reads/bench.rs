//! Read path and sender, with what is around them.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

use crate::commands::{Command, PAGE, PART, medium_dword};
use crate::link::{Link, Tlp};
use crate::memory::{Beat, Memory};

pub(crate) const FUNCTIONS: u64 = 7;
const ROWS: u64 = 49;

/// How it goes: largest payload (log2 of 128 bytes), one start, one error, one reset in so many cycles,
/// beats or commands; and how often the link is ready, out of 4.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) max_payload: u64,
    pub(crate) start_every: u32,
    pub(crate) bad_every: u32,
    pub(crate) reset_every: u32,
    pub(crate) ready_of_4: u32,
}

pub(crate) struct Bench {
    pub(crate) traffic: Traffic,
    pub(crate) random: Pcg64Mcg,
    pub(crate) reader: Module,
    pub(crate) sender: Module,
    pub(crate) memory: Memory,
    pub(crate) link: Link,
    pub(crate) commands: BTreeMap<u64, Command>,
    pub(crate) gone: u64,
    /// Rows of the lock that are free.
    pub(crate) rows: Vec<u64>,
    /// What the PRP memory and the buffers show in the next cycle.
    pub(crate) page: u64,
    pub(crate) compare_data: Vec<u8>,
    pub(crate) sent: u32,
    pub(crate) failed: u32,
    pub(crate) compared: u32,
    pub(crate) differing: u32,
    pub(crate) bytes: u64,
}

impl Bench {
    pub(crate) fn new(traffic: Traffic) -> Self {
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
    pub(crate) fn start(&mut self) {
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
    pub(crate) fn answer(&mut self) {
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
    pub(crate) fn note_granule(&mut self) {
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
    pub(crate) fn note_burst(&mut self, (address, words): (u64, u64)) {
        let command = self.commands.get_mut(&(address / PART)).expect("a command");
        command.words += words;
        if command.compares {
            assert_eq!(address, command.address + command.asked);
            command.asked += words * 32;
            assert!(command.asked <= command.length);
        }
    }

    /// A beat stands on R.
    pub(crate) fn note_beat(&mut self, beat: &Beat) {
        let context = beat.address / PART;
        let command = self.commands.get_mut(&context).expect("a command");
        command.words_read += 1;
        command.bad |= beat.bad;
        if command.compares {
            let at = beat.address - command.address;
            let number = command.pages[(at / PAGE) as usize];
            let buffer = (context >> 5 << 4) + number;
            let expected = (buffer << 7) + at % PAGE / 32;
            assert_eq!(self.reader.get("compare_word"), expected);
            self.compare_data = command.buffered(at);
        }
    }

    /// What memories were asked for in a cycle they show in the next.
    pub(crate) fn clock(&mut self) {
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
    pub(crate) fn receive(&mut self, tlp: &Tlp) {
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
    pub(crate) fn note_ends(&mut self) {
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
