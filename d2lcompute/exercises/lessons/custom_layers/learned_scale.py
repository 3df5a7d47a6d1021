"""A factor for each feature."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class Scale(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.weight = ...  # shape (units,)

    def forward(self, X):
        raise NotImplementedError
"""


class Scale(nn.Module):
    """Multiplies each feature by a factor that is learned."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Scale the features, which lie along the last axis."""
        return X * self.weight


def begins_with_ones(answer: type[nn.Module], trial: Trial) -> None:
    """In a new layer the weight has shape (units,), and is 1 everywhere."""
    units = trial.size()
    trial.plan(
        tr("the weight of Scale({units}), a new layer", units=units), nudge=tr("By which factor does X stay as it is?")
    )

    trial.call(answer(units), trial.tensor(units, units))  # a stub shows here that it is one
    weight = torch.as_tensor(answer(units).weight).detach()

    mistakes = {tr("One factor for all: each feature has one of its own."): torch.ones(1)}
    trial.same(weight, torch.ones(units), what="weight", mistakes=mistakes)


def multiplies_each_feature(answer: type[nn.Module], trial: Trial) -> None:
    """Along the last axis each feature is multiplied by its own factor."""
    size = trial.size()
    for shape in ((size, size), tuple(trial.sizes(2)), tuple(trial.sizes(3))):
        trial.plan(
            tr("Scale({shape}) on X of shape {shape2}", shape=shape[-1], shape2=shape),
            nudge=tr("Which of the factors meets which number?"),
        )
        X, factors = trial.tensor(*shape), trial.tensor(shape[-1])
        layer: Any = answer(shape[-1])
        with torch.no_grad():
            layer.weight.copy_(factors)
        mistakes = {
            tr("@ multiplies and sums up: the features are to stay apart."): X @ factors,
            tr("The factors are added, not multiplied."): X + factors,
        }
        if len(shape) == 2 and shape[0] == shape[1]:
            mistakes[tr("Each example is multiplied by a factor: the features lie along the last axis.")] = (
                X * factors[:, None]
            )
        trial.same(trial.call(layer, X), X * factors, mistakes=mistakes)


def learns(answer: type[nn.Module], trial: Trial) -> None:
    """The weight is a parameter, and a backward pass brings it a gradient."""
    rows, units = trial.sizes(2)
    trial.plan(
        tr("backward() through Scale({units}) on X of shape {shape}", units=units, shape=(rows, units)),
        nudge=tr("Of what kind is a tensor that an optimizer is to find?"),
    )
    layer, X = answer(units), trial.tensor(rows, units).requires_grad_()

    out = trial.call(layer, X)

    names = [name for name, _ in layer.named_parameters()]
    trial.require(
        names == ["weight"],
        expected=tr("'weight' is the name of the one parameter"),
        got=tr("the parameters {names}", names=", ".join(names)) if names else tr("no parameters"),
    )
    (gradient,) = torch.autograd.grad(out.sum(), list(layer.parameters()), allow_unused=True)
    mistakes = {tr(".data hands back the values without their history: the weight will never learn."): None}
    trial.same(
        gradient, X.detach().sum(0), what=tr("the gradient of weight for the sum of all outputs"), mistakes=mistakes
    )


EXERCISE = Exercise(
    name="learned_scale",
    notebook="05_custom_layers",
    section="A layer with parameters",
    book=None,
    difficulty=1,
    minutes=5,
    task="Write a layer Scale(units) that multiplies each feature of X by a factor of its own; the factors are a "
    "parameter, weight, of shape (units,) that starts at 1.",
    stub=STUB,
    form=a_module_class,
    requirements=(begins_with_ones, multiplies_each_feature, learns),
    hints=(
        "If X has shape (4, 3) and the weight shape (3,), what does broadcasting make of X * weight?",
        "A tensor of ones, wrapped so that the module registers it, and one product in forward.",
        "self.weight = nn.Parameter(torch.ones(units)), and X * self.weight.",
    ),
    solution=Scale,
    why="Broadcasting lines shapes up from the right, so weight meets the last axis of X, whatever stands before it; "
    "nn.Parameter registers the tensor, and autograd follows the product to both factors.",
)
