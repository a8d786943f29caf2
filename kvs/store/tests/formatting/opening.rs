//! Which devices are opened as stores, and which are not.

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Client, Error, FsckOptions, OpenOptions, Outcome, fsck, info};

use super::blank;
use super::support::sample::{client, device};

#[test]
fn what_is_no_store_is_not_opened() {
    let device = blank();
    let open = |device: &MemoryDevice| Client::open(device.handle(), OpenOptions::default()).err();
    assert!(matches!(open(&device), Some(Error::NotFormatted { .. })));
    device.write_bytes(0, b"something else");
    let error = open(&device).unwrap();
    assert!(matches!(&error, Error::NotFormatted { found, .. } if found.contains("736f6d65")));
    assert!(matches!(
        info(&mut device.handle()),
        Err(Error::NotFormatted { .. })
    ));
    assert!(fsck(&mut device.handle(), &FsckOptions::default()).is_err());
}

#[test]
fn either_superblock_copy_will_do_and_the_other_is_repaired() {
    for offset in [0, 16 << 10] {
        let device = device(8, MemoryOptions::default());
        client(&device).put(b"k", b"v").unwrap();
        device.write_bytes(offset + 300, &[0xff; 100]);
        assert!(
            !fsck(&mut device.handle(), &FsckOptions::default())
                .unwrap()
                .is_clean()
        );
        let read_only = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        let mut reader = Client::open(device.handle(), read_only).unwrap();
        assert!(matches!(reader.get(b"k").unwrap(), Outcome::Found { .. }));
        assert!(
            !fsck(&mut device.handle(), &FsckOptions::default())
                .unwrap()
                .is_clean()
        );
        assert!(matches!(
            client(&device).get(b"k").unwrap(),
            Outcome::Found { .. }
        ));
        assert!(
            fsck(&mut device.handle(), &FsckOptions::default())
                .unwrap()
                .is_clean()
        );
    }
    let device = device(8, MemoryOptions::default());
    device.write_bytes(300, &[0xff; 100]);
    device.write_bytes((16 << 10) + 300, &[0xff; 100]);
    let error = Client::open(device.handle(), OpenOptions::default())
        .err()
        .unwrap();
    assert!(matches!(error, Error::DamagedSuperblock { .. }), "{error}");
}

/// Sets feature bits in both copies.
fn set_feature(device: &MemoryDevice, offset: usize) {
    for copy in [0, 16 << 10] {
        let mut record = device.bytes(copy, 4096);
        record[256 + offset] = 0x80;
        let crc = crc32c::crc32c(&record[8..]);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        device.write_bytes(copy, &record);
    }
}

#[test]
fn unknown_feature_bits_forbid_what_they_say() {
    let read_only = OpenOptions {
        read_only: true,
        ..OpenOptions::default()
    };
    for (offset, reads, writes) in [(0, true, true), (8, true, false), (16, false, false)] {
        let device = device(8, MemoryOptions::default());
        client(&device).put(b"k", b"v").unwrap();
        set_feature(&device, offset);
        assert_eq!(
            Client::open(device.handle(), read_only).is_ok(),
            reads,
            "bits at {offset}"
        );
        let result = Client::open(device.handle(), OpenOptions::default());
        assert_eq!(result.is_ok(), writes, "bits at {offset}");
        if let Err(error) = result {
            assert!(
                matches!(error, Error::UnknownFeatures { unknown: 0x80, .. }),
                "{error}"
            );
        }
    }
}
