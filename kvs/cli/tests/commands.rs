//! Every command, each in processes of its own.

mod support;

use serde_json::json;
use support::{Shell, names};

const DEVICE: &str = "--device model:x.img?size=4MiB&vfs=0";

#[test]
fn put_creates_the_file_and_another_process_gets_the_value() {
    let shell = Shell::new();
    let put = shell.ok("put --device model:x.img k v");
    assert_eq!(put.stderr, "created x.img (1 GiB, sparse)\n", "said once");
    let metadata = std::fs::metadata(shell.path().join("x.img")).unwrap();
    assert!(metadata.len() >= 1 << 30);
    let get = shell.ok("get --device model:x.img k");
    assert_eq!(get.text(), "v");
    assert_eq!(get.stderr, "");
}

#[test]
fn a_created_file_takes_almost_no_space() {
    use std::os::unix::fs::MetadataExt;
    let shell = Shell::new();
    shell.ok("put --device model:x.img k v");
    let metadata = std::fs::metadata(shell.path().join("x.img")).unwrap();
    assert!(
        metadata.blocks() * 512 < 1 << 20,
        "{} blocks",
        metadata.blocks()
    );
}

/// `rdstore export - | head -1` ended with "Broken pipe" and exit code 2: the error of the writer
/// was inside one of the JSON serializer.
#[test]
fn a_reader_that_has_gone_is_no_error() {
    let shell = Shell::new();
    let lines: String = (0..3000)
        .map(|n| format!("{{\"key\":\"key {n}\",\"value\":\"{n:050}\"}}\n"))
        .collect();
    shell.write("in.jsonl", lines);
    shell.ok(&format!("import {DEVICE} in.jsonl"));
    for words in [
        "export --device model:x.img -",
        "scan --device model:x.img --json",
    ] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_rdstore"))
            .current_dir(shell.path())
            .args(words.split(' '))
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{words}"
        );
    }
}

#[test]
fn put_get_del_and_their_exit_codes() {
    let shell = Shell::new();
    assert!(
        shell
            .ok(&format!("put {DEVICE} k one"))
            .text()
            .starts_with("stored 'k', version ")
    );
    shell.ok(&format!("put {DEVICE} k two"));
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "two");
    assert!(
        shell
            .ok(&format!("del {DEVICE} k"))
            .text()
            .starts_with("deleted 'k', version ")
    );
    let get = shell.run(&format!("get {DEVICE} k"));
    assert_eq!((get.code, get.text().as_str()), (1, ""));
    assert!(
        get.stderr.contains("key 'k' is not there"),
        "{}",
        get.stderr
    );
    let del = shell.run(&format!("del {DEVICE} k"));
    assert_eq!(del.code, 1);
    assert!(
        del.stderr.contains("key 'k' is not there"),
        "{}",
        del.stderr
    );
}

#[test]
fn values_come_from_stdin_byte_for_byte() {
    let shell = Shell::new();
    let value: Vec<u8> = (0..3000u32).map(|i| (i * 7) as u8).collect();
    let device = "model:x.img?size=4MiB&vfs=0";
    let put = shell.run_with_stdin(&["put", "--device", device, "bytes", "-"], &value);
    assert_eq!(put.code, 0, "{put:?}");
    assert_eq!(shell.ok(&format!("get {DEVICE} bytes")).stdout, value);
}

#[test]
fn keys_may_be_hexadecimal() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} --hex 00ff01 v"));
    assert_eq!(shell.ok(&format!("get {DEVICE} --hex 00FF01")).text(), "v");
    let entry = shell.json(&format!("get {DEVICE} --hex 00ff01"));
    assert_eq!(
        (&entry["key"], &entry["key_hex"]),
        (&json!(null), &json!("00ff01"))
    );
    shell.ok(&format!("put {DEVICE} --hex 6b text"));
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "text");
}

#[test]
fn conditions_hold_or_are_exit_code_1() {
    let shell = Shell::new();
    let stored = shell.json(&format!("put {DEVICE} k one --if-absent"));
    assert_eq!(stored["outcome"], "stored");
    let version = stored["version"].as_u64().unwrap();
    let exists = shell.json_with(&format!("put {DEVICE} k two --if-absent"), 1);
    assert_eq!(
        (&exists["outcome"], &exists["version"]),
        (&json!("exists"), &json!(version))
    );
    let other = shell.json_with(
        &format!("put {DEVICE} k two --if-version {}", version + 9),
        1,
    );
    assert_eq!(other["outcome"], "mismatch");
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "one");
    let swapped = shell.json(&format!("put {DEVICE} k two --if-version {version}"));
    assert!(swapped["version"].as_u64().unwrap() > version);
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "two");
    let missing = shell.json_with(&format!("put {DEVICE} other x --if-version 1"), 1);
    assert_eq!(missing["outcome"], "missing");
}

#[test]
fn entries_expire() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} short v --ttl 1s"));
    shell.ok(&format!("put {DEVICE} long v --ttl 1h"));
    let long = shell.json(&format!("get {DEVICE} long"));
    assert!(long["expires_unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(shell.run(&format!("get {DEVICE} short")).code, 1);
    assert_eq!(shell.run(&format!("get {DEVICE} long")).code, 0);
}

#[test]
fn get_in_json_has_text_and_digits() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} k v"));
    let entry = shell.json(&format!("get {DEVICE} k"));
    assert_eq!(
        names(&entry),
        ["found", "key", "key_hex", "value", "value_hex", "version"]
    );
    assert_eq!(entry["value"], "v");
    assert_eq!(entry["value_hex"], "76");
    let missing = shell.json_with(&format!("get {DEVICE} nothing"), 1);
    assert_eq!(missing["found"], false);
    assert_eq!(names(&missing), ["found", "key", "key_hex", "version"]);
}

#[test]
fn scan_lists_every_key_once_in_pieces_too() {
    let shell = Shell::new();
    let mut expected: Vec<String> = (0..40).map(|i| format!("key{i:02}")).collect();
    let lines: String = expected
        .iter()
        .map(|key| format!("{{\"key\":\"{key}\",\"value\":\"v{key}\"}}\n"))
        .collect();
    shell.write("records.jsonl", lines);
    shell.ok(&format!("import {DEVICE} records.jsonl"));
    expected.sort();

    let mut all: Vec<String> = shell
        .ok(&format!("scan {DEVICE}"))
        .text()
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    assert_eq!(all, expected);

    let mut pieces = Vec::new();
    let mut cursor = String::new();
    loop {
        let step = shell.json(&format!("scan {DEVICE} --limit 7{cursor}"));
        let entries = step["entries"].as_array().unwrap();
        pieces.extend(
            entries
                .iter()
                .map(|entry| entry["key"].as_str().unwrap().to_owned()),
        );
        match step["next"].as_str() {
            Some(next) => cursor = format!(" --cursor {next}"),
            None => break,
        }
    }
    pieces.sort();
    assert_eq!(pieces, expected);

    let run = shell.ok(&format!("scan {DEVICE} --limit 3 --values --hex"));
    assert_eq!(run.text().lines().count(), 3, "{run:?}");
    assert!(run.text().starts_with("6b6579"), "{run:?}");
    assert!(run.text().contains('\t'), "{run:?}");
    assert!(run.stderr.contains("--cursor "), "{run:?}");
}

#[test]
fn export_and_import_carry_a_store_over() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} --hex 00ff v1"));
    shell.ok(&format!("put {DEVICE} text v2"));
    shell.ok(&format!("put {DEVICE} timed v3 --ttl 1d"));
    let done = shell.ok(&format!("export {DEVICE} all.jsonl"));
    assert_eq!(done.text(), "3 records written to all.jsonl\n");

    let copy = "--device model:copy.img?size=4MiB&vfs=0 --page-size 16KiB";
    let imported = shell.json(&format!("import {copy} all.jsonl"));
    assert_eq!(imported, json!({"records": 3}));
    let copy = "--device model:copy.img";
    assert_eq!(shell.ok(&format!("get {copy} --hex 00ff")).text(), "v1");
    assert_eq!(
        shell.json(&format!("get {copy} timed"))["expires_unix_ms"],
        shell.json(&format!("get {DEVICE} timed"))["expires_unix_ms"]
    );

    let lines = shell.ok(&format!("export {copy}"));
    let arguments = ["import", "--device", "model:third.img?size=4MiB&vfs=0", "-"];
    let third = shell.run_with_stdin(&arguments, &lines.stdout);
    assert_eq!(
        (third.code, third.text().as_str()),
        (0, "3 records stored\n"),
        "{third:?}"
    );
    let exported = |words: &str| {
        let mut lines: Vec<String> = shell.ok(words).text().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        exported("export --device model:third.img"),
        exported(&format!("export {DEVICE}"))
    );
}

#[test]
fn format_reports_and_predicts() {
    let shell = Shell::new();
    let run = shell.ok(&format!(
        "format {DEVICE} --expect-records 400 --value-size 1000"
    ));
    assert!(run.text().contains("device reads a get"), "{run:?}");
    let made = shell.json(&format!(
        "format {DEVICE} --force --page-size 16KiB --expect-records 100 --value-size 1000"
    ));
    assert_eq!(made["page_bytes"], 16384);
    assert_eq!(made["generation"], 2);
    assert_eq!(made["prediction"]["fits"], true);
    let fill = made["prediction"]["fill"].as_f64().unwrap();
    assert!((0.01..0.5).contains(&fill), "{made}");
    let info = shell.json(&format!("info {DEVICE}"));
    assert_eq!(
        (&info["uuid"], &info["page_bytes"]),
        (&made["uuid"], &json!(16384))
    );
}

#[test]
fn two_stores_have_two_uuids() {
    let shell = Shell::new();
    let one = shell.json("format --device model:one.img?size=4MiB");
    let two = shell.json("format --device model:two.img?size=4MiB");
    assert_ne!(one["uuid"], two["uuid"]);
}

#[test]
fn info_stats_and_fsck_describe_a_store() {
    let shell = Shell::new();
    for key in ["a", "b", "c"] {
        shell.ok(&format!("put {DEVICE} {key} {}", "v".repeat(1000)));
    }
    let info = shell.json(&format!("info {DEVICE}"));
    assert_eq!(info["page_bytes"], 4096);
    assert!(info["clients"].as_u64().unwrap() >= 3, "{info}");
    assert!(
        shell
            .ok(&format!("info {DEVICE}"))
            .text()
            .contains("page size")
    );

    let stats = shell.json(&format!("stats {DEVICE}"));
    assert_eq!(
        (&stats["keys"], &stats["record_bytes"]),
        (&json!(3), &json!(3003))
    );
    let counters = &stats["device_counters"][0];
    // The walk itself: every page once, and the superblock.
    let (reads, pages) = (
        counters["reads"].as_u64().unwrap(),
        stats["pages"].as_u64().unwrap(),
    );
    assert!((pages..pages + 100).contains(&reads), "{stats}");
    assert_eq!(counters["pairs"], 0);
    let text = shell.ok(&format!("stats {DEVICE}")).text();
    assert!(
        text.contains("PF") && text.contains("miscompares"),
        "{text}"
    );

    let fsck = shell.json(&format!("fsck {DEVICE}"));
    assert_eq!((&fsck["clean"], &fsck["keys"]), (&json!(true), &json!(3)));
    assert!(shell.ok(&format!("fsck {DEVICE}")).text().contains("sound"));
}

#[test]
fn looking_changes_nothing() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} k v"));
    let before = shell.read("x.img");
    for words in [
        "get {} k",
        "scan {}",
        "info {}",
        "stats {}",
        "fsck {}",
        "export {}",
    ] {
        shell.ok(&words.replace("{}", DEVICE));
        assert!(shell.read("x.img") == before, "{words} wrote to the image");
    }
}

#[test]
fn identify_names_the_fields_of_the_standard() {
    let shell = Shell::new();
    let text = shell.ok("device identify").text();
    for part in ["FUSES", "ACWU", "AWUN", "NSZE", "Write Atomicity"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let pf = shell.json("device identify");
    let vf = shell.json("device identify --function 2");
    let field = |value: &serde_json::Value, name: &str| {
        let fields = value["controller"].as_array().unwrap();
        fields
            .iter()
            .find(|field| field["field"] == name)
            .map(|field| field["value"].clone())
    };
    assert_eq!(field(&pf, "FUSES"), Some(json!(1)));
    assert_eq!(field(&pf, "SN"), field(&vf, "SN"), "one subsystem");
    assert_ne!(
        field(&pf, "CNTLID"),
        field(&vf, "CNTLID"),
        "two controllers"
    );
}
