"""Ask pip, without installing anything, for a wheel of every pin on systems and Pythons that are not at hand.

``python -m tools.evidence.resolve`` (``make resolve``) needs the network and some ten minutes: it asks for all pins of
constraints.txt, on each system and Python that the course promises, and keeps a table in docs/versions.md. It shows
that an installation can begin there, not that the course runs. A Python is asked for in its first release, 3.11.0, so
that what is found fits all of them.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.evidence import page

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "Linux": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64", "manylinux2014_x86_64"),
    "Windows": ("win_amd64",),
    "macOS": ("macosx_14_0_arm64",),
}
"""System → the tags of the wheels that it takes, the newest first."""

ONE_SYSTEM = {"pywinpty": "Windows"}
"""Pins that only one system needs, and that have wheels for no other."""

SOURCE_ONLY = {"jieba"}
"""Pins that have no wheel: pure Python, which pip builds from its source on every system."""

HEAD = ["| system | " + " | ".join(f"Python {python}" for python in PYTHONS) + " |", "|---|" + "---|" * len(PYTHONS)]
MISSING = re.compile(r"No matching distribution found for (\S+)")


def pins(constraints: str, system: str) -> list[str]:
    r"""Return the pins that a system needs.

    Example:
        >>> pins("# why\ntorch==2.13.0\npywinpty==3.0.5\njieba==0.42.1", "Linux")
        ['torch==2.13.0']
    """
    found = [line.split("#")[0].strip() for line in constraints.splitlines()]
    named = {pin: pin.split("==")[0] for pin in found if pin}
    return [pin for pin, name in named.items() if ONE_SYSTEM.get(name, system) == system and name not in SOURCE_ONLY]


def missing(wanted: Sequence[str], system: str, python: str) -> list[str]:
    """Return the pins for which pip finds no wheel; it names one a call, which is left out of the next.

    Raises:
        RuntimeError: if pip fails for another reason, such as no network.
    """
    without: list[str] = []
    tags = [part for tag in SYSTEMS[system] for part in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet",
               "--only-binary=:all:", "--python-version", python, *tags, "--target", "nowhere"]  # fmt: skip
    while True:
        asked = [pin for pin in wanted if pin not in without]
        done = subprocess.run([*command, *asked], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return without
        found = MISSING.search(done.stderr)
        if not found or found[1] not in asked:
            raise RuntimeError(f"pip could not answer for {system}, Python {python}: {done.stderr.strip()[-500:]}")
        without.append(found[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask for all, keep the table, and return the exit status: 1 if a wheel is missing."""
    parser = argparse.ArgumentParser(prog="python -m tools.evidence.resolve", description=__doc__.split("\n")[0])
    parser.parse_args(arguments)
    constraints = CONSTRAINTS.read_text(encoding="utf-8")
    table, complete = [], True
    for system in SYSTEMS:
        wanted, cells = pins(constraints, system), []
        for python in PYTHONS:
            without = missing(wanted, system, python)
            complete &= not without
            cells.append(f"**no wheel of {', '.join(without)}**" if without else f"all {len(wanted)}")
            print(f"{system}, Python {python}: {cells[-1]}", flush=True)
        table.append(f"| {system} | {' | '.join(cells)} |")
    page.put("versions.md", "wheels", HEAD + table)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
