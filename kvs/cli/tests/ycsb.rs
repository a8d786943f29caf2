//! `rdstore ycsb`: its JSON, its checks, and that one seed gives one output.

mod support;

use serde_json::{Value, json};
use support::{Shell, names};

/// Takes out what may differ between two runs.
fn without_wall(mut report: Value) -> Value {
    let clean = |report: &mut Value| {
        for name in ["wall_s", "wall_ops_per_s"] {
            let taken = report.as_object_mut().unwrap().remove(name);
            assert!(
                taken.is_some_and(|value| value.as_f64().unwrap() > 0.0),
                "{name}"
            );
        }
    };
    match &mut report {
        Value::Array(reports) => reports.iter_mut().for_each(clean),
        report => clean(report),
    }
    report
}

#[test]
fn all_six_workloads_report_what_was_promised() {
    let shell = Shell::new();
    let reports = shell.json(
        "ycsb --device model:?size=16MiB --records 1000 --ops 2000 --clients 4 --value-size 1000 \
         --verify",
    );
    let expected: [(&str, &[&str]); 6] = [
        ("a", &["read", "update"]),
        ("b", &["read", "update"]),
        ("c", &["read"]),
        ("d", &["insert", "read"]),
        ("e", &["insert", "scan"]),
        ("f", &["read", "read_modify_write"]),
    ];
    assert_eq!(reports.as_array().unwrap().len(), 6);
    for (report, (workload, kinds)) in reports.as_array().unwrap().iter().zip(expected) {
        assert_eq!(report["workload"], workload);
        assert_eq!(
            (&report["clients"], &report["seed"]),
            (&json!(4), &json!(1))
        );
        assert_eq!(names(&report["ops"]), kinds, "{workload}");
        assert_eq!(
            report["verify"],
            json!({"lost_updates": 0, "stale_reads": 0})
        );
        let fill = report["fill"].as_f64().unwrap();
        assert!(
            (0.05..0.12).contains(&fill),
            "{workload}: 1,000 of 4,096 × 3.8 kB: {fill}"
        );
        let mut count = 0;
        for (kind, measured) in report["ops"].as_object().unwrap() {
            let members = [
                "count",
                "device_ios_per_op",
                "max_us",
                "miscompares",
                "p50_us",
                "p99_us",
            ];
            assert_eq!(names(measured), members, "{workload} {kind}");
            let number = |name: &str| measured[name].as_f64().unwrap();
            count += measured["count"].as_u64().unwrap();
            assert!(
                number("p50_us") > 1.0 && number("p50_us") <= number("p99_us"),
                "{measured}"
            );
            assert!(number("p99_us") <= number("max_us"), "{measured}");
        }
        assert_eq!(count, 2000, "{workload}");
        for name in ["simulated_s", "wall_s", "wall_ops_per_s"] {
            assert!(report[name].as_f64().unwrap() > 0.0, "{workload} {name}");
        }
        let members = [
            "clients",
            "fill",
            "ops",
            "seed",
            "simulated_s",
            "verify",
            "wall_ops_per_s",
            "wall_s",
            "workload",
        ];
        assert_eq!(names(report), members);
    }
}

#[test]
fn ios_are_those_of_the_design() {
    let shell = Shell::new();
    // One client, so no contention; 1,000 records of 100 bytes in 16 MiB: no page overflows.
    let options =
        "--device model:?size=16MiB --records 1000 --ops 1000 --clients 1 --value-size 100";
    let ios = |workload: &str| {
        let report = shell.json(&format!("ycsb --workload {workload} {options}"));
        assert_eq!(report["verify"], Value::Null);
        report["ops"].clone()
    };
    let a = ios("a");
    assert_eq!(a["read"]["device_ios_per_op"], 1.0);
    assert_eq!(a["update"]["device_ios_per_op"], 2.0);
    assert_eq!(a["update"]["miscompares"], 0);
    assert_eq!(ios("d")["insert"]["device_ios_per_op"], 2.0);
    // Read-modify-write: a get, then a compare-and-swap.
    assert_eq!(ios("f")["read_modify_write"]["device_ios_per_op"], 3.0);
}

#[test]
fn hot_keys_bring_miscompares_and_lose_nothing() {
    let shell = Shell::new();
    for workload in ["a", "f"] {
        let report = shell.json(&format!(
            "ycsb --device model:?size=16MiB --workload {workload} --records 10 --ops 20000 \
             --clients 7 --value-size 1000 --verify"
        ));
        assert_eq!(
            report["verify"],
            json!({"lost_updates": 0, "stale_reads": 0})
        );
        let kind = if workload == "a" {
            "update"
        } else {
            "read_modify_write"
        };
        assert!(
            report["ops"][kind]["miscompares"].as_u64().unwrap() > 0,
            "{report}"
        );
    }
}

/// 56 operations in flight, most of them on the hottest record: with short back-offs two pairs in
/// five failed and held up the ones that could succeed; the unluckiest update took 29 ms.
#[test]
fn a_hot_record_does_not_starve_its_writers() {
    let shell = Shell::new();
    let report = shell
        .json("ycsb --workload a --records 1000 --ops 20000 --clients 28 --outstanding 2 --verify");
    let update = &report["ops"]["update"];
    let number = |name: &str| update[name].as_f64().unwrap();
    assert!(number("miscompares") < 0.3 * number("count"), "{update}");
    assert!(number("p99_us") < 6_000.0, "{update}");
    assert!(number("max_us") < 22_000.0, "{update}");
    assert_eq!(
        report["verify"],
        json!({"lost_updates": 0, "stale_reads": 0})
    );
}

#[test]
fn more_clients_than_functions_share_them() {
    let shell = Shell::new();
    let report = shell.json(
        "ycsb --device model:?size=16MiB&vfs=2&queues=3 --workload a --records 100 --ops 5000 \
         --clients 9 --outstanding 4 --value-size 500 --verify",
    );
    assert_eq!(
        report["verify"],
        json!({"lost_updates": 0, "stale_reads": 0})
    );
    assert_eq!(report["clients"], 9);
}

#[test]
fn one_seed_gives_one_output_and_one_image() {
    let shell = Shell::new();
    let run = |file: &str, seed: u32| {
        without_wall(shell.json(&format!(
            "ycsb --device model:{file}?size=16MiB --records 500 --ops 2000 --clients 3 \
             --value-size 1000 --seed {seed}"
        )))
    };
    let (one, same, other) = (run("one.img", 7), run("same.img", 7), run("other.img", 8));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(
        shell.read("one.img") == shell.read("same.img"),
        "the images differ"
    );
    assert!(shell.read("one.img") != shell.read("other.img"));
}

#[test]
fn the_table_says_what_it_measured() {
    let shell = Shell::new();
    let text = shell
        .ok("ycsb --device model:?size=16MiB --records 500 --ops 500 --value-size 500 --verify")
        .text();
    for part in [
        "read_modify_write",
        "p99 µs",
        "device I/Os",
        "miscompares",
        "no order of keys",
        "0 lost updates, 0 stale reads",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_store_that_is_there_is_used_and_kept() {
    let shell = Shell::new();
    shell.ok("put --device model:x.img?size=16MiB mine v");
    shell.ok("ycsb --device model:x.img --workload a --records 100 --ops 100 --value-size 500");
    assert_eq!(shell.ok("get --device model:x.img mine").text(), "v");
    assert_eq!(shell.json("fsck --device model:x.img")["keys"], 101);
}

/// The memory of the run itself, without the image's pages.
#[test]
fn memory_is_bounded() {
    let shell = Shell::new();
    // The image is a file here, so its pages are file-backed, and anonymous memory is what is left.
    let script = "\
        \"$1\" ycsb --device 'model:x.img?size=256MiB' --records 40000 --ops 40000 --workload a \
        --verify >/dev/null 2>&1 & pid=$!; most=0; \
        while kill -0 $pid 2>/dev/null; do \
          now=$(awk '/^RssAnon/ {print $2}' /proc/$pid/status 2>/dev/null); \
          [ \"${now:-0}\" -gt $most ] && most=$now; sleep 0.02; \
        done; wait $pid && echo $most";
    let output = assert_cmd::Command::new("sh")
        .current_dir(shell.path())
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_rdstore")])
        .output()
        .unwrap();
    let most_kib: u64 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(most_kib > 1000, "nothing was measured: {most_kib} KiB");
    assert!(most_kib <= 64 << 10, "{most_kib} KiB of anonymous memory");
}
