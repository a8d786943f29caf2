//! A generated file that is not what its sources make of it is a mistake.

#[test]
fn no_generated_file_is_stale() {
    for file in rtl_generate::files() {
        let there = std::fs::read_to_string(file.path()).unwrap_or_default();
        assert!(
            there == file.text,
            "rtl/{} is stale: run `cargo xtask generate`",
            file.name
        );
    }
}
