//! A store written by layout version 1 stays readable for ever: `data/store-v1.img` was written
//! once, when the layout was decided, and must never be written again.

mod support;

use std::collections::BTreeMap;

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Client, Cursor, FsckOptions, OpenOptions, Outcome, fsck, info};

static IMAGE: &[u8] = include_bytes!("data/store-v1.img");

fn device() -> MemoryDevice {
    let device = MemoryDevice::new(IMAGE.len(), MemoryOptions::default());
    device.write_bytes(0, IMAGE);
    device
}

/// What the image holds: sixteen records, of which some stand in other pages than their own, one
/// that ends in 2030, and the traces of deleted ones.
fn expected() -> BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> {
    let mut entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> = (0..14_u8)
        .map(|n| {
            let key = format!("record {n}").into_bytes();
            (key, (vec![b'a' + n; 600 + 60 * usize::from(n)], None))
        })
        .collect();
    entries.insert(vec![0, 255, 128], (Vec::new(), None));
    entries.insert(
        b"ends".to_vec(),
        (b"in 2030".to_vec(), Some(1_893_456_000_000)),
    );
    entries
}

#[test]
fn every_record_is_there() {
    let device = device();
    let found = info(&mut device.handle()).unwrap();
    assert_eq!(
        (found.layout_version, found.page_bytes, found.home_pages),
        (1, 4096, 5)
    );
    assert_eq!(found.uuid, "6d0316ea-f9f5-4141-8845-6e38725b903f");
    let report = fsck(&mut device.handle(), &FsckOptions::default()).unwrap();
    assert!(report.is_clean(), "{:?}", report.violations);
    assert!(
        report.overflowed_keys > 0 && report.orphans > 0,
        "{report:?}"
    );
    let options = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    let mut client = Client::open(device.handle(), options).unwrap();
    let expected = expected();
    assert_eq!(report.keys, expected.len() as u64);
    let scanned = client.scan(Cursor::START, 1000).unwrap();
    let scanned: BTreeMap<_, _> = scanned
        .entries
        .into_iter()
        .map(|entry| (entry.key, (entry.value, entry.expires_unix_ms)))
        .collect();
    assert_eq!(scanned, expected);
    for (key, (value, expires)) in &expected {
        match client.get(key).unwrap() {
            Outcome::Found {
                value: found,
                expires_unix_ms,
                ..
            } => {
                assert_eq!((&found, &expires_unix_ms), (value, expires));
            }
            other => panic!("{}: {other:?}", key.escape_ascii()),
        }
    }
    assert!(matches!(
        client.get(b"gone").unwrap(),
        Outcome::Missing { .. }
    ));
}

#[test]
fn it_can_be_written_on() {
    let device = device();
    let mut client = Client::open(device.handle(), OpenOptions::default()).unwrap();
    for (key, (value, _)) in expected() {
        client.put(&key, &value[value.len() / 2..]).unwrap();
        client.delete(&key).unwrap();
        client.add(&key, b"again").unwrap();
    }
    let report = fsck(&mut device.handle(), &FsckOptions::default()).unwrap();
    assert!(report.is_clean() && report.keys == 16, "{report:?}");
}
