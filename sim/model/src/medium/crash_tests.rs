//! Crashes at every point of the redo protocol, and crashes in memory.

use tempfile::TempDir;

use super::trailer::{PAGE_BYTES, REDO_OFFSET};
use super::{ATOMIC_UNIT_BYTES, Medium, MediumError, redo};

const IMAGE_BYTES: u64 = 256 << 10;
const AT: u64 = 3 * 16384 + 4096;
const OLD: u8 = 0x11;
const NEW: u8 = 0x22;

/// Lengths that a write can have, and where a copy can stop: around blocks, words and the ends.
const LENGTHS: [usize; 4] = [512, 4096, 12288, ATOMIC_UNIT_BYTES];

fn stops(length: usize) -> Vec<usize> {
    let mut stops: Vec<usize> = (0..=length).step_by(512).collect();
    stops.extend([1, 7, 8, 63, 64, 65, length - 1, length - 64]);
    stops
}

/// An image file whose unit at `AT` is `OLD`, as is the byte before and the byte behind.
fn image_with_old_unit(folder: &TempDir) -> Medium {
    let mut medium = Medium::create_file(folder.path().join("x.img"), IMAGE_BYTES, 4096).unwrap();
    medium.write_atomic(AT - 16384, &[OLD; ATOMIC_UNIT_BYTES]);
    medium.write_atomic(AT, &[OLD; ATOMIC_UNIT_BYTES]);
    medium.write_atomic(AT + 16384, &[OLD; ATOMIC_UNIT_BYTES]);
    medium
}

fn reopened(folder: &TempDir) -> Medium {
    Medium::open_file(folder.path().join("x.img"), Some(IMAGE_BYTES)).unwrap()
}

#[track_caller]
fn assert_unit(medium: &Medium, length: usize, value: u8) {
    let unit = medium.bytes(AT, length);
    assert!(
        unit.iter().all(|byte| *byte == value),
        "torn, or not {value:#x}"
    );
    let behind = medium.bytes(AT + length as u64, ATOMIC_UNIT_BYTES);
    assert!(
        behind.iter().all(|byte| *byte == OLD),
        "bytes behind the unit were touched"
    );
    assert_eq!(
        medium.bytes(AT - 1, 1),
        [OLD],
        "bytes before the unit were touched"
    );
}

#[test]
fn dying_while_the_slot_is_filled_leaves_the_old_unit() {
    let folder = TempDir::new().expect("a temporary folder");
    for length in LENGTHS {
        for filled in stops(length) {
            let mut medium = image_with_old_unit(&folder);
            let (_, trailer) = medium.parts();
            redo::fill(trailer, AT, &[&vec![NEW; length][..filled]]);
            drop(medium);
            assert_unit(&reopened(&folder), length, OLD);
            std::fs::remove_file(folder.path().join("x.img")).unwrap();
        }
    }
}

#[test]
fn dying_after_the_commit_leaves_the_new_unit_wherever_the_copy_stopped() {
    let folder = TempDir::new().expect("a temporary folder");
    for length in LENGTHS {
        let new = vec![NEW; length];
        for copied in stops(length) {
            let mut medium = image_with_old_unit(&folder);
            let (image, trailer) = medium.parts();
            redo::fill(trailer, AT, &[&new]);
            redo::commit(trailer);
            image[AT as usize..][..copied].copy_from_slice(&new[..copied]);
            drop(medium);
            let medium = reopened(&folder);
            assert_unit(&medium, length, NEW);
            drop(medium);
            std::fs::remove_file(folder.path().join("x.img")).unwrap();
        }
    }
}

#[test]
fn dying_inside_the_replay_leaves_it_to_the_next_one() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut medium = image_with_old_unit(&folder);
    medium.write_interrupted(AT, &[NEW; 8192], 100);
    drop(medium);
    // The replay is a copy and a clear; a process that dies in the copy has cleared nothing.
    let path = folder.path().join("x.img");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[AT as usize..][..5000].fill(NEW);
    std::fs::write(&path, bytes).unwrap();
    assert_unit(&reopened(&folder), 8192, NEW);
}

#[test]
fn a_replayed_record_is_not_replayed_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut medium = image_with_old_unit(&folder);
    medium.write_interrupted(AT, &[NEW; 4096], 1000);
    drop(medium);
    let mut medium = reopened(&folder);
    assert_unit(&medium, 4096, NEW);
    medium.write_atomic(AT, &[OLD; 4096]);
    drop(medium);
    assert_unit(&reopened(&folder), 4096, OLD);
}

#[test]
fn an_interrupted_write_ends_the_life_of_the_medium() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut medium = image_with_old_unit(&folder);
    medium.write_interrupted(AT, &[NEW; 16384], 6000);
    assert!(!medium.accepts_writes());
    assert_eq!(
        medium.bytes(AT + 5999, 2),
        [NEW, OLD],
        "exactly the bytes that landed are there"
    );
    medium.write_atomic(AT + 16384, &[NEW; 512]);
    medium.write_interrupted(AT + 16384, &[NEW; 512], 512);
    drop(medium);
    let medium = reopened(&folder);
    assert!(medium.accepts_writes());
    assert_unit(&medium, 16384, NEW);
}

#[test]
fn a_crash_in_memory_is_recovered_by_a_restart() {
    for landed in stops(8192) {
        let mut medium = Medium::in_memory(IMAGE_BYTES, 512).unwrap();
        for unit in 0..IMAGE_BYTES / 16384 {
            medium.write_atomic(16384 * unit, &[OLD; 16384]);
        }
        medium.write_pieces_interrupted(AT, &[&[NEW; 4000], &[NEW; 4192]], landed);
        assert_eq!(
            medium
                .bytes(AT, 8192)
                .iter()
                .filter(|byte| **byte == NEW)
                .count(),
            landed
        );
        medium.restart();
        assert_unit(&medium, 8192, NEW);
        medium.write_atomic(AT, &[OLD; 8192]);
        assert_unit(&medium, 8192, OLD);
    }
}

#[test]
fn pieces_are_written_one_after_the_other() {
    let folder = TempDir::new().expect("a temporary folder");
    for mut medium in [
        image_with_old_unit(&folder),
        Medium::in_memory(IMAGE_BYTES, 4096).unwrap(),
    ] {
        medium.write_atomic_pieces(AT, &[&[1; 100], &[], &[2; 4096], &[3; 3996]]);
        assert_eq!(medium.bytes(AT + 99, 2), [1, 2]);
        assert_eq!(medium.bytes(AT + 4195, 2), [2, 3]);
        assert_eq!(medium.bytes(AT + 8191, 1), [3]);
    }
}

#[test]
fn a_record_that_does_not_add_up_is_an_error_and_changes_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("x.img");
    let slot = IMAGE_BYTES as usize + REDO_OFFSET;
    // Offsets of the fields that the redo module documents, and a value that breaks each.
    let breaks: [(&str, usize, &[u8]); 4] = [
        ("unknown value", slot, &[1]),
        (
            "outside the image",
            slot + 8,
            &(IMAGE_BYTES - 512).to_le_bytes(),
        ),
        (
            "longer than an atomic unit",
            slot + 16,
            &16385_u32.to_le_bytes(),
        ),
        ("fails its checksum", slot + PAGE_BYTES + 77, &[0x99]),
    ];
    for (says, at, value) in breaks {
        let mut medium = image_with_old_unit(&folder);
        medium.write_interrupted(AT, &[NEW; 4096], 0);
        drop(medium);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, &bytes).unwrap();
        let error = Medium::open_file(&path, None).unwrap_err();
        assert!(
            matches!(&error, MediumError::Damaged { what, .. } if what.contains(says)),
            "{error}"
        );
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "a damaged image must stay as it is"
        );
        std::fs::remove_file(&path).unwrap();
    }
}
