//! A script that shows a mismatch, made short.

use crate::check::{Twin, check};
use crate::script::Script;
use crate::units::Unit;

/// Runs that shrinking may take.
const MOST_RUNS: usize = 150;

/// A shorter script that shows a mismatch too, and what it shows; `tried` is told of each run.
pub fn shrink(
    script: &Script,
    one: &Twin<'_>,
    other: &Twin<'_>,
    mut tried: impl FnMut(usize),
) -> (Script, Vec<String>) {
    let mut best = script.clone();
    let mut shown = check(&best, one, other).mismatches;
    let mut runs = 1;
    let mut attempt = |best: &mut Script, shown: &mut Vec<String>, smaller: Script| {
        if runs >= MOST_RUNS {
            return false;
        }
        runs += 1;
        tried(runs);
        let mismatches = check(&smaller, one, other).mismatches;
        let still = !mismatches.is_empty();
        if still {
            *best = smaller;
            *shown = mismatches;
        }
        still
    };
    // Rounds from the end: what follows the mismatch goes first.
    let mut round = best.rounds.len();
    while round > 0 {
        round -= 1;
        let mut smaller = best.clone();
        smaller.rounds.remove(round);
        attempt(&mut best, &mut shown, smaller);
    }
    for change in SIMPLER {
        let mut smaller = best.clone();
        change(&mut smaller);
        attempt(&mut best, &mut shown, smaller);
    }
    // Groups, in halves, quarters, … then one by one; then single units of what is left.
    let mut chunk = groups(&best).div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < groups(&best) {
            let smaller = without_groups(&best, start, chunk);
            if !attempt(&mut best, &mut shown, smaller) {
                start += chunk;
            }
        }
        chunk /= 2;
    }
    let mut index = 0;
    while let Some(smaller) = without_unit(&best, index) {
        if !attempt(&mut best, &mut shown, smaller) {
            index += 1;
        }
    }
    (best, shown)
}

/// What may not matter.
const SIMPLER: [fn(&mut Script); 5] = [
    |script| script.setup.stalls = None,
    |script| {
        for function in &mut script.setup.functions {
            function.interrupts = false;
        }
    },
    |script| {
        for round in &mut script.rounds {
            round.upheaval = None;
        }
    },
    |script| {
        for round in &mut script.rounds {
            round.look = false;
            round.doorbells.clear();
        }
    },
    |script| {
        for group in script.rounds.iter_mut().flat_map(|round| &mut round.groups) {
            group.wait_cycles = 0;
            group.doorbell_each = false;
        }
    },
];

fn groups(script: &Script) -> usize {
    script.rounds.iter().map(|round| round.groups.len()).sum()
}

fn without_groups(script: &Script, start: usize, count: usize) -> Script {
    let mut smaller = script.clone();
    let mut number = 0;
    for round in &mut smaller.rounds {
        round.groups.retain(|_| {
            number += 1;
            !(start + 1..=start + count).contains(&number)
        });
    }
    smaller
}

/// Without one unit of a group that has several and no halves that stand alone.
fn without_unit(script: &Script, index: usize) -> Option<Script> {
    let mut number = 0;
    for (round_index, round) in script.rounds.iter().enumerate() {
        for unit in Unit::of(round) {
            let fused =
                |command: &crate::script::Command| command.entry.fuse() != nvme_spec::Fuse::Normal;
            let is_plain = !unit.group.commands.iter().any(fused);
            if unit.group.commands.len() < 2 || !is_plain {
                continue;
            }
            if number == index {
                let id = unit.command.id;
                let mut smaller = script.clone();
                for group in &mut smaller.rounds[round_index].groups {
                    group.commands.retain(|command| command.id != id);
                }
                return Some(smaller);
            }
            number += 1;
        }
    }
    None
}
