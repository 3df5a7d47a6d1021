"""The one way to run the suite: its command, its environment, and what its report says."""

import subprocess

import pytest

from tools import suite

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_x" name="a"/>
<testcase classname="tests.test_x" name="b"><failure message="wrong">line 1</failure></testcase>
<testcase classname="tests.test_x" name="c"><skipped message="no accelerator"/></testcase>
<testcase classname="notebooks.en.01_blocks.ipynb" name="Cell 1"><error message="died"/></testcase>
</testsuite></testsuites>"""


def test_cases_tell_outcomes_and_cells(tmp_path):
    """Failures and errors count as failed, with their reason; a cell is told from a test."""
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")

    found = list(suite.cases(tmp_path / "report.xml"))

    assert [case.outcome for case in found] == ["passed", "failed", "skipped", "failed"]
    assert [case.is_cell for case in found] == [False, False, False, True]
    assert found[1].reason == "line 1"


def test_cases_of_a_run_that_wrote_no_report_are_none(tmp_path):
    """A pytest that died before its end has no cases."""
    assert list(suite.cases(tmp_path / "report.xml")) == []


def test_main_runs_the_whole_suite_or_what_it_is_given(monkeypatch):
    """Without arguments everything runs, compared, without accelerators; else what stands after ``--``."""
    started = []
    monkeypatch.setattr(subprocess, "call", lambda command, **options: started.append((command, options["env"])) or 3)

    statuses = [suite.main(["--jobs", "4"]), suite.main(["--", "tests/test_blocks.py", "-x"])]

    assert statuses == [3, 3]
    assert started[0][0][-5:] == ["--nbval", "tests", "d2lcompute", "tools", "notebooks"]
    assert started[0][0][started[0][0].index("-n") + 1] == "4"
    assert started[0][1]["D2LCOMPUTE_DEVICE"] == "cpu"
    assert started[1][0][-2:] == ["tests/test_blocks.py", "-x"]


@pytest.mark.parametrize(
    ("jobs", "compared", "words"), [(1, True, ["-n", "0", "--nbval"]), (1, False, ["--nbval-lax"])]
)
def test_pytest_command_says_how_to_validate(jobs, compared, words):
    """Outputs are compared, or cells are only run; one job needs no workers."""
    assert set(words) <= set(suite.pytest_command("notebooks", jobs=jobs, compared=compared))
