//! When commands reach a device on which posting and sending are two things.

use rdstore::page_store::{DeviceGeometry, PageCompletion, PageStore, QueueFull};
use rdstore::testing::{MemoryDevice, MemoryOptions, MemoryPageStore};
use rdstore::{Client, FormatOptions, OpenOptions, Operation, format};

type Buffer = <MemoryPageStore as PageStore>::Buffer;

enum Posted {
    Read(u64, Buffer, u64),
    CompareAndWrite(u64, Buffer, Buffer, u64),
}

/// A memory device behind a submission queue and a doorbell.
struct Doorbell {
    device: MemoryPageStore,
    posted: Vec<Posted>,
    /// Commands that each doorbell write has sent.
    rings: Vec<usize>,
}

impl Doorbell {
    fn new(device: &MemoryDevice) -> Self {
        Self {
            device: device.handle(),
            posted: Vec::new(),
            rings: Vec::new(),
        }
    }
}

impl PageStore for Doorbell {
    type Buffer = Buffer;

    fn geometry(&self) -> DeviceGeometry {
        self.device.geometry()
    }

    fn name(&self) -> &str {
        self.device.name()
    }

    fn buffer(&mut self, bytes: usize) -> Option<Buffer> {
        self.device.buffer(bytes)
    }

    fn submit_read(
        &mut self,
        block: u64,
        buffer: Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Buffer>> {
        self.posted.push(Posted::Read(block, buffer, tag));
        Ok(())
    }

    fn submit_compare_and_write(
        &mut self,
        block: u64,
        old: Buffer,
        new: Buffer,
        tag: u64,
    ) -> Result<(), QueueFull<Buffer>> {
        self.posted
            .push(Posted::CompareAndWrite(block, old, new, tag));
        Ok(())
    }

    fn ring(&mut self) {
        if !self.posted.is_empty() {
            self.rings.push(self.posted.len());
        }
        for posted in self.posted.drain(..) {
            let sent = match posted {
                Posted::Read(block, buffer, tag) => self.device.submit_read(block, buffer, tag),
                Posted::CompareAndWrite(block, old, new, tag) => {
                    self.device.submit_compare_and_write(block, old, new, tag)
                }
            };
            assert!(sent.is_ok(), "this device takes everything");
        }
    }

    fn poll(&mut self, completions: &mut Vec<PageCompletion<Buffer>>) -> usize {
        self.ring();
        self.device.poll(completions)
    }

    fn wait(&mut self, deadline_ns: u64) {
        self.ring();
        self.device.wait(deadline_ns);
    }

    fn now_ns(&self) -> u64 {
        self.device.now_ns()
    }

    fn in_flight(&self) -> usize {
        self.posted.len() + self.device.in_flight()
    }
}

fn store() -> MemoryDevice {
    let device = MemoryDevice::new(1 << 20, MemoryOptions::default());
    format(&mut device.handle(), &FormatOptions::default()).unwrap();
    device
}

fn put<'a>(key: &'a [u8]) -> Operation<'a> {
    Operation::Put {
        key,
        value: b"value",
        expires_unix_ms: None,
    }
}

/// A client's Compare-and-Write stayed in its queue after the poll that had posted it. Who then
/// waited on another client let time pass for nothing, to the very deadline.
#[test]
fn a_wait_on_one_client_does_not_pass_over_what_another_has_to_send() {
    let device = store();
    let mut writer = Client::open(Doorbell::new(&device), OpenOptions::default()).unwrap();
    let mut other = Client::open(Doorbell::new(&device), OpenOptions::default()).unwrap();
    let started_ns = writer.store().now_ns();
    writer.submit(put(b"key")).unwrap();
    let mut ended = 0;
    for _ in 0..10 {
        ended += writer.poll(&mut Vec::new());
        assert!(
            writer.store().posted.is_empty(),
            "a poll sends all it posts"
        );
        if ended == 0 {
            other.wait(started_ns + 1_000_000_000);
        }
    }
    assert_eq!(ended, 1);
    let took_ns = writer.store().now_ns() - started_ns;
    assert_eq!(
        took_ns, 2_000,
        "a read and a Compare-and-Write of 1 µs each"
    );

    writer.submit(put(b"key")).unwrap();
    assert_eq!(writer.store().posted.len(), 1, "submitting only posts");
    writer.ring();
    assert!(writer.store().posted.is_empty());
}

#[test]
fn what_one_poll_posts_is_sent_by_one_doorbell() {
    let device = store();
    let mut client = Client::open(Doorbell::new(&device), OpenOptions::default()).unwrap();
    client.store_mut().rings.clear();
    for key in 0..8_u8 {
        client.submit(put(&[key])).unwrap();
    }
    let mut outcomes = Vec::new();
    while outcomes.len() < 8 {
        client.poll(&mut outcomes);
        // All that are on their way arrive before the next poll.
        while device.advance() {}
    }
    assert!(outcomes.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(client.store().rings, [8, 8], "the reads, then the pairs");
}
