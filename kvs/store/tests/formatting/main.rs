//! Making, opening and refusing stores.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{
    Client, DeviceCapabilities, Error, FormatOptions, FsckOptions, OpenOptions, Outcome, format,
    fsck, info,
};
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

#[test]
fn a_device_that_promises_too_little_is_refused_by_name() {
    let whole = DeviceCapabilities::atomic(16384);
    let cases = [
        (
            "FUSES",
            DeviceCapabilities {
                fused_compare_and_write: false,
                ..whole
            },
        ),
        (
            "ACWU",
            DeviceCapabilities {
                acwu_bytes: 4096,
                ..whole
            },
        ),
        (
            "AWUN",
            DeviceCapabilities {
                awun_bytes: 4096,
                ..whole
            },
        ),
        (
            "AWUPF",
            DeviceCapabilities {
                awupf_bytes: 512,
                ..whole
            },
        ),
        (
            "0Ah",
            DeviceCapabilities {
                atomicity_disabled: true,
                ..whole
            },
        ),
        (
            "VWC",
            DeviceCapabilities {
                volatile_write_cache: true,
                forced_unit_access: false,
                ..whole
            },
        ),
    ];
    let options = FormatOptions {
        page_bytes: 8192,
        ..FormatOptions::default()
    };
    for (field, capabilities) in cases {
        let memory = MemoryOptions {
            capabilities,
            ..MemoryOptions::default()
        };
        let device = MemoryDevice::new(1 << 20, memory);
        let error = format(&mut device.handle(), &options).unwrap_err();
        assert!(error.to_string().contains(field), "{field}: {error}");
        // The same when the store was made before the device lost the ability.
        device.set_options(MemoryOptions::default());
        format(&mut device.handle(), &options).unwrap();
        device.set_options(memory);
        let error = Client::open(device.handle(), OpenOptions::default())
            .err()
            .unwrap();
        assert!(matches!(error, Error::UnfitDevice { .. }), "{error}");
        let read_only = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        assert!(
            Client::open(device.handle(), read_only).is_ok(),
            "reading needs nothing"
        );
    }
    let cached = DeviceCapabilities {
        volatile_write_cache: true,
        ..whole
    };
    let memory = MemoryOptions {
        capabilities: cached,
        ..MemoryOptions::default()
    };
    let device = MemoryDevice::new(1 << 20, memory);
    format(&mut device.handle(), &options).unwrap();
}

#[test]
fn impossible_sizes_are_refused() {
    let device = blank();
    let mut handle = device.handle();
    let options = |page_bytes| FormatOptions {
        page_bytes,
        ..FormatOptions::default()
    };
    assert!(matches!(
        format(&mut handle, &options(5000)),
        Err(Error::Option { .. })
    ));
    let too_many = FormatOptions {
        pages: Some(9),
        ..FormatOptions::default()
    };
    let error = format(&mut handle, &too_many).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DeviceTooSmall {
                needed_pages: 25,
                ..
            }
        ),
        "{error}"
    );
    let too_few = FormatOptions {
        pages: Some(1),
        ..FormatOptions::default()
    };
    assert!(matches!(
        format(&mut handle, &too_few),
        Err(Error::Option { .. })
    ));
    let exact = FormatOptions {
        pages: Some(5),
        ..FormatOptions::default()
    };
    assert_eq!(format(&mut handle, &exact).unwrap().info.home_pages, 5);
    for bytes in [4096, 64 << 10, (64 << 10) + 4096] {
        let small = MemoryDevice::new(bytes, MemoryOptions::default());
        let error = format(&mut small.handle(), &FormatOptions::default()).unwrap_err();
        assert!(matches!(error, Error::DeviceTooSmall { .. }), "{error}");
    }
    // A store on a device that has shrunk.
    let image = device.bytes(0, 20 * 4096);
    let shrunk = MemoryDevice::new(20 * 4096, MemoryOptions::default());
    shrunk.write_bytes(0, &image);
    let error = Client::open(shrunk.handle(), OpenOptions::default())
        .err()
        .unwrap();
    assert!(
        matches!(
            error,
            Error::DeviceTooSmall {
                needed_pages: 21,
                ..
            }
        ),
        "{error}"
    );
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
