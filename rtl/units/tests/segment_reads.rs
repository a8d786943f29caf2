//! `segment_reads` tells each segment once, when all of its reads have ended, and whether one of them failed; and at the
//! first that fails, when others are still to end.
#![cfg(feature = "verilator")]

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rtl_units::Module;

const ROWS: usize = 256;
/// The sweep after a reset.
const SETTLE_CYCLES: u32 = 2 * ROWS as u32;
const CYCLES: u32 = 400_000;

/// A segment under way.
#[derive(Clone, Debug, Default)]
struct Segment {
    to_ask: u32,
    under_way: u32,
    first_failed: bool,
    second_failed: bool,
    open: bool,
}

/// How a read ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Good,
    FirstFailed,
    SecondFailed,
    Unsent,
}

impl Segment {
    fn end(&mut self, end: End) {
        self.under_way -= 1;
        self.first_failed |= matches!(end, End::FirstFailed | End::Unsent);
        self.second_failed |= end == End::SecondFailed;
    }
}

#[test]
fn every_segment_is_told_once_when_its_reads_have_ended() {
    let mut random = Pcg64Mcg::seed_from_u64(11);
    let mut module = Module::new("segment_reads");
    module.reset();
    for _ in 0..SETTLE_CYCLES {
        module.clock();
    }
    let mut segments = vec![Segment::default(); ROWS];
    // Rows that are told, or have to be by now: reads not sent wait in a FIFO, so only their order is free.
    let mut unsent: VecDeque<usize> = VecDeque::new();
    let (mut told, mut failures, mut early, mut left_out, mut forgotten) = (0, 0, 0, 0, 0);
    for cycle in 0..CYCLES {
        let calm = matches!(cycle % 20_000, 9_000..10_000);
        if cycle % 20_000 == 19_999 {
            // The link was down: nothing ends any more, and nobody asks for anything while that is found out.
            module.set("asked_valid", 0);
            module.set("ended_valid", 0);
            module.set("unsent_valid", 0);
            module.set("forget", 1);
            module.evaluate();
            for step in 0..SETTLE_CYCLES {
                module.set("forget", u64::from(step == 0));
                module.evaluate();
                if module.get("filled_valid") == 1 {
                    let segment = &mut segments[module.get("filled_row") as usize];
                    assert!(segment.open && segment.to_ask == 0 && segment.under_way > 0);
                    assert_eq!(module.get("filled_first_failed"), 1);
                    *segment = Segment::default();
                }
                module.clock();
            }
            for segment in segments.iter_mut().filter(|segment| segment.under_way > 0) {
                assert!(segment.to_ask > 0, "not told: {segment:?}");
                segment.under_way = 0;
                segment.first_failed = true;
                forgotten += 1;
            }
            unsent.clear();
            continue;
        }

        // A read is asked for, or left out with all that would follow.
        let row = random.random_range(0..ROWS);
        let mut asked = None;
        module.set("asked_valid", 0);
        if !calm && random.random_ratio(2, 3) {
            let segment = &mut segments[row];
            if !segment.open {
                *segment = Segment {
                    to_ask: [1, 2, 9, 40][random.random_range(0..4)],
                    open: true,
                    ..Segment::default()
                };
            }
            if segment.to_ask > 0 {
                let none = random.random_ratio(1, 12);
                let last = none || segment.to_ask == 1;
                module.set("asked_valid", 1);
                module.set("asked_row", row as u64);
                module.set("asked_none", none.into());
                module.set("asked_last", last.into());
                asked = Some((none, last));
            }
        }

        // One that is under way ends; another was not sent.
        let mut pick = |segments: &[Segment]| {
            let from = random.random_range(0..ROWS);
            (0..ROWS)
                .map(|step| (from + step) % ROWS)
                .find(|row| segments[*row].under_way > 0)
        };
        let ending = pick(&segments).filter(|row| !unsent.contains(row));
        module.set("ended_valid", 0);
        let mut end = None;
        if let Some(row) = ending
            && cycle % 3 != 0
        {
            let how = [
                End::Good,
                End::Good,
                End::Good,
                End::FirstFailed,
                End::SecondFailed,
            ][cycle as usize / 7 % 5];
            module.set("ended_valid", 1);
            module.set("ended_row", row as u64);
            module.set("ended_first_failed", (how == End::FirstFailed).into());
            module.set("ended_second_failed", (how == End::SecondFailed).into());
            end = Some((row, how));
        }
        let lost = pick(&segments).filter(|row| {
            cycle % 17 == 0 && Some(*row) != ending && !unsent.contains(row) && unsent.len() < 32
        });
        module.set("unsent_valid", u64::from(lost.is_some()));
        module.set("unsent_row", lost.unwrap_or(0) as u64);
        module.evaluate();

        // What has happened by this cycle
        let ready = module.get("asked_ready") == 1;
        if let (Some((none, last)), true) = (asked, ready) {
            let segment = &mut segments[row];
            if none {
                left_out += 1;
            } else {
                segment.under_way += 1;
            }
            segment.to_ask = if last { 0 } else { segment.to_ask - 1 };
        } else {
            // Only reads that are left out have to wait.
            assert!(asked.is_none_or(|(none, _)| none), "cycle {cycle}");
        }
        let mut touched = None;
        let mut fails = None;
        if let Some((row, how)) = end.or_else(|| Some((unsent.pop_front()?, End::Unsent))) {
            let failed_before = segments[row].first_failed;
            segments[row].end(how);
            touched = Some(row);
            fails = (segments[row].first_failed && !failed_before).then_some(row);
        } else if asked.is_some_and(|(none, _)| none) && ready {
            touched = Some(row);
        }
        unsent.extend(lost);

        let expected = touched.filter(|row| {
            let segment = &segments[*row];
            segment.open && segment.to_ask == 0 && segment.under_way == 0
        });
        assert_eq!(
            module.get("filled_valid") == 1,
            expected.is_some(),
            "cycle {cycle}: {touched:?}"
        );
        let told_lost = (module.get("lost_valid") == 1).then(|| module.get("lost_row") as usize);
        assert_eq!(
            told_lost,
            fails.filter(|_| expected.is_none()),
            "cycle {cycle}"
        );
        early += u32::from(told_lost.is_some());
        if let Some(row) = expected {
            let segment = std::mem::take(&mut segments[row]);
            assert_eq!(module.get("filled_row"), row as u64, "cycle {cycle}");
            let first = module.get("filled_first_failed") == 1;
            let second = module.get("filled_second_failed") == 1;
            assert_eq!(
                (first, second),
                (segment.first_failed, segment.second_failed),
                "cycle {cycle}"
            );
            told += 1;
            failures += u32::from(first);
        }
        module.clock();
    }
    assert!(
        told > 5_000 && failures > 1_000 && early > 1_000 && left_out > 100 && forgotten > 20,
        "{told} told, {failures} failed, {early} of them told early, {left_out} left out, {forgotten} forgotten"
    );
}
