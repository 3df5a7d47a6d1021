"""The command that runs the suite with other versions: what it installs, counts and writes."""

from collections import Counter

import pytest
from packaging.requirements import Requirement

from tests.test_packaging import PROJECT
from tools.evidence import page, versions

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_x" name="a"/>
<testcase classname="tests.test_x" name="b"><failure message="wrong"/></testcase>
<testcase classname="tests.test_x" name="c"><skipped message="no accelerator"/></testcase>
<testcase classname="notebooks.en.01_blocks.ipynb" name="Cell 0"/>
<testcase classname="notebooks.en.01_blocks.ipynb" name="Cell 1"><error message="died"/></testcase>
</testsuite></testsuites>"""


def test_oldest_is_what_the_package_promises():
    """The oldest environment holds the lower bounds of pyproject.toml."""
    promised = {line.name: next(iter(line.specifier)).version for line in map(Requirement, PROJECT["dependencies"])}

    pinned = dict(pin.split("==") for pin in versions.SETTINGS["oldest"].pins)

    assert pinned.keys() == promised.keys()
    for name, version in promised.items():
        assert pinned[name].startswith(version.removesuffix(".0")), f"{name}: {pinned[name]} instead of {version}"


def test_count_tells_tests_from_cells(tmp_path):
    """Failures, errors and skips are counted, apart for tests and for the cells of notebooks."""
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")

    assert versions.count(tmp_path / "report.xml") == (
        Counter(passed=1, failed=1, skipped=1),
        Counter(passed=1, failed=1),
    )


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A page of its own for the command, with no row yet; call it to read the rows."""
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "versions.md").write_text("<!-- versions: begin -->\n<!-- versions: end -->\n")
    return lambda: list(page.rows("versions.md", "versions").values())


def test_main_replaces_a_row_and_leaves_the_other(table, monkeypatch):
    """A second run of one environment replaces its row; the other's stays, in the settings' order."""
    for name, what in [("newest", "a"), ("oldest", "b"), ("newest", "c")]:
        monkeypatch.setattr(versions, "run", lambda name, setting, jobs, what=what: f"| {name} | {what} |")
        assert versions.main([name]) == 0

    assert table() == ["| oldest | b |", "| newest | c |"]


@pytest.mark.parametrize(("line", "status"), [("| newest | a | 1 passed |", 0), ("| newest | a | **1 failed** |", 1)])
def test_main_fails_if_a_test_failed(table, monkeypatch, capsys, line, status):
    """The exit status is 1 as soon as one test of one environment failed; the table is written all the same."""
    monkeypatch.setattr(versions, "run", lambda name, setting, jobs: line)

    assert versions.main(["newest"]) == status

    assert table() == [line]
    assert line in capsys.readouterr().out


def test_main_refuses_an_environment_that_is_not_there(capsys):
    """A misspelt name is named beside the right ones."""
    with pytest.raises(SystemExit):
        versions.main(["latest"])

    assert "no such environment: latest; there are oldest, newest" in capsys.readouterr().err
