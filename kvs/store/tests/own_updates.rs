//! Updates of one client that meet on a page: they line up, where each used to lose the race against
//! the one before it, back off and read again.

use rdstore::testing::{MemoryDevice, MemoryOptions};
use rdstore::{Client, FormatOptions, OpenOptions, Operation, Outcome, Version, format};

const UPDATES: usize = 32;

#[test]
fn updates_of_one_key_at_once_all_take_effect_without_a_lost_race() {
    let device = MemoryDevice::new(1 << 20, MemoryOptions::default());
    format(&mut device.handle(), &FormatOptions::default()).unwrap();
    let mut client = Client::open(device.handle(), OpenOptions::default()).unwrap();
    let before = client.stats();
    let mut tickets = Vec::new();
    for update in 0..UPDATES {
        let value = [update as u8];
        // Every fourth deletes, and every fifth is of another key.
        let key: &[u8] = if update % 5 == 4 { b"cold" } else { b"hot" };
        let operation = match update % 4 {
            3 => Operation::Delete { key },
            _ => Operation::Put {
                key,
                value: &value,
                expires_unix_ms: None,
            },
        };
        tickets.push((client.submit(operation).unwrap(), key));
    }
    let mut outcomes = Vec::new();
    while outcomes.len() < UPDATES {
        if client.poll(&mut outcomes) == 0 {
            client.wait(u64::MAX);
        }
    }
    let mut hot: Vec<Version> = Vec::new();
    for (ticket, outcome) in outcomes {
        let outcome = outcome.unwrap();
        let place = tickets.iter().position(|(known, _)| *known == ticket);
        let (_, key) = tickets.remove(place.expect("each ticket ends once"));
        if key == b"hot" && !matches!(outcome, Outcome::Missing { .. }) {
            hot.push(outcome.version());
        }
    }
    assert!(tickets.is_empty());
    assert!(
        hot.windows(2).all(|pair| pair[0] < pair[1]),
        "one after the other: {hot:?}"
    );
    let after = client.stats();
    assert_eq!(after.miscompares, before.miscompares);
    assert_eq!(after.back_offs, before.back_offs);
    assert_eq!(client.in_flight(), 0);
    // The next one finds no queue to wait in.
    client.put(b"hot", b"last").unwrap();
    client.close().unwrap();
}
