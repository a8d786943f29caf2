//! `rdstore device perf`: its JSON, and figures against the ceiling.

mod support;

use serde_json::{Value, json};
use support::{Shell, names};

fn perf(options: &str) -> Value {
    Shell::new().json(&format!("device perf {options}"))
}

#[test]
fn the_json_is_what_was_promised() {
    let report = perf("--ops 2000");
    let members = [
        "bs",
        "ceiling_cycles",
        "cycles_per_command",
        "functions",
        "latency_cycles",
        "qd",
        "rw",
        "wall_commands_per_s",
    ];
    assert_eq!(names(&report), members);
    assert_eq!(names(&report["latency_cycles"]), ["max", "p50", "p99"]);
    assert_eq!(
        (
            &report["rw"],
            &report["qd"],
            &report["bs"],
            &report["functions"]
        ),
        (&json!("randread"), &json!(64), &json!(4096), &json!(1))
    );
    assert!((report["ceiling_cycles"].as_f64().unwrap() - 146.125).abs() < 1e-9);
}

/// What the controller must reach (cycles a command at QD 64, latency at QD 1).
#[test]
fn the_controller_is_as_fast_as_it_must_be() {
    for (rw, most_cycles) in [("randread", 155.0), ("randwrite", 158.0), ("caw", 320.0)] {
        let report = perf(&format!("--rw {rw} --ops 4000"));
        let cycles = report["cycles_per_command"].as_f64().unwrap();
        let ceiling = report["ceiling_cycles"].as_f64().unwrap();
        assert!(cycles <= most_cycles, "{report}");
        assert!(
            cycles >= ceiling * 0.999,
            "faster than what can pass the port: {report}"
        );
    }
    for (rw, most_cycles) in [("randread", 290), ("caw", 780)] {
        let report = perf(&format!("--rw {rw} --qd 1 --ops 500"));
        let latency = &report["latency_cycles"];
        assert!(latency["p99"].as_u64().unwrap() <= most_cycles, "{report}");
        assert!(
            latency["p50"].as_u64().unwrap() > most_cycles / 2,
            "{report}"
        );
    }
}

/// A pair that compares with one wrong byte is refused, costs what one that succeeds costs, and leaves
/// the medium alone: the command itself reads all of it back.
#[test]
fn pairs_that_fail_cost_what_pairs_that_succeed_cost() {
    let report = perf("--rw caw --miscompare --ops 4000");
    let cycles = report["cycles_per_command"].as_f64().unwrap();
    assert_eq!(report["ceiling_cycles"], json!(292.5));
    assert!((292.4..=320.0).contains(&cycles), "{report}");
    assert_eq!(report["miscompare"], json!(true), "{report}");
    let latency = &perf("--rw caw --miscompare --qd 1 --ops 500")["latency_cycles"];
    assert!(latency["max"].as_u64().unwrap() <= 780, "{latency}");
}

#[test]
fn only_pairs_can_miscompare() {
    Shell::new().wrong("device perf --miscompare", &["--miscompare", "--rw caw"]);
}

/// A model that answers with constants is no model: other settings give what the formula says.
#[test]
fn other_settings_follow_the_formula() {
    for (settings, rw, expected_cycles) in [
        ("mps=128", "randread", 162.1),
        ("mps=512", "randread", 138.1),
        ("split=64", "randwrite", 195.0),
        ("split=64", "caw", 390.0),
        ("rtt_ns=4000", "randwrite", 263.1),
        ("cpl_bytes=4096&rtt_ns=2000", "randwrite", 272.2),
    ] {
        let report = perf(&format!("--device model:?{settings} --rw {rw} --ops 3000"));
        let cycles = report["cycles_per_command"].as_f64().unwrap();
        let ceiling = report["ceiling_cycles"].as_f64().unwrap();
        assert!(
            (ceiling - expected_cycles).abs() < 0.1,
            "{settings} {rw}: {report}"
        );
        assert!(
            (0.999..1.03).contains(&(cycles / ceiling)),
            "{settings} {rw}: {report}"
        );
    }
}

#[test]
fn several_functions_and_queues_share_the_port() {
    for rw in ["randread", "randwrite", "caw"] {
        let report = perf(&format!(
            "--rw {rw} --functions 7 --queues 4 --qd 16 --ops 4000"
        ));
        let ratio = report["cycles_per_command"].as_f64().unwrap()
            / report["ceiling_cycles"].as_f64().unwrap();
        assert!((0.999..1.15).contains(&ratio), "{report}");
    }
}

#[test]
fn one_seed_gives_one_output() {
    let run = |seed: u32| {
        let mut report = perf(&format!("--rw caw --ops 1000 --seed {seed}"));
        report
            .as_object_mut()
            .unwrap()
            .remove("wall_commands_per_s");
        report
    };
    assert_eq!(run(1), run(1));
}

#[test]
fn interrupts_cost_a_beat() {
    let armed = perf("--ops 4000");
    let silent = perf("--ops 4000 --no-msix");
    let cycles = |report: &Value, name: &str| report[name].as_f64().unwrap();
    let ceilings = cycles(&armed, "ceiling_cycles") - cycles(&silent, "ceiling_cycles");
    assert!((ceilings - 1.0).abs() < 1e-9);
    assert!(cycles(&silent, "cycles_per_command") < cycles(&armed, "cycles_per_command"));
}

#[test]
fn people_see_what_decides() {
    let text = Shell::new().ok("device perf --ops 1000").text();
    assert!(
        text.contains("port, up (RQ)") && text.contains("which decides"),
        "{text}"
    );
}
