//! The command line on the Verilog: what it does on the model, it does there.

#![cfg(feature = "rtl")]

mod support;

use serde_json::json;
use support::Shell;

fn cycles(options: &str, path: &str) -> f64 {
    let shell = Shell::new();
    let report = shell.json(&format!("device perf --device rtl:?size=16MiB {options}"));
    for clock in ["wall_cycles_per_s", "cpu_cycles_per_s"] {
        let speed = report[clock].as_f64();
        assert!(speed.is_some_and(|speed| speed > 1_000.0), "{report}");
    }
    report
        .pointer(path)
        .and_then(|value| value.as_f64())
        .unwrap()
}

/// What the controller must reach (cycles a command at QD 64, latency at QD 1), measured at its ports.
#[test]
fn it_is_as_fast_as_it_must_be() {
    for (rw, least, most) in [
        ("randread", 146.0, 155.0),
        ("randwrite", 146.0, 158.0),
        ("caw", 292.0, 320.0),
    ] {
        let found = cycles(&format!("--rw {rw} --ops 1000"), "/cycles_per_command");
        assert!((least..=most).contains(&found), "{rw}: {found}");
    }
    for (rw, most) in [("randread", 290.0), ("caw", 780.0)] {
        let found = cycles(&format!("--rw {rw} --qd 1 --ops 50"), "/latency_cycles/max");
        assert!((most / 2.0..=most).contains(&found), "{rw}: {found}");
    }
}

/// An image file is the device's, whichever twin serves it.
#[test]
fn both_twins_serve_one_file() {
    let shell = Shell::new();
    let on = |command: &str, twin: &str| command.replace("{}", &format!("--device {twin}:x.img"));
    shell.ok("put --device rtl:x.img?size=4MiB greeting hello");
    assert_eq!(shell.ok(&on("get {} greeting", "rtl")).text(), "hello");
    assert_eq!(shell.ok(&on("get {} greeting", "model")).text(), "hello");
    shell.ok(&on("put {} greeting again --if-version 1", "model"));
    assert_eq!(shell.ok(&on("get {} greeting", "rtl")).text(), "again");
    shell.ok(&on("fsck {}", "rtl"));
    shell.ok(&on("del {} greeting", "rtl"));
    for twin in ["rtl", "model"] {
        let run = shell.run(&on("get {} greeting", twin));
        assert_eq!(run.code, 1, "{run:?}");
    }
}

/// Four clients on four functions: no update lost, nothing stale, and what the device has counted is
/// what the store has sent (the command itself compares the two).
#[test]
fn many_clients_lose_nothing() {
    let shell = Shell::new();
    for workload in ["a", "f"] {
        let report = shell.json(&format!(
            "ycsb --device rtl:?size=16MiB --workload {workload} --clients 4 --records 100 --ops 600 \
             --verify"
        ));
        let verify = json!({"lost_updates": 0, "stale_reads": 0});
        assert_eq!(report["verify"], verify, "{report}");
    }
}

/// The same Identify of both, with the serial number that each is given.
#[test]
fn both_twins_say_the_same_of_themselves() {
    let shell = Shell::new();
    for serial in ["", "&serial=B7"] {
        let said = |twin: &str| {
            let words = format!("device identify --device {twin}:?size=16MiB{serial}");
            let identify = shell.json(&words);
            (
                identify["controller"].clone(),
                identify["namespace"].clone(),
            )
        };
        let (model, verilog) = (said("model"), said("rtl"));
        assert_eq!(model, verilog);
        assert_eq!(
            model.0.to_string().contains("\"B7\""),
            !serial.is_empty(),
            "{model:?}"
        );
    }
}

/// A cycle is a cycle: two runs of one seed are one run.
#[test]
fn one_seed_gives_one_output() {
    let latency = || {
        cycles(
            "--rw randwrite --qd 7 --ops 200 --seed 5",
            "/latency_cycles/p99",
        )
    };
    assert_eq!(latency(), latency());
}

#[cfg(not(feature = "waves"))]
#[test]
fn a_build_without_waves_says_so() {
    Shell::new().wrong(
        "device identify --trace x.fst --device rtl:",
        &["x.fst", "records no waves", "--features waves"],
    );
}
