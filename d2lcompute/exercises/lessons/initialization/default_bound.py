"""Where nn.Linear's first values end."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def default_bound(layer):
    raise NotImplementedError
"""

Answer = Callable[[nn.Linear], Any]


def default_bound(layer: nn.Linear) -> float:
    """Return the bound of the uniform distribution that filled this layer when it was made."""
    return 1 / layer.in_features**0.5


def gives_the_bound(answer: Answer, trial: Trial) -> None:
    """The result is a number that no initial value exceeded, and that the largest ones came close to."""
    inputs, outputs = trial.choice((5, 6, 7, 8, 10)), trial.choice((11, 13, 17))
    layer = nn.Linear(inputs, outputs, bias=trial.choice((True, False)))
    trial.plan(
        tr("a new {layer}", layer=layer),
        nudge=tr("Make layers of several sizes, and look at the largest weight of each."),
    )
    largest = tr("The largest value only comes close to it: the bound follows from the sizes of the layer.")
    _compare(trial.call(answer, layer), layer, {largest: layer.weight.abs().max().item()}, trial)

    nn.init.constant_(layer.weight, 42)
    trial.plan(
        tr("{layer}, its weight filled with 42 since", layer=layer),
        nudge=tr("Which property of a layer decides on the bound?"),
    )
    others = tr("The values are others by now: the bound follows from the sizes of the layer.")
    _compare(trial.call(answer, layer), layer, {others: 42.0}, trial)


def _compare(came: Any, layer: nn.Linear, mistakes: dict[str, Any], trial: Trial) -> None:
    """Compare with the bound, and name what is another well-known quantity."""
    inputs, outputs = layer.in_features, layer.out_features
    bound = inputs**-0.5
    known = {
        **mistakes,
        tr("That is a tensor: .item() takes the number out, or compute with plain numbers."): torch.tensor(bound),
        tr("That is the variance, 1 / (3 n), not the bound."): 1 / (3 * inputs),
        tr("That is the standard deviation; a uniform distribution reaches further."): (3 * inputs) ** -0.5,
        tr("The root is missing: 1 / n is the square of the bound."): 1 / inputs,
        tr("That is Kaiming's bound for ReLU, the root of 6 / n, which is not the default."): (6 / inputs) ** 0.5,
        tr("That is Xavier's bound, which is not the default."): (6 / (inputs + outputs)) ** 0.5,
        tr("That counts the outputs: the bound depends on the number of inputs."): outputs**-0.5,
    }
    trial.same(came, bound, what=tr("the bound"), mistakes=known)


EXERCISE = Exercise(
    name="default_bound",
    notebook="03_initialization",
    section="The default initialization of `nn.Linear`",
    book=None,
    difficulty=1,
    minutes=5,
    task="Write a function that returns the bound of the uniform distribution from which a linear layer's weight and "
    "bias were drawn when it was made.",
    stub=STUB,
    form=a_function,
    requirements=(gives_the_bound,),
    hints=(
        "The largest weight of nn.Linear(100, 1000) is about 0.1, that of nn.Linear(400, 1000) about 0.05: what of "
        "nn.Linear(25, 1000)?",
        "Four times the inputs halve the bound, and the number of outputs has no part in it.",
        "One divided by the square root of layer.in_features.",
    ),
    solution=default_bound,
    why="nn.Linear draws weight and bias from U(-b, b) with b = 1 / sqrt(n) for n inputs; the variance of that is "
    "b squared over 3, which is where 1 / (3 n) comes from.",
)
