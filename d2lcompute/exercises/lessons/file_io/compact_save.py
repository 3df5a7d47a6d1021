"""A view in a file, without the rest of its memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def compact_save(path, tensor):
    raise NotImplementedError
"""

Answer = Callable[[Path, torch.Tensor], Any]


def compact_save(path: "Path", tensor: torch.Tensor) -> None:
    """Save a copy, which has memory of its own: as much as it needs."""
    torch.save(tensor.clone(), path)


def comes_back_equal(answer: Answer, trial: Trial) -> None:
    """What torch.load gives is the tensor: its shape, its dtype, its values."""
    for text, view in _views(trial):
        trial.plan(
            tr("torch.load of {text}", text=text),
            nudge=tr("What the file holds has to be the tensor itself, number for number."),
        )
        path = trial.folder() / "view.pt"
        trial.call(answer, path, view)
        trial.require(path.is_file(), expected=tr("a file at the path that was handed over"), got=tr("none"))

        came = torch.load(path, weights_only=True)

        mistakes = {
            tr("The shape is lost."): view.flatten(),
            tr("A smaller dtype makes a smaller file, and rounds: the values are to stay."): view.half(),
        }
        trial.same(came, view, what=tr("what torch.load gives"), mistakes=mistakes)


def stays_small(answer: Answer, trial: Trial) -> None:
    """The file is hardly larger than the tensor's own numbers, wherever in a larger tensor they lie."""
    for text, view in _views(trial):
        needed = view.numel() * view.element_size()
        trial.plan(
            tr("the file of {text}", text=text),
            nudge=tr("How much memory does a view bring along, and which call copies it?"),
        )
        path = trial.folder() / "view.pt"
        trial.call(answer, path, view)

        size = path.stat().st_size

        remark = tr("contiguous() copies only what is not in order already: a few rows are, and come back as they are.")
        trial.require(
            size <= needed + _ARCHIVE_BYTES,
            expected=tr(
                "{needed:.1f} kB of numbers, and no more than {archive_bytes:.0f} kB around them",
                needed=needed / 1000,
                archive_bytes=_ARCHIVE_BYTES / 1000,
            ),
            got=tr("{size:.1f} kB: all of the larger tensor is in it", size=size / 1000)
            if size > view.untyped_storage().nbytes()
            else f"{size / 1000:.1f} kB",
            remark=remark if view.is_contiguous() else "",
        )


_ARCHIVE_BYTES = 4000


def _views(trial: Trial) -> list[tuple[str, torch.Tensor]]:
    """Draw a matrix, and return views of it: first some that are not in order, then some that are."""
    dtype, (few, start) = trial.dtype(), trial.sizes(2)
    X = trial.tensor(100, 80, dtype=dtype)
    return [
        (tr("X[:, :{few}], X of shape (100, 80), {dtype}", few=few, dtype=dtype), X[:, :few]),
        (
            tr("X[{start}:{start2}].T, X of shape (100, 80), {dtype}", start=start, start2=start + few, dtype=dtype),
            X[start : start + few].T,
        ),
        (
            tr("X[{start}:{start2}], X of shape (100, 80), {dtype}", start=start, start2=start + few, dtype=dtype),
            X[start : start + few],
        ),
    ]


EXERCISE = Exercise(
    name="compact_save",
    notebook="06_file_io",
    section="Save and load tensors",
    book=None,
    difficulty=2,
    minutes=5,
    task="Write a function that stores a tensor so that torch.load(path) gives it back, and that keeps the file small, "
    "also if the tensor is a small view of a large one.",
    stub=STUB,
    form=a_function,
    requirements=(comes_back_equal, stays_small),
    rounds=1,
    hints=(
        "What did the file of big[:1] hold, in the notebook?",
        "Save a tensor that has the same numbers and memory of its own.",
        "tensor.clone() always copies, and takes only the elements of the view along.",
    ),
    solution=compact_save,
    why="torch.save writes each piece of memory whole, with a note on which part of it the tensor is; clone() makes a "
    "piece that holds the view's elements and nothing else.",
)
