//! One client, one key at a time: outcomes, versions, and the exact number of device I/Os.

use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, Error, FormatOptions, OpenOptions, Outcome, Version, format};

fn store(pages: usize) -> (MemoryDevice, Client<MemoryPageStore>) {
    let device = MemoryDevice::new((16 + pages) * 4096, MemoryOptions::default());
    format(&mut device.handle(), &FormatOptions::default()).unwrap();
    let client = Client::open(device.handle(), OpenOptions::default()).unwrap();
    (device, client)
}

#[test]
fn operations_bring_what_they_promise() {
    let (_device, mut client) = store(8);
    let Outcome::Missing {
        version: Version(0),
    } = client.get(b"k").unwrap()
    else {
        panic!()
    };
    let Outcome::Stored { version: first } = client.put(b"k", b"v").unwrap() else {
        panic!()
    };
    let found = Outcome::Found {
        version: first,
        value: b"v".to_vec(),
        expires_unix_ms: None,
    };
    assert_eq!(client.get(b"k").unwrap(), found);
    assert_eq!(
        client.add(b"k", b"w").unwrap(),
        Outcome::Exists { version: first }
    );
    let wrong = Version(first.0 + 7);
    let mismatch = Outcome::Mismatch { version: first };
    assert_eq!(
        client.compare_and_swap(b"k", wrong, b"w").unwrap(),
        mismatch
    );
    let Outcome::Stored { version: second } = client.compare_and_swap(b"k", first, b"w").unwrap()
    else {
        panic!()
    };
    assert!(second > first);
    let Outcome::Deleted { version: third } = client.delete(b"k").unwrap() else {
        panic!()
    };
    assert!(third > second);
    assert_eq!(
        client.get(b"k").unwrap(),
        Outcome::Missing { version: third }
    );
    assert_eq!(
        client.delete(b"k").unwrap(),
        Outcome::Missing { version: third }
    );
    assert_eq!(
        client.compare_and_swap(b"k", third, b"x").unwrap(),
        Outcome::Missing { version: third }
    );
    let Outcome::Stored { version: fourth } = client.add(b"k", b"x").unwrap() else {
        panic!()
    };
    assert!(fourth > third);
}

#[test]
fn io_counts_without_overflow_are_exact() {
    let (device, mut client) = store(64);
    let mut ios = |what: &str, run: &mut dyn FnMut(&mut Client<MemoryPageStore>)| {
        let before = device.counters();
        run(&mut client);
        let after = device.counters();
        let reads = after.reads - before.reads;
        let pairs = after.compare_and_writes - before.compare_and_writes;
        assert_eq!(after.miscompares, 0, "{what}");
        (reads, pairs)
    };
    let value = [7; 1000];
    assert_eq!(ios("miss", &mut |c| drop(c.get(b"key"))), (1, 0));
    assert_eq!(ios("insert", &mut |c| drop(c.put(b"key", &value))), (1, 1));
    assert_eq!(ios("hit", &mut |c| drop(c.get(b"key"))), (1, 0));
    assert_eq!(
        ios("update", &mut |c| drop(c.put(b"key", b"small"))),
        (1, 1)
    );
    assert_eq!(ios("delete", &mut |c| drop(c.delete(b"key"))), (1, 1));
    assert_eq!(ios("miss again", &mut |c| drop(c.get(b"key"))), (1, 0));
    assert_eq!(ios("add", &mut |c| drop(c.add(b"key", &value))), (1, 1));
}

#[test]
fn wrong_use_says_what_is_possible() {
    let (_device, mut client) = store(8);
    assert_eq!(client.get(b"").unwrap_err(), Error::KeyLength { bytes: 0 });
    assert_eq!(
        client.get(&[1; 256]).unwrap_err(),
        Error::KeyLength { bytes: 256 }
    );
    let max_bytes = client.max_value_bytes(1);
    let too_large = vec![0; max_bytes + 1];
    let error = Error::ValueTooLarge {
        bytes: max_bytes + 1,
        max_bytes,
    };
    assert_eq!(client.put(b"k", &too_large).unwrap_err(), error);
    client.put(b"k", &too_large[1..]).unwrap();
    client
        .put(&[9; 255], &vec![1; client.max_value_bytes(255)])
        .unwrap();
}

/// The README says these numbers.
#[test]
fn the_largest_values_are_those_that_are_promised() {
    for (page_bytes, promised_bytes) in [(4096, 3648), (8192, 7744), (16_384, 15_936)] {
        let device = MemoryDevice::new(20 * page_bytes, MemoryOptions::default());
        let options = FormatOptions {
            page_bytes: page_bytes as u32,
            ..FormatOptions::default()
        };
        format(&mut device.handle(), &options).unwrap();
        let mut client = Client::open(device.handle(), OpenOptions::default()).unwrap();
        assert_eq!(client.max_value_bytes(24), promised_bytes);
        let value = vec![7; promised_bytes];
        client.put(&[1; 24], &value).unwrap();
        assert!(
            matches!(client.get(&[1; 24]).unwrap(), Outcome::Found { value: found, .. } if found == value)
        );
        assert_eq!(
            client.put(&[1; 24], &vec![7; promised_bytes + 1]),
            Err(Error::ValueTooLarge {
                bytes: promised_bytes + 1,
                max_bytes: promised_bytes
            })
        );
    }
}

#[test]
fn two_values_of_full_size_per_page_overflow_until_full() {
    let (_device, mut client) = store(4);
    let value = vec![3; 3584];
    let mut stored = 0;
    for key in 0..10_u8 {
        match client.put(&[key; 24], &value) {
            Ok(Outcome::Stored { .. }) => stored += 1,
            Err(Error::Full { probes: 3, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(stored, 4, "four pages take one each");
    let found = (0..10_u8)
        .filter(|key| matches!(client.get(&[*key; 24]).unwrap(), Outcome::Found { .. }))
        .count();
    assert_eq!(found, 4);
}
