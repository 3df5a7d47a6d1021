"""The command that asks for wheels: what it asks, what it says of a pin without one, where it keeps the answer."""

import subprocess
from types import SimpleNamespace

import pytest

from tests.test_packaging import pythons, workflow
from tools.evidence import page, resolve


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Let pip find every wheel but those of bad==1 and worse==2 on Windows; return the questions that it was asked."""
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "versions.md").write_text("<!-- wheels: begin -->\n<!-- wheels: end -->\n")
    (tmp_path / "pins.txt").write_text("# why\ngood==1\nbad==1\nworse==2\n")
    monkeypatch.setattr(resolve, "CONSTRAINTS", tmp_path / "pins.txt")
    questions = []

    def run(command, **options):
        questions.append(command)
        for pin in ("bad==1", "worse==2"):
            if "win_amd64" in command and pin in command:
                return SimpleNamespace(returncode=1, stderr=f"ERROR: No matching distribution found for {pin}\n")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    return questions


def test_main_names_every_pin_without_a_wheel(asked, capsys):
    """All pins without a wheel are named, not the first alone; the table is kept, and the status is 1."""
    status = resolve.main([])

    assert status == 1
    assert "Windows, Python 3.14: **no wheel of bad==1, worse==2**" in capsys.readouterr().out
    rows = page.rows("versions.md", "wheels")
    assert rows["Linux"] == "| Linux | all 3 | all 3 | all 3 | all 3 |"
    assert rows["Windows"].count("**no wheel of bad==1, worse==2**") == len(resolve.PYTHONS)


def test_nothing_is_installed(asked):
    """Each question is a dry run that takes wheels alone, for another Python and platform than this one."""
    resolve.main([])

    assert len(asked) == len(resolve.PYTHONS) * (len(resolve.SYSTEMS) + 2)
    for command in asked:
        assert {"--dry-run", "--only-binary=:all:", "--no-deps", "--python-version", "--platform"} <= set(command)


def test_another_failure_of_pip_is_no_missing_wheel(monkeypatch):
    """Without a network, say, pip's own words come through instead of a table that says nothing is there."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=2, stderr="no network\n"))

    with pytest.raises(RuntimeError, match=r"could not answer for Linux, Python 3\.12: no network"):
        resolve.missing(["good==1"], "Linux", "3.12")


def test_each_python_of_the_workflow_is_asked_for():
    """The Pythons that the workflow promises lie within those that are asked for; the page has a row a system."""
    for oldest, newest in pythons(workflow()).values():
        assert (oldest, newest) == (resolve.PYTHONS[0], resolve.PYTHONS[-1])
    assert list(page.rows("versions.md", "wheels")) == list(resolve.SYSTEMS)
    assert "torch==2.13.0" in resolve.pins(resolve.CONSTRAINTS.read_text(encoding="utf-8"), "macOS")
