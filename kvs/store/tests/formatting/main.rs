//! Making, opening and refusing stores.

#[path = "../support/mod.rs"]
mod support;

mod opening;
mod refusals;

use std::sync::atomic::{AtomicU64, Ordering};

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Error, FormatOptions, FsckOptions, Outcome, format, fsck, info};
use support::sample::{client, device};

const DEVICE_BYTES: usize = (16 + 8) * 4096;

fn blank() -> MemoryDevice {
    MemoryDevice::new(DEVICE_BYTES, MemoryOptions::default())
}

fn forced() -> FormatOptions {
    FormatOptions {
        force: true,
        ..FormatOptions::default()
    }
}

#[test]
fn a_new_store_tells_what_it_is() {
    let device = blank();
    let options = FormatOptions {
        page_bytes: 8192,
        expect_records: Some(4),
        value_bytes: Some(100),
        ..FormatOptions::default()
    };
    let report = format(&mut device.handle(), &options).unwrap();
    assert_eq!(report.info.page_bytes, 8192);
    assert_eq!((report.info.home_pages, report.info.reserved_pages), (4, 8));
    assert_eq!((report.info.generation, report.overwritten_pages), (1, 0));
    assert!(report.prediction.is_some_and(|prediction| prediction.fits));
    let found = info(&mut device.handle()).unwrap();
    assert_eq!(found.uuid, report.info.uuid);
    // RFC 9562: version 4, variant 10.
    assert_eq!(found.uuid.as_bytes()[14], b'4');
    assert!(b"89ab".contains(&found.uuid.as_bytes()[19]));
    assert!(
        fsck(&mut device.handle(), &FsckOptions::default())
            .unwrap()
            .is_clean()
    );
}

#[test]
fn a_store_is_not_erased_without_force() {
    let device = device(8, MemoryOptions::default());
    client(&device).put(b"k", b"v").unwrap();
    let before = device.bytes(0, DEVICE_BYTES);
    let error = format(&mut device.handle(), &FormatOptions::default()).unwrap_err();
    assert!(matches!(error, Error::StoreExists { .. }), "{error}");
    assert_eq!(device.bytes(0, DEVICE_BYTES), before);
}

#[test]
fn formatting_anew_forgets_everything_but_client_ids() {
    let device = device(8, MemoryOptions::default());
    let mut old = client(&device);
    for key in 0..20_u8 {
        old.put(&[key], &[key; 500]).unwrap();
    }
    let clients = info(&mut device.handle()).unwrap().clients;
    let report = format(&mut device.handle(), &forced()).unwrap();
    assert_eq!((report.info.generation, report.overwritten_pages), (2, 0));
    assert!(
        info(&mut device.handle()).unwrap().clients > clients,
        "ids are never used again"
    );
    let mut new = client(&device);
    for key in 0..20_u8 {
        let Outcome::Missing { .. } = new.get(&[key]).unwrap() else {
            panic!("still there")
        };
        new.put(&[key], b"new").unwrap();
        let Outcome::Found { value, .. } = new.get(&[key]).unwrap() else {
            panic!("lost")
        };
        assert_eq!(value, b"new");
        // Who had the old store open is told.
        let error = old.get(&[key]).unwrap_err();
        assert!(matches!(error, Error::FormattedAnew { .. }), "{error}");
    }
    let report = fsck(&mut device.handle(), &FsckOptions::default()).unwrap();
    assert!(report.is_clean() && report.keys == 20, "{report:?}");
}

#[test]
fn formatting_anew_with_other_pages_overwrites_what_would_be_misread() {
    let device = device(8, MemoryOptions::default());
    let mut old = client(&device);
    for key in 0..20_u8 {
        old.put(&[key], &[key; 500]).unwrap();
    }
    let options = FormatOptions {
        page_bytes: 16384,
        ..forced()
    };
    let report = format(&mut device.handle(), &options).unwrap();
    assert_eq!(report.overwritten_pages, 2);
    assert!(
        fsck(&mut device.handle(), &FsckOptions::default())
            .unwrap()
            .is_clean()
    );
    let mut new = client(&device);
    for key in 0..20_u8 {
        let Outcome::Missing { .. } = new.get(&[key]).unwrap() else {
            panic!("still there")
        };
    }
}

#[test]
fn foreign_data_is_not_erased_without_force() {
    for offset in [0, 1024, 4096, 60 << 10, 70 << 10, DEVICE_BYTES - 1] {
        let device = blank();
        device.write_bytes(offset, b"\x42");
        let before = device.bytes(0, DEVICE_BYTES);
        let error = format(&mut device.handle(), &FormatOptions::default()).unwrap_err();
        let at = (offset / 4096) as u64;
        assert!(
            matches!(error, Error::ForeignData { page, .. } if page == at),
            "offset {offset}: {error}"
        );
        assert_eq!(device.bytes(0, DEVICE_BYTES), before, "offset {offset}");
        format(&mut device.handle(), &forced()).unwrap();
        assert!(
            fsck(&mut device.handle(), &FsckOptions::default())
                .unwrap()
                .is_clean()
        );
        client(&device).put(b"k", b"v").unwrap();
    }
}

#[test]
fn blocks_may_be_smaller_than_pages() {
    for block_bytes in [512, 4096] {
        for page_bytes in [4096, 8192, 16384] {
            let memory = MemoryOptions {
                block_bytes,
                ..MemoryOptions::default()
            };
            let device = MemoryDevice::new(1 << 20, memory);
            let options = FormatOptions {
                page_bytes,
                ..FormatOptions::default()
            };
            format(&mut device.handle(), &options).unwrap();
            let mut client = client(&device);
            for key in 0..100_u8 {
                client.put(&[key], &[key; 700]).unwrap();
            }
            for key in 0..100_u8 {
                let Outcome::Found { value, .. } = client.get(&[key]).unwrap() else {
                    panic!()
                };
                assert_eq!(value, [key; 700]);
            }
        }
    }
}

static PROGRESS: AtomicU64 = AtomicU64::new(0);

#[test]
fn long_work_tells_its_progress() {
    fn progress(done: u64, all: u64) {
        assert!(done <= all);
        PROGRESS.store(done, Ordering::Relaxed);
    }
    let device = MemoryDevice::new(40 << 20, MemoryOptions::default());
    let options = FormatOptions {
        progress: Some(progress),
        ..FormatOptions::default()
    };
    format(&mut device.handle(), &options).unwrap();
    assert_eq!(PROGRESS.swap(0, Ordering::Relaxed), 10 * 1024 - 16);
    fsck(
        &mut device.handle(),
        &FsckOptions {
            progress: Some(progress),
        },
    )
    .unwrap();
    assert_eq!(PROGRESS.load(Ordering::Relaxed), 10 * 1024 - 16);
}
