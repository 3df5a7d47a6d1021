"""Test the site and the learner's copy in a real browser: ``python -m tools.browser`` (``make test-browser``).

Builds the site, serves it on this machine alone, and drives Chromium through it and through JupyterLab. What was
counted is printed at the end; screenshots are kept in docs/_build/browser. What stands after ``--`` goes to pytest.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ARTEFACTS", "chromium", "counted", "install_chromium"]

ROOT = Path(__file__).resolve().parent.parent
ARTEFACTS = ROOT / "docs" / "_build" / "browser"
COUNTS = "counts.jsonl"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-noto-cjk")
"""Debian's packages: the browser, and letters for the Chinese pages on its screenshots."""


def chromium() -> str | None:
    """Return the path of a Chromium that is installed; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def install_chromium() -> bool:
    """Install Debian's packages if this process may; return whether it did."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", *PACKAGES]):
        if subprocess.call(command, env=environment, stdout=subprocess.DEVNULL) != 0:
            return False
    return True


def counted(lines: Sequence[str]) -> str:
    r"""Return in one line what the tests counted.

    Example:
        >>> counted(['{"pages": 2, "links": 5}', '{"links": 1}'])
        'pages: 2 · links: 6'
    """
    total: Counter[str] = Counter()
    for line in lines:
        total.update(json.loads(line))
    return " · ".join(f"{name}: {number}" for name, number in total.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site, run the tests, print what was counted, and return the exit status of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__.split("\n")[0])
    parser.add_argument("--no-build", action="store_true", help="take the site that docs/_build holds")
    parser.add_argument("--jobs", type=int, default=2, help="how many browsers (default: 2)")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --; by default all of tests/browser")
    options = parser.parse_args(arguments)
    if chromium() is None and not (install_chromium() and chromium()):
        print(f"no browser: install Debian's packages {' '.join(PACKAGES)}, or put Chromium on PATH", file=sys.stderr)
        return 1
    if not options.no_build and (status := subprocess.call([sys.executable, "-m", "tools.site"], cwd=ROOT)):
        return status
    shutil.rmtree(ARTEFACTS, ignore_errors=True)
    ARTEFACTS.mkdir(parents=True)
    environment = {**os.environ, "D2LCOMPUTE_BROWSER": str(chromium())}
    environment.pop("D2LCOMPUTE_LANG", None)  # the copy's own language is spoken
    parallel = ["-n", str(options.jobs), "--dist", "worksteal"] if options.jobs > 1 else []
    command = [sys.executable, "-m", "pytest", "-p", "no:nbval", *parallel, *(options.arguments or ["tests/browser"])]
    status = subprocess.call(command, cwd=ROOT, env=environment)
    counts = ARTEFACTS / COUNTS
    if counts.is_file():
        print(counted(counts.read_text(encoding="utf-8").splitlines()))
    print(f"screenshots: {ARTEFACTS.relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
