//! Damaged pages: what a reader is told, and what fsck finds. Each is made by hand, byte by byte.

mod support;

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Error, FsckOptions, FsckReport, Outcome, PageFault, fsck};
use support::sample::{FIRST_PAGE, client, device, keys_at, value};

/// Offsets of layout 1.
const CRC: usize = 4;
const FLAGS: usize = 11;
const ENTRY_COUNT: usize = 14;
const STAMP: usize = 64;
const DIRECTORY_COUNT: usize = 82;
const DIRECTORY: usize = 160;
const ENTRIES: usize = 256;

/// Changes a page behind the store's back, and makes its CRC right again.
fn patch(device: &MemoryDevice, page: usize, change: impl FnOnce(&mut [u8])) {
    let mut bytes = device.bytes(page * 4096, 4096);
    change(&mut bytes);
    let crc = crc32c::crc32c(&bytes[8..]);
    bytes[CRC..CRC + 4].copy_from_slice(&crc.to_le_bytes());
    device.write_bytes(page * 4096, &bytes);
}

fn check(device: &MemoryDevice) -> FsckReport {
    fsck(&mut device.handle(), &FsckOptions::default()).unwrap()
}

/// A store with one native entry in the first page; gives its key.
fn one_entry() -> (MemoryDevice, Vec<u8>) {
    let device = device(4, MemoryOptions::default());
    let mut client = client(&device);
    let key = keys_at(&client, 0, 1).remove(0);
    client.put(&key, b"value").unwrap();
    (device, key)
}

/// A store whose first page is full and names a guest; gives both keys and the host.
fn one_guest() -> (MemoryDevice, Vec<Vec<u8>>, usize) {
    let device = device(4, MemoryOptions::default());
    let mut client = client(&device);
    let keys = keys_at(&client, 0, 2);
    client.put(&keys[0], &value(1, 3000)).unwrap();
    client.put(&keys[1], &value(2, 3000)).unwrap();
    let host = device.bytes(FIRST_PAGE * 4096 + DIRECTORY + 4, 4);
    let host = u32::from_le_bytes(host.try_into().unwrap()) as usize;
    (device, keys, host)
}

#[test]
fn every_damaged_header_field_is_reported_with_both_values() {
    let magic = u32::from_le_bytes(*b"RDSp");
    let text = |number: u64| number.to_string();
    let cases: [(&str, usize, bool, String, String); 7] = [
        (
            "magic",
            0,
            true,
            format!("{magic:#010x}"),
            format!("{:#010x}", magic ^ 1),
        ),
        ("layout version", 8, true, text(1), text(0)),
        ("page kind", 10, true, text(1), text(0)),
        ("level", 12, true, text(0), text(1)),
        ("page number", 40, true, text(16), text(17)),
        ("epoch", 48, true, text(1), text(0)),
        ("store UUID", 16, true, String::new(), String::new()),
    ];
    for (field, offset, mend, expected, found) in cases {
        let (device, key) = one_entry();
        assert!(mend);
        patch(&device, FIRST_PAGE, |bytes| bytes[offset] ^= 1);
        let Err(Error::DamagedPage {
            device: name,
            page,
            fault,
        }) = client(&device).get(&key)
        else {
            panic!("{field}: not noticed")
        };
        assert_eq!((fault.field, page), (field, FIRST_PAGE as u64));
        assert!(name.starts_with("memory handle"), "{name}");
        assert_ne!(fault.expected, fault.found, "{field}");
        if !expected.is_empty() {
            let fault = *fault;
            assert_eq!(
                fault,
                PageFault {
                    field: fault.field,
                    expected,
                    found
                },
                "{field}"
            );
        }
        let report = check(&device);
        assert_eq!(report.violations_total, 1, "{field}: {report:?}");
        assert!(report.violations[0].what.starts_with(field), "{report:?}");
        // An update must not write over what it cannot read.
        assert!(matches!(
            client(&device).put(&key, b"new"),
            Err(Error::DamagedPage { .. })
        ));
        assert!(matches!(
            client(&device).delete(&key),
            Err(Error::DamagedPage { .. })
        ));
    }
}

#[test]
fn every_flipped_bit_of_a_page_is_noticed() {
    let (device, key) = one_entry();
    let whole = device.bytes(FIRST_PAGE * 4096, 4096);
    let mut reader = client(&device);
    for bit in (0..4096 * 8).step_by(37).chain(0..64 * 8) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        device.write_bytes(FIRST_PAGE * 4096, &bytes);
        let result = reader.get(&key);
        assert!(
            matches!(result, Err(Error::DamagedPage { .. })),
            "bit {bit}: {result:?}"
        );
    }
    device.write_bytes(FIRST_PAGE * 4096, &whole);
    assert!(matches!(reader.get(&key), Ok(Outcome::Found { .. })));
}

#[test]
fn a_page_of_a_younger_generation_says_to_open_again() {
    let (device, key) = one_entry();
    patch(&device, FIRST_PAGE, |bytes| bytes[32] = 9);
    let result = client(&device).get(&key);
    assert!(
        matches!(
            result,
            Err(Error::FormattedAnew {
                expected: 1,
                found: 9,
                page: 16,
                ..
            })
        ),
        "{result:?}"
    );
    assert_eq!(check(&device).violations_total, 1);
    // One of an older generation is empty.
    patch(&device, FIRST_PAGE, |bytes| bytes[32] = 0);
    let result = client(&device).get(&key).unwrap();
    assert!(matches!(result, Outcome::Missing { .. }), "{result:?}");
    assert!(check(&device).is_clean());
}

#[test]
fn a_home_page_that_names_nothing_is_reported() {
    let (device, keys, host) = one_guest();
    // The token in the directory is another now.
    patch(&device, FIRST_PAGE, |bytes| bytes[DIRECTORY + 16] ^= 1);
    let Err(Error::Inconsistent {
        page, other_page, ..
    }) = client(&device).get(&keys[1])
    else {
        panic!("not noticed")
    };
    assert_eq!((page, other_page), (FIRST_PAGE as u64, host as u64));
    let (device, keys, _) = one_guest();
    patch(&device, FIRST_PAGE, |bytes| bytes[DIRECTORY + 4] = 200);
    let result = client(&device).get(&keys[1]);
    assert!(
        matches!(
            result,
            Err(Error::Inconsistent {
                other_page: 200,
                ..
            })
        ),
        "{result:?}"
    );
    let report = check(&device);
    assert!(!report.is_clean());
}

#[test]
fn a_damaged_page_elsewhere_does_not_keep_a_key_from_its_room() {
    let device = device(6, MemoryOptions::default());
    let mut client = client(&device);
    let keys = keys_at(&client, 0, 3);
    client.put(&keys[0], &value(1, 3000)).unwrap();
    for page in 1..5 {
        device.write_bytes((FIRST_PAGE + page) * 4096, b"not a page of this store");
    }
    client.put(&keys[1], &value(2, 3000)).unwrap();
    assert!(matches!(
        client.get(&keys[1]).unwrap(),
        Outcome::Found { .. }
    ));
    // With no room left, the damaged pages are still not touched.
    assert!(matches!(
        client.put(&keys[2], &value(3, 3000)),
        Err(Error::Full { .. })
    ));
    assert_eq!(check(&device).violations_total, 4);
}

/// A way to break an invariant, and what fsck says then.
type Breakage = (&'static str, fn(&mut [u8]));

#[test]
fn fsck_finds_every_broken_invariant_of_a_page() {
    let cases: [Breakage; 13] = [
        ("flags are", |page| page[FLAGS] = 3),
        ("reserved bytes of the header", |page| page[13] = 1),
        ("reserved bytes of the header", |page| page[85] = 1),
        ("stamp 999", |page| {
            page[STAMP..STAMP + 2].copy_from_slice(&999_u16.to_le_bytes());
        }),
        ("operation id 999", |page| {
            page[96..98].copy_from_slice(&999_u16.to_le_bytes());
        }),
        ("was written by a client that never was", |page| {
            page[ENTRIES + 17] = 9;
        }),
        ("tag of key", |page| page[ENTRIES + 4] ^= 1),
        ("its home is page", |page| {
            // Another key of the same length, whose home is elsewhere.
            page[ENTRIES + 40] ^= 1;
        }),
        ("version of key", |page| page[ENTRIES + 8] = 200),
        ("content is", |page| page[ENTRY_COUNT] += 1),
        ("an entry has no key", |page| page[ENTRIES] = 0),
        ("directory is", |page| page[DIRECTORY_COUNT] = 255),
        ("stands here twice", |page| {
            let bytes = usize::from(u16::from_le_bytes([page[80], page[81]]));
            page.copy_within(ENTRIES..ENTRIES + bytes, ENTRIES + bytes);
            page[ENTRY_COUNT] *= 2;
            let bytes = u16::try_from(2 * bytes).unwrap();
            page[80..82].copy_from_slice(&bytes.to_le_bytes());
        }),
    ];
    for (expected, damage) in cases {
        let (device, _) = one_entry();
        assert!(check(&device).is_clean());
        patch(&device, FIRST_PAGE, damage);
        let report = check(&device);
        let found = report
            .violations
            .iter()
            .any(|violation| violation.what.contains(expected));
        assert!(found, "{expected}: {report:?}");
        assert!(
            report
                .violations
                .iter()
                .all(|violation| violation.page == 16)
        );
    }
}

#[test]
fn fsck_finds_every_broken_invariant_between_pages() {
    // In the home page.
    let cases: [Breakage; 5] = [
        ("which lacks it", |page| page[DIRECTORY + 16] ^= 1),
        ("the fingerprint of key", |page| page[DIRECTORY] ^= 1),
        ("cannot host", |page| page[DIRECTORY + 4] = 16),
        ("cannot host", |page| page[DIRECTORY + 4] = 2),
        ("twice", |page| {
            page.copy_within(DIRECTORY..DIRECTORY + 24, DIRECTORY + 24);
            page[DIRECTORY_COUNT] = 2;
        }),
    ];
    for (expected, damage) in cases {
        let (device, _, _) = one_guest();
        let report = check(&device);
        assert!(
            report.is_clean() && report.keys == 2 && report.overflowed_keys == 1,
            "{report:?}"
        );
        patch(&device, FIRST_PAGE, damage);
        let report = check(&device);
        let found = report
            .violations
            .iter()
            .any(|violation| violation.what.contains(expected));
        assert!(found, "{expected}: {report:?}");
    }
    // In the host.
    let (device, _, host) = one_guest();
    patch(&device, host, |page| {
        let bytes = usize::from(u16::from_le_bytes([page[80], page[81]]));
        page[ENTRY_COUNT] = 0;
        page[80..82].fill(0);
        page[ENTRIES..ENTRIES + bytes].fill(0);
    });
    assert!(check(&device).violations[0].what.contains("which lacks it"));
    // A guest that nobody names is an orphan, unless it was marked as committed.
    let unname = |page: &mut [u8]| page[DIRECTORY_COUNT] = 0;
    let (device, _, _) = one_guest();
    patch(&device, FIRST_PAGE, unname);
    let report = check(&device);
    assert!(report.is_clean() && report.orphans == 1, "{report:?}");
    let (device, _, host) = one_guest();
    patch(&device, FIRST_PAGE, unname);
    patch(&device, host, |page| page[ENTRIES + 1] = 2);
    assert!(
        check(&device).violations[0]
            .what
            .contains("marked as committed")
    );
    // A key that stands at home and in a named guest.
    let (device, keys, host) = one_guest();
    patch(&device, FIRST_PAGE, |page| {
        page[ENTRIES..ENTRIES + 3500].fill(0);
        page[ENTRY_COUNT] = 0;
        page[80..82].fill(0);
    });
    let guest = device.bytes(host * 4096 + ENTRIES, 72 + keys[1].len());
    patch(&device, FIRST_PAGE, |page| {
        page[ENTRIES..ENTRIES + 40].copy_from_slice(&guest[..40]);
        page[ENTRIES + 1] = 0;
        page[ENTRIES + 2..ENTRIES + 4].fill(0);
        page[ENTRIES + 40..ENTRIES + 40 + keys[1].len()].copy_from_slice(&guest[72..]);
        page[ENTRY_COUNT] = 1;
        page[80] = u8::try_from(40 + keys[1].len()).unwrap();
    });
    assert!(
        check(&device).violations[0].what.contains("is there twice"),
        "{:?}",
        check(&device)
    );
}

#[test]
fn fsck_finds_damaged_records() {
    let (device, _) = one_entry();
    device.write_bytes(16 << 10, b"????");
    let report = check(&device);
    assert!(
        report.violations[0].what.contains("superblock copy: magic"),
        "{report:?}"
    );
    let (device, _) = one_entry();
    patch(&device, 4, |record| record[56] = 9);
    assert!(
        check(&device).violations[0]
            .what
            .contains("superblock copies differ")
    );
    let (device, _) = one_entry();
    patch(&device, 8, |record| record[10] = 1);
    assert!(
        check(&device).violations[0]
            .what
            .contains("client counter: page kind")
    );
}

#[test]
fn nothing_a_page_says_with_a_right_crc_makes_a_client_panic() {
    use rand::{RngExt, SeedableRng};
    support::seeds::each_seed(300, |seed| {
        let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
        let (device, keys, host) = one_guest();
        for page in [FIRST_PAGE, host] {
            patch(&device, page, |bytes| {
                for _ in 0..random.random_range(1..6) {
                    let at = match random.random_range(0..3) {
                        0 => random.random_range(80..256),
                        1 => random.random_range(ENTRIES..ENTRIES + 80),
                        _ => random.random_range(12..4096),
                    };
                    if !(16..64).contains(&at) {
                        bytes[at] = random.random();
                    }
                }
            });
        }
        let mut client = client(&device);
        for key in &keys {
            let _ = client.get(key);
            let _ = client.scan(rdstore::Cursor::START, 100);
            check(&device);
            let _ = client.put(key, &value(1, 2000));
            let _ = client.delete(key);
            let _ = client.put(key, &value(1, 3500));
        }
        check(&device);
    });
}
