"""Every exercise, whatever it asks: its text is complete, and so is what a learner is told."""

import re
from pathlib import Path

import pytest

from d2lcompute.exercises import lessons
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import NOTEBOOKS, find, names
from tests.exercises.every.exercises_support import NAMES, flaws, gaps
from tests.exercises.wrong_answers import wrong_answers

BOOK = {
    "list_blocks": ("5.1.1", "6.1.1"),
    "registered_list": ("5.1.1", "6.1.1"),
    "parallel_block": ("5.1.2", "6.1.2"),
    "block_factory": ("5.1.3", "6.1.3"),
    "nest_mlp_shapes": ("5.2.1", "6.2.1"),
    "shared_layer_training": ("5.2.3", "6.2.2"),
    "why_share": ("5.2.4", "6.2.3"),
    "more_initializers": ("5.2.2", "6.3.1"),
    "first_size_only": ("5.3.1", "6.4.1"),
    "mismatched_sizes": ("5.3.2", "6.4.2"),
    "varying_inputs": ("5.3.3", "6.4.3"),
    "tensor_reduction": ("5.4.1", "6.5.1"),
    "half_fourier": ("5.4.2", "6.5.2"),
    "resume_training": ("5.5.1", "6.6.1"),
    "reuse_two_layers": ("5.5.2", "6.6.2"),
    "save_architecture": ("5.5.3", "6.6.3"),
    "big_and_small": ("5.6.1", "6.7.1"),
    "read_write_on_gpu": ("5.6.2", "6.7.2"),
    "log_norms": ("5.6.3", "6.7.3"),
    "two_gpus": ("5.6.4", "6.7.4"),
}


def test_book_is_complete_and_every_notebook_asks():
    """The book's exercises are all posed, under their numbers; lessons up to 13 have two of our own, 14 and 15 one."""
    posed = {name: find(name).book for name in NAMES if find(name).book is not None}
    own = {notebook: sum(find(name).book is None for name in exercises) for notebook, exercises in names().items()}

    assert posed == BOOK
    assert len(own) == 16
    assert min(count for notebook, count in own.items() if notebook < "14") >= 2
    assert min(own.values()) >= 1
    assert sum(own.values()) >= 25


def test_names_are_unique():
    """No two notebooks pose exercises of the same name, since a check finds an exercise by its name alone."""
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_exercise_is_complete(name):
    """An exercise says what it asks, how long it takes, and where it belongs, as its file's place does."""
    exercise = find(name)

    assert exercise.name == name
    assert exercise.notebook in NOTEBOOKS
    assert name in names()[exercise.notebook]
    assert exercise.book == BOOK.get(name)
    assert exercise.difficulty in range(1, 6)
    assert exercise.minutes > 0
    assert re.fullmatch(r"[A-Z].{20,300}\.", exercise.task)
    assert exercise.why.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_hints_begin_with_a_question(name):
    """There are three hints: the first asks, and none of them shows the solution's lines."""
    hints = find(name).hints

    assert len(set(hints)) == 3
    assert hints[0].endswith("?")
    assert all(text.endswith((".", "?")) for text in hints[1:])
    assert not any(source_of(find(name)) in text for text in hints)


@pytest.mark.parametrize("name", NAMES)
def test_requirements_say_what_is_needed(name):
    """The first sentence of each requirement's docstring is what the report shows."""
    exercise = find(name)

    assert exercise.requirements
    for requirement in (exercise.form, *exercise.requirements):
        needed = " ".join((requirement.__doc__ or "").split("\n\n")[0].split())
        assert re.fullmatch(r"[A-Z].{10,200}\.", needed), requirement


def missing_twins(lessons, wrong):
    """Say which file of an exercise has no file of wrong answers of the same name, and which has no exercise."""
    folders = {path.name for path in lessons.iterdir()}
    here, there = (
        {path.relative_to(top).as_posix() for path in top.glob("*/[!_]*.py") if path.parent.name in folders}
        for top in (lessons, wrong)
    )
    return [f"{name} has no wrong answers" for name in sorted(here - there)] + [
        f"{name} has no exercise" for name in sorted(there - here)
    ]


def test_every_exercise_has_its_wrong_answers():
    """The file of an exercise and that of its wrong answers stand in folders of one name, under one name."""
    assert missing_twins(Path(lessons.__path__[0]), Path(__file__).parents[1]) == []


def test_missing_twins_sees_what_either_side_lacks(tmp_path):
    """An exercise without wrong answers is named, and so are wrong answers without an exercise."""
    for name in ("lessons/blocks/a.py", "lessons/blocks/b.py", "wrong/blocks/b.py", "wrong/blocks/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert missing_twins(tmp_path / "lessons", tmp_path / "wrong") == [
        "blocks/a.py has no wrong answers",
        "blocks/c.py has no exercise",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_are_explained(name):
    """There are three wrong answers or more, each with a remark of its own and a reason why people give it."""
    wrong = wrong_answers(name)

    assert len(wrong) >= 3
    for each in wrong:
        assert len(each.remark) >= 10
        assert each.why.endswith(".")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nudge", "Which blocks does it know?"),
        ("remark", "isinstance sees that it is one."),
        ("remark", "net.modules() goes through all."),
        ("remark", "2 / inputs is the variance."),
        ("nudge", ""),
        ("expected", "SGD on the CPU"),
    ],
)
def test_flaws_none(kind, text):
    """A sentence may begin with code or a number, and names may have their capitals."""
    assert flaws(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "flaw"),
    [
        ("nudge", "which blocks does it know?", "begins small"),
        ("nudge", "Which blocks does it know", "does not end"),
        ("remark", "The blocks are LOST.", "LOST"),
        ("remark", "THe blocks are lost.", "THe"),
        ("expected", "a list of NAMES", "NAMES"),
        ("got", "0.99XX", "0.99XX"),
        ("remark", None, "is no text"),
        ("what", 3, "is no text"),
        ("input", "double(None)", "says None"),
        ("unnamed", "7", "what 7 is stands nowhere"),
    ],
)
def test_flaws_finds(kind, text, flaw):
    """What begins small or breaks off, is shouted, mistyped or no text at all is found."""
    assert any(flaw in each for each in flaws(kind, text))


GOOD = """double: not yet
  requirement  The result is twice
               the input.
  input        double(3)
  expected     6
  got          9
  The square is taken, of each
  element."""


def test_gaps_none():
    """A report is complete with five entries, and one on an exception without what was expected."""
    assert gaps(GOOD) == []
    assert (
        gaps(GOOD.replace("  expected     6\n  got          9", "  got          OSError: no\n  in           line 1"))
        == []
    )


@pytest.mark.parametrize(
    ("part", "instead", "gap"),
    [
        ("  requirement  The result is twice\n               the input.\n", "", "no requirement"),
        ("  input        double(3)\n", "", "no input"),
        ("  expected     6\n", "", "no expected"),
        ("  got          9\n", "", "no got"),
        ("  got          9\n", "  got          None\n", "no got"),
        ("  got          9\n", "  got          6\n", "expected is what came"),
        ("\n  The square is taken, of each\n  element.", "", "no remark"),
    ],
)
def test_gaps_finds(part, instead, gap):
    """An entry that is missing, says None, or repeats another is found."""
    assert gap in gaps(GOOD.replace(part, instead))
