"""nbgrader itself on an exported course: its validator, its version for learners, its grades beside ours."""

import json
import shutil
import subprocess
import sys

import nbformat
import pytest

from d2lcompute.__main__ import main
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find, names
from tests.exporting.exporting_support import (
    AGREED,
    ENDING,
    FULL,
    LOOPING,
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

pytestmark = [needs("nbgrader"), pytest.mark.slow]

EDITED = "edits-the-test"
ALONE = {"patches-the-check": PATCHING, "ends-the-process": ENDING, "loops-after-the-answer": LOOPING, EDITED: {}}
GRADES = """
import json, sys, warnings
warnings.simplefilter("ignore")
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({
        each.student.id: {g.name.removesuffix("-check"): g.auto_score for n in each.notebooks for g in n.grades}
        for each in book.assignment_submissions(sys.argv[1])
    }))
"""
VALIDATE = """
import sys, warnings
warnings.simplefilter("ignore")
import nbformat
from nbgrader.nbgraderformat import MetadataValidator
for path in sys.argv[1:]:
    MetadataValidator().validate_nb(nbformat.read(path, as_version=4))
print(MetadataValidator.schema_version, len(sys.argv) - 1)
"""


def python(program, *arguments, cwd):
    """Run a program in a process of its own, in which nbgrader may warn as it likes."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def autograde(course, assignment, home):
    """Let nbgrader grade all that was handed in, and return learner → exercise → points; None is no grade."""
    done = run("nbgrader", "autograde", assignment, "--Execute.timeout=20", cwd=course, home=home)
    told = python(GRADES, assignment, cwd=course)
    assert told.returncode == 0, done.stderr + told.stderr
    return json.loads(told.stdout), done


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The whole course, exported."""
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    assert main(["export", "--nbgrader", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def class_(course, tmp_path_factory):
    """A class that nbgrader and we have graded: nbgrader's points, ours, our statuses, its run, the teacher's home."""
    home = tmp_path_factory.mktemp("home")
    made = run("nbgrader", "generate_assignment", NOTEBOOK, cwd=course, home=home)
    assert made.returncode == 0, made.stderr
    version = course / "release" / NOTEBOOK / f"{NOTEBOOK}.ipynb"
    for learner, answers in {**AGREED, **ALONE}.items():
        path = course / "submitted" / learner / NOTEBOOK / version.name
        hand_in(version, answers, path)
        if learner == EDITED:
            notebook = nbformat.read(path, as_version=4)
            for cell in notebook.cells:
                if cell.id.endswith("-check"):
                    cell.source = "pass"
            nbformat.write(notebook, path)
    theirs, done = autograde(course, NOTEBOOK, home)
    points, statuses = ours(course / "submitted", tmp_path_factory.mktemp("ours"))
    return theirs, points, statuses, done, home


def test_nbgraders_validator_takes_every_notebook(course):
    """All metadata is of its schema, version 3."""
    notebooks = sorted(course.glob("source/*/*.ipynb"))

    done = python(VALIDATE, *notebooks, cwd=course)

    assert (done.stdout.split(), done.stderr) == (["3", "16"], "")


def test_nbgraders_validator_refuses_points_that_are_missing(course, tmp_path):
    """The test above sees metadata of which something is missing."""
    notebook = nbformat.read(course / "source" / NOTEBOOK / f"{NOTEBOOK}.ipynb", as_version=4)
    del notebook.cells[-1].metadata.nbgrader["points"]
    nbformat.write(notebook, tmp_path / "bad.ipynb")

    done = python(VALIDATE, tmp_path / "bad.ipynb", cwd=tmp_path)

    assert done.returncode == 1
    assert "does not have points" in done.stderr


def test_learners_get_our_stubs(class_, course):
    """The version that nbgrader makes for learners holds the stub of each exercise, and no solution."""
    assert stubs_in(course / "release" / NOTEBOOK / f"{NOTEBOOK}.ipynb") == STUBS


@pytest.mark.parametrize("learner", AGREED)
def test_nbgrader_and_we_give_the_same_points(class_, learner):
    """Exercise by exercise: right, wrong, untouched, broken, endless, and with a check of the learner's own."""
    theirs, points, *_ = class_

    assert theirs[learner] == points[learner]


def test_the_class_has_every_kind_of_grade(class_):
    """The agreement above is no agreement on nothing."""
    _, points, *_ = class_

    assert points["right"] == FULL
    assert set(points["untouched"].values()) == {0}
    assert sum(points["partly"].values()) == 5
    assert points["loops-in-the-check"] == {**FULL, "residual_block": 0}


def test_a_test_that_a_learner_has_changed_is_put_back(class_):
    """Nbgrader restores locked cells, and we do not read them: `pass` in their place earns nothing."""
    theirs, points, *_ = class_

    assert theirs[EDITED] == points[EDITED] == dict.fromkeys(FULL, 0)


def test_a_check_that_is_patched_earns_nbgraders_points(class_):
    """What runs in the learner's kernel can be changed there; we judge after a look at the checker."""
    theirs, points, statuses, *_ = class_

    assert theirs["patches-the-check"] == PATCHED
    assert points["patches-the-check"]["residual_block"] == 0
    assert statuses["patches-the-check"]["residual_block"] == "tampered"


def test_an_answer_that_ends_its_kernel_costs_nbgrader_the_notebook(class_):
    """Nbgrader has no grade for any of the learner's exercises; we lose the one."""
    theirs, points, statuses, done, _ = class_

    assert set(theirs["ends-the-process"].values()) == {None}
    assert done.returncode != 0
    assert points["ends-the-process"] == {**FULL, "residual_block": 0}
    assert statuses["ends-the-process"]["residual_block"] == "died"


def test_a_loop_behind_a_right_answer_costs_nothing_in_nbgrader(class_):
    """Nbgrader interrupts the cell and goes on; for us an answer that does not end is none."""
    theirs, points, statuses, *_ = class_

    assert theirs["loops-after-the-answer"] == FULL
    assert points["loops-after-the-answer"] == {**FULL, "residual_block": 0}
    assert statuses["loops-after-the-answer"]["residual_block"] == "too long"


def test_grading_leaves_the_teachers_progress_alone(class_):
    """No exercise counts as passed by the teacher."""
    *_, home = class_

    assert list(home.rglob("progress.json")) == []


@pytest.mark.parametrize("notebook", names())
def test_every_solution_earns_its_points_in_nbgrader(course, tmp_path, notebook):
    """The whole way, for each notebook: source, release, submitted, autograded."""
    folder = tmp_path / "course"
    shutil.copytree(course / "source" / notebook, folder / "source" / notebook)
    shutil.copy(course / "nbgrader_config.py", folder)
    assert run("nbgrader", "generate_assignment", notebook, cwd=folder, home=tmp_path).returncode == 0
    version = folder / "release" / notebook / f"{notebook}.ipynb"
    solutions = {name: source_of(find(name)) for name in names()[notebook]}
    hand_in(version, solutions, folder / "submitted" / "right" / notebook / version.name)

    theirs, _ = autograde(folder, notebook, tmp_path)

    assert theirs == {"right": {name: find(name).difficulty for name in names()[notebook]}}
