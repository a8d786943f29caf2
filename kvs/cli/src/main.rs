//! The `rdstore` binary.

fn main() -> std::process::ExitCode {
    rdstore_cli::run()
}
