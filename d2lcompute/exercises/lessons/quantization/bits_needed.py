"""How many bits keep the error below a bound."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def bits_needed(x, max_error):
    raise NotImplementedError
"""


def comes_back(x: torch.Tensor, bits: int) -> torch.Tensor:
    """What is left of x after affine quantization to so many bits."""
    low, high = x.min().clamp(max=0), x.max().clamp(min=0)
    scale = (high - low) / (2**bits - 1)
    zero_point = (-low / scale).round()
    return ((x / scale + zero_point).round().clamp(0, 2**bits - 1) - zero_point) * scale


def bits_needed(x: torch.Tensor, max_error: float) -> int:
    """Try one number of bits after the other; the first that is good enough is the smallest."""
    bits = 1
    while (comes_back(x, bits) - x).abs().max() > max_error:
        bits += 1
    return bits


def are_enough(answer: Any, trial: Trial) -> None:
    """With so many bits no value comes back further off than max_error."""
    x, max_error, smallest = _task(trial)

    came = _called(answer, x, max_error, trial)

    trial.require(
        came >= smallest,
        expected=tr("no value off by more than {max_error:.4f}", max_error=max_error),
        got=tr("{came} bits, which leave a value off by {worst:.4f}", came=came, worst=_worst(x, max(came, 1))),
        remark=tr(
            "The worst value is too far off: look at it, not at the average one, and stop at the "
            "first number of bits that keeps the bound, not at the last that fails."
        ),
    )


def are_the_fewest(answer: Any, trial: Trial) -> None:
    """With one bit less some value would be further off than max_error."""
    x, max_error, smallest = _task(trial)

    came = _called(answer, x, max_error, trial)

    trial.require(
        came <= smallest,
        expected=tr("the smallest number of bits that will do"),
        got=tr(
            "{came} bits, where {came2} would leave no value off by more than {worst:.4f}",
            came=came,
            came2=came - 1,
            worst=_worst(x, max(came - 1, 1)),
        ),
        remark=tr("Fewer would do: how far off is a value at most, a whole step or half of one?"),
    )


def _task(trial: Trial) -> tuple[torch.Tensor, float, int]:
    """Draw many values and a bound that lies well between the worst errors of two numbers of bits."""
    rows, smallest = trial.size(40, 60), trial.size(4, 7)
    x = trial.tensor(rows, 50) * trial.choice((0.5, 1.0, 3.0)) + trial.choice((-4.0, 0.0, 4.0))
    max_error = _worst(x, smallest) * 1.1
    trial.plan(
        tr(
            "bits_needed(x, {max_error:.4f}) for {numel} values from {x:.2f} to {x2:.2f}",
            max_error=max_error,
            numel=x.numel(),
            x=x.min(),
            x2=x.max(),
        ),
        nudge=tr("Quantize with some number of bits and look at the worst value."),
    )
    return x, max_error, smallest


def _worst(x: torch.Tensor, bits: int) -> float:
    """Return the largest error of a value."""
    return (comes_back(x, bits) - x).abs().max().item()


def _called(answer: Any, x: torch.Tensor, max_error: float, trial: Trial) -> int:
    """Return what the answer gives for a copy, if it is a number of bits."""
    came = answer(x.clone(), max_error)
    trial.require(
        isinstance(came, int) and not isinstance(came, bool) and -100 < came < 100,
        expected=tr("a number of bits, as an integer"),
        got=came,
        remark=tr("It gave None: is a return missing?") if came is None else tr("Return the number of bits itself."),
    )
    return came


EXERCISE = Exercise(
    name="bits_needed",
    notebook="12_quantization",
    section="The error and the bits",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns the smallest number of bits with which affine quantization leaves every value "
    "of x within max_error of itself.",
    stub=STUB,
    given=(comes_back,),
    form=a_function,
    requirements=(are_enough, are_the_fewest),
    hints=(
        "What does one bit more do to the step, and to the largest error?",
        "Count up from 1 bit and stop at the first number for which the largest error is within the bound.",
        "(comes_back(x, bits) - x).abs().max() is the largest error; a while loop adds a bit as long as it exceeds "
        "max_error.",
    ),
    solution=bits_needed,
    why="The largest error is half a step, and each bit halves the step, so the first number of bits that is good "
    "enough is the smallest one, and a loop finds it after a few turns.",
)
