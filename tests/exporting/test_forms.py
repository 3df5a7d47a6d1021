"""The form that each tool asks for, read without the tools: the tests beside this one run them."""

import os
import re
from types import SimpleNamespace

import nbformat
import pytest

from d2lcompute.exercises.registry import find, names
from d2lcompute.exporting.assignment import assignment_of
from d2lcompute.exporting.nbgrader import CONFIGURATION, source_notebook
from d2lcompute.exporting.otter import master_notebook

NOTEBOOKS = list(names())
REGIONS = {"### BEGIN SOLUTION": "### END SOLUTION", "# BEGIN SOLUTION NO PROMPT": "# END SOLUTION"}
MAY_HOLD = {"schema_version", "grade", "locked", "solution", "task", "grade_id", "points", "cell_type"}


def without_solution(source):
    """Return an answer's cell without what stands between a tool's two marks, both included."""
    lines = source.split("\n")
    (begin,) = [i for i, line in enumerate(lines) if line in REGIONS]
    end = lines.index(REGIONS[lines[begin]])
    return "\n".join([*lines[:begin], *lines[end + 1 :]])


def problems_of_nbgrader(notebook):
    """Return what nbgrader's schema, version 3, would refuse in a notebook's cells."""
    told, seen = [], set()
    for cell in notebook.cells:
        metadata = cell.metadata.get("nbgrader")
        if metadata is None:
            continue
        name = metadata.get("grade_id", "")
        if metadata["grade"] != ("points" in metadata):
            told.append(f"{name}: points belong to graded cells alone")
        if metadata["schema_version"] != 3 or not metadata.keys() <= MAY_HOLD:
            told.append(f"{name}: not of schema 3")
        if not re.fullmatch(r"[a-zA-Z0-9_-]+", name) or name in seen:
            told.append(f"{name}: no good id")
        seen.add(name)
    return told


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_nbgraders_notebook_has_the_metadata_of_schema_3(notebook):
    """Each code cell bears it; a test is locked and earns the exercise's difficulty, an answer is neither."""
    made = source_notebook(assignment_of(notebook))
    cells = {cell.id: cell.metadata.get("nbgrader") for cell in made.cells}

    assert problems_of_nbgrader(made) == []
    assert all(cells[cell.id] for cell in made.cells if cell.cell_type == "code")
    for name in names()[notebook]:
        answer, test = (cells[f"exercise-{name.replace('_', '-')}-{part}"] for part in ("stub", "check"))
        assert (answer["solution"], answer["locked"], answer["grade"]) == (True, False, False)
        assert (test["solution"], test["locked"], test["grade"]) == (False, True, True)
        assert test["points"] == find(name).difficulty


def test_problems_of_nbgrader_sees_each():
    """An id that is there twice, another schema, and points of a cell that earns none are noticed."""
    made = source_notebook(assignment_of("01_blocks"))
    first, second, third = [cell.metadata.nbgrader for cell in made.cells if "nbgrader" in cell.metadata][:3]
    first.schema_version = 2
    second.grade_id = first.grade_id
    third.points = 3

    assert problems_of_nbgrader(made) == [
        "imports: not of schema 3",
        "imports: no good id",
        f"{third.grade_id}: points belong to graded cells alone",
    ]


@pytest.mark.parametrize("form", [source_notebook, master_notebook])
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_learners_get_the_stub_of_the_course(notebook, form):
    """What is left of an answer's cell, without the solution, is the stub letter by letter, under the course's id."""
    made = {cell.id: cell for cell in form(assignment_of(notebook)).cells}

    for name in names()[notebook]:
        assert without_solution(made[f"exercise-{name.replace('_', '-')}-stub"].source) == find(name).stub.strip()


def test_no_line_of_ours_is_a_mark_of_a_tool():
    """The tools read marks in any line; none stands in a stub, in a solution, or in what is given."""
    marks = re.compile(
        r"# ?(BEGIN|END|SOLUTION|SEED|IGNORE)|(BEGIN|END) (SOLUTION|HIDDEN|MARK)|AUTOTEST", re.IGNORECASE
    )
    for notebook in NOTEBOOKS:
        for each in assignment_of(notebook).questions:
            assert not marks.search("\n".join([each.stub, each.solution, each.given, each.test])), each.name
    assert marks.search("x = 1  # SOLUTION")


def opened_and_closed(notebook):
    """Return the marks of otter's raw cells in a row, and raise ValueError where one closes what is not open."""
    marks, open_ = [], []
    for cell in notebook.cells:
        if cell.cell_type == "raw" and (found := re.match(r"# (BEGIN|END) (\w+)", cell.source)):
            marks.append(found.group())
            if found[1] == "BEGIN":
                open_.append(found[2])
            elif not open_ or open_.pop() != found[2]:
                raise ValueError(f"{found.group()} closes nothing")
    if open_:
        raise ValueError(f"{open_} stays open")
    return marks


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_otters_notebook_opens_and_closes_each_part(notebook):
    """A question holds a solution and tests, its points are the difficulty, and the settings come first."""
    made = master_notebook(assignment_of(notebook))
    settings = [cell.source for cell in made.cells if cell.source.startswith("# BEGIN QUESTION")]

    assert opened_and_closed(made).count("# BEGIN TESTS") == len(settings) == len(names()[notebook])
    assert made.cells[0].source.startswith(f"# ASSIGNMENT CONFIG\nname: {notebook}\n")
    for text in settings:
        name = re.search(r"name: (\w+)", text)[1]
        assert f"points: {find(name).difficulty}" in text


def test_opened_and_closed_sees_a_part_that_stays_open():
    """A mark that is missing is noticed."""
    made = master_notebook(assignment_of("15_fact_check"))
    made.cells = [cell for cell in made.cells if cell.source != "# END TESTS"]

    with pytest.raises(ValueError, match="# END QUESTION closes nothing"):
        opened_and_closed(made)


@pytest.mark.parametrize("form", [source_notebook, master_notebook])
def test_notebooks_are_valid_and_always_the_same(form):
    """They pass nbformat's validation, hold no output, and a second export has the same bytes."""
    for notebook in NOTEBOOKS:
        first, second = form(assignment_of(notebook)), form(assignment_of(notebook))
        nbformat.validate(first)
        assert nbformat.writes(first) == nbformat.writes(second)
        assert not any(cell.outputs for cell in first.cells if cell.cell_type == "code")


def test_configuration_keeps_the_teachers_progress_apart(monkeypatch, tmp_path):
    """What learners pass is kept nowhere, unless the teacher has named a folder."""
    monkeypatch.delenv("D2LCOMPUTE_DATA")
    settings = SimpleNamespace(ClearSolutions=SimpleNamespace())
    exec(CONFIGURATION, {"get_config": lambda: settings})

    assert os.environ["D2LCOMPUTE_DATA"] == os.devnull
    assert settings.ClearSolutions.code_stub == {"python": ""}
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(tmp_path))
    exec(CONFIGURATION, {"get_config": lambda: settings})
    assert os.environ["D2LCOMPUTE_DATA"] == str(tmp_path)
