"""From a notebook to the code of one answer: where the answer stands, and what it needs."""

import pytest

from d2lcompute.exercises.registry import find
from d2lcompute.grading.program import Answer, Cell, answer_in, program_of
from tests.grading.grading_support import IMPORTS, RIGHT, stub_id

ID = stub_id("parallel_block")
STUB = find("parallel_block").stub


def sources(*cells, **options):
    """Return what is run for the answer in these cells."""
    return program_of(cells, "parallel_block", **options).sources


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        ([], None),
        ([IMPORTS], None),
        ([IMPORTS, Cell(ID, STUB)], Answer(1, attempted=False)),
        ([IMPORTS, Cell(ID, STUB + "\n# a thought")], Answer(1, attempted=False)),
        ([IMPORTS, Cell(ID, RIGHT)], Answer(1, attempted=True)),
        ([Cell(ID, RIGHT), IMPORTS], Answer(0, attempted=True)),
        ([Cell(ID, STUB), Cell("copied", RIGHT)], Answer(1, attempted=True)),
        ([Cell(ID, RIGHT), Cell("copied", STUB)], Answer(0, attempted=True)),
        ([Cell("", RIGHT)], Answer(0, attempted=True)),
        ([Cell(ID, "class ParallelBlock(:")], Answer(0, attempted=True)),
        ([Cell("other", "class ParallelBlocks: pass")], None),
        ([Cell("exercise-another-one-stub", RIGHT)], None),
    ],
    ids=[
        *("nothing", "other cells", "the stub", "the stub with a comment", "an answer", "moved", "copied and answered"),
        *("answered and copied", "without ids", "no Python", "another name"),
        "another exercise",
    ],
)
def test_an_answer_is_found(cells, found):
    """By its cell's id, or by the names that it binds; a comment is no attempt."""
    assert answer_in(cells, "parallel_block") == found


def test_a_stub_is_no_program():
    """There is nothing to run."""
    assert program_of([IMPORTS, Cell(ID, STUB)], "parallel_block") is None


def test_only_what_is_needed_is_run():
    """The imports by name; not the seed, the data or the figures of the lesson."""
    lesson = Cell("lesson", "import os\nX = torch.rand(2, 3)\nprint(X)")

    assert sources(IMPORTS, lesson, Cell(ID, RIGHT)) == ("import torch", "from torch import nn", RIGHT)


def test_the_names_of_a_functions_own_are_not_looked_for():
    """A parameter and a local variable called like a tensor of the lesson are none of it."""
    lesson = Cell("lesson", "net = build()\nX = net(torch.ones(2))")
    answer = "def helper(net, X):\n    total = net(X)\n    return total\n\n" + RIGHT

    assert sources(IMPORTS, lesson, Cell(ID, answer)) == ("import torch", "from torch import nn", answer)


def test_what_is_bound_twice_is_run_twice():
    """In the order of the notebook, as running it would."""
    first, second = Cell("first", "width = 3"), Cell("second", "width = width + 1")
    answer = RIGHT + "\nprint(width)"

    assert sources(IMPORTS, first, second, Cell(ID, answer))[1:3] == ("from torch import nn", "width = 3")
    assert "width = width + 1" in sources(IMPORTS, first, second, Cell(ID, answer))


def test_the_whole_notebook_is_run_if_that_is_asked_for():
    """Up to the answer, without magics."""
    lesson = Cell("lesson", "%matplotlib inline\nX = 1 / 0")

    assert sources(IMPORTS, lesson, Cell(ID, RIGHT), Cell("after", "Y = 2"), whole=True) == (
        IMPORTS.source,
        "pass\nX = 1 / 0",
        RIGHT,
    )


def test_several_names_are_handed_over_together():
    """As in the notebook's check cell."""
    cells = [Cell(stub_id("resume_training"), "def save(*all): pass\n\ndef load(*all): pass")]

    assert program_of(cells, "resume_training").answer == "(save, load)"
