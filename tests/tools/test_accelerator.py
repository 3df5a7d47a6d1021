"""``make test-gpu``: each of its parts, and what it says of each, on a pretended card."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from d2lcompute import pretend_gpus
from d2lcompute.pretend import A100
from tools import accelerator, execute
from tools.evidence import page

RECORD = Path(__file__).parents[1] / "pretend" / "reality" / "recorded.json"
REPORT = '<testsuites><testsuite><testcase name="a"/><testcase name="b"/>{}</testsuite></testsuites>'
FAILED = '<testcase name="c"><failure>no</failure></testcase>'


@pytest.fixture
def card(tmp_path, monkeypatch):
    """Pretend a card, small products, a page of its own, and parts that answer at once."""
    (tmp_path / "hardware.md").write_text(
        "<!-- runs: begin -->\n<!-- runs: end -->\n<!-- clock: begin -->\n<!-- clock: end -->\n", encoding="utf-8"
    )
    monkeypatch.setattr(page, "DOCS", tmp_path)
    monkeypatch.setattr(accelerator, "SIZES", (16, 32))
    monkeypatch.setattr(
        accelerator, "compare", lambda card: {"same": ["x"] * 880, "known": ["y"] * 12, "different": []}
    )
    monkeypatch.setattr(execute, "execute_all", lambda paths, jobs: [outcome(path) for path in paths])
    monkeypatch.setattr(subprocess, "run", running(REPORT.format("")))
    monkeypatch.setenv("PYTHONPATH", "")
    with pretend_gpus(1):
        yield tmp_path / "hardware.md"


def outcome(path, error=None):
    """Return what came of a notebook of ten cells."""
    return SimpleNamespace(path=path, cells=10, error=error)


def running(report, record=RECORD, kept=subprocess.run):
    """Return a stand-in for ``subprocess.run`` that leaves the files which the commands would leave."""

    def run(command, **options):
        if command[0] != sys.executable:
            return kept(command, **options)
        written = [
            part.removeprefix("--junitxml=") for part in command if "report.xml" in part or "recorded.json" in part
        ]
        for path in written:
            Path(path).write_text(report if path.endswith("xml") else record.read_text("utf-8"), encoding="utf-8")
        return None

    return run


def test_without_a_card_it_says_so_and_succeeds(capsys):
    """Nothing is run, and nothing is written."""
    with pretend_gpus(0):
        assert accelerator.main([]) == 0
    assert capsys.readouterr().out == "no CUDA card on this machine: 0 run\n"


def test_each_part_has_its_place_in_a_row(card):
    """Card, versions and counts, in the page; a second run of the same card takes the row's place."""
    assert accelerator.main([]) == 0
    first = card.read_text(encoding="utf-8")
    assert accelerator.main([]) == 0

    assert card.read_text(encoding="utf-8") == first
    (row,) = page.rows("hardware.md", "runs").values()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "NVIDIA A100-PCIE-40GB (pretended)"
    assert f"torch {torch.__version__}" in cells[2]
    assert cells[3:6] == ["2 passed", "880 as pretended, 12 known to be others", "16 passed (160 cells)"]
    assert [row.split("|")[1].split(",")[1].strip() for row in page.rows("hardware.md", "clock").values()] == [
        *accelerator.DTYPES
    ]


def test_a_failure_in_any_part_is_told_and_fails(card, monkeypatch, capsys):
    """A test that failed, an answer that nobody expected, a notebook that stopped: each alone is enough."""
    healthy = subprocess.run
    monkeypatch.setattr(subprocess, "run", running(REPORT.format(FAILED)))
    assert accelerator.main([]) == 1
    assert "device tests: 2 passed, **1 failed**" in capsys.readouterr().out

    monkeypatch.setattr(subprocess, "run", healthy)
    monkeypatch.setattr(
        accelerator, "compare", lambda card: {"same": ["x"], "known": [], "different": ["waiting: item"]}
    )
    assert accelerator.main([]) == 1
    assert "answered otherwise: waiting: item\nanswers: 1 as pretended, **1 different**" in capsys.readouterr().out

    monkeypatch.setattr(accelerator, "compare", lambda card: {"same": ["x"], "known": [], "different": []})
    monkeypatch.setattr(execute, "execute_all", lambda paths, jobs: [outcome(paths[0], "NameError")])
    assert accelerator.main([]) == 1
    assert "notebooks: 0 passed (160 cells), **16 failed**" in capsys.readouterr().out


def test_what_there_is_no_time_for_is_told_as_not_run(card, monkeypatch, capsys):
    """A command that takes too long is stopped, and what comes after it is not begun."""

    def endless(command, timeout, **options):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", endless)
    monkeypatch.setattr(
        accelerator, "described", lambda: dict.fromkeys(("card", "date", "driver", "torch", "cuda", "python"), "?")
    )

    assert accelerator.main(["--minutes", "0"]) == 0
    (row,) = page.rows("hardware.md", "runs").values()
    assert [cell.strip() for cell in row.split("|")[4:7]] == ["not run"] * 3
    assert page.rows("hardware.md", "clock")["?, float32"].count("not run") == 2
    assert "stopped: -m pytest -q took longer than there was time for" in capsys.readouterr().out


def test_notebooks_that_time_did_not_reach_are_counted(card, monkeypatch):
    """Some run, some not: both numbers are told."""
    left = iter([600.0, 600.0, 10.0])
    monkeypatch.setattr(accelerator.Deadline, "seconds_left", property(lambda deadline: next(left)))

    assert accelerator.notebooks(accelerator.Deadline(8)) == "2 passed (20 cells), 14 not run"


def test_a_missing_package_is_named(monkeypatch):
    """Without nbclient the notebooks are not run; what else is missing is listed."""
    monkeypatch.delitem(sys.modules, "tools.execute", raising=False)
    monkeypatch.delattr("tools.execute", raising=False)
    monkeypatch.setitem(sys.modules, "nbclient", None)
    monkeypatch.setattr(accelerator, "PACKAGES", ("numpy", "a_package_that_is_not_there"))

    assert accelerator.notebooks(accelerator.Deadline(8)) == "not run: nbclient is missing"
    assert accelerator.missing() == "a_package_that_is_not_there"


def test_measuring_reads_the_devices_clock():
    """On a pretended card the measured rate is the model's own, whichever the card."""
    quick = replace(A100, flops_per_second={torch.float32: 1e12}, memory_bytes_per_second=1e15)
    with pretend_gpus(1, card=quick):
        measured = accelerator.measure(64, torch.float32, torch.device("cuda:0"))
    error = accelerator.cell(measured, 64, torch.float32, quick)

    assert 0 < measured <= 1e12
    assert error.startswith(f"{measured / 1e12:.1f}, ")


def test_the_record_of_a_real_card_agrees():
    """The comparison that the command makes holds for the record of the card that has been asked."""
    found = accelerator.compare(json.loads(RECORD.read_text(encoding="utf-8")))

    assert found["different"] == []
    assert len(found["same"]) > 850
