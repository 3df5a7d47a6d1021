"""Where answers cannot be shut in: a warning, and for root a refusal."""

import pytest

from d2lcompute.__main__ import main
from d2lcompute.grading import command, confinement
from tests.grading.grading_support import RIGHT, hand_in, notebook

WHY = "answers can read and write what you can"


@pytest.fixture
def nothing_permitted(monkeypatch):
    """A system that permits no namespaces."""
    monkeypatch.setattr(confinement, "lacking", lambda: [WHY])
    monkeypatch.setattr(command, "lacking", lambda: [WHY])
    return monkeypatch


def test_root_is_refused_where_answers_cannot_be_shut_in(nothing_permitted, tmp_path, capsys):
    """An answer could end every process and delete every file; nothing is run."""
    nothing_permitted.setattr(confinement.os, "geteuid", lambda: 0)
    hand_in(tmp_path / "class", "ada", notebook({"parallel_block": RIGHT}))

    assert main(["grade", str(tmp_path / "class")]) == 1

    assert f"run it as another user ({WHY})" in capsys.readouterr().err
    assert not list((tmp_path / "grades").glob("*.csv"))


def test_another_user_is_warned(nothing_permitted, tmp_path, capsys):
    """Once, before anything is run, with what is not confined."""
    nothing_permitted.setattr(confinement.os, "geteuid", lambda: 1000)
    nothing_permitted.setattr(command, "judged_here", lambda jobs, **options: iter(()))
    hand_in(tmp_path / "class", "ada", notebook({"residual_block": "class Other: pass"}))

    main(["grade", str(tmp_path / "class")])

    assert capsys.readouterr().err.startswith(f"d2lcompute grade: warning: {WHY}\n")


def test_what_is_visible_is_python_and_this_package():
    """Not the folder that holds its source, nor the home, nor the root."""
    seen = confinement.visible()

    package = confinement.Path(confinement.__file__).resolve().parents[1]
    assert package in seen or any(folder in package.parents for folder in seen if folder.name == "site-packages")
    assert not {package.parent, confinement.Path.home(), confinement.Path("/")}.intersection(seen)
    assert not any(one in other.parents for one in seen for other in seen)
