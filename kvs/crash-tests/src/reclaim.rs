//! What dead clients left is cleared away when room is needed.

use anyhow::{Context, ensure};
use rdstore::page_store::PageStore;
use rdstore::{Client, Error, Outcome};

/// Values that fill pages up, from large to small.
const SIZES: [usize; 4] = [1500, 500, 120, 8];

/// Fills the store until it says that it is full, through which whatever nobody needs has to go,
/// then removes what it has put there. Gives back how many entries found room.
///
/// # Errors
/// Anything but `Full` on the way, or a store that never gets full.
pub fn fill_up_and_empty<P: PageStore>(client: &mut Client<P>) -> anyhow::Result<usize> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for bytes in SIZES {
        // Several keys must find no room: they begin to look in different pages.
        let mut refused = 0;
        for index in 0.. {
            ensure!(index < 100_000, "the store never gets full");
            let key = format!("fill{bytes}.{index}").into_bytes();
            match client.put(&key, &vec![0x5a; bytes]) {
                Ok(Outcome::Stored { .. }) => keys.push(key),
                Err(Error::Full { .. }) => refused += 1,
                other => anyhow::bail!("filling up: {other:?}"),
            }
            if refused == 4 {
                break;
            }
        }
    }
    for key in &keys {
        let outcome = client.delete(key).context("emptying")?;
        ensure!(
            matches!(outcome, Outcome::Deleted { .. }),
            "deleting {}: {outcome:?}",
            key.escape_ascii()
        );
    }
    Ok(keys.len())
}
