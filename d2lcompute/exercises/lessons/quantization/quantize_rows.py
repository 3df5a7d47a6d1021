"""Symmetric quantization with a scale for each row."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def quantize_rows(W):
    raise NotImplementedError
"""


def quantize_rows(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return int8 levels from -127 to 127 and a scale for each row, of shape (rows, 1)."""
    largest = W.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest / 127, 1.0)
    return (W / scale).round().to(torch.int8), scale


def uses_a_scale_for_each_row(answer: Any, trial: Trial) -> None:
    """Each row has its own scale: its largest value gets the level 127 or -127."""
    W = _rows(trial)
    expected = W.abs().amax(dim=1, keepdim=True) / 127

    scale = _called(answer, W, trial)[1]

    mistakes = {
        tr("These are the scales of the columns: one scale for each output is asked for."): W.abs().amax(0)[:, None]
        / 127,
        tr("One scale serves all rows: the smallest rows are lost."): W.abs().amax().expand(len(W), 1) / 127,
        tr("The scale is a row's largest value: dividing by it leaves levels between -1 and 1."): expected * 127,
    }
    trial.same(
        scale * 1000,
        expected * 1000,
        what=tr("1000 times the scale"),
        mistakes={k: v * 1000 for k, v in mistakes.items()},
    )


def returns_int8(answer: Any, trial: Trial) -> None:
    """The levels are int8: one byte each."""
    levels = _called(answer, _rows(trial), trial)[0]

    trial.require(
        levels.dtype == torch.int8,
        expected=tr("levels in torch.int8"),
        got=tr("levels in {dtype}", dtype=levels.dtype),
        remark=tr("The values may be right; the bytes are saved only once they are stored as int8."),
    )


def is_off_by_half_a_step(answer: Any, trial: Trial) -> None:
    """Levels times scale is at most half a step away from W."""
    W = _rows(trial)

    levels, scale = _called(answer, W, trial)

    off = ((levels * scale - W).abs() / scale).max().item()
    trial.require(
        off <= 0.501,
        expected=tr("no value off by more than half a step"),
        got=tr("a value that is off by {off:.2f} steps", off=off),
        remark=tr("Converting to int8 cuts off what stands behind the point: what has to come before?"),
    )


def handles_empty_rows(answer: Any, trial: Trial) -> None:
    """A row of zeros comes back as zeros."""
    W = _rows(trial)
    W[trial.size(0, len(W) - 1)] = 0
    trial.plan(
        tr("W of shape {shape} with one row of zeros", shape=tuple(W.shape)),
        nudge=tr("What is 0 divided by the scale of that row?"),
    )

    levels, scale = _called(answer, W, trial)

    back = (levels * scale)[W.abs().amax(1) == 0]
    trial.require(
        bool((back == 0).all()) and bool(torch.isfinite(scale).all()) and bool((scale > 0).all()),
        expected=tr("levels 0 and a finite scale above 0 for that row"),
        got=tr("the scale {flatten:g}", flatten=scale[W.abs().amax(1) == 0].flatten()[0].item()),
    )


def _rows(trial: Trial) -> torch.Tensor:
    """Draw a matrix whose rows are of very different size; as many columns as rows, so that no mistake is stopped."""
    size = trial.size(4, 7)
    trial.plan(
        tr("W of shape {shape}, its rows from large to small", shape=(size, size)),
        nudge=tr("A row's largest value, taken without its sign, becomes level 127. What is then one step?"),
    )
    factors = torch.logspace(1, -1, size)[:, None]
    return trial.tensor(size, size) * factors


def _called(answer: Any, W: torch.Tensor, trial: Trial) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the answer gives for a copy, if it is two tensors of the right shapes."""
    came = answer(W.clone())
    trial.require(
        isinstance(came, tuple | list) and len(came) == 2 and all(isinstance(each, torch.Tensor) for each in came),
        expected=tr("two tensors, (levels, scale)"),
        got=came,
        remark=tr("It gave None: is a return missing?")
        if came is None
        else tr("Return the levels, and with them the scale."),
    )
    levels, scale = came
    rows = len(W)
    trial.require(
        levels.shape == W.shape and scale.shape == (rows, 1),
        expected=tr("levels of shape {shape}, scale of shape {shape2}", shape=tuple(W.shape), shape2=(rows, 1)),
        got=tr(
            "levels of shape {shape}, scale of shape {shape2}", shape=tuple(levels.shape), shape2=tuple(scale.shape)
        ),
        remark=tr("Keep the axis over which the largest value is taken, so that the scale stands beside each row."),
    )
    return levels, scale


EXERCISE = Exercise(
    name="quantize_rows",
    notebook="12_quantization",
    section="Per tensor or per channel",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that quantizes a matrix symmetrically with a scale for each row, without a loop, and "
    "returns int8 levels from -127 to 127 and the scales, of shape (rows, 1); a row of zeros gets any scale above 0.",
    stub=STUB,
    form=a_function,
    requirements=(uses_a_scale_for_each_row, returns_int8, is_off_by_half_a_step, handles_empty_rows),
    hints=(
        "Which value of a row decides its scale, and which level should that value get?",
        "Take the largest absolute value along each row, keep the axis, divide by 127; then divide, round, convert.",
        "W.abs().amax(dim=1, keepdim=True) / 127 is the scale where it is above 0, 1 elsewhere; the levels are "
        "(W / scale).round().to(torch.int8).",
    ),
    solution=quantize_rows,
    why="keepdim=True leaves a column of scales that stands beside the rows, so division and multiplication broadcast "
    "over each row; the largest value becomes 127, so nothing has to be clamped.",
)
