"""The shape of a sum, before it is computed."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import torch

from d2lcompute.exercises._exercise import Exercise, WrongAnswer
from d2lcompute.exercises._forms import a_function
from d2lcompute.exercises._trial import Trial

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
        "That is the shape of A: one of its axes is repeated, too.": (1, m),
        "That is the shape of B: one of its axes is repeated, too.": (k, 1),
    }
    _try(answer, trial, (1, m), (k, 1), one_sided)
    from_the_left = "The shapes were laid on each other at their first axes: they are compared from the last one."
    missing = "Shapes of different lengths may fit: a missing axis counts as one of size 1."
    _try(answer, trial, (k,), (k, 1), {from_the_left: (k, 1), missing: None})
    for a, b in (((k, m), (k, m)), ((k, 1, n), (m, 1)), ((n,), (k, m, n)), ((), (k, m)), ((), ())):
        _try(answer, trial, a, b, {missing: None})


def tells_what_does_not_fit(answer: Answer, trial: Trial) -> None:
    """Where the shapes do not fit, the result is None."""
    m, n = trial.choice((3, 5)), trial.choice((4, 7))  # neither goes into the other
    some = "Is there an axis in which the sizes differ, and neither of them is 1?"
    for a, b in (((m,), (n,)), ((m, n), (m,)), ((1, m, 1), (n, n, 1))):
        _plan(trial, a, b, nudge=some)
        trial.same(trial.call(answer, a, b), None)
    tiled = "Only an axis of size 1 is repeated: no other size is, even if it goes into the larger one."
    _plan(trial, (n, 2 * m), (m,), nudge=some)
    trial.same(trial.call(answer, (n, 2 * m), (m,)), None, mistakes={tiled: (n, 2 * m)})


def repeats_an_axis_zero_times(answer: Answer, trial: Trial) -> None:
    """An axis of size 1 is repeated as often as the other shape says, also 0 times."""
    m = trial.size(2, 6)
    remark = "The result is not the larger of the two sizes: 1 against 0 gives 0, as for a batch without examples."
    _try(answer, trial, (0, m), (1, m), {remark: (1, m)})
    _try(answer, trial, (m, 1), (m, 0), {remark: (m, 1)})


def _try(answer: Answer, trial: Trial, a: Shape, b: Shape, mistakes: dict[str, Any]) -> None:
    """Compare with the shape of a real sum."""
    _plan(trial, a, b, nudge="Write one shape below the other, ends aligned: what becomes of each column?")
    expected = tuple((torch.zeros(a) + torch.zeros(b)).shape)
    as_a_list = {"Hand over a tuple, as a shape is one: this is a list.": list(expected)}
    trial.same(trial.call(answer, a, b), expected, mistakes={**mistakes, **as_a_list})


def _plan(trial: Trial, a: Shape, b: Shape, *, nudge: str) -> None:
    """Say which shapes are tried."""
    trial.plan(f"broadcast_shape({a}, {b})", nudge=nudge)


def _from_the_left(a: Shape, b: Shape) -> Any:
    shape = broadcast_shape(a[::-1], b[::-1])
    return None if shape is None else shape[::-1]


def _equal_lengths(a: Shape, b: Shape) -> Any:
    return broadcast_shape(a, b) if len(a) == len(b) else None


def _of_the_first(a: Shape, b: Shape) -> Any:
    return None if broadcast_shape(a, b) is None else a


def _list(a: Shape, b: Shape) -> Any:
    shape = broadcast_shape(a, b)
    return None if shape is None else list(shape)


def _never_none(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    return tuple(n if m == 1 else m for m, n in pairs)


def _tiled(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    if any(max(m, n) % max(min(m, n), 1) for m, n in pairs):
        return None
    return tuple(min(m, n) and max(m, n) for m, n in pairs)


def _raises(a: Shape, b: Shape) -> Any:
    return tuple((torch.zeros(a) + torch.zeros(b)).shape)


def _larger(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    return None if broadcast_shape(a, b) is None else tuple(max(m, n) for m, n in pairs)


EXERCISE = Exercise(
    name="broadcast_shape",
    notebook="00_start_here",
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
    wrong_answers=(
        WrongAnswer(_from_the_left, "at their first axes", "zip pairs the sizes from the left, as one reads."),
        WrongAnswer(_equal_lengths, "a missing axis counts as one", "The rule about axes that are missing is missed."),
        WrongAnswer(_of_the_first, "That is the shape of A", "Only the second tensor is thought to be repeated."),
        WrongAnswer(_list, "this is a list", "The sizes are appended one by one."),
        WrongAnswer(_never_none, "neither of them is 1", "The check is forgotten: only shapes that fit were tried."),
        WrongAnswer(
            _tiled, "Only an axis of size 1", "What is repeated twice fits an axis of twice the size, one thinks."
        ),
        WrongAnswer(_raises, "neither of them is 1", "PyTorch raises an exception where the task asks for None."),
        WrongAnswer(_larger, "not the larger of the two", "max is right for all sizes but 0."),
    ),
)
