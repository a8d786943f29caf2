//! The check can fail: mistakes are put into one twin, and it must notice and make the script short.

use nvme_twin::check::{Twin, check};
use nvme_twin::generate::{Limits, Only, script};
use nvme_twin::shrink::shrink;
use nvme_twin::spoiled::{Mistake, spoiled_model};
use nvme_twin::twins::{Make, model, model_with};

const SEEDS: u64 = 40;
/// Short scripts: making one short takes a hundred runs.
const LIMITS: Limits = Limits {
    most_bytes: 32 << 10,
    commands: 30,
    stalls: None,
    only: Only::Everything,
    functions: None,
};

fn model_against<'a>(other: &'a Make) -> [Twin<'a>; 2] {
    let one = Twin {
        name: "model",
        make: &model,
    };
    let other = Twin {
        name: "other",
        make: other,
    };
    [one, other]
}

#[test]
fn every_mistake_is_noticed_and_made_short() {
    for (name, mistake) in Mistake::ALL {
        let make: Box<Make> = Box::new(move |setup| spoiled_model(setup, mistake));
        let [one, other] = model_against(&*make);
        let noticed = (1..=SEEDS)
            .map(|seed| script(seed, LIMITS))
            .find(|script| !check(script, &one, &other).mismatches.is_empty());
        let Some(noticed) = noticed else {
            panic!("{name}: not noticed in {SEEDS} seeds");
        };
        let (short, shown) = shrink(&noticed, &one, &other, |_| ());
        assert!(!shown.is_empty(), "{name}: short, and no longer wrong");
        let (before, after) = (noticed.commands().count(), short.commands().count());
        // Every sixteenth completion is lost, so that many commands are needed.
        assert!(
            after <= 20 && after < before,
            "{name}: {before} commands were made {after}"
        );
    }
}

/// What only takes another time is no mistake, and is not taken for one.
#[test]
fn a_slower_twin_does_the_same() {
    let make: Box<Make> = Box::new(|setup| {
        let options = |options: &mut nvme_model::ModelOptions| {
            options.timing.decode_cycles = 13;
            options.timing.receive_cycles = 5;
            options.timing.admin_cycles = 90;
            options.timing.mem_cycles += 17;
            options.geometry.read_staging_buffers = 3;
        };
        model_with(setup, options, |_| ())
    });
    let [one, other] = model_against(&*make);
    let (mut overlaps, mut apart) = (0, 0);
    for seed in 1..=SEEDS {
        let verdict = check(&script(seed, Limits::default()), &one, &other);
        assert_eq!(verdict.mismatches, [""; 0], "seed {seed}");
        overlaps += verdict.overlaps;
        let samples = verdict.cycles.iter().flat_map(|cycles| &cycles.samples);
        apart += samples.filter(|sample| sample.error() > 0.0).count();
    }
    assert!(overlaps > 100, "only {overlaps} conflicting requests met");
    assert!(apart > 100, "only {apart} commands took another time");
}

#[test]
fn a_seed_repeats() {
    let [one, other] = model_against(&model);
    for seed in [3, 7] {
        let shown = || {
            let script = script(seed, LIMITS);
            let verdict = check(&script, &one, &other);
            (
                nvme_twin::show::describe(&script),
                verdict.commands,
                verdict.overlaps,
            )
        };
        assert_eq!(shown(), shown());
    }
}
