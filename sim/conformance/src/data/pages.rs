//! Pages that functions Compare-and-Write while another reads them: what a store does all day, and what
//! its checksums would find first.

use nvme_spec::{Status, SubmissionEntry};
use pcie_host::endpoint::{Cycle, FunctionId};

use super::locks::stamped;
use crate::rig::{Buffer, Controller, Factory, Rig};
use crate::scale;

/// Bytes of each page, one behind the other on the medium: the sizes that a store has.
const PAGE_BYTES: [usize; 4] = [4 << 10, 8 << 10, 16 << 10, 4 << 10];
/// First block of the pages.
const FIRST_LBA: u64 = 64;
/// Reads that the reader keeps in flight.
const READS: usize = 16;

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hammered {
    /// Simulated time it took.
    pub cycles: Cycle,
    /// Reads that have ended.
    pub reads: u64,
    /// Compare-and-Writes that have ended, all of them with success.
    pub pairs: u64,
    /// A Read and a pair on one page, in flight together.
    pub overlaps: u64,
    /// Reads that found parts of two versions of their page.
    pub torn: u64,
}

/// A page's place, and who is at it.
struct Page {
    lba: u64,
    bytes: usize,
    version: u64,
    reads: u64,
    pairs: u64,
}

/// A buffer, the Reads of every page into it, and the one on its way.
struct Slot {
    buffer: Buffer,
    reads: Vec<SubmissionEntry>,
    sent: Option<(u16, usize)>,
}

/// Keeps Reads of all pages in flight.
struct Reader {
    controller: Controller,
    slots: Vec<Slot>,
    next_page: usize,
}

/// Raises the version of one page, one Compare-and-Write after the other.
struct Writer {
    queue_id: u16,
    page: usize,
    /// What the page holds, and what it shall; they change places.
    buffers: [Buffer; 2],
    /// From the first to the second, and back.
    pairs: [[SubmissionEntry; 2]; 2],
    sent: Option<[u16; 2]>,
}

/// Hammers the pages for so long: the PF reads all of them, and each is Compared-and-Written by one VF.
///
/// # Panics
/// A command fails: nobody else writes a writer's page, so that its compares hold with or without a
/// lock.
pub fn hammer(device: Factory, cycles: Cycle) -> Hammered {
    let rig = Rig::new(device);
    let mut controller = rig.io_controller(FunctionId::PF);
    let mut pages = pages(&mut controller);
    let mut reader = Reader::new(controller, &pages);
    let mut writers = writers(&rig, &pages);
    let mut found = Hammered::default();
    let begin = rig.host.now();
    let end = begin + cycles;
    loop {
        let more = rig.host.now() < end;
        reader.turn(&mut pages, &mut found, more);
        for (controller, writers) in &mut writers {
            controller.poll();
            for writer in writers {
                writer.turn(controller, &mut pages, &mut found, more);
            }
        }
        let outstanding = writers.iter().map(|(writer, _)| writer.outstanding());
        if reader.controller.outstanding() + outstanding.sum::<usize>() == 0 {
            break;
        }
        assert!(rig.host.step(), "the functions are stuck");
    }
    found.cycles = rig.host.now() - begin;
    found
}

fn pages(controller: &mut Controller) -> Vec<Page> {
    let mut lba = FIRST_LBA;
    let mut pages = Vec::new();
    for bytes in PAGE_BYTES {
        controller.store(lba, &stamped(0, bytes));
        pages.push(Page {
            lba,
            bytes,
            version: 0,
            reads: 0,
            pairs: 0,
        });
        lba += (bytes / controller.block_bytes as usize) as u64;
    }
    pages
}

impl Reader {
    fn new(mut controller: Controller, pages: &[Page]) -> Self {
        let most = PAGE_BYTES.into_iter().max().unwrap_or_default();
        let slots = (0..READS).map(|_| {
            let buffer = controller.buffer(most);
            let reads = pages.iter().map(|page| {
                let blocks = page.bytes as u32 / controller.block_bytes;
                controller.read(page.lba, blocks, &buffer)
            });
            let reads = reads.collect();
            Slot {
                buffer,
                reads,
                sent: None,
            }
        });
        let slots = slots.collect();
        Self {
            controller,
            slots,
            next_page: 0,
        }
    }

    fn turn(&mut self, pages: &mut [Page], found: &mut Hammered, more: bool) {
        self.controller.poll();
        for slot in &mut self.slots {
            if let Some((id, index)) = slot.sent {
                let Some(entry) = self.controller.take_polled(1, id) else {
                    continue;
                };
                assert_eq!(entry.status(), Status::SUCCESS);
                let page = &mut pages[index];
                let content = slot.buffer.read(0, page.bytes);
                let torn = content.chunks(8).any(|word| word != &content[..8]);
                found.torn += u64::from(torn);
                found.reads += 1;
                page.reads -= 1;
                slot.sent = None;
            }
            if more {
                let page = &mut pages[self.next_page];
                page.reads += 1;
                found.overlaps += page.pairs;
                let id = self.controller.submit(1, &[slot.reads[self.next_page]])[0];
                slot.sent = Some((id, self.next_page));
                self.next_page = (self.next_page + 1) % pages.len();
            }
        }
    }
}

/// The VFs take the pages in turn, a queue for each.
fn writers(rig: &Rig, pages: &[Page]) -> Vec<(Controller, Vec<Writer>)> {
    let count = usize::from(rig.device.virtual_functions);
    let functions = (0..count).map(|index| {
        let mut controller = rig.controller(FunctionId(index as u8 + 1));
        let own = (index..pages.len()).step_by(count);
        let writers = own.zip(1..).map(|(page, queue_id)| {
            controller.create_queue_pair(queue_id, 8);
            let Page { lba, bytes, .. } = pages[page];
            let blocks = bytes as u32 / controller.block_bytes;
            let (old, new) = (controller.buffer(bytes), controller.buffer(bytes));
            old.write(0, &stamped(0, bytes));
            let pairs = [
                controller.pair(lba, blocks, &old, &new),
                controller.pair(lba, blocks, &new, &old),
            ];
            Writer {
                queue_id,
                page,
                buffers: [old, new],
                pairs,
                sent: None,
            }
        });
        let writers = writers.collect();
        (controller, writers)
    });
    functions.collect()
}

impl Writer {
    fn turn(
        &mut self,
        controller: &mut Controller,
        pages: &mut [Page],
        found: &mut Hammered,
        more: bool,
    ) {
        let page = &mut pages[self.page];
        if let Some([compare, write]) = self.sent {
            let Some(entry) = controller.take_polled(self.queue_id, write) else {
                return;
            };
            assert_eq!(entry.status(), Status::SUCCESS);
            // A Compare completes before its Write.
            let entry = controller.take_polled(self.queue_id, compare);
            assert_eq!(entry.map(|entry| entry.status()), Some(Status::SUCCESS));
            page.version += 1;
            page.pairs -= 1;
            found.pairs += 1;
            self.sent = None;
        }
        if more {
            let from = (page.version % 2) as usize;
            self.buffers[1 - from].write(0, &stamped(page.version + 1, page.bytes));
            page.pairs += 1;
            found.overlaps += page.reads;
            let ids = controller.submit(self.queue_id, &self.pairs[from]);
            self.sent = Some([ids[0], ids[1]]);
        }
    }
}

/// A Read finds a page as one pair has left it, never parts of two, however many pairs it overlaps.
pub fn no_page_is_torn(device: Factory) {
    let found = hammer(device, scale(400_000, 40_000_000));
    assert_eq!(found.torn, 0, "{found:?}");
    // 100,000 and more in the full campaign.
    assert!(found.overlaps > found.cycles / 400, "{found:?}");
    assert!(found.pairs > found.cycles / 2_000, "{found:?}");
}

/// What [`no_page_is_torn`] would say of a device whose range lock grants everything: for a twin's crate
/// that can build such a device, and no device test (`suite!`) of the others.
pub fn pages_tear_without_the_lock(unlocked: Factory) {
    let found = hammer(unlocked, scale(400_000, 4_000_000));
    assert!(found.torn > 0, "{found:?}");
}
