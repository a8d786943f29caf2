//! Writes the generated files of `rtl/`; leaves those alone that are as they should be.

use std::process::ExitCode;

fn main() -> ExitCode {
    for file in rtl_generate::files() {
        let path = file.path();
        let state = if std::fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            "up to date"
        } else if let Err(error) = std::fs::write(&path, &file.text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        } else {
            "written"
        };
        println!("rtl/{}: {state}", file.name);
    }
    ExitCode::SUCCESS
}
