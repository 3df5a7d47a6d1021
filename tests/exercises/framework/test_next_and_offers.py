"""What a check says beside its verdict: help after three failures, and what comes next."""

import pytest

from d2lcompute.course.source import posed_in
from d2lcompute.exercises import check, hint
from d2lcompute.exercises.learner import check as checking
from d2lcompute.exercises.learner import help as helping
from d2lcompute.exercises.registry import NOTEBOOKS, find, names

NAME = "parallel_block"


@pytest.fixture(autouse=True)
def new_session(monkeypatch):
    """Begin as a fresh kernel does: no check has failed, no hint was given."""
    monkeypatch.setattr(checking, "_failed", type(checking._failed)())
    monkeypatch.setattr(helping, "_given", {})


def last_line(result):
    """Return the last line of a report."""
    return repr(result).splitlines()[-1]


def test_help_is_offered_from_the_third_failure_on():
    """Not before: most find it out from the report."""
    said = [last_line(check(NAME, 3)) for _ in range(4)]

    assert ["Stuck?" in line for line in said] == [False, False, True, True]
    assert said[2] == '  Stuck? hint("parallel_block") gives a hint; 3 are left.'


def test_after_the_hints_the_solution_is_offered():
    """One hint after the other, then the solution."""
    offers = []
    for _ in range(4):
        for _ in range(3):
            result = check(NAME, 3)
        offers.append(last_line(result))
        hint(NAME)

    assert [offer.split("; ")[-1] for offer in offers[:3]] == [
        "3 are left.",
        "2 are left.",
        '  Stuck? hint("parallel_block") gives the last hint.',
    ]
    assert offers[3] == '  Stuck? solution("parallel_block") shows a solution, and why it works.'


def test_a_stub_is_no_failure_and_passing_begins_anew():
    """Only answers count, and those since the last that passed."""
    for _ in range(5):
        check(NAME, None)
    check(NAME, 3), check(NAME, 3)
    check(NAME, find(NAME).solution)

    assert "Stuck?" not in repr(check(NAME, 3))


def test_passing_says_what_is_next():
    """The next one that is open in the notebook's order, then those before it, then the next notebook."""
    order = posed_in("01_blocks")
    middle = len(order) // 2
    said = [last_line(check(name, find(name).solution)) for name in order[middle:] + order[:middle]]

    expected = [f"Next: {name}." for name in order[middle + 1 :] + order[:middle]]
    assert said == [*expected, "All exercises of 01_blocks are passed. Next: 02_parameters."]


def test_after_the_last_notebook_progress_shows_all():
    """There is no next one."""
    for name in names()[NOTEBOOKS[-1]]:
        said = last_line(check(name, find(name).solution))

    assert said == f"All exercises of {NOTEBOOKS[-1]} are passed. progress() shows all."


def test_every_exercise_is_posed_where_its_notebook_says():
    """The order is that of the notebook's cells; none is missing, and none is posed twice."""
    for notebook, each in names().items():
        assert sorted(posed_in(notebook)) == sorted(each)
    assert posed_in("01_blocks").index("block_router") < posed_in("01_blocks").index("parallel_block")


def test_without_the_notebooks_the_next_one_is_by_name(monkeypatch):
    """A package that was installed without them still says what is open."""
    monkeypatch.setattr(checking, "posed_in", lambda notebook: [])
    first, second = names()["01_blocks"][:2]

    assert last_line(check(first, find(first).solution)) == f"Next: {second}."
