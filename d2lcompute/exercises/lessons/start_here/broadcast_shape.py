"""The shape of a sum, before it is computed."""

from collections.abc import Callable
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def broadcast_shape(a, b):
    raise NotImplementedError
"""

Shape = tuple[int, ...]
Answer = Callable[[Shape, Shape], Any]


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the shape of A + B for shapes a and b, or None if they do not fit."""
    axes = max(len(a), len(b))
    a, b = (1,) * (axes - len(a)) + tuple(a), (1,) * (axes - len(b)) + tuple(b)
    if any(m != n and m != 1 and n != 1 for m, n in zip(a, b, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def gives_the_shape(answer: Answer, trial: Trial) -> None:
    """Where the shapes fit, the result is the shape of the sum, as a tuple."""
    k, m, n = trial.sizes(3)
    one_sided = {
        tr("That is the shape of A: one of its axes is repeated, too."): (1, m),
        tr("That is the shape of B: one of its axes is repeated, too."): (k, 1),
    }
    _try(answer, trial, (1, m), (k, 1), one_sided)
    from_the_left = tr("The shapes were laid on each other at their first axes: they are compared from the last one.")
    missing = tr("Shapes of different lengths may fit: a missing axis counts as one of size 1.")
    _try(answer, trial, (k,), (k, 1), {from_the_left: (k, 1), missing: None})
    for a, b in (((k, m), (k, m)), ((k, 1, n), (m, 1)), ((n,), (k, m, n)), ((), (k, m)), ((), ())):
        _try(answer, trial, a, b, {missing: None})


def tells_what_does_not_fit(answer: Answer, trial: Trial) -> None:
    """Where the shapes do not fit, the result is None."""
    m, n = trial.choice((3, 5)), trial.choice((4, 7))  # neither goes into the other
    some = tr("Is there an axis in which the sizes differ, and neither of them is 1?")
    for a, b in (((m,), (n,)), ((m, n), (m,)), ((1, m, 1), (n, n, 1))):
        _plan(trial, a, b, nudge=some)
        trial.same(trial.call(answer, a, b), None)
    tiled = tr("Only an axis of size 1 is repeated: no other size is, even if it goes into the larger one.")
    _plan(trial, (n, 2 * m), (m,), nudge=some)
    trial.same(trial.call(answer, (n, 2 * m), (m,)), None, mistakes={tiled: (n, 2 * m)})


def repeats_an_axis_zero_times(answer: Answer, trial: Trial) -> None:
    """An axis of size 1 is repeated as often as the other shape says, also 0 times."""
    m = trial.size(2, 6)
    remark = tr("The result is not the larger of the two sizes: 1 against 0 gives 0, as for a batch without examples.")
    _try(answer, trial, (0, m), (1, m), {remark: (1, m)})
    _try(answer, trial, (m, 1), (m, 0), {remark: (m, 1)})


def _try(answer: Answer, trial: Trial, a: Shape, b: Shape, mistakes: dict[str, Any]) -> None:
    """Compare with the shape of a real sum."""
    _plan(trial, a, b, nudge=tr("Write one shape below the other, ends aligned: what becomes of each column?"))
    expected = tuple((torch.zeros(a) + torch.zeros(b)).shape)
    as_a_list = {tr("Hand over a tuple, as a shape is one: this is a list."): list(expected)}
    trial.same(trial.call(answer, a, b), expected, mistakes={**mistakes, **as_a_list})


def _plan(trial: Trial, a: Shape, b: Shape, *, nudge: str) -> None:
    """Say which shapes are tried."""
    trial.plan(f"broadcast_shape({a}, {b})", nudge=nudge)


EXERCISE = Exercise(
    name="broadcast_shape",
    notebook="00_start_here",
    section="Broadcasting",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that tells the shape of A + B from the shapes of A and B, two tuples, and gives None where "
    "the shapes do not fit.",
    stub=STUB,
    form=a_function,
    requirements=(gives_the_shape, tells_what_does_not_fit, repeats_an_axis_zero_times),
    hints=(
        "Write (3, 1) and (4,) one below the other, with their last axes aligned: what stands where nothing is?",
        "Fill the shorter shape up with ones on its left, then look at each pair of sizes by itself.",
        "Sizes m and n do not fit if they differ and neither is 1; if they fit, the axis gets n where m is 1, else m.",
    ),
    solution=broadcast_shape,
    why="Filled up with ones on the left, both shapes have the same number of axes; a pair of sizes fits if they are "
    "equal or one is 1, and then the other one is the result, also if it is 0.",
)
