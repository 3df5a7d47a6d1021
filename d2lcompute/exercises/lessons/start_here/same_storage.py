"""View or copy."""

from collections.abc import Callable
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def same_storage(a, b):
    raise NotImplementedError
"""

Answer = Callable[[torch.Tensor, torch.Tensor], Any]


def same_storage(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Tell whether two tensors have the same storage."""
    start = a.untyped_storage().data_ptr()
    return start != 0 and start == b.untyped_storage().data_ptr()


def sees_what_is_shared(answer: Answer, trial: Trial) -> None:
    """A view and its tensor share memory, and so do two views of one tensor, wherever they begin."""
    X = trial.tensor(*trial.sizes(2, 3, 6))
    other_start = tr("Each begins at a place of its own, but the memory is one: a slice notes where to start in it.")
    other_shape = tr("The shapes differ, the memory is one: a view gives the same elements another shape.")
    no_history = tr("detach() takes the history away and leaves the values where they are.")
    for first, second, pair, remark in (
        ("X", "X.T", (X, X.T), other_shape),
        ("X", "X.reshape(-1)", (X, X.reshape(-1)), other_shape),
        ("X", "X.detach()", (X, X.detach()), no_history),
        ("X[1]", "X", (X[1], X), other_start),
        ("X[0]", "X[2]", (X[0], X[2]), other_start),
        ("X[:, 1]", "X[2:]", (X[:, 1], X[2:]), other_start),
    ):
        _try(answer, trial, _named(first, second, X), pair, expected=True, remark=remark)


def sees_what_is_copied(answer: Answer, trial: Trial) -> None:
    """A tensor and its copy share no memory, however equal they are."""
    X = trial.tensor(*trial.sizes(2, 3, 6))
    remark = tr("The values are equal, the memory is not one: writing into the copy leaves the other as it is.")
    for first, second, pair in (
        ("X", "X.clone()", (X, X.clone())),
        ("X[1]", "X[[1]]", (X[1], X[[1]])),
        ("X.T", "X.T.reshape(-1)", (X.T, X.T.reshape(-1))),
        ("X[1]", "X[1] + 0", (X[1], X[1] + 0)),
    ):
        _try(answer, trial, _named(first, second, X), pair, expected=False, remark=remark)


def tells_empty_ones_apart(answer: Answer, trial: Trial) -> None:
    """Two tensors without elements, made one after the other, share nothing."""
    remark = tr("A tensor without elements has no memory, and its address is 0. What follows if both addresses are 0?")
    pair = torch.empty(0), torch.empty(0, trial.size())
    text = tr("{first} and {second}", first="torch.empty(0)", second=f"torch.empty(0, {pair[1].shape[1]})")
    _try(answer, trial, text, pair, expected=False, remark=remark)


def _named(first: str, second: str, X: torch.Tensor) -> str:
    """Say which pair is asked about."""
    return tr("{first} and {second}, X of shape {shape}", first=first, second=second, shape=tuple(X.shape))


def _try(
    answer: Answer,
    trial: Trial,
    text: str,
    pair: tuple[torch.Tensor, torch.Tensor],
    *,
    expected: bool,
    remark: str,
) -> None:
    """Ask about one pair."""
    trial.plan(text, nudge=tr("Where does the memory begin that a tensor looks into?"))
    trial.same(trial.call(answer, *pair), expected, mistakes={remark: not expected})


EXERCISE = Exercise(
    name="same_storage",
    notebook="00_start_here",
    section="Slices are views",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that tells whether two tensors have the same storage, wherever in it they begin. Tensors "
    "without elements must not mislead it.",
    stub=STUB,
    form=a_function,
    requirements=(sees_what_is_shared, sees_what_is_copied, tells_empty_ones_apart),
    hints=(
        "Which address do two rows of one table have in common, although each begins elsewhere?",
        "same_memory of this notebook is nearly right: what does it say of torch.empty(0) and torch.empty(0)?",
        "Compare the addresses of both untyped_storage(), and give False where that address is 0.",
    ),
    solution=same_storage,
    why="All views of a tensor look into one storage, so its address is the same for all, while data_ptr() of the "
    "tensor is where this view begins; a storage without bytes has the address 0, which proves nothing.",
)
