//! The harness against a module that does by hand what its registers say: every field of every
//! descriptor goes once around, without the controller.

#![cfg(feature = "verilator")]

use nvme_model::medium::Medium;
use nvme_rtl::{RtlDevice, RtlOptions};
use pcie_host::endpoint::{
    Cycle, Endpoint, FunctionId, Inbound, LinkSettings, MemoryRead, MemoryWrite, Port, ReadStatus,
};

const STALLS: [Option<u64>; 4] = [None, Some(1), Some(2), Some(3)];
const PATIENCE_CYCLES: Cycle = 20_000;

#[derive(Clone, PartialEq, Debug)]
enum Sent {
    Write(FunctionId, u64, Vec<u8>),
    Read(FunctionId, u64, u32, u8),
    Answer(u16, Option<u64>),
    ResetDone(FunctionId),
}

#[derive(Default)]
struct Recorder(Vec<(Cycle, Sent)>);

impl Port for Recorder {
    fn memory_write(&mut self, at: Cycle, write: MemoryWrite<'_>) {
        let sent = Sent::Write(write.function, write.address, write.data.to_vec());
        self.0.push((at, sent));
    }

    fn memory_read(&mut self, at: Cycle, read: MemoryRead) {
        let sent = Sent::Read(read.function, read.address, read.length_bytes, read.tag);
        self.0.push((at, sent));
    }

    fn read_completion(&mut self, at: Cycle, tag: u16, data: Option<u64>) {
        self.0.push((at, Sent::Answer(tag, data)));
    }

    fn function_reset_done(&mut self, at: Cycle, function: FunctionId) {
        self.0.push((at, Sent::ResetDone(function)));
    }
}

struct Bench {
    device: RtlDevice,
    sent: Recorder,
    now: Cycle,
    tag: u16,
}

impl Bench {
    fn new(stalls: Option<u64>) -> Self {
        let medium = Medium::in_memory(1 << 20, 4096).expect("memory");
        let options = RtlOptions {
            stalls,
            ..RtlOptions::new(medium)
        };
        let mut device = RtlDevice::loop_back(options).expect("the module is built");
        device.receive(
            0,
            Inbound::Link(LinkSettings {
                max_payload_bytes: 256,
                max_read_request_bytes: 512,
                read_completion_boundary_bytes: 128,
                completion_space_bytes: 15_872,
                completion_space_headers: 64,
            }),
        );
        let sent = Recorder::default();
        Self {
            device,
            sent,
            now: 10,
            tag: 300,
        }
    }

    fn receive(&mut self, inbound: Inbound<'_>) -> Cycle {
        if self.now > 0 {
            self.device.advance(self.now - 1, &mut self.sent);
        }
        self.device.receive(self.now, inbound);
        let at = self.now;
        self.now += 1;
        at
    }

    fn write(&mut self, function: FunctionId, offset: u64, data: &[u8]) -> Cycle {
        self.receive(Inbound::MemoryWrite {
            function,
            offset,
            data,
        })
    }

    fn write_dword(&mut self, function: FunctionId, offset: u64, value: u32) -> Cycle {
        self.write(function, offset, &value.to_le_bytes())
    }

    /// The next thing that is sent.
    fn next(&mut self) -> (Cycle, Sent) {
        let limit = self.now + PATIENCE_CYCLES;
        while self.sent.0.is_empty() && self.now < limit {
            self.device.advance(self.now, &mut self.sent);
            self.now += 1;
        }
        assert!(!self.sent.0.is_empty(), "nothing is sent");
        self.sent.0.remove(0)
    }

    fn run(&mut self, cycles: Cycle) {
        self.now += cycles;
        self.device.advance(self.now - 1, &mut self.sent);
    }

    fn read(
        &mut self,
        function: FunctionId,
        offset: u64,
        length_bytes: u32,
    ) -> (Cycle, Option<u64>) {
        self.tag += 1;
        let tag = self.tag;
        let asked = self.receive(Inbound::MemoryRead {
            function,
            offset,
            length_bytes,
            tag,
        });
        match self.next() {
            (at, Sent::Answer(answered, data)) if answered == tag => (at - asked, data),
            other => panic!("{other:?} instead of the answer to {tag}"),
        }
    }

    /// Sets the two dwords of an address at `offset`.
    fn address(&mut self, offset: u64, address: u64) {
        self.write(FunctionId::PF, offset, &address.to_le_bytes());
    }

    /// Makes the module read, and answers with `pieces`.
    fn fill(&mut self, function: FunctionId, address: u64, bytes: &[u8], pieces: &[usize]) {
        self.address(0, address);
        self.write_dword(function, 0x204, (bytes.len() as u32 / 4) | (33 << 16));
        let expected = Sent::Read(function, address, bytes.len() as u32, 33);
        assert_eq!(self.next().1, expected);
        let mut rest = bytes;
        for length in pieces {
            let (data, later) = rest.split_at(*length);
            rest = later;
            self.receive(Inbound::ReadData {
                tag: 33,
                data,
                status: ReadStatus::Success,
                last: rest.is_empty(),
            });
        }
        assert!(rest.is_empty());
        self.run(2000);
    }
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    let byte = |index: usize| (index as u8).wrapping_mul(31) ^ (index >> 8) as u8 ^ seed;
    (0..length).map(byte).collect()
}

#[test]
fn registers_keep_what_is_written_in_any_shape() {
    for stalls in STALLS {
        let mut bench = Bench::new(stalls);
        for function in [0, 1, 6].map(FunctionId) {
            bench.write(function, 0x40, &0x8877_6655_4433_2211_u64.to_le_bytes());
            assert_eq!(bench.read(function, 0x40, 8).1, Some(0x8877_6655_4433_2211));
            assert_eq!(bench.read(function, 0x44, 4).1, Some(0x8877_6655));
            bench.write(function, 0x41, &[0xaa, 0xbb]);
            assert_eq!(bench.read(function, 0x40, 4).1, Some(0x44bb_aa11));
            assert_eq!(bench.read(function, 0x42, 1).1, Some(0xbb));
            bench.write(function, 0x43, &[1, 2, 3]);
            assert_eq!(bench.read(function, 0x40, 8).1, Some(0x8877_0302_01bb_aa11));
            bench.write(function, 0x40, &[]);
            assert_eq!(bench.read(function, 0x40, 4).1, Some(0x01bb_aa11));
            assert_eq!(bench.read(function, 0x2000, 4).1, None);
        }
        // Longer than a page boundary and a beat allow: cut, and nothing hangs.
        bench.write(FunctionId::PF, 0xff8, &pattern(300, 1));
        assert_eq!(bench.read(FunctionId::PF, 0x40, 4).1, Some(0x01bb_aa11));
    }
}

#[test]
fn an_answer_has_the_cycle_in_which_cc_has_it() {
    // The module answers a beat on CQ in the next cycle.
    assert_eq!(Bench::new(None).read(FunctionId::PF, 0x40, 8).0, 1);
}

#[test]
fn read_data_arrive_whole_and_leave_whole() {
    for stalls in STALLS {
        let mut bench = Bench::new(stalls);
        for (address, length, pieces) in [
            (0x40_0000_1000, 4, &[4][..]),
            (0x40_0000_1004, 512, &[252, 256, 4]),
            (0x40_0000_1000, 512, &[512]),
            (0xffff_ffff_0000_0f00, 256, &[64, 64, 64, 64]),
            (0x1000, 4096, &[4096]),
        ] {
            let bytes = pattern(length, stalls.unwrap_or(9) as u8);
            let function = FunctionId((length % 7) as u8);
            bench.fill(function, address, &bytes, pieces);
            assert_eq!(bench.read(function, 0x10c, 4).1, Some(length as u64 / 4));
            for payload in [4, 16, 20, 256, 512, 4096]
                .into_iter()
                .filter(|p| *p <= length)
            {
                bench.address(0, address & !0xfff);
                bench.write_dword(function, 0x200, payload as u32 / 4);
                let expected = Sent::Write(function, address & !0xfff, bytes[..payload].to_vec());
                assert_eq!(bench.next().1, expected);
            }
        }
    }
}

#[test]
fn a_write_has_the_cycle_of_its_last_beat() {
    let mut bench = Bench::new(None);
    bench.fill(FunctionId::PF, 0x1000, &pattern(256, 0), &[256]);
    let rung = bench.write_dword(FunctionId::PF, 0x200, 64);
    // One cycle to begin, one register, nine beats.
    assert_eq!(bench.next().0, rung + 2 + 8);
}

#[test]
fn completions_say_what_they_are() {
    let mut bench = Bench::new(None);
    let data = pattern(512, 7);
    for (status, code, completion, poisoned) in [
        (ReadStatus::Poisoned, 1, 0, 1),
        (ReadStatus::UnsupportedRequest, 2, 1, 0),
        (ReadStatus::CompleterAbort, 2, 4, 0),
        (ReadStatus::FunctionReset, 8, 0, 0),
        (ReadStatus::Timeout, 9, 0, 0),
    ] {
        let function = FunctionId(3);
        bench.address(0, 0x12340);
        bench.write_dword(function, 0x204, 128 | 5 << 16);
        assert_eq!(bench.next().1, Sent::Read(function, 0x12340, 512, 5));
        let sent: &[u8] = if poisoned == 1 { &data[..192] } else { &[] };
        bench.receive(Inbound::ReadData {
            tag: 5,
            data: sent,
            status,
            last: true,
        });
        bench.run(100);
        let low = bench.read(function, 0x100, 4).1.expect("a value");
        let high = bench.read(function, 0x104, 4).1.expect("a value");
        assert_eq!(low, 0x340 | code << 12 | 512 << 16 | 1 << 30, "{status:?}");
        let dwords = sent.len() as u64 / 4;
        assert_eq!(
            high,
            dwords | completion << 11 | poisoned << 14 | 66 << 16,
            "{status:?}"
        );
        assert_eq!(bench.read(function, 0x10c, 4).1, Some(dwords));
        // The tag has ended: what comes for it now is nobody's.
        bench.receive(Inbound::ReadData {
            tag: 5,
            data: &data,
            status: ReadStatus::Success,
            last: true,
        });
        bench.run(100);
        assert_eq!(bench.read(function, 0x10c, 4).1, Some(dwords));
    }
}

#[test]
fn only_the_last_completion_ends_a_read() {
    let mut bench = Bench::new(None);
    bench.address(0, 0x1000);
    bench.write_dword(FunctionId::PF, 0x204, 128);
    bench.next();
    let data = pattern(512, 3);
    for (piece, last) in [(&data[..256], false), (&data[256..], true)] {
        bench.receive(Inbound::ReadData {
            tag: 0,
            data: piece,
            status: ReadStatus::Success,
            last,
        });
        bench.run(50);
        let low = bench.read(FunctionId::PF, 0x100, 4).1.expect("a value");
        let (address, remaining) = if last { (0x100, 256) } else { (0, 512) };
        assert_eq!(low, address | remaining << 16 | u64::from(last) << 30);
    }
    // Nine beats each: descriptor and 256 bytes.
    assert_eq!(bench.read(FunctionId::PF, 0x108, 4).1, Some(18));
}

#[test]
fn memory_keeps_what_is_written() {
    for stalls in STALLS {
        let mut bench = Bench::new(stalls);
        let bytes = pattern(4096, 5);
        bench.fill(FunctionId::PF, 0x1000, &bytes, &[4096]);
        bench.address(8, 0x3000);
        let rung = bench.write_dword(FunctionId::PF, 0x208, 128);
        let mut there = vec![0; 4096];
        if stalls.is_none() {
            // The last of 128 beats is in cycle rung + 128, B 25 cycles later: not before that.
            bench.run(128 + 25 - 1);
            bench.device.peek_medium(0x3000, &mut there);
            assert_eq!(there, vec![0; 4096]);
            bench.run(1);
            assert_eq!(bench.now, rung + 128 + 25 + 1);
        } else {
            bench.run(3000);
        }
        bench.device.peek_medium(0x3000, &mut there);
        assert_eq!(there, bytes);
        bench.fill(FunctionId::PF, 0x1000, &pattern(4096, 6), &[4096]);
        bench.write_dword(FunctionId::PF, 0x20c, 128);
        bench.run(3000);
        bench.address(0, 0x5000);
        bench.write_dword(FunctionId::PF, 0x200, 1024);
        assert_eq!(bench.next().1, Sent::Write(FunctionId::PF, 0x5000, bytes));
        let mut beyond = [1; 8];
        bench.device.peek_medium((1 << 20) - 4, &mut beyond);
        assert_eq!(beyond, [0, 0, 0, 0, 1, 1, 1, 1]);
    }
}

#[test]
fn side_bands_reach_the_module() {
    let mut bench = Bench::new(None);
    assert_eq!(
        bench.read(FunctionId::PF, 0x110, 4).1,
        Some(1 | 2 << 3 | 1 << 6)
    );
    assert_eq!(bench.read(FunctionId::PF, 0x118, 4).1, Some(256));
    assert_eq!(bench.read(FunctionId::PF, 0x11c, 4).1, Some(0x3053_4452));
    assert_eq!(bench.read(FunctionId::PF, 0x114, 4).1, Some(1));
    bench.receive(Inbound::VirtualFunctions { count: 3 });
    for function in [0, 2, 3].map(FunctionId) {
        bench.receive(Inbound::BusMaster {
            function,
            enabled: true,
        });
    }
    let (enabled, masked) = (true, true);
    bench.receive(Inbound::MsixControl {
        function: FunctionId(1),
        enabled,
        masked,
    });
    let bands = |bench: &mut Bench| bench.read(FunctionId::PF, 0x114, 4).1;
    assert_eq!(bands(&mut bench), Some(0x0202_0d0f));
    bench.receive(Inbound::FunctionReset {
        function: FunctionId(2),
    });
    assert_eq!(bench.next().1, Sent::ResetDone(FunctionId(2)));
    assert_eq!(bands(&mut bench), Some(0x0202_090f));
    bench.receive(Inbound::VirtualFunctions { count: 1 });
    assert_eq!(bands(&mut bench), Some(0x0202_0103));
    bench.receive(Inbound::HotReset);
    assert_eq!(bands(&mut bench), Some(1));
    bench.run(10_000);
    assert_eq!(bench.sent.0, []);
}

#[test]
fn idle_time_is_not_evaluated() {
    let mut bench = Bench::new(None);
    bench.read(FunctionId::PF, 0x40, 4);
    bench.run(1_000_000_000);
    assert_eq!(bench.device.next_event(), None);
    assert!(bench.device.evaluated_cycles() < 10_000);
    assert_eq!(bench.read(FunctionId::PF, 0x40, 4).0, 1);
}

#[test]
fn parameters_that_were_not_built_are_named() {
    let medium = Medium::in_memory(1 << 20, 4096).expect("memory");
    let options = RtlOptions {
        io_queues: 31,
        ..RtlOptions::new(medium)
    };
    let error = RtlDevice::new(options)
        .expect_err("no such variant")
        .to_string();
    assert!(error.contains("31 I/O queues"), "{error}");
    assert!(
        error.contains("6 VFs, 4 I/O queues, blocks of 4096 bytes"),
        "{error}"
    );
}
