//! Buffers of segments: all a segment needs or none, to a function's queues in turn by bytes, never one to two.
#![cfg(feature = "verilator")]

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const FUNCTIONS: usize = 7;
const QUEUES: usize = 5;
const QUEUE_WIDTH: u32 = 3;
const CONTEXTS: usize = 16;
const BUFFERS: usize = 16;
const CYCLES: u32 = 1_000_000;

/// A segment that waits, or has its buffers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    number: usize,
    sectors: u64,
    two: bool,
}

impl Segment {
    fn bytes(&self) -> u64 {
        self.sectors * 512 * if self.two { 2 } else { 1 }
    }

    fn buffers(&self) -> u64 {
        self.sectors.div_ceil(8) * if self.two { 2 } else { 1 }
    }
}

#[test]
fn queues_take_turns_by_bytes_and_wait_in_order() {
    let mut random = Pcg64Mcg::seed_from_u64(5);
    let mut module = Module::new("buffer_turns");
    module.reset();
    let mut waiting: Vec<VecDeque<Segment>> = vec![VecDeque::new(); FUNCTIONS * QUEUES];
    let mut given: Vec<Vec<Segment>> = vec![Vec::new(); FUNCTIONS];
    let mut idle: Vec<Vec<usize>> = vec![(0..CONTEXTS).collect(); FUNCTIONS];
    let mut dead = [[false; CONTEXTS]; FUNCTIONS];
    let mut bytes = vec![0u64; FUNCTIONS * QUEUES];
    let (mut gives, mut passes) = (0, 0);
    for cycle in 0..CYCLES {
        // Queue q of a function has segments of its own size; one of them waits always, and mostly another.
        let from = random.random_range(0..FUNCTIONS * QUEUES);
        let row = (0..FUNCTIONS * QUEUES)
            .map(|step| (from + step) % (FUNCTIONS * QUEUES))
            .filter(|row| row % QUEUES > 0)
            .min_by_key(|row| waiting[*row].len())
            .unwrap_or(1);
        let (function, queue) = (row / QUEUES, row % QUEUES);
        let mut pushed = None;
        module.set("push_valid", 0);
        if waiting[row].len() < 2
            && let Some(number) = idle[function].pop()
        {
            let segment = Segment {
                number,
                sectors: [8, 13, 20, 32][queue - 1],
                two: queue == 3,
            };
            dead[function][number] = random.random_ratio(1, 50);
            module.set("push_valid", 1);
            module.set("push_row", (function << QUEUE_WIDTH | queue) as u64);
            module.set("push_number", number as u64);
            module.set("push_sectors", segment.sectors);
            module.set("push_two", segment.two.into());
            module.set("push_segment", (cycle % (1 << 18)).into());
            pushed = Some((row, segment));
        }
        // Somebody gives buffers back.
        module.set("free_valid", 0);
        let function = random.random_range(0..FUNCTIONS);
        if !given[function].is_empty() && random.random_ratio(1, 20) {
            let which = random.random_range(0..given[function].len());
            let segment = given[function].swap_remove(which);
            idle[function].push(segment.number);
            module.set("free_valid", 1);
            module.set("free_function", function as u64);
        }
        module.evaluate();
        let function = module.get("room_function") as usize;
        // Half of the contexts may have buffers, so that the others can wait for some.
        let hold = given[function].len() >= CONTEXTS / 2 || random.random_ratio(1, 3);
        module.set("hold", hold.into());
        let used: u64 = given[function].iter().map(Segment::buffers).sum();
        let room = BUFFERS as u64 - used;
        module.set("room", room);
        let number = module.get("next_number") as usize & (CONTEXTS - 1);
        module.set("next_dead", dead[function][number].into());
        module.evaluate();

        let gives_now = module.get("give_valid") == 1;
        let passes_now = module.get("pass_valid") == 1;
        assert!(!(gives_now && passes_now), "cycle {cycle}");
        if gives_now || passes_now {
            let row = module.get("give_row") as usize;
            assert_eq!(row >> QUEUE_WIDTH, function, "cycle {cycle}");
            let row = function * QUEUES + (row & ((1 << QUEUE_WIDTH) - 1));
            let segment = waiting[row].pop_front().expect("somebody who waits");
            assert_eq!(segment.number, number, "cycle {cycle}: not the oldest");
            assert_eq!(dead[function][number], passes_now, "cycle {cycle}");
            if gives_now {
                assert!(segment.buffers() <= room, "cycle {cycle}: {segment:?}");
                assert_eq!(module.get("give_sectors"), segment.sectors);
                assert_eq!(module.get("give_pages"), segment.sectors.div_ceil(8));
                assert_eq!(module.get("give_two") == 1, segment.two);
                given[function].push(segment);
                bytes[row] += segment.bytes();
                gives += 1;
            } else {
                idle[function].push(segment.number);
                passes += 1;
            }
        }
        if let Some((row, segment)) = pushed {
            waiting[row].push_back(segment);
        }
        module.clock();
    }
    assert!(gives > 5_000 && passes > 50, "{gives} {passes}");
    for of_function in bytes.chunks(QUEUES) {
        let most = of_function[1..].iter().max().unwrap_or(&0);
        let least = of_function[1..].iter().min().unwrap_or(&0);
        assert!(most - least < most / 20, "bytes of each queue: {bytes:?}");
    }
}

#[test]
fn a_buffer_is_one_segments() {
    let mut random = Pcg64Mcg::seed_from_u64(6);
    let mut module = Module::new("buffer_map");
    module.reset();
    // Segments that have buffers: {context's number, slot}, pages, both halves
    let mut given: Vec<(usize, usize, u64, bool)> = Vec::new();
    for step in 0..5_000 {
        let function = random.random_range(0..FUNCTIONS);
        let used: u64 = given
            .iter()
            .filter(|(number, ..)| number / CONTEXTS == function)
            .map(|(_, _, pages, two)| pages * if *two { 2 } else { 1 })
            .sum();
        module.set("room_function", function as u64);
        module.set("give_valid", 0);
        module.set("free_valid", 0);
        module.evaluate();
        assert_eq!(module.get("busy"), 0);
        assert_eq!(module.get("room"), BUFFERS as u64 - used, "step {step}");

        let two = random.random_ratio(1, 3);
        let number = function * CONTEXTS + random.random_range(0..CONTEXTS);
        let slot = if two { 0 } else { random.random_range(0..2) };
        let pages = random.random_range(1..=4u64);
        let needed = pages * if two { 2 } else { 1 };
        let has_some = given.iter().any(|(other, other_slot, _, both)| {
            *other == number && (*other_slot == slot || *both || two)
        });
        let gives = used + needed <= BUFFERS as u64 && !has_some;
        if gives {
            module.set("give_valid", 1);
            module.set("give_number", number as u64);
            module.set("give_slot", slot as u64);
            module.set("give_pages", pages);
            module.set("give_two", two.into());
        }
        module.clock();
        module.set("give_valid", 0);
        // Others give theirs back in the meantime.
        for _ in 0..if gives { needed } else { 1 } {
            module.set("free_valid", 0);
            if random.random_ratio(1, 6) && !given.is_empty() {
                let (number, slot, ..) = given.swap_remove(random.random_range(0..given.len()));
                module.set("free_valid", 1);
                module.set("free_number", number as u64);
                module.set("free_slot", slot as u64);
            }
            module.evaluate();
            assert_eq!(module.get("busy") == 1, gives);
            module.clock();
        }
        module.set("free_valid", 0);
        if gives {
            given.push((number, slot, pages, two));
        }

        // Whoever has buffers is found in them by all three ways in, and nobody else is.
        let mut owners = vec![None; FUNCTIONS * BUFFERS];
        for (index, (number, slot, pages, two)) in given.iter().enumerate() {
            let halves = if *two { 0..2 } else { *slot..slot + 1 };
            for (half, page) in halves.flat_map(|half| (0..*pages).map(move |page| (half, page))) {
                let word = random.random_range(0..128);
                let place = page << 7 | word;
                module.set("host_number", *number as u64);
                module.set("host_half", half as u64);
                module.set("host_word", place);
                module.set(
                    "out_word",
                    (*number as u64) << 10 | (half as u64) << 9 | place,
                );
                module.set("page_number", *number as u64);
                module.set("page_half", half as u64);
                module.set("page", page);
                module.evaluate();
                let found = module.get("host_place");
                assert_eq!(found & 127, word);
                assert_eq!(module.get("out_place"), found);
                let buffer = (found >> 7) as usize;
                assert_eq!(buffer / BUFFERS, number / CONTEXTS);
                assert_eq!(module.get("page_buffer"), (buffer % BUFFERS) as u64);
                let owner = owners[buffer].replace(index);
                assert_eq!(owner, None, "step {step}: two have buffer {buffer}");
                if page + 1 < *pages && word == 127 {
                    module.set("host_word", (page + 1) << 7);
                    let next = module.get("host_next_place");
                    module.evaluate();
                    assert_eq!(module.get("host_place"), next);
                }
            }
        }
    }
}
