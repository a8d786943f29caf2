use nvme_driver::{Outcome, QueueOptions};
use nvme_instant::InstantOptions;

use crate::rig::{PAGE, filled, finish_one, rig_with};

/// One page: PRP1. Two: PRP2 is the second page. More: PRP2 is a list. Each size is written from
/// and read into buffers that differ in every page, so a page out of place shows.
#[test]
fn transfers_of_every_page_count_arrive_in_order() {
    let mut rig = rig_with(
        InstantOptions {
            maximum_data_transfer: 9,
            blocks: 4096,
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    for pages in (1..=33).chain([63, 64, 65, 256, 511, 512]) {
        let mut buffer = rig.pair.buffer(pages * PAGE).expect("a buffer");
        for (page, bytes) in buffer.chunks_mut(PAGE).enumerate() {
            bytes.fill((pages * 7 + page * 13) as u8);
        }
        let expected = buffer.to_vec();
        rig.pair
            .submit_write(100, pages as u32, buffer, 0)
            .expect("room");
        assert_eq!(finish_one(&mut rig.pair).result, Ok(Outcome::Done));
        let mut medium = vec![0; pages * PAGE];
        rig.device.read_medium(100 * PAGE, &mut medium);
        assert!(medium == expected, "{pages} pages written out of order");
        let buffer = filled(&mut rig.pair, pages * PAGE, 0xee);
        rig.pair
            .submit_read(100, pages as u32, buffer, 0)
            .expect("room");
        let ended = finish_one(&mut rig.pair);
        assert_eq!(ended.result, Ok(Outcome::Done));
        assert!(
            *ended.buffer.expect("buffer") == expected[..],
            "{pages} pages read out of order"
        );
    }
}

/// Buffers of one slab have lists of their own: commands in flight together must not share one.
#[test]
fn buffers_side_by_side_have_lists_of_their_own() {
    let mut rig = rig_with(InstantOptions::default(), QueueOptions::default());
    for fill in 0..20u8 {
        let buffer = filled(&mut rig.pair, 5 * PAGE, fill + 1);
        let lba = u64::from(fill) * 5;
        rig.pair.submit_write(lba, 5, buffer, 0).expect("room");
    }
    assert_eq!(crate::rig::finish(&mut rig.pair).len(), 20);
    for block in 0..100 {
        assert_eq!(crate::rig::block(&rig.device, block), (block / 5) as u8 + 1);
    }
}

/// A buffer may be larger than the transfer: the shape follows the transfer.
#[test]
fn a_short_transfer_into_a_long_buffer_touches_its_start_only() {
    let mut rig = rig_with(InstantOptions::default(), QueueOptions::default());
    rig.device.write_medium(0, &vec![0x11; 32 * PAGE]);
    for blocks in [1, 2, 3, 5, 31] {
        let buffer = filled(&mut rig.pair, 32 * PAGE, 0xee);
        rig.pair.submit_read(0, blocks, buffer, 0).expect("room");
        let buffer = finish_one(&mut rig.pair).buffer.expect("buffer");
        let (read, rest) = buffer.split_at(blocks as usize * PAGE);
        assert!(read.iter().all(|&byte| byte == 0x11));
        assert!(rest.iter().all(|&byte| byte == 0xee), "{blocks} blocks");
    }
}

#[test]
fn blocks_smaller_than_a_page_end_within_a_page() {
    let mut rig = rig_with(
        InstantOptions {
            block_bytes: 512,
            blocks: 1024,
            ..InstantOptions::default()
        },
        QueueOptions::default(),
    );
    rig.device.write_medium(0, &vec![0x22; 64 * 512]);
    for blocks in [1, 7, 8, 9, 16, 17, 24, 25, 33] {
        let buffer = filled(&mut rig.pair, 8 * PAGE, 0xee);
        rig.pair.submit_read(0, blocks, buffer, 0).expect("room");
        let buffer = finish_one(&mut rig.pair).buffer.expect("buffer");
        let (read, rest) = buffer.split_at(blocks as usize * 512);
        assert!(read.iter().all(|&byte| byte == 0x22));
        assert!(rest.iter().all(|&byte| byte == 0xee), "{blocks} blocks");
    }
}
