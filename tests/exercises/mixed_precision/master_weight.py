"""Wrong answers to ``master_weight``."""

import torch

from d2lcompute.exercises.lessons.mixed_precision.master_weight import master_weight
from tests.exercises.wrong_answers import WrongAnswer


def _in_sixteen_bits(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    weight = weight.clone()
    for gradient in gradients:
        weight -= lr * gradient
    return weight


def _rounds_each_step(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    dtype = weight.dtype
    for gradient in gradients:
        weight = (weight.float() - lr * gradient.float()).to(dtype)
    return weight


def _uphill(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    return master_weight(weight, gradients, -lr)


def _stays_in_float32(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    return weight.float() - lr * sum(gradient.float() for gradient in gradients)


def _writes_back(weight: torch.Tensor, gradients: list[torch.Tensor], lr: float) -> torch.Tensor:
    return weight.copy_(master_weight(weight, gradients, lr))


WRONG_ANSWERS = (
    WrongAnswer(_in_sixteen_bits, "rounded away before the next", "This is the loop of any plain SGD."),
    WrongAnswer(_rounds_each_step, "rounded away before the next", "Each step is computed in float32, after all."),
    WrongAnswer(_uphill, "runs the other way", "The sign of the step is forgotten."),
    WrongAnswer(_stays_in_float32, "round once, at the end", "The values are right; nobody asks for the dtype."),
    WrongAnswer(_writes_back, "make the float32 copy", "A weight is updated in place everywhere else."),
)
