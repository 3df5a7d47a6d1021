"""Run the whole suite with other versions of torch, each in an environment of its own, and keep a table of the results.

``python -m tools.evidence.versions`` (``make test-versions``) takes the oldest promised versions and the newest ones,
``python -m tools.evidence.versions newest`` (``make test-book``) the newest alone, beside torchvision and the book's
package.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import suite
from tools.evidence import page

ROOT = Path(__file__).resolve().parents[2]
HEAD = ["| environment | versions | tests | notebook cells | minutes |", "|---|---|---|---|---:|"]


@dataclass(frozen=True)
class Setting:
    """An environment: what is installed at other versions than constraints.txt pins, and what does not run there.

    Args:
        pins: requirements, each with an exact version.
        compared: also compare what the notebooks print; else they are run, with their own checks.
        why: why not.
    """

    pins: tuple[str, ...]
    compared: bool = True
    why: str = ""


SETTINGS = {
    "oldest": Setting(
        ("torch==2.10.0", "numpy==2.0.2", "safetensors==0.4.5", "platformdirs==4.0.0", "wcwidth==0.3.0"),
        compared=False,
        why="run, outputs not compared: some errors of torch had other words",
    ),
    "newest": Setting(("torch==2.14.1", "torchvision==0.29.1")),
}


def build(name: str, setting: Setting) -> Path:
    """Make the environment if it is not there in this form, and return its Python."""
    folder = ROOT / f".venv-{name}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = "\n".join([*setting.pins, *(_text(ROOT / file) for file in ("pyproject.toml", "constraints.txt"))])
    ready = folder / ".ready"
    if ready.is_file() and _text(ready) == wanted:
        return python
    print(f"{name}: installing {', '.join(setting.pins)} into {folder.name}, some gigabytes", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    _pip(python, *setting.pins)
    there = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as scratch:
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text(merge(there, _text(ROOT / "constraints.txt")), encoding="utf-8")
        _pip(python, "-c", constraints, "hatchling", "editables")
        _pip(python, "-c", constraints, "--no-build-isolation", "-e", f"{ROOT}[dev,beyond,book]")
        _pip(python, "-c", constraints, "--no-deps", "--no-warn-conflicts", "d2l")
    ready.write_text(wanted, encoding="utf-8")
    return python


def merge(installed: str, constraints: str) -> str:
    r"""Return the pins of ``constraints``, but for what is installed already: that stays at its version.

    Example:
        >>> print(merge("torch==2.7.0+cpu\nsympy==1.13.3", "# why\nNumPy==2.4.6\nsympy==1.14.0\ntorch==2.13.0"))
        torch==2.7.0
        sympy==1.13.3
        NumPy==2.4.6
    """
    kept = [line.split("+")[0] for line in installed.splitlines() if "==" in line]
    names = {_name(line) for line in kept}
    rest = [line for line in constraints.splitlines() if "==" in line and line[0] != "#" and _name(line) not in names]
    return "\n".join(kept + rest)


def run(name: str, setting: Setting, jobs: int) -> str:
    """Run the suite in an environment, and return its row of the table."""
    python = build(name, setting)
    environment = suite.environment() | {"PYTHONPATH": ""}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = suite.pytest_command(
            f"--junitxml={report}", *suite.WHOLE, python=python, jobs=jobs, compared=setting.compared
        )
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        minutes = (time.perf_counter() - started) / 60
        tests, cells = count(report) if report.is_file() else (Counter(failed=1), Counter())
    return row(name, _versions(python), tests, cells, minutes, setting.why)


def count(report: Path) -> tuple[Counter[str], Counter[str]]:
    """Count the outcomes in a report of pytest: of tests, and of cells of notebooks."""
    tests, cells = Counter[str](), Counter[str]()
    for case in suite.cases(report):
        kind = cells if case.is_cell else tests
        kind[case.outcome] += 1
    return tests, cells


def row(name: str, versions: str, tests: Counter[str], cells: Counter[str], minutes: float, why: str = "") -> str:
    """Return a line of the table; ``why`` says why outputs are not compared there.

    Example:
        >>> row("newest", "torch 2.14.1", Counter(passed=5, skipped=1), Counter(passed=3, failed=2), 4.26)
        '| newest | torch 2.14.1 | 5 passed, 1 skipped | 3 passed, **2 failed** | 4.3 |'
        >>> row("oldest", "torch 2.10.0", Counter(passed=5), Counter(passed=3), 4.0, "run, not compared")
        '| oldest | torch 2.10.0 | 5 passed | 3 passed (run, not compared) | 4.0 |'
    """
    told = [", ".join(_said(kind, counts[kind]) for kind in ("passed", "failed", "skipped") if counts[kind])
            for counts in (tests, cells)]  # fmt: skip
    remark = f" ({why})" if why else ""
    return f"| {name} | {versions} | {told[0] or 'none'} | {told[1] or 'none'}{remark} | {minutes:.1f} |"


def _said(kind: str, number: int) -> str:
    return f"**{number} failed**" if kind == "failed" else f"{number} {kind}"


def _name(requirement: str) -> str:
    return re.split(r"[=<>; \[]", requirement)[0].lower().replace("_", "-")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _pip(python: Path, *arguments: str | Path) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True)


def _versions(python: Path) -> str:
    """Return the versions that matter, as the environment itself tells them."""
    code = """
import importlib.metadata, platform
print("Python", platform.python_version(), end="")
for name in ("torch", "torchvision", "numpy", "safetensors", "d2l"):
    for found in importlib.metadata.distributions(name=name):
        print(",", name, found.version, end="")
"""
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names, write the table, and return the exit status: 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.evidence.versions", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="environment", help=f"of {', '.join(SETTINGS)} (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="how many workers (default: 2)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(SETTINGS):
        parser.error(f"no such environment: {', '.join(sorted(unknown))}; there are {', '.join(SETTINGS)}")
    rows = {name: run(name, SETTINGS[name], options.jobs) for name in options.names or SETTINGS}
    kept = page.rows("versions.md", "versions") | rows
    page.put("versions.md", "versions", HEAD + [kept[name] for name in SETTINGS if name in kept])
    print("\n".join(rows.values()))
    return 1 if any("**" in line for line in rows.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
