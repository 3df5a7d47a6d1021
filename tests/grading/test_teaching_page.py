"""What docs/teaching.md promises is so: its plan names what is there, and its limits are the grader's."""

import re
from pathlib import Path

import nbformat

from d2lcompute.exercises.registry import names
from d2lcompute.grading.confinement import LIMITS
from d2lcompute.grading.submissions import MOST_BYTES, learner_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")


def minutes(notebook):
    """Return how long a notebook says that it takes."""
    title = nbformat.read(ROOT / "notebooks" / "en" / f"{notebook}.ipynb", as_version=4).cells[0].source
    return int(re.search(r"about (\d+) minutes", title)[1])


def test_the_plan_names_what_is_there():
    """Each week's exercises are those of its notebooks, and its minutes are theirs: of one where there is a choice."""
    rows = re.findall(r"^\| \d+ \| (.*) \| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)

    assert len(rows) == 11
    for notebooks, said, exercises in rows:
        there = re.findall(r"`(\d\d_\w+)`", notebooks)
        longest = max(map(minutes, there)) if " or " in notebooks else sum(map(minutes, there))
        assert int(said) == longest, notebooks
        assert set(re.findall(r"`(\w+)`", exercises)) <= {name for notebook in there for name in names()[notebook]}


def test_the_limits_are_those_of_the_grader():
    """Seconds, memory, processes, files, and the size of a notebook."""
    said = " ".join(PAGE.split())

    assert (
        f"run for {LIMITS.seconds:g} seconds, compute for {LIMITS.cpu_seconds}, take {LIMITS.memory_bytes / 1e9:g} GB "
        f"of memory, start {LIMITS.processes} processes, and write {LIMITS.file_bytes / 1e6:g} MB"
    ) in said
    assert f"more than {MOST_BYTES / 1e6:g} MB is not read" in said


def test_the_trees_give_the_learners_that_the_page_says():
    """Each row of the table."""
    rows = re.findall(r"^\| `submissions/([^`]+)`[^|]* \| `([^`]+)` \|$", PAGE, re.MULTILINE)

    assert len(rows) == 4
    assert [learner_of(Path(path)) for path, _ in rows] == [learner for _, learner in rows]
