"""Finding what was handed in, whatever the tree looks like and whatever lies in it."""

import json
import os

import pytest

from d2lcompute.exercises.registry import find
from d2lcompute.grading.submissions import MOST_BYTES, submissions_in
from tests.grading.grading_support import RIGHT, hand_in, notebook

ANSWERED = notebook({"parallel_block": RIGHT})


def learners(folder):
    """Return the learners found in a folder, in order."""
    return [submission.learner for submission in submissions_in(folder)]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["ada.ipynb", "bo.ipynb"], ["ada", "bo"]),
        (["ada/01_blocks.ipynb", "ada/02_parameters.ipynb"], ["ada"]),
        (["ada/week-1/01_blocks.ipynb", "bo/week-1/01_blocks.ipynb"], ["ada", "bo"]),
        (["Ada Lovelace_17_assignsubmission_file/01_blocks.ipynb"], ["Ada Lovelace"]),
        (
            ["Wei Li_17_assignsubmission_file/a.ipynb", "Wei Li_18_assignsubmission_file/a.ipynb"],
            ["Wei Li_17_assignsubmission_file", "Wei Li_18_assignsubmission_file"],
        ),
        (["ada.ipynb", "ada/01_blocks.ipynb"], ["ada", "ada.ipynb"]),
        (["李雷/01_blocks.ipynb"], ["李雷"]),
        (["ada/.ipynb_checkpoints/01_blocks-checkpoint.ipynb", "bo.ipynb"], ["bo"]),
    ],
    ids=[
        "a notebook each",
        "a folder each",
        "nbgrader",
        "Moodle",
        "namesakes",
        "a file and a folder",
        "Chinese",
        "copies",
    ],
)
def test_learners_are_named_by_the_first_part_of_the_path(tmp_path, paths, expected):
    """Two with the same name stay two."""
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(ANSWERED, encoding="utf-8")

    assert learners(tmp_path) == expected


def test_a_name_that_is_no_text_is_written_out(tmp_path):
    """Old archives hold such names; every page can print it."""
    os.makedirs(os.path.join(os.fsencode(tmp_path), b"ad\xe1"))
    path = os.path.join(os.fsencode(tmp_path), b"ad\xe1", b"01.ipynb")
    with open(path, "w", encoding="utf-8") as file:
        file.write(ANSWERED)

    (learner,) = learners(tmp_path)

    assert learner.encode() == b"ad\\udce1"


def unreadable(tmp_path):
    """Return why the one notebook in a folder cannot be read."""
    (submission,) = submissions_in(tmp_path)
    (why,) = submission.unreadable.values()
    return why


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is damaged: it holds no JSON"),
        ('{"cells": [', "it is damaged: it holds no JSON"),
        (b"\xff\xfe\x00", "it is damaged: it holds no JSON"),
        ("[" * 100_000, "it is damaged: it holds no JSON"),
        ("[]", "it is no notebook: there is no list of cells in it"),
        ('{"cells": 3}', "it is no notebook: there is no list of cells in it"),
    ],
    ids=["empty", "cut", "bytes", "deep", "a list", "no cells"],
)
def test_what_is_no_notebook_is_unreadable(tmp_path, content, why):
    """It is said, and the others are read."""
    path = hand_in(tmp_path, "ada", "")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert unreadable(tmp_path) == why


def test_a_huge_notebook_is_not_read(tmp_path):
    """Half a gigabyte of nothing."""
    path = hand_in(tmp_path, "ada", "")
    os.truncate(path, 500_000_000)

    assert unreadable(tmp_path) == f"it has 500 MB; at most {MOST_BYTES / 1e6:.0f} MB are read"


def test_links_and_pipes_are_not_followed(tmp_path):
    """A link to another's notebook is not one's own, and a pipe would be waited for."""
    outside = tmp_path / "outside.txt"
    outside.write_text(ANSWERED, encoding="utf-8")
    folder = tmp_path / "class"
    for learner in ("ada", "bo"):
        (folder / learner).mkdir(parents=True)
    (folder / "ada" / "01.ipynb").symlink_to(outside)
    os.mkfifo(folder / "bo" / "01.ipynb")

    found = {submission.learner: submission.unreadable for submission in submissions_in(folder)}

    assert found == {
        "ada": {"ada/01.ipynb": "it is no file, but a link or a device"},
        "bo": {"bo/01.ipynb": "it is no file, but a link or a device"},
    }


@pytest.mark.parametrize("spoil", [{"source": 3}, {"id": None}, {"source": None}, {"metadata": []}])
def test_cells_of_another_form_do_no_harm(tmp_path, spoil):
    """Whatever a file holds in the place of text."""
    content = json.loads(ANSWERED)
    content["cells"] = [3, None, {}, *({**cell, **spoil} for cell in content["cells"])]
    hand_in(tmp_path, "ada", json.dumps(content))

    (submission,) = submissions_in(tmp_path)

    assert len(submission.cells["ada/01_blocks.ipynb"]) == 2


def test_a_stub_that_was_left_alone_is_known_without_running(tmp_path):
    """Most cells of most learners."""
    hand_in(tmp_path, "ada", notebook({"parallel_block": find("parallel_block").stub, "residual_block": "x = 1"}))

    (submission,) = submissions_in(tmp_path)

    assert submission.untouched("parallel_block") == [True]
    assert submission.untouched("residual_block") == [False]
    assert submission.posing("repeat_shared") == []


@pytest.mark.parametrize(("name", "why"), [("empty", "holds no notebook"), ("nowhere", "is not there")])
def test_a_folder_without_submissions_is_an_error(tmp_path, name, why):
    """It says what was expected."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(ValueError, match=f"{name} {why}; expected the folder with the submissions"):
        list(submissions_in(tmp_path / name))
