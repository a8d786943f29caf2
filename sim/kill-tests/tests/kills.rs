//! A process is killed while it writes, again and again on the same image: no unit is torn, no finished
//! write is lost.
//!
//! One test runs at a time. Starting a process forks this one, and until the new program is in place it
//! holds every open file once more, locks included: an image that a test beside it had just closed was
//! once still in use then.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use nvme_kill_tests::{BLOCK_BYTES, UNITS, Writer, image, note, noted, unit_numbers};
use nvme_model::medium::{ATOMIC_UNIT_BYTES, Medium};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tempfile::TempDir;

const SEED: u64 = 0x5eed_0001;
/// The latest moment after a note, in microseconds.
const LATEST_US: u64 = 6000;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn killed(writer: Writer, rounds: u32) {
    // A test that has failed has left nothing behind.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    println!("seed {SEED:#x}");
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let folder = TempDir::new().unwrap();
    let image = image(folder.path());
    let bytes = UNITS * ATOMIC_UNIT_BYTES as u64;
    drop(Medium::create_file(&image, bytes, BLOCK_BYTES).unwrap());
    fs::write(note(folder.path()), [0; 8]).unwrap();
    let note = File::open(note(folder.path())).unwrap();
    for round in 0..rounds {
        let before = noted(&note).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kill-child"))
            .arg(writer.name())
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("this crate's own program");
        while noted(&note).unwrap() == before {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended by itself"
            );
            sleep(Duration::from_micros(200));
        }
        sleep(Duration::from_micros(random.random_range(0..LATEST_US)));
        child.kill().unwrap();
        child.wait().unwrap();

        let finished = noted(&note).unwrap();
        let medium = Medium::open_file(&image, None).unwrap();
        let numbers = unit_numbers(&medium).unwrap_or_else(|torn| panic!("round {round}: {torn}"));
        let newest = numbers.iter().copied().max().unwrap_or(0);
        assert!(
            (finished..=finished + writer.writes_a_note()).contains(&newest),
            "round {round}: {finished} was finished, {newest} is the newest"
        );
        for (unit, number) in (0..).zip(numbers) {
            let expected = newest.saturating_sub((newest + UNITS - unit) % UNITS);
            assert_eq!(number, expected, "round {round}, unit {unit}");
        }
    }
    assert!(
        noted(&note).unwrap() > u64::from(rounds),
        "the children hardly wrote anything"
    );
}

#[test]
fn the_medium_itself() {
    killed(Writer::Medium, 60);
}

#[test]
fn the_cycle_model() {
    killed(Writer::Model, 40);
}

/// The Verilog's memory once wrote a unit burst by burst: half of the kills left a torn one.
#[cfg(feature = "rtl")]
#[test]
fn the_verilog() {
    killed(Writer::Rtl, 40);
}
