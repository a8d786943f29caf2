//! `cargo xtask synth`: what the controller of the VC709 (6 VFs, 4 I/O queues) takes of an FPGA, and its
//! worst path, by Yosys for Xilinx 7 series. Without placement and routing: figures to compare with
//! others of the same flow, and to see a change in, no timing sign-off.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::report::{Report, Row};
use crate::step::{root, run as step};
use crate::verilog::{files, is_set_up, not_set_up, tool};

const TOP: &str = "nvme_controller";

/// LUTs of the core, those that are memory included.
const LUTS: Limit = Limit {
    must: 60_000.0,
    aim: 30_000.0,
    unit: "",
};
/// The worst path without routing.
const PATH: Limit = Limit {
    must: 5.6,
    aim: 3.6,
    unit: " ns",
};

/// LUTs that a cell of memory or a shift register is made of.
const MEMORY_LUTS: &[(&str, u64)] = &[
    ("RAM32X1D", 2),
    ("RAM64X1D", 2),
    ("RAM128X1D", 4),
    ("RAM32M", 4),
    ("RAM64M", 4),
    ("RAM32X1S", 1),
    ("RAM64X1S", 1),
    ("RAM128X1S", 2),
    ("RAM256X1S", 4),
    ("SRL16E", 1),
    ("SRLC32E", 1),
];

struct Limit {
    must: f64,
    aim: f64,
    unit: &'static str,
}

/// What a netlist, or a module of it, takes.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Area {
    logic_luts: u64,
    memory_luts: u64,
    flip_flops: u64,
    /// In halves of a RAMB36.
    block_rams_18: u64,
}

impl Area {
    fn of(cells: &BTreeMap<String, u64>) -> Self {
        let mut area = Self::default();
        for (cell, count) in cells {
            let memory = MEMORY_LUTS.iter().find(|(name, _)| name == cell);
            match cell.as_str() {
                "LUT1" | "LUT2" | "LUT3" | "LUT4" | "LUT5" | "LUT6" => area.logic_luts += count,
                "FDRE" | "FDSE" | "FDCE" | "FDPE" => area.flip_flops += count,
                "RAMB36E1" => area.block_rams_18 += 2 * count,
                "RAMB18E1" => area.block_rams_18 += count,
                _ => area.memory_luts += memory.map_or(0, |(_, luts)| luts * count),
            }
        }
        area
    }

    const fn luts(self) -> u64 {
        self.logic_luts + self.memory_luts
    }

    fn block_rams_36(self) -> f64 {
        self.block_rams_18 as f64 / 2.0
    }

    fn add(&mut self, other: Self, times: u64) {
        self.logic_luts += times * other.logic_luts;
        self.memory_luts += times * other.memory_luts;
        self.flip_flops += times * other.flip_flops;
        self.block_rams_18 += times * other.block_rams_18;
    }
}

/// The whole, and with `modules` each module's share (a synthesis of its own, module by module).
pub(crate) fn run(modules: bool) -> Result<Report> {
    if !is_set_up() {
        return Ok(Report {
            rows: vec![not_set_up("synthesis")],
        });
    }
    let folder = folder()?;
    let mut rows = whole(&folder)?;
    if modules {
        rows.extend(by_module(&folder)?);
    }
    Ok(Report { rows })
}

/// A folder with the sources: Yosys here sees relative paths only.
fn folder() -> Result<PathBuf> {
    let folder = root().join("target").join("synthesis");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for file in [files("v")?, files("vh")?].concat() {
        if let Some(name) = file.file_name() {
            fs::copy(root().join(&file), folder.join(name))
                .with_context(|| file.display().to_string())?;
        }
    }
    Ok(folder)
}

/// Runs a script; a row that failed says that there is nothing to report.
fn yosys(folder: &Path, name: &str, script: &str) -> Result<Row> {
    let file = format!("{name}.ys");
    fs::write(folder.join(&file), script).with_context(|| format!("writing {file}"))?;
    let mut command = Command::new(tool("python"));
    command
        .arg(root().join("rtl/synthesis/yosys.py"))
        .args(["-q", "-l", &format!("{name}.log"), &file])
        .current_dir(folder);
    let mut row = step(&format!("synthesis, {name}"), command)?;
    row.command = format!("yosys.py {name}.ys");
    if row.failed > 0 {
        row.measured = format!("failed: see target/synthesis/{name}.log");
    }
    Ok(row)
}

fn sources() -> Result<String> {
    let names = files("v")?;
    let names = names.iter().filter_map(|path| path.file_name()?.to_str());
    Ok(names.collect::<Vec<_>>().join(" "))
}

/// Synthesis and timing: cells go to `NAME.json`, the latest arrivals to `NAME_paths.txt`.
fn script(name: &str, options: &str) -> Result<String> {
    Ok(format!(
        "read_verilog {sources}\n\
         hierarchy -check -top {TOP}\n\
         synth_xilinx -family xc7 {options} -noiopad -abc9 -top {TOP}\n\
         tee -q -o {name}.json stat -tech xilinx -json\n\
         write_verilog -noattr {name}_netlist.v\n\
         design -reset\n\
         read_verilog -specify -lib +/xilinx/cells_sim.v\n\
         read_verilog {name}_netlist.v\n\
         tee -q -o {name}_paths.txt sta\n",
        sources = sources()?
    ))
}

fn whole(folder: &Path) -> Result<Vec<Row>> {
    let run = yosys(folder, "whole", &script("whole", "-flatten")?)?;
    if run.failed > 0 {
        return Ok(vec![run]);
    }
    let report = read(folder, "whole.json")?;
    let Some(module) = report["modules"]
        .as_object()
        .and_then(|all| all.values().next())
    else {
        bail!("whole.json names no module");
    };
    let area = Area::of(&cells(module));
    let paths = fs::read_to_string(folder.join("whole_paths.txt")).context("whole_paths.txt")?;
    let (picoseconds, path) =
        worst_path(&paths).context("whole_paths.txt has no latest arrival")?;
    eprintln!("── worst path, from its end to its beginning:\n{path}");
    Ok(vec![
        judged(
            "LUTs",
            area.luts() as f64,
            format!(
                "{} ({} logic, {} memory)",
                area.luts(),
                area.logic_luts,
                area.memory_luts
            ),
            &LUTS,
            &run,
        ),
        figure("flip-flops", area.flip_flops as f64, &run),
        figure("block RAMs (36 Kbit)", area.block_rams_36(), &run),
        judged(
            "worst path, no routing",
            picoseconds / 1000.0,
            format!("{:.2} ns", picoseconds / 1000.0),
            &PATH,
            &run,
        ),
    ])
}

/// Each module synthesized with its parameters but without its surroundings, largest first.
fn by_module(folder: &Path) -> Result<Vec<Row>> {
    let run = yosys(folder, "modules", &script("modules", "")?)?;
    if run.failed > 0 {
        return Ok(vec![run]);
    }
    let report = read(folder, "modules.json")?;
    let paths =
        fs::read_to_string(folder.join("modules_paths.txt")).context("modules_paths.txt")?;
    let paths = paths_by_source(&paths);
    let mut areas: Vec<(String, Area)> = by_source(&report).into_iter().collect();
    areas.sort_by_key(|(_, area)| std::cmp::Reverse(area.luts()));
    let rows = areas.into_iter().map(|(name, area)| Row {
        measured: format!(
            "{:6} LUTs ({} memory), {:6} flip-flops, {} block RAMs, {:.2} ns inside",
            area.luts(),
            area.memory_luts,
            area.flip_flops,
            area.block_rams_36(),
            paths.get(&name).copied().unwrap_or(0.0) / 1000.0
        ),
        ..figure(&format!("  {name}"), area.luts() as f64, &run)
    });
    Ok(rows.collect())
}

fn read(folder: &Path, name: &str) -> Result<Value> {
    let text = fs::read_to_string(folder.join(name)).with_context(|| name.to_owned())?;
    serde_json::from_str(&text).with_context(|| name.to_owned())
}

fn cells(module: &Value) -> BTreeMap<String, u64> {
    let cells = module["num_cells_by_type"].as_object();
    let counts = cells.into_iter().flatten();
    counts
        .filter_map(|(cell, count)| Some((cell.clone(), count.as_u64()?)))
        .collect()
}

/// A module's name in the source: Yosys names those with parameters `$paramod$HASH\name`, or
/// `$paramod\name\PARAMETERS`.
fn source_of(name: &str) -> String {
    let mut parts = name.trim_start_matches('\\').split('\\');
    let first = parts.next().unwrap_or_default();
    let found = if first.starts_with("$paramod") {
        parts.next()
    } else {
        Some(first)
    };
    found.unwrap_or_default().to_owned()
}

/// The latest arrival within each module, its inputs at 0, in picoseconds.
fn paths_by_source(text: &str) -> BTreeMap<String, f64> {
    let mut paths = BTreeMap::new();
    for line in text.lines() {
        let arrival = line
            .strip_prefix("Latest arrival time in '")
            .and_then(|rest| rest.split_once("' is "));
        let Some((name, picoseconds)) = arrival else {
            continue;
        };
        let picoseconds = picoseconds.trim_end_matches(':').trim().parse();
        let latest: &mut f64 = paths.entry(source_of(name)).or_default();
        *latest = latest.max(picoseconds.unwrap_or(0.0));
    }
    paths
}

/// Areas by the module's name in the source, all instances of it together.
fn by_source(report: &Value) -> BTreeMap<String, Area> {
    let modules: BTreeMap<String, BTreeMap<String, u64>> = report["modules"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, module)| (name.trim_start_matches('\\').to_owned(), cells(module)))
        .collect();
    let mut areas = BTreeMap::new();
    let mut waiting = vec![(TOP.to_owned(), 1)];
    while let Some((name, times)) = waiting.pop() {
        let Some(cells) = modules.get(&name) else {
            continue;
        };
        let area: &mut Area = areas.entry(source_of(&name)).or_default();
        area.add(Area::of(cells), times);
        let inner = cells.iter().filter(|(cell, _)| modules.contains_key(*cell));
        waiting.extend(inner.map(|(cell, count)| (cell.clone(), times * count)));
    }
    areas
}

/// The latest arrival in picoseconds, and the path to it as `sta` prints it.
fn worst_path(text: &str) -> Option<(f64, &str)> {
    let (_, found) = text.split_once("Latest arrival time in ")?;
    let (line, rest) = found.split_once(":\n")?;
    let (_, picoseconds) = line.rsplit_once(" is ")?;
    let path = rest.split("\nArrival histogram").next()?;
    Some((picoseconds.trim().parse().ok()?, path.trim_end()))
}

fn figure(name: &str, value: f64, run: &Row) -> Row {
    Row {
        name: name.to_owned(),
        passed: 1,
        failed: 0,
        measured: format!("{value}"),
        value: Some(value),
        must: String::new(),
        command: run.command.clone(),
        wall_s: run.wall_s,
    }
}

fn judged(name: &str, value: f64, measured: String, limit: &Limit, run: &Row) -> Row {
    let passes = value <= limit.must;
    let Limit { must, aim, unit } = limit;
    Row {
        passed: passes.into(),
        failed: (!passes).into(),
        measured,
        must: format!("≤ {must}{unit} (aim {aim}{unit})"),
        ..figure(name, value, run)
    }
}

#[cfg(test)]
mod tests {
    use super::{Area, by_source, paths_by_source, worst_path};

    #[test]
    fn memory_counts_as_luts() {
        let report = serde_json::json!({"modules": {
            "\\nvme_controller": {"num_cells_by_type": {"LUT6": 3, "$paramod$1234\\sync_fifo": 2, "FDRE": 1}},
            "$paramod$1234\\sync_fifo": {"num_cells_by_type": {"RAM64M": 5, "LUT1": 1, "RAMB18E1": 1, "CARRY4": 9}},
        }});
        let areas = by_source(&report);
        let fifos = Area {
            logic_luts: 2,
            memory_luts: 40,
            flip_flops: 0,
            block_rams_18: 2,
        };
        assert_eq!(areas["sync_fifo"], fifos);
        assert_eq!(areas["nvme_controller"].luts(), 3);
        assert_eq!(areas["nvme_controller"].flip_flops, 1);
    }

    #[test]
    fn paths_within_modules_are_found() {
        let text = "Latest arrival time in '\\$paramod\\sqe_memory\\ROW_WIDTH=s32'0110' is 2454:\n  …\n\
                    Latest arrival time in '\\$paramod$b4\\drr_select' is 11234:\n\
                    Latest arrival time in '\\$paramod$d8\\drr_select' is 8174:\n";
        let paths = paths_by_source(text);
        assert_eq!(paths["sqe_memory"], 2454.0);
        assert_eq!(paths["drr_select"], 11234.0);
    }

    #[test]
    fn the_worst_path_is_found() {
        let text = "7. Executing STA pass.\nLatest arrival time in 'a' is 3614:\n    3614 b (RAM32M.WE)\n\n\
                    Arrival histogram:\n legend: *\n";
        assert_eq!(worst_path(text), Some((3614.0, "    3614 b (RAM32M.WE)")));
    }
}
