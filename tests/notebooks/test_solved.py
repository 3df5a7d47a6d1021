"""The notebooks with the solutions put in: they run green, every check passes, and nothing is written beside them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from d2lcompute.exercises.registry import find, names
from tools import exercises, rules

COURSE = sorted(rules.COURSE.glob("*.ipynb"))


def solve(notebook):
    """Put the solution of each exercise into its stub's place; return the names of the exercises that are checked."""
    solved = []
    for cell in notebook.cells:
        if cell.id.startswith("exercise-") and cell.id.endswith("-stub"):
            name = cell.id.removeprefix("exercise-").removesuffix("-stub").replace("-", "_")
            answer = exercises.answer_expression(find(name).stub)
            cell.source = f"from d2lcompute.exercises.registry import find\n{answer} = find({name!r}).solution"
            solved.append(name)
    return solved


def execute(path, home):
    """Execute one notebook in a process of its own, with a home of its own, and return what came of it."""
    code = (
        "import sys; from pathlib import Path; import nbformat; from tools.execute import execute\n"
        "outcome = execute(Path(sys.argv[1]))\n"
        "nbformat.write(outcome.notebook, sys.argv[1])\n"
        "sys.exit(outcome.error)\n"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
        "HOME": str(home),
        "USERPROFILE": str(home),
        "D2LCOMPUTE_DATA": str(home.parent / "data"),
        "PYTHONPATH": str(rules.COURSE.parents[1]),
        "IPYTHONDIR": str(home.parent / "ipython"),
        "MPLCONFIGDIR": str(home.parent / "matplotlib"),
    }
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def check_outputs(notebook):
    """Return what each check cell printed, by exercise."""
    return {
        cell.id.removeprefix("exercise-").removesuffix("-check").replace("-", "_"): "".join(
            output.get("data", {}).get("text/plain", "") for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.id.endswith("-check") and cell.id.startswith("exercise-")
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_notebook_with_solutions_passes_every_check(path, tmp_path):
    """With each stub replaced by its solution the notebook runs through, every check passes, and no file is left."""
    home, folder = tmp_path / "home", tmp_path / "course"
    home.mkdir()
    folder.mkdir()
    copy = Path(shutil.copy(path, folder))
    notebook = nbformat.read(copy, as_version=4)
    solved = solve(notebook)
    nbformat.write(notebook, copy)

    outcome = execute(copy, home)

    assert outcome.returncode == 0, outcome.stderr
    answers = check_outputs(nbformat.read(copy, as_version=4))
    assert sorted(answers) == sorted(solved) == sorted(names().get(path.stem, ()))
    assert {name: answer for name, answer in answers.items() if not answer.startswith(f"{name}: passed")} == {}
    assert [file.name for file in folder.iterdir()] == [copy.name]
    assert list(home.iterdir()) == []


def test_a_wrong_answer_in_a_notebook_is_noticed():
    """An output that does not say 'passed' is told apart from one that does."""
    notebook = nbformat.read(COURSE[1] if len(COURSE) > 1 else COURSE[0], as_version=4)

    answers = check_outputs(notebook)

    assert answers
    assert all(": not attempted yet." in answer for answer in answers.values())
