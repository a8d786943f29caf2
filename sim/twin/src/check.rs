//! One script on both twins.

use crate::compare::compare;
use crate::cycles::{Cycles, cycles};
use crate::drive::run;
use crate::locks::judge;
use crate::oracle;
use crate::outcome::Outcome;
use crate::script::{Mix, Script};
use crate::twins::Make;

/// A twin and its name.
pub struct Twin<'a> {
    /// How messages call it.
    pub name: &'static str,
    /// Makes it.
    pub make: &'a Make,
}

/// What came of a script.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong, nothing when all is as it must be.
    pub mismatches: Vec<String>,
    /// Commands that were sent, on one twin.
    pub commands: u64,
    /// Requests of the range lock that met one they conflict with, on all twins that tell.
    pub overlaps: u64,
    /// Cycles side by side: of conflict-free mixes without random stalls.
    pub cycles: Option<Cycles>,
}

/// Runs a script on both and compares.
pub fn check(script: &Script, one: &Twin<'_>, other: &Twin<'_>) -> Verdict {
    let outcomes = [
        (one, run(script, one.make)),
        (other, run(script, other.make)),
    ];
    let mut verdict = Verdict {
        commands: script.commands().count() as u64,
        ..Verdict::default()
    };
    for (twin, outcome) in &outcomes {
        let found = alone(script, outcome, &mut verdict.overlaps);
        let found = found
            .into_iter()
            .map(|text| format!("{}: {text}", twin.name));
        verdict.mismatches.extend(found);
    }
    let [(_, one), (_, other)] = &outcomes;
    if script.setup.mix == Mix::ConflictFree && one.failure.is_none() && other.failure.is_none() {
        let found = compare(script, one, other).into_iter();
        verdict
            .mismatches
            .extend(found.map(|text| format!("both: {text}")));
        if script.setup.stalls.is_none() {
            verdict.cycles = Some(cycles(script, one, other));
        }
    }
    verdict
}

/// What is wrong with a twin's results, whatever the other's are.
fn alone(script: &Script, outcome: &Outcome, overlaps: &mut u64) -> Vec<String> {
    let mut wrong: Vec<String> = outcome.failure.iter().cloned().collect();
    for (number, round) in outcome.rounds.iter().enumerate() {
        if let Some(locks) = &round.locks {
            let judgement = judge(locks);
            *overlaps += judgement.overlaps;
            let broken = judgement.broken.into_iter();
            wrong.extend(broken.map(|text| format!("round {number}, range lock: {text}")));
        }
    }
    if outcome.failure.is_none() {
        wrong.extend(oracle::check(script, outcome));
    }
    wrong
}
