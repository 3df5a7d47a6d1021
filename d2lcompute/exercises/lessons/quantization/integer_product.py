"""A matrix product in integers, with a zero point on one side."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def integer_product(levels, scale, zero_point, W_levels, W_scale):
    raise NotImplementedError
"""


def integer_product(
    levels: torch.Tensor, scale: float, zero_point: int, W_levels: torch.Tensor, W_scale: torch.Tensor
) -> torch.Tensor:
    """Return X @ W.T, multiplied in int32, where X and W are given by their levels."""
    total = (levels.int() - zero_point) @ W_levels.int().T
    return total * scale * W_scale.T


def is_the_product(answer: Any, trial: Trial) -> None:
    """The result is X @ W.T, zero point and scales included."""
    task = _task(trial, zero_point=trial.size(1, 4), high=3)

    remark = tr("The levels still hold the zero point: level 0 does not stand for the value 0.")
    forgotten = {remark: _product(task[0], task[1], 0, task[3], task[4])} | _forgotten(*task)
    trial.same(_came(answer, task, trial), _product(*task), mistakes=forgotten)


def does_not_wrap_around(answer: Any, trial: Trial) -> None:
    """Large levels do not overflow."""
    task = _task(trial, zero_point=0, high=250)
    trial.nudge = tr("How large can a sum of such products become, and in which dtype is it added up?")

    trial.same(_came(answer, task, trial), _product(*task))


Task = tuple[torch.Tensor, float, int, torch.Tensor, torch.Tensor]


def _task(trial: Trial, *, zero_point: int, high: int) -> Task:
    """Draw levels up to ``high`` for X, in uint8, and levels for W, in int8, with a scale for each row."""
    rows, width, outputs = trial.sizes(3)
    trial.plan(
        tr(
            "levels of shape {shape} up to {high}, zero point {zero_point}, W_levels of shape {shape2}",
            shape=(rows, width),
            high=high,
            zero_point=zero_point,
            shape2=(outputs, width),
        ),
        nudge=tr("Write x = scale * (level - zero_point) and w = W_scale * W_level, and multiply out."),
    )
    share = trial.tensor(rows, width).abs().clamp(max=2) / 2
    levels = (share * high).round().to(torch.uint8)
    W_levels = (trial.tensor(outputs, width).sign() * min(high, 100)).to(torch.int8)
    W_scale = 0.5 + trial.tensor(outputs, 1).abs()
    return levels, 0.25, zero_point, W_levels, W_scale


def _product(
    levels: torch.Tensor, scale: float, zero_point: int, W_levels: torch.Tensor, W_scale: torch.Tensor
) -> torch.Tensor:
    """Dequantize first, then multiply in float64."""
    X, W = scale * (levels.double() - zero_point), W_scale.double() * W_levels.double()
    return (X @ W.T).float()


def _forgotten(*task: Any) -> dict[str, torch.Tensor]:
    """Return what comes without one of the scales."""
    levels, scale, zero_point, W_levels, W_scale = task
    return {
        tr("The scale of the levels is missing."): _product(levels, 1.0, zero_point, W_levels, W_scale),
        tr("The scales of W's rows are missing."): _product(
            levels, scale, zero_point, W_levels, torch.ones_like(W_scale)
        ),
    }


def _came(answer: Any, task: Task, trial: Trial) -> Any:
    """Return what the answer gives for copies."""
    levels, scale, zero_point, W_levels, W_scale = task
    return trial.call(answer, levels.clone(), scale, zero_point, W_levels.clone(), W_scale.clone())


EXERCISE = Exercise(
    name="integer_product",
    notebook="12_quantization",
    section="Multiply integers",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write X @ W.T from uint8 levels of X with one scale and a zero point, and int8 levels of W with a scale for "
    "each row, of shape (rows, 1); the multiplications are done in integers.",
    stub=STUB,
    form=a_function,
    requirements=(is_the_product, does_not_wrap_around),
    hints=(
        "Which value does the level zero_point stand for?",
        "Take the zero point off the levels in a dtype that is wide enough, multiply, put the scales on at the end.",
        "(levels.int() - zero_point) @ W_levels.int().T is the sum; times scale, times W_scale.T, which has one entry "
        "for each output.",
    ),
    solution=integer_product,
    why="All terms of a sum share the example's scale and the row's scale, so both come out of it; int32 has room for "
    "the products of some 66,000 pairs of bytes, int8 and int16 have not.",
)
