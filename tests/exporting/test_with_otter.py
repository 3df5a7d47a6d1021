"""Otter-Grader itself on an exported course: `otter assign`, and the grades of `otter run` beside ours."""

import json
import shutil

import nbformat
import pytest

from d2lcompute.__main__ import main
from tests.exporting.exporting_support import (
    AGREED,
    ENDING,
    FULL,
    NOTEBOOK,
    PATCHED,
    PATCHING,
    STUBS,
    hand_in,
    needs,
    ours,
    run,
    stubs_in,
)

pytestmark = [needs("otter"), pytest.mark.slow]

ALONE = {"patches-the-check": PATCHING, "ends-the-process": ENDING}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Three notebooks, exported."""
    folder = tmp_path_factory.mktemp("otter") / "course"
    chosen = [NOTEBOOK, "04_lazy_initialization", "14_common_errors"]
    assert main(["export", "--otter", str(folder), "--notebooks", *chosen]) == 0
    return folder


def assigned(course, notebook, home):
    """Let otter make the learners' version and the autograder; it fails if a solution does not pass its tests."""
    made = course / "dist" / notebook
    done = run("otter", "assign", f"{notebook}.ipynb", str(made), cwd=course, home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def class_(course, tmp_path_factory):
    """A class that otter and we have graded: otter's points (None is no grade), ours, and our statuses."""
    home = tmp_path_factory.mktemp("home")
    made = assigned(course, NOTEBOOK, home)
    (autograder,) = made.glob("autograder/*.zip")
    theirs = {}
    for learner, answers in {**AGREED, **ALONE}.items():
        path = course / "submitted" / learner / f"{NOTEBOOK}.ipynb"
        hand_in(made / "student" / path.name, answers, path)
        results = tmp_path_factory.mktemp("results")
        run("otter", "run", str(path), "-a", str(autograder), "-o", str(results), cwd=results, home=home)
        file = results / "results.json"
        tests = json.loads(file.read_text(encoding="utf-8"))["tests"] if file.exists() else []
        theirs[learner] = {test["name"]: test["score"] for test in tests if "score" in test} or None
    points, statuses = ours(course / "submitted", tmp_path_factory.mktemp("ours"))
    return theirs, points, statuses, made


def test_learners_get_our_stubs(class_):
    """The version that otter makes for learners holds the stub of each exercise, and no solution."""
    *_, made = class_

    assert stubs_in(made / "student" / f"{NOTEBOOK}.ipynb") == STUBS


@pytest.mark.parametrize("learner", AGREED)
def test_otter_and_we_give_the_same_points(class_, learner):
    """Exercise by exercise: right, wrong, untouched, broken, endless, and with a check of the learner's own."""
    theirs, points, *_ = class_

    assert theirs[learner] == points[learner]


def test_a_check_that_is_patched_earns_otters_points(class_):
    """What runs in the learner's kernel can be changed there; we judge after a look at the checker."""
    theirs, _, statuses, _ = class_

    assert theirs["patches-the-check"] == PATCHED
    assert statuses["patches-the-check"]["residual_block"] == "tampered"


def test_an_answer_that_ends_its_kernel_costs_otter_the_notebook(class_):
    """Otter writes no result for the learner; we lose the one exercise."""
    theirs, points, *_ = class_

    assert theirs["ends-the-process"] is None
    assert points["ends-the-process"] == {**FULL, "residual_block": 0}


@pytest.mark.parametrize("notebook", ["04_lazy_initialization", "14_common_errors"])
def test_otter_assign_takes_the_notebook(course, tmp_path, notebook):
    """It makes both versions, and every solution passes the tests that it made."""
    made = assigned(course, notebook, tmp_path)

    assert (made / "student" / f"{notebook}.ipynb").is_file()
    assert list(made.glob("autograder/*.zip"))


def test_otter_assign_refuses_a_solution_that_does_not_pass(course, tmp_path):
    """The test above sees a wrong solution."""
    shutil.copy(course / f"{NOTEBOOK}.ipynb", tmp_path)
    notebook = nbformat.read(tmp_path / f"{NOTEBOOK}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("return X + self.block(X)", "return self.block(X)")
    nbformat.write(notebook, tmp_path / f"{NOTEBOOK}.ipynb")

    done = run("otter", "assign", f"{NOTEBOOK}.ipynb", "dist", cwd=tmp_path, home=tmp_path)

    assert done.returncode != 0
    assert "residual_block" in done.stdout + done.stderr
