//! How simulated time follows the real one, and that an idle server leaves the processor alone.

use std::time::{Duration, Instant};

use nvme_server::Pace;
use nvme_spec::Status;
use nvme_spec::opcode::nvm;

use crate::client::{Client, DATA};
use crate::rig::Rig;

/// Cycles of 8 ns in a millisecond.
const MILLISECOND: u64 = 125_000;

/// A server whose medium takes a millisecond, and how long so many reads at once take.
fn reads_take(pace: Pace, commands: u64) -> Duration {
    let rig = Rig::with(move |options, model| {
        options.pace = pace;
        model.timing.media_cycles = MILLISECOND;
    });
    let mut client = Client::connect(&rig.socket("pf"));
    client.map_doorbells();
    client.bring_up(true);
    let begin = Instant::now();
    for block in 0..commands {
        client.push(1, &Client::transfer(nvm::READ, block, DATA));
    }
    client.ring(1);
    for _ in 0..commands {
        assert_eq!(client.wait(1).status(), Status::SUCCESS);
    }
    begin.elapsed()
}

#[test]
fn the_medium_takes_its_time() {
    let millisecond = Duration::from_millis(1);
    for pace in [Pace::Real, Pace::Media] {
        let one = reads_take(pace, 1);
        let free = if pace == Pace::Media {
            Duration::from_micros(2)
        } else {
            Duration::ZERO
        };
        assert!(one >= millisecond - free, "{pace:?}: {one:?}");
        // It is a latency: all of them wait at once.
        let many = reads_take(pace, 8);
        assert!(many >= millisecond - free, "{pace:?}: {many:?}");
    }
}

#[test]
fn as_fast_as_possible_jumps_over_it() {
    // On a machine that is busy with other things a try may take longer; all of them do not.
    let least = (0..20).map(|_| reads_take(Pace::Fast, 1)).min().unwrap();
    assert!(least < Duration::from_millis(1), "{least:?}");
}

/// Nanoseconds of processor time that the server's thread has had.
fn processor_ns(rig: &Rig) -> u64 {
    let path = format!("/proc/self/task/{}/schedstat", rig.thread_id);
    let statistics = std::fs::read_to_string(path).unwrap();
    let first = statistics.split_whitespace().next().unwrap();
    first.parse().unwrap()
}

#[test]
fn an_idle_server_sleeps() {
    for mapped in [false, true] {
        let rig = Rig::new(1);
        let mut client = Client::connect(&rig.socket("pf"));
        if mapped {
            client.map_doorbells();
        }
        client.bring_up(true);
        let period = Duration::from_millis(300);
        // The naps get longer from a few microseconds on.
        std::thread::sleep(Duration::from_millis(50));
        let begin = processor_ns(&rig);
        std::thread::sleep(period);
        let spent = Duration::from_nanos(processor_ns(&rig) - begin);
        let most = if mapped { period / 5 } else { period / 100 };
        assert!(spent < most, "mapped {mapped}: {spent:?} of {period:?}");
        // It wakes up again.
        let read = Client::transfer(nvm::READ, 0, DATA);
        assert_eq!(client.run(1, read), Status::SUCCESS);
    }
}
