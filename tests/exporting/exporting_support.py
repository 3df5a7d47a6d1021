"""What the tests with other people's tools share: a class of learners, and what ``d2lcompute grade`` says of them."""

import os
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find, names
from d2lcompute.grading.confinement import lacking
from d2lcompute.grading.grades import grade
from d2lcompute.grading.ledger import Ledger
from d2lcompute.grading.pool import judged_here

NOTEBOOK = "01_blocks"
SOLUTIONS = {name: source_of(find(name)) for name in names()[NOTEBOOK]}
FULL = {name: find(name).difficulty for name in SOLUTIONS}
STUBS = {name: find(name).stub.strip() for name in SOLUTIONS}
STUB = STUBS["residual_block"]
RIGHT = SOLUTIONS["residual_block"]
ENDLESS = RIGHT.replace("return X", "while True:\n            pass\n        return X")

# Learner → exercise → answer. Those of AGREED get the same points from everybody.
AGREED = {
    "right": SOLUTIONS,
    "untouched": {},
    "partly": {
        **{name: SOLUTIONS[name] for name in ("list_blocks", "block_factory", "repeat_shared")},
        "parallel_block": SOLUTIONS["parallel_block"].replace("dim=-1", "dim=0"),
        "residual_block": RIGHT.replace("X + self", "self"),
        "block_router": "class Router(nn.Module",
    },
    "names-a-check-of-its-own": {"residual_block": f"{STUB}\ndef check(*_):\n    return True"},
    "loops-in-the-check": {**SOLUTIONS, "residual_block": ENDLESS},
}
PATCHING = {"residual_block": f"{STUB}\nimport d2lcompute.exercises\nd2lcompute.exercises.check = lambda *_: True"}
PATCHED = {**dict.fromkeys(FULL, 0), "residual_block": 1, "parallel_block": 2}  # the first with the patch, and the next
ENDING = {**SOLUTIONS, "residual_block": f"import os\nos._exit(0)\n{RIGHT}"}
LOOPING = {**SOLUTIONS, "residual_block": f"{RIGHT}\nwhile True:\n    pass"}


def needs(tool):
    """Return the mark of tests that need a tool."""
    reason = f"{tool} is not installed here; `make test-teach` installs it in .venv-teach and runs this"
    return pytest.mark.skipif(find_spec(tool) is None, reason=reason)


def hand_in(version, answers, path):
    """Write a learner's notebook: the version that a tool made for learners, with these answers in their cells."""
    notebook = nbformat.read(version, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    for name, answer in answers.items():
        cells[f"exercise-{name.replace('_', '-')}-stub"].source = answer
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


def stubs_in(version):
    """Return what the version for learners has in the cells of the answers, by exercise; no solution is left in it."""
    notebook = nbformat.read(version, as_version=4)
    assert not any("SOLUTION" in cell.source for cell in notebook.cells)
    cells = {cell.id: cell.source.strip() for cell in notebook.cells}
    return {name: cells[f"exercise-{name.replace('_', '-')}-stub"] for name in names()[NOTEBOOK]}


def ours(folder, scratch):
    """Return what ``d2lcompute grade`` says of a folder of submissions: learner → exercise → points, and statuses."""
    judging = partial(judged_here, workers=1, confined=not lacking())
    with Ledger(scratch / "ledger.jsonl") as ledger:
        grades = grade(folder, judging, ledger, notebooks=[NOTEBOOK])
    points = {learner: {name: grades.earned(learner, name) for name in FULL} for learner in grades.verdicts}
    return points, {
        learner: {name: each.status for name, each in of.items()} for learner, of in grades.verdicts.items()
    }


def run(tool, *arguments, cwd, home):
    """Run a command of a tool, as a teacher with an empty home would."""
    environment = {name: value for name, value in os.environ.items() if name != "D2LCOMPUTE_DATA"}
    here = str(Path(sys.executable).parent)  # nbgrader looks for alembic on the path
    environment |= {"PATH": os.pathsep.join([here, os.environ["PATH"]]), "HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [Path(here, tool), *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        stdin=subprocess.DEVNULL,
    )
