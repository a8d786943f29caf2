//! Where Verilator is, and what its output declares: what every build of the Verilog has to know.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder with `bin` and `include`: of the environment variable `VERILATOR_ROOT` where that is set,
/// else in the `.venv` of the project whose root folder is `root`, as `cargo xtask setup` makes it.
pub fn find(root: &Path) -> Option<PathBuf> {
    match env::var_os("VERILATOR_ROOT") {
        Some(folder) => Some(PathBuf::from(folder)).filter(|folder| is_one(folder)),
        None => pinned(root),
    }
}

/// The one in the project's `.venv`, whatever the environment says.
pub fn pinned(root: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(root.join(".venv/lib")).ok()?;
    versions
        .filter_map(|version| Some(version.ok()?.path().join("site-packages/verilator")))
        .find(|folder| is_one(folder))
}

fn is_one(folder: &Path) -> bool {
    folder.join("bin/verilator_bin").is_file()
}

/// Only what Rust reads is wanted, without Verilator and without C++: the environment variable `RTL_RUST_ONLY` is
/// set. What is built so can be checked, not linked.
pub fn is_rust_only() -> bool {
    println!("cargo:rerun-if-env-changed=RTL_RUST_ONLY");
    env::var_os("RTL_RUST_ONLY").is_some()
}

/// Tells cargo to build again when a Verilog file of `folder` has changed. One that is new does nothing
/// before another names it. (Were the folder itself named, a changed README would compile everything.)
///
/// # Panics
/// The folder cannot be read.
pub fn watch(folder: &Path) {
    for entry in fs::read_dir(folder).expect("the folder of the Verilog") {
        let path = entry.expect("a readable folder").path();
        let is_verilog = path
            .extension()
            .is_some_and(|end| end == "v" || end == "vh");
        if is_verilog {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

/// Names and widths in bits of the ports that the header of a verilated class declares.
///
/// # Panics
/// The header is not as Verilator writes it.
pub fn ports(header: &str) -> impl Iterator<Item = (&str, u32)> {
    header.lines().filter_map(|line| {
        let line = line.trim();
        let declaration = line
            .strip_prefix("VL_IN")
            .or_else(|| line.strip_prefix("VL_OUT"))?;
        let (_, port) = declaration.split_once("(&")?;
        // name,msb,lsb[,words]);
        let mut fields = port.trim_end_matches(");").split(',');
        let name = fields.next()?;
        let top_bit = fields.next().and_then(|field| field.parse::<u32>().ok());
        Some((name, top_bit.expect("a port's top bit") + 1))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn ports_have_their_widths() {
        let header =
            "class Vx {\n    VL_IN8(&clk,0,0);\n    VL_OUTW(&data,255,0,8);\n    int other;\n";
        let found: Vec<_> = super::ports(header).collect();
        assert_eq!(found, [("clk", 1), ("data", 256)]);
    }
}
