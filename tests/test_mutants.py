"""The mutant hunt on a module of four lines: what its tests notice, what they do not, and what the report keeps."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or importlib.util.find_spec("mutmut") is None,
    reason="each mutant is a forked process, which Windows does not have, and mutmut, which makes them, needs it too",
)

MODULE = """\
def half(value):
    return value / 2

def later(value, days=1):
    return value + days
"""
TESTS = """\
from half import half, later

def test_half():
    assert half(6) == 3

def test_later():
    assert later(5, days=0) == 5
"""


@pytest.fixture
def hunt(tmp_path):
    """Return a function that hunts through the module and returns the report's text."""
    (tmp_path / "half.py").write_text(MODULE)
    (tmp_path / "test_half.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    report = tmp_path / "report.md"

    def run(*options):
        files = ["--file", tmp_path / "half.py", "--report", report, "--tests", tmp_path / "test_half.py"]
        command = [sys.executable, "-m", "tools.mutants", *map(str, files), *options]
        root = Path(__file__).resolve().parent.parent
        bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, cwd=root, env=bare, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return report.read_text("utf-8")

    return run


def test_mutants_tells_killed_from_survived_and_keeps_what_is_said_of_them(hunt, tmp_path):
    """Of three of four changes the one to half is noticed; a test more notices one more, and the reason given stays."""
    report, tests = tmp_path / "report.md", tmp_path / "test_half.py"

    first = hunt("--share", "0.75", "--seed", "1")
    report.write_text(first.replace("not explained yet", "Nobody leaves it out.", 1), "utf-8")
    tests.write_text(TESTS + "    assert later(5, days=1) == 6\n")
    again = hunt("--again")

    assert "| `half` | 3 | 4 | 1 | 1 | 0 | 2 | 0 | 33.3% |" in first
    assert "- `later` `` def later(value, days=1): `` → `` def later(value, days=2): ``\n  not explained yet" in first
    assert "- `later` `` return value + days `` → `` return value - days ``\n  not explained yet" in first
    assert "| `half` | 3 | 4 | 1 | 2 | 0 | 1 | 1 | 66.7% |" in again
    assert "days=2): ``\n  Nobody leaves it out." in again
    assert "value - days" not in again
