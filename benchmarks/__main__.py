"""Measure, print the table, and keep it: ``python -m benchmarks`` (``make bench``) writes docs/benchmarks.md.

``--only WORDS`` measures a part, such as ``import`` or ``"checkpoints and not GB"``, and prints it without keeping it.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.report import Row, machine, report, summary, table
from benchmarks.targets import TARGETS
from tools.evidence import page

HERE = Path(__file__).resolve().parent
PAGE = "benchmarks.md"


def measure(only: str, file: Path) -> int:
    """Run the benchmarks whose names match, let pytest-benchmark write the numbers, and return pytest's status."""
    options = [
        *("-v", "-p", "no:cacheprovider", "-p", "benchmark", "--benchmark-quiet", f"--benchmark-json={file}"),
        *("-o", "python_files=bench_*.py", "-o", "python_functions=bench_*"),
        *("-W", "default", "-k", only),
    ]
    return int(pytest.main([str(HERE), *options]))


def rows(file: Path) -> list[Row]:
    """Read the rows that the benchmarks recorded."""
    benchmarks = json.loads(file.read_text(encoding="utf-8"))["benchmarks"] if file.stat().st_size else []
    return [Row(**row) for benchmark in benchmarks for row in benchmark["extra_info"].get("rows", [])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 if a benchmark failed, not if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", "-k", default="", metavar="WORDS", help="pytest's -k: measure a part and print it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "benchmarks.json")
        status = measure(options.only, file)
        found = rows(file) if file.exists() else []
    if not found:
        print("nothing was measured")
        return status or 1
    print("\n".join(table(found, whole=not options.only)))
    if options.only:
        print("\na part, printed and not kept")
    elif status or (never := TARGETS.keys() - {row.name for row in found}):
        what = "a benchmark failed" if status else f"no benchmark measures {', '.join(sorted(never))}"
        print(f"\n{what}, so docs/{PAGE} stays as it is")
        return status or 1
    else:
        page.put(PAGE, "measured", report(found, machine()))
        print(f"\n{summary(found)} Written to docs/{PAGE}")
    return status


if __name__ == "__main__":
    sys.exit(main())
