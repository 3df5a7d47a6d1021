"""Sixteen-bit weights whose small updates are not lost."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def master_weight(weight, gradients, lr):
    raise NotImplementedError
"""


def master_weight(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    """Take one SGD step for each gradient, in float32, and return the weight in its own dtype."""
    master = weight.detach().float().clone()
    for gradient in gradients:
        master -= lr * gradient.float()
    return master.to(weight.dtype)


def keeps_small_updates(answer: Any, trial: Trial) -> None:
    """Many steps, each far below the weight's spacing, move it as far as they would in float32."""
    weight, gradients, lr = _task(trial)
    expected = weight.double() - lr * torch.stack(gradients).double().sum(0)

    came = answer(weight.clone(), [g.clone() for g in gradients], lr)

    trial.require(isinstance(came, torch.Tensor) and came.shape == weight.shape, expected=tr("a new weight"), got=came)
    missed = (came.detach().double() - expected).abs().max().item()
    moved = (weight.double() - came.detach().double()).mean().item()
    remarks = {
        tr("The weight is where it was: each update is rounded away before the next one comes."): moved == 0,
        tr("The weight runs the other way: a step goes against the gradient."): moved < 0,
    }
    trial.require(
        missed <= 0.02,  # half of bfloat16's spacing between 4 and 8 is 0.016
        expected=tr("a weight that is lower by 0.32 on the average"),
        got=tr("a weight that is lower by {moved:.2f} on the average", moved=moved) if moved else tr("the same weight"),
        remark=next((remark for remark, holds in remarks.items() if holds), ""),
    )


def returns_sixteen_bits(answer: Any, trial: Trial) -> None:
    """The result has the weight's dtype."""
    weight, gradients, lr = _task(trial)

    came = answer(weight.clone(), [g.clone() for g in gradients], lr)

    trial.require(
        isinstance(came, torch.Tensor) and came.dtype == weight.dtype,
        expected=tr("a tensor in {dtype}", dtype=weight.dtype),
        got=came,
        remark=tr("The net computes in 16 bits: round once, at the end."),
    )


def leaves_the_weight(answer: Any, trial: Trial) -> None:
    """The weight and the gradients that were handed over stay as they are."""
    weight, gradients, lr = _task(trial)
    before = [weight.clone(), *(g.clone() for g in gradients)]

    answer(weight, gradients, lr)

    remark = tr("The caller's tensors were written into: make the float32 copy, and write into that.")
    for came, expected in zip([weight, *gradients], before, strict=True):
        trial.require(
            torch.equal(came, expected),
            expected=tr("the tensors that were handed over are left as they were"),
            got=tr("one of them has other values"),
            remark=remark,
        )


def _task(trial: Trial) -> tuple[torch.Tensor, list[torch.Tensor], float]:
    """Draw a weight between 4 and 8 and 400 gradients; each update is 0.0008, the spacing at least 0.004."""
    rows, columns = trial.sizes(2)
    dtype = trial.choice((torch.bfloat16, torch.float16))
    trial.plan(
        tr(
            "400 gradients near 1, learning rate 0.0008, for a weight of shape {shape} in {dtype}",
            shape=(rows, columns),
            dtype=dtype,
        ),
        nudge=tr("In which dtype must the running weight be kept from step to step?"),
    )
    weight = (6 + trial.tensor(rows, columns).clamp(-1, 1)).to(dtype)
    gradients = (1 + 0.1 * trial.tensor(400, rows, columns).clamp(-2, 2)).to(dtype)
    return weight, list(gradients), 0.0008


EXERCISE = Exercise(
    name="master_weight",
    notebook="11_mixed_precision",
    section="The weights stay in float32",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that takes one SGD step for each of a list of gradients on a 16-bit weight, loses none of "
    "the small updates, and returns the new weight in its 16 bits.",
    stub=STUB,
    form=a_function,
    requirements=(keeps_small_updates, returns_sixteen_bits, leaves_the_weight),
    hints=(
        "Where does an update vanish: when it is computed, or when it is added to a number that is much larger?",
        "Keep the running weight in float32 for all steps, and return to 16 bits only after the last one.",
        "Start from weight.float().clone(), subtract lr * gradient.float() in each step, end with .to(weight.dtype).",
    ),
    solution=master_weight,
    why="A float32 copy has a spacing 8,000 to 65,000 times finer, so each update counts; rounding to 16 bits happens "
    "once, at the end, and no longer adds up.",
)
