//! Small stores whose keys stand where a test wants them.

use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, FormatOptions, OpenOptions, format};

/// First home page of a store with 4 KiB pages.
pub(crate) const FIRST_PAGE: usize = 16;

/// A formatted device with `pages` home pages.
pub(crate) fn device(pages: usize, options: MemoryOptions) -> MemoryDevice {
    let device = MemoryDevice::new((FIRST_PAGE + pages) * 4096, options);
    format(
        &mut device.handle(),
        &FormatOptions {
            seed: options.seed,
            ..FormatOptions::default()
        },
    )
    .expect("a blank device can be formatted");
    device
}

/// A client that does not wait between attempts.
pub(crate) fn client(device: &MemoryDevice) -> Client<MemoryPageStore> {
    let options = OpenOptions {
        back_off_ns: 0,
        attempts: 200,
        ..OpenOptions::default()
    };
    Client::open(device.handle(), options).expect("the store can be opened")
}

/// The first `count` short keys whose home is `page` (counted from the first home page).
pub(crate) fn keys_at(client: &Client<MemoryPageStore>, page: usize, count: usize) -> Vec<Vec<u8>> {
    (0..)
        .map(|number: u32| format!("k{number}").into_bytes())
        .filter(|key| {
            client.cursor_for(key).expect("a right key").page == (FIRST_PAGE + page) as u64
        })
        .take(count)
        .collect()
}

/// A value that shows who wrote it.
pub(crate) fn value(tag: u8, bytes: usize) -> Vec<u8> {
    vec![tag; bytes]
}
