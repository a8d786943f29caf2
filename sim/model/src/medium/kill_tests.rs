//! A process that is killed while it writes: no unit is torn, no finished write is lost.
//!
//! The child is this test binary, asked for one ignored test. It goes round over the units of an
//! image and fills each with the number of the write, again and again, and notes how far it is in a
//! second file (a store into the page cache outlives its process). It notes every few writes only:
//! a process is rather killed inside a system call than inside a copy.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tempfile::TempDir;

use super::image_folder::spawn_alone;
use super::{ATOMIC_UNIT_BYTES, Medium};

const FOLDER: &str = "NVME_MODEL_KILL_TEST_FOLDER";
const UNITS: u64 = 16;
const WRITES_A_NOTE: u64 = 64;
const ROUNDS: u32 = 60;
const SEED: u64 = 0x5eed_0001;

fn unit_of(write: u64) -> u64 {
    write % UNITS
}

fn fill(unit: &mut [u8], write: u64) {
    for word in unit.as_chunks_mut::<8>().0 {
        *word = write.to_le_bytes();
    }
}

fn noted(note: &File) -> u64 {
    let mut bytes = [0; 8];
    note.read_exact_at(&mut bytes, 0).unwrap();
    u64::from_le_bytes(bytes)
}

#[test]
#[ignore = "the child of the test below; writes until it is killed"]
fn child_writes_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let note = OpenOptions::new()
        .read(true)
        .write(true)
        .open(folder.join("note"))
        .unwrap();
    let mut medium = Medium::open_file(folder.join("x.img"), None).unwrap();
    let first = newest_write(&medium) + 1;
    let mut unit = [0; ATOMIC_UNIT_BYTES];
    for write in first.. {
        fill(&mut unit, write);
        medium.write_atomic(unit_of(write) * ATOMIC_UNIT_BYTES as u64, &unit);
        if write.is_multiple_of(WRITES_A_NOTE) {
            note.write_all_at(&write.to_le_bytes(), 0).unwrap();
        }
    }
}

/// The number each unit holds, all of whose words must be the same.
fn unit_numbers(medium: &Medium) -> Vec<u64> {
    let unit_number = |unit: u64| {
        let bytes = medium.bytes(unit * ATOMIC_UNIT_BYTES as u64, ATOMIC_UNIT_BYTES);
        let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        let mut whole = [0; ATOMIC_UNIT_BYTES];
        fill(&mut whole, number);
        assert!(bytes == whole, "unit {unit} is torn (seed {SEED:#x})");
        number
    };
    (0..UNITS).map(unit_number).collect()
}

fn newest_write(medium: &Medium) -> u64 {
    unit_numbers(medium).into_iter().max().unwrap_or(0)
}

#[test]
fn a_killed_process_leaves_whole_units_and_all_finished_writes() {
    println!("seed {SEED:#x}");
    let mut random = Pcg64Mcg::seed_from_u64(SEED);
    let folder = TempDir::new().unwrap();
    let image = folder.path().join("x.img");
    drop(Medium::create_file(&image, UNITS * ATOMIC_UNIT_BYTES as u64, 4096).unwrap());
    fs::write(folder.path().join("note"), [0; 8]).unwrap();
    let note = File::open(folder.path().join("note")).unwrap();
    let child_test = concat!(module_path!(), "::child_writes_until_it_is_killed");
    let child_test = child_test.split_once("::").unwrap().1;

    for round in 0..ROUNDS {
        let before = noted(&note);
        let mut child = spawn_alone(
            Command::new(env::current_exe().unwrap())
                .args(["--exact", child_test, "--ignored", "--nocapture"])
                .env(FOLDER, folder.path())
                .stdout(Stdio::null()),
        );
        while noted(&note) == before {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended by itself"
            );
            sleep(Duration::from_micros(200));
        }
        sleep(Duration::from_micros(random.random_range(0..3000)));
        child.kill().unwrap();
        child.wait().unwrap();

        let finished = noted(&note);
        let medium = Medium::open_file(&image, None).unwrap();
        let newest = newest_write(&medium);
        assert!(
            (finished..=finished + WRITES_A_NOTE).contains(&newest),
            "round {round}: {finished} was finished, {newest} is the newest (seed {SEED:#x})"
        );
        for (unit, number) in (0..).zip(unit_numbers(&medium)) {
            let expected = newest.saturating_sub((newest + UNITS - unit) % UNITS);
            assert_eq!(
                number, expected,
                "round {round}, unit {unit} (seed {SEED:#x})"
            );
        }
    }
    assert!(
        noted(&note) > u64::from(ROUNDS),
        "the children hardly wrote anything"
    );
}
