//! The help texts, for review: `cargo insta review` shows what changed.

mod support;

use support::Shell;

fn help(command: &str) -> String {
    let words = format!("{command} --help");
    Shell::new().ok(words.trim_start()).text()
}

#[test]
fn every_command_has_a_help_text_with_an_example() {
    for command in [
        "format",
        "put",
        "get",
        "del",
        "scan",
        "info",
        "stats",
        "fsck",
        "export",
        "import",
        "ycsb",
        "device identify",
        "device perf",
        "device serve",
    ] {
        let text = help(command);
        assert!(text.contains("Example"), "{command}: {text}");
        assert!(
            text.contains(&format!("rdstore {command}")),
            "{command}: {text}"
        );
        insta::assert_snapshot!(command.replace(' ', "_"), text);
    }
}

#[test]
fn the_program_explains_itself() {
    insta::assert_snapshot!("rdstore", help(""));
}

#[test]
fn no_arguments_at_all_is_wrong_use() {
    let run = Shell::new().run_with_stdin(&[], b"");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("Usage:"), "{}", run.stderr);
}
