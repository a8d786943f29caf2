//! Every way to use the program wrongly: exit code 2, what was wrong, and what to do.

mod support;

use std::os::unix::fs::FileExt;

use support::Shell;

const DEVICE: &str = "--device model:x.img?size=4MiB&vfs=0";

#[test]
fn a_wrong_uri_names_its_wrong_part() {
    let shell = Shell::new();
    shell.wrong(
        "get --device x.img k",
        &["'x.img' has no scheme", "model:x.img"],
    );
    shell.wrong(
        "get --device floppy:x k",
        &["unknown scheme 'floppy:'", "vfio-user:"],
    );
    shell.wrong(
        "put --device model:x.img?mps=100 k v",
        &["mps=100", "128, 256, 512"],
    );
    shell.wrong(
        "put --device model:x.img?colour=red k v",
        &["unknown option 'colour'", "rtt_ns"],
    );
    assert!(
        !shell.path().join("x.img").exists(),
        "nothing may be created"
    );
}

#[test]
fn a_device_must_be_named() {
    Shell::new().wrong("get k", &["--device <URI>"]);
}

#[test]
fn back_ends_of_later_versions_say_so() {
    let shell = Shell::new();
    #[cfg(not(feature = "rtl"))]
    shell.wrong("get --device rtl: k", &["rtl:", "--features rtl", "model:"]);
    let two = "--device model:a.img --device model:b.img";
    shell.wrong(&format!("get {two} k"), &["2 devices", "later version"]);
}

#[test]
fn a_device_that_nobody_serves_says_how_to_serve_it() {
    let shell = Shell::new();
    for command in ["get", "del"] {
        shell.wrong(
            &format!("{command} --device vfio-user:nowhere k"),
            &["nowhere", "there is no socket", "rdstore device serve"],
        );
    }
    std::fs::create_dir_all(shell.path().join("dead/pf")).expect("made");
    let socket = shell.path().join("dead/pf/cntrl");
    drop(std::os::unix::net::UnixListener::bind(socket).expect("a socket"));
    shell.wrong(
        "get --device vfio-user:dead k",
        &["dead/pf/cntrl", "server is gone"],
    );
    shell.wrong(
        "get --device vfio-user:dead?function=vf3 k",
        &["function=vf3", "serves pf"],
    );
    shell.wrong(
        "ycsb --device vfio-user:dead --trace x.fst",
        &["--trace", "rtl:"],
    );
}

#[test]
fn a_device_that_this_machine_has_not_is_missed() {
    Shell::new().wrong(
        "get --device vfio:ffff:1f:1f.7 k",
        &["ffff:1f:1f.7", "no such PCI device"],
    );
}

#[test]
fn waves_are_the_verilogs() {
    Shell::new().wrong(
        "device identify --trace x.fst --device model:",
        &["--trace", "--device rtl:"],
    );
}

#[test]
fn a_model_without_time_is_for_serving_it_fast() {
    let shell = Shell::new();
    shell.wrong(
        "ycsb --device model:?at_once=1",
        &["at_once=1", "rdstore device serve"],
    );
    shell.wrong(
        "device serve --device model:?at_once=1 --pace real --vfio-user sockets",
        &["at_once=1", "--pace fast"],
    );
}

#[test]
fn huge_pages_are_for_memory() {
    Shell::new().wrong(
        "device identify --device model:disk.img?huge_pages=1",
        &["huge_pages=1", "without a FILE"],
    );
}

#[cfg(feature = "rtl")]
#[test]
fn what_the_verilog_has_not_is_named() {
    let shell = Shell::new();
    shell.wrong(
        "device identify --device rtl:?queues=31",
        &["31 I/O queues", "6 VFs, 4 I/O queues"],
    );
    shell.wrong(
        "device identify --device rtl:?media_us=3",
        &["media_us=3", "model:"],
    );
}

#[test]
fn a_missing_file_is_called_missing() {
    let shell = Shell::new();
    for command in [
        "get {} k",
        "del {} k",
        "scan {}",
        "info {}",
        "stats {}",
        "fsck {}",
        "export {}",
    ] {
        let words = command.replace("{}", "--device model:none.img");
        shell.wrong(&words, &["none.img", "no such file", "rdstore format"]);
    }
    shell.wrong(
        "device identify --device model:none.img",
        &["none.img", "no such file"],
    );
    assert!(!shell.path().join("none.img").exists());
}

#[test]
fn a_foreign_file_is_refused_untouched() {
    let shell = Shell::new();
    shell.write("x.img", vec![0x5a; 1 << 20]);
    for command in ["get {} k", "put {} k v", "format {} --force"] {
        let words = command.replace("{}", "--device model:x.img");
        shell.wrong(&words, &["x.img", "is not an image"]);
    }
    assert!(shell.read("x.img") == vec![0x5a; 1 << 20]);
}

#[test]
fn foreign_data_in_an_image_is_refused_untouched() {
    let shell = Shell::new();
    shell.ok(&format!("format {DEVICE}"));
    let image = std::fs::OpenOptions::new()
        .write(true)
        .open(shell.path().join("x.img"))
        .unwrap();
    image.write_all_at(&vec![0xa5; 4 << 20], 0).unwrap();
    drop(image);
    let before = shell.read("x.img");
    shell.wrong(
        &format!("get {DEVICE} k"),
        &["there is no store here", "format"],
    );
    shell.wrong(&format!("put {DEVICE} k v"), &["there is no store here"]);
    shell.wrong(&format!("format {DEVICE}"), &["not of a store", "--force"]);
    assert!(shell.read("x.img") == before);
    shell.ok(&format!("format {DEVICE} --force"));
    shell.ok(&format!("put {DEVICE} k v"));
}

#[test]
fn an_existing_store_is_not_formatted_away() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} k v"));
    shell.wrong(
        &format!("format {DEVICE}"),
        &["there is a store here already", "--force"],
    );
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "v");
    shell.ok(&format!("format {DEVICE} --force"));
    assert_eq!(shell.run(&format!("get {DEVICE} k")).code, 1);
}

/// Changes one byte of a page of the image.
fn damage(shell: &Shell, offset: u64) {
    let image = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(shell.path().join("x.img"))
        .unwrap();
    let mut byte = [0];
    image.read_exact_at(&mut byte, offset).unwrap();
    image.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

/// Offsets of the 4 KiB pages of an image that are not all zeros, without the trailer.
fn written_pages(shell: &Shell) -> Vec<u64> {
    let image = shell.read("x.img");
    (0..1024)
        .map(|page| page * 4096)
        .filter(|&at| image[at..at + 4096].iter().any(|&b| b != 0))
        .map(|at| at as u64)
        .collect()
}

#[test]
fn corrupt_superblocks_are_reported_with_both_values() {
    let shell = Shell::new();
    shell.ok(&format!("format {DEVICE}"));
    for page in written_pages(&shell) {
        damage(&shell, page + 128);
    }
    for command in ["get {} k", "put {} k v", "info {}", "fsck {}"] {
        let words = command.replace("{}", DEVICE);
        shell.wrong(&words, &["superblock", "damaged", "expected"]);
    }
}

#[test]
fn one_good_superblock_copy_is_enough() {
    let shell = Shell::new();
    shell.ok(&format!("put {DEVICE} k v"));
    damage(&shell, 128);
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "v");
}

#[test]
fn a_damaged_page_is_reported_and_found_by_fsck() {
    let shell = Shell::new();
    shell.ok(&format!("format {DEVICE}"));
    let before = written_pages(&shell);
    shell.ok(&format!("put {DEVICE} k value"));
    let written: Vec<u64> = written_pages(&shell)
        .into_iter()
        .filter(|page| !before.contains(page))
        .collect();
    assert_eq!(written.len(), 1, "one key, one page");
    damage(&shell, written[0] + 2000);
    shell.wrong(
        &format!("get {DEVICE} k"),
        &["page", "damaged", "expected", "fsck"],
    );
    let fsck = shell.json_with(&format!("fsck {DEVICE}"), 1);
    assert_eq!(fsck["violations_total"], 1, "{fsck}");
}

#[test]
fn keys_and_values_have_limits() {
    let shell = Shell::new();
    let long = "k".repeat(256);
    shell.wrong(
        &format!("put {DEVICE} {long} v"),
        &["1 to 255 bytes", "256"],
    );
    shell.wrong(&format!("get {DEVICE} {long}"), &["1 to 255 bytes", "256"]);
    assert!(
        !shell.path().join("x.img").exists(),
        "a wrong key creates nothing"
    );
    shell.ok(&format!("put {DEVICE} {} v", "k".repeat(255)));
    let value = "v".repeat(4000);
    shell.wrong(
        &format!("put {DEVICE} k {value}"),
        &["4000 bytes", "at most", "larger pages"],
    );
    let arguments = ["put", "--device", "model:x.img", "k", "-"];
    let huge = shell.run_with_stdin(&arguments, &vec![0; (1 << 20) + 1]);
    assert_eq!(huge.code, 2, "{huge:?}");
    assert!(huge.stderr.contains("1 MiB"), "{huge:?}");
    let empty = shell.run_with_stdin(&["put", "--device", "model:x.img", "", "v"], b"");
    assert_eq!(empty.code, 2, "{empty:?}");
    shell.wrong(
        &format!("put {DEVICE} --hex 0g v"),
        &["'0g' is not hexadecimal"],
    );
    shell.wrong(&format!("put {DEVICE} --hex 123 v"), &["odd number"]);
}

#[test]
fn a_device_can_be_too_small() {
    let shell = Shell::new();
    shell.wrong(
        "format --device model:x.img?size=4KiB",
        &["4096 bytes", "needs at least", "larger device"],
    );
    assert!(
        !shell.path().join("x.img").exists(),
        "a device without a store is not left behind"
    );
    shell.wrong("put --device model:x.img?size=8KiB k v", &["larger device"]);
}

#[test]
fn a_full_store_says_so_and_deletes_still_work() {
    let shell = Shell::new();
    let device = "--device model:x.img?size=128KiB&vfs=0";
    let value = "v".repeat(3500);
    let mut stored = Vec::new();
    for index in 0..64 {
        let run = shell.run(&format!("put {device} key{index} {value}"));
        if run.code == 0 {
            stored.push(index);
            continue;
        }
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("the store is full"), "{run:?}");
        assert!(run.stderr.contains("Delete something"), "{run:?}");
        break;
    }
    assert!((2..64).contains(&stored.len()), "{stored:?}");
    for &index in &stored {
        assert_eq!(shell.ok(&format!("get {device} key{index}")).text(), value);
    }
    shell.ok(&format!("del {device} key{}", stored[0]));
    shell.ok(&format!("fsck {device}"));
}

#[test]
fn a_second_opener_is_told() {
    let shell = Shell::new();
    shell.ok(&format!("format {DEVICE}"));
    let image = std::fs::File::open(shell.path().join("x.img")).unwrap();
    rustix::fs::flock(&image, rustix::fs::FlockOperation::LockExclusive).unwrap();
    shell.wrong(&format!("get {DEVICE} k"), &["x.img", "is in use"]);
}

#[test]
fn format_options_are_checked() {
    let shell = Shell::new();
    shell.wrong(&format!("format {DEVICE} --page-size 5000"), &["5000", "4"]);
    shell.wrong(
        &format!("format {DEVICE} --page-size big"),
        &["'big' is not a size"],
    );
    shell.wrong(
        &format!("format {DEVICE} --expect-records 10"),
        &["--value-size"],
    );
}

#[test]
fn an_import_names_the_line_that_is_wrong() {
    let shell = Shell::new();
    shell.write(
        "bad.jsonl",
        "{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key\":\"b\"}\n",
    );
    shell.wrong(
        &format!("import {DEVICE} bad.jsonl"),
        &["bad.jsonl, line 3", "\"value\""],
    );
    assert_eq!(shell.ok(&format!("get {DEVICE} a")).text(), "1");
    shell.write("worse.jsonl", "key,value\n");
    shell.wrong(
        &format!("import {DEVICE} worse.jsonl"),
        &["worse.jsonl, line 1", "not a record"],
    );
    shell.wrong(&format!("import {DEVICE} none.jsonl"), &["none.jsonl"]);
}

#[test]
fn ycsb_and_perf_check_what_they_are_given() {
    let shell = Shell::new();
    shell.wrong("ycsb --value-size 8", &["'8' is too short", "32 bytes"]);
    shell.wrong(
        "ycsb --value-size 5000 --records 10 --ops 10",
        &["5000 bytes", "at most"],
    );
    shell.wrong(
        "ycsb --device model:?size=1MiB --records 300 --value-size 2500 --ops 10",
        &["full", "--records", "size="],
    );
    // Said at once, not after loading until the store is full; no file is left behind.
    for records in ["1000", "1100", "1000000000000"] {
        shell.wrong(
            &format!("ycsb --device model:y.img?size=4MiB --records {records} --verify"),
            &["would be full before", "--records", "size="],
        );
    }
    shell.wrong(
        "ycsb --device model:y.img --value-size 3649",
        &["3649 bytes", "at most 3648"],
    );
    assert!(!shell.path().join("y.img").exists());
    shell.wrong(
        "ycsb --device model:?size=4MiB --workload d --records 900 --ops 3000",
        &["would be full before all 1,050 records"],
    );
    shell.ok("ycsb --device model:?size=4MiB --workload d --records 900 --ops 100");
    shell.wrong(
        "ycsb --device model:?vfs=0&queues=1 --clients 2 --records 10 --ops 1",
        &["queues="],
    );
    shell.wrong("device perf --bs 1000", &["--bs 1000", "multiple"]);
    shell.wrong("device perf --functions 9", &["9 functions", "vfs="]);
    shell.wrong(
        "device perf --rw caw --bs 128KiB",
        &["--bs 131072", "at most"],
    );
    shell.ok(&format!("put {DEVICE} k v"));
    shell.wrong(
        &format!("device perf {DEVICE} --rw randwrite"),
        &["--destroy"],
    );
    assert_eq!(shell.ok(&format!("get {DEVICE} k")).text(), "v");
}
