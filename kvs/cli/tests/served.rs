//! Two processes: `rdstore device serve` and the other commands over `vfio-user:`.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use support::served::Served;
use support::{Run, Shell};

#[test]
fn every_command_works_on_a_served_device() {
    let served = Served::start("--device model:?size=16MiB");
    let (shell, device) = (Shell::new(), served.uri());
    let unformatted = shell.run(&format!("get --device {device} k"));
    assert_eq!(unformatted.code, 2, "{unformatted:?}");
    shell.ok(&format!("format --device {device}"));
    shell.ok(&format!("put --device {device} greeting hello"));
    assert_eq!(
        shell.ok(&format!("get --device {device} greeting")).stdout,
        b"hello"
    );
    assert_eq!(shell.run(&format!("get --device {device} missing")).code, 1);
    shell.ok(&format!("export --device {device} out.jsonl"));
    shell.ok(&format!("del --device {device} greeting"));
    shell.ok(&format!("import --device {device} out.jsonl"));
    let scanned = shell.ok(&format!("scan --device {device}")).text();
    assert!(scanned.contains("greeting"), "{scanned}");
    let info = shell.json(&format!("info --device {device}"));
    assert_eq!(info["device"], format!("{device} pf"));
    let stats = shell.json(&format!("stats --device {device}"));
    assert_eq!(stats["keys"], 1);
    assert!(
        stats["device_counters"][0]["reads"].as_u64() > Some(0),
        "{stats}"
    );
    shell.ok(&format!("fsck --device {device}"));
    let identify = shell.json(&format!("device identify --device {device}"));
    assert_eq!(
        identify["controller"][3]["value"],
        "RDStore NVMe controller"
    );
}

/// Two served devices in one guest had one serial number, and Linux took them for two ways to one
/// namespace.
#[test]
fn served_devices_are_told_apart_by_their_serial_numbers() {
    let shell = Shell::new();
    let serial = |device: &str| {
        let identify = shell.json(&format!("device identify --device {device}"));
        let fields = identify["controller"].as_array().expect("fields");
        let field = fields.iter().find(|field| field["field"] == "SN");
        field
            .and_then(|field| field["value"].as_str())
            .expect("a text")
            .to_owned()
    };
    let in_memory = "--device model:?size=16MiB";
    let in_file = "--device model:disk.img?size=16MiB";
    let mut one = Served::start(in_memory);
    let mut other = Served::start(in_file);
    let (first, second) = (serial(&one.uri()), serial(&other.uri()));
    assert!(first.starts_with("RDS") && first.len() <= 20, "{first}");
    assert_ne!(first, second);
    one.restart(in_memory);
    other.restart(in_file);
    assert_ne!(serial(&one.uri()), first, "its image is another");
    assert_eq!(serial(&other.uri()), second);
    one.restart("--device model:?size=16MiB&serial=THIS-ONE");
    assert_eq!(serial(&one.uri()), "THIS-ONE");
    // A device of this process alone is the same everywhere.
    assert_eq!(serial("model:?size=16MiB"), "RDS00000001");
}

#[test]
fn latencies_of_a_served_device_are_nanoseconds() {
    let served = Served::start("--device model:?size=16MiB --functions 2");
    let (shell, device) = (Shell::new(), served.uri());
    let words = format!("device perf --device {device} --ops 2000 --qd 4 --functions 2 --queues 2");
    let report = shell.json(&words);
    let latency = &report["latency_ns"];
    assert!(latency["p50"].as_u64() > Some(100), "{report}");
    assert!(
        latency["p50"].as_u64() <= latency["p99"].as_u64(),
        "{report}"
    );
    assert!(
        latency["p99"].as_u64() <= latency["max"].as_u64(),
        "{report}"
    );
    assert!(
        report["wall_commands_per_s"].as_f64() > Some(100.0),
        "{report}"
    );
    assert!(report.get("cycles_per_command").is_none(), "{report}");
    let pairs = format!("device perf --device {device} --ops 500 --qd 4 --rw caw --destroy");
    shell.ok(&pairs);
    shell.ok(&format!("{pairs} --miscompare"));
    shell.wrong(&pairs.replace(" --destroy", ""), &["--destroy"]);
    shell.wrong(
        &words.replace("--functions 2", "--functions 3"),
        &["3 functions", "2 is all"],
    );
}

/// The history of several clients on several functions is that of one store, whatever way doorbells and
/// completions go.
#[test]
fn clients_on_several_functions_verify_clean() {
    for (serve, options) in [
        ("--doorbells mapped", ""),
        ("--doorbells trapped", "?poll=spin"),
        ("--doorbells mapped", "?poll=interrupt"),
        ("--device model:?size=16MiB&at_once=1", ""),
    ] {
        let device = if serve.contains("--device") {
            ""
        } else {
            "--device model:?size=16MiB"
        };
        let served = Served::start(&format!("{device} --functions 3 {serve}"));
        let (shell, device) = (Shell::new(), served.uri() + options);
        shell.ok(&format!("format --device {device}"));
        let report = shell.json(&format!(
            "ycsb --device {device} --workload a --records 200 --ops 3000 --clients 7 --verify"
        ));
        let clean = json!({"lost_updates": 0, "stale_reads": 0});
        assert_eq!(report["verify"], clean, "{serve} {options}");
        assert!(report.get("simulated_s").is_none(), "{report}");
        assert!(
            report["ops"]["read"]["p50_us"].as_f64() > Some(0.1),
            "{report}"
        );
        shell.ok(&format!("fsck --device {device}"));
    }
}

#[test]
fn two_processes_share_the_device_each_on_its_function() {
    let served = Served::start("--device model:?size=16MiB --functions 2");
    let (shell, device) = (Shell::new(), served.uri());
    shell.ok(&format!("format --device {device}"));
    let before = served.clients();
    let mut other = start(&format!(
        "device perf --device {device}?function=vf0 --ops 1000000000"
    ));
    served.wait_for_clients(before + 1);
    let report = shell.json(&format!(
        "ycsb --device {device}?function=pf --workload f --records 100 --ops 1000 --verify"
    ));
    assert_eq!(
        report["verify"],
        json!({"lost_updates": 0, "stale_reads": 0})
    );
    assert!(
        other.try_wait().expect("it was started").is_none(),
        "the other one still reads"
    );
    shell.wrong(
        &format!("get --device {device}?function=vf0 k"),
        &["vf0", "one client at a time"],
    );
    // A client that dies leaves its function to the next one.
    other.kill().expect("it ran");
    other.wait().expect("it has ended");
    shell.ok(&format!("put --device {device}?function=vf0 k v"));
}

#[test]
fn a_killed_server_is_an_error_and_the_next_server_a_device() {
    let file = "--device model:disk.img?size=16MiB";
    let mut served = Served::start(file);
    let (shell, device) = (Shell::new(), served.uri());
    shell.ok(&format!("format --device {device}"));
    shell.ok(&format!("put --device {device} kept safe"));
    for poll in ["spin", "interrupt"] {
        let words = format!(
            "ycsb --device {device}?poll={poll} --workload a --records 100 --ops 1000000000"
        );
        let before = served.clients();
        let child = start(&words);
        served.wait_for_clients(before + 1);
        // In the middle of its work.
        std::thread::sleep(Duration::from_millis(300));
        served.kill();
        let killed = Instant::now();
        let output = child.wait_with_output().expect("it ends");
        assert!(
            killed.elapsed() < Duration::from_secs(20),
            "{:?}",
            killed.elapsed()
        );
        let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("server has gone"), "{stderr}");
        shell.wrong(&format!("get --device {device} kept"), &["vfio-user"]);
        served.restart(file);
        let Run {
            code,
            stdout,
            stderr,
        } = shell.run(&format!("get --device {device} kept"));
        assert_eq!(
            (code, stdout.as_slice()),
            (0, b"safe".as_slice()),
            "{stderr}"
        );
        shell.ok(&format!("fsck --device {device}"));
    }
}

/// A client that waits for its server goes on where it was, as after any reset: what had no answer is
/// found out or asked again, nothing is lost, and the history is that of one store.
#[test]
fn a_client_that_waits_for_its_server_goes_on_with_the_next_one() {
    let file = "--device model:disk.img?size=16MiB";
    let mut served = Served::start(file);
    let (shell, device) = (Shell::new(), served.uri());
    shell.ok(&format!("format --device {device}"));
    for poll in ["adaptive", "interrupt"] {
        let before = served.clients();
        let child = start(&format!(
            "ycsb --device {device}?poll={poll}&reconnect_s=60 --workload a --records 100 --ops 100000 \
             --verify --json"
        ));
        for round in 1..=2 {
            served.wait_for_clients(before + round);
            // In the middle of its work.
            std::thread::sleep(Duration::from_millis(700));
            served.restart(file);
        }
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
        assert_eq!(output.status.code(), Some(0), "{poll}: {stderr}");
        assert!(
            served.clients() > before + 1,
            "{poll}: nothing was in the way"
        );
        shell.ok(&format!("fsck --device {device}"));
    }
}

/// A server that keeps its image in memory has lost it: the one after it is another device, whose blank
/// pages are no answer.
#[test]
fn an_image_that_is_gone_with_its_server_is_not_taken_for_the_one_before() {
    let memory = "--device model:?size=16MiB";
    let mut served = Served::start(memory);
    let (shell, device) = (Shell::new(), served.uri());
    shell.ok(&format!("format --device {device}"));
    let child = start(&format!(
        "ycsb --device {device}?reconnect_s=60 --workload a --records 100 --ops 1000000000"
    ));
    served.wait_for_clients(2);
    std::thread::sleep(Duration::from_millis(300));
    served.restart(memory);
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("another device answers in its place"),
        "{stderr}"
    );
}

/// Who waits does not wait for ever.
#[test]
fn a_server_that_does_not_come_back_is_given_up() {
    let mut served = Served::start("--device model:?size=16MiB");
    let (shell, device) = (Shell::new(), served.uri());
    shell.ok(&format!("format --device {device}"));
    let child = start(&format!(
        "ycsb --device {device}?reconnect_s=1 --workload a --records 100 --ops 1000000000"
    ));
    served.wait_for_clients(2);
    // In the middle of its work.
    std::thread::sleep(Duration::from_millis(700));
    served.kill();
    let killed = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
    assert!(
        killed.elapsed() > Duration::from_millis(900),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("server has gone"), "{stderr}");
}

fn start(words: &str) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_rdstore"))
        .args(words.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started")
}
