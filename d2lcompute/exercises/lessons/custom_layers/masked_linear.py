"""A linear layer with some of its connections cut."""

# mypy: disable-error-code="no-untyped-call"
# register_hook() is untyped in torch.

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class MaskedLinear(nn.Module):
    def __init__(self, in_units, units, mask):
        super().__init__()  # weight: (in_units, units), bias: (units,), mask: 0 and 1, of the weight's shape

    def forward(self, X):
        raise NotImplementedError
"""


class MaskedLinear(nn.Module):
    """A linear layer whose weight acts only where the mask is 1."""

    mask: torch.Tensor

    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units) / in_units**0.5)
        self.bias = nn.Parameter(torch.zeros(units))
        self.register_buffer("mask", mask)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Multiply by what the mask leaves of the weight, and add the bias."""
        return X @ (self.weight * self.mask) + self.bias


def holds_its_tensors(answer: type[nn.Module], trial: Trial) -> None:
    """The parameters are weight and bias; the mask is saved as well, and is not trained."""
    in_units, units = trial.sizes(2)
    mask = _mask(in_units, units)
    trial.plan(
        tr("what MaskedLinear({in_units}, {units}, mask) holds", in_units=in_units, units=units),
        nudge=tr("Parameter, buffer or plain attribute: which of the three tensors is what?"),
    )
    trial.call(answer(units, units, _mask(units, units)), trial.tensor(units, units))  # a stub shows itself here
    layer = answer(in_units, units, mask)

    shapes = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}

    trained = {"bias": (units,), "weight": (in_units, units)}
    trial.require(
        "mask" not in shapes,
        expected=tr("no parameter 'mask'"),
        got=tr("'mask' among the parameters"),
        remark=tr("A parameter is handed to the optimizer: the mask is to stay what it is."),
    )
    turned = {**trained, "weight": (units, in_units)}
    mistakes = {
        tr("In this notebook the weight is (in_units, units): nn.Linear stores it the other way round."): turned
    }
    trial.same(dict(sorted(shapes.items())), trained, what=tr("the parameters"), mistakes=mistakes)
    trial.require(
        "mask" in layer.state_dict(),
        expected=tr("'mask' in the state_dict"),
        got=tr("the keys {state_dict}", state_dict=list(layer.state_dict())),
        remark=tr("Whoever loads the layer needs the mask, too: a plain attribute is neither saved nor moved."),
    )
    trial.same(layer.state_dict()["mask"], mask, what=tr("mask in the state_dict"))


def masks_what_acts(answer: type[nn.Module], trial: Trial) -> None:
    """The output is X @ (weight * mask) + bias, whatever values the weight has come to."""
    size = trial.size()
    for rows, in_units, units in ((size, size, size), tuple(trial.sizes(3))):
        layer, X, W, b, mask = _filled(answer, trial, rows, in_units, units)
        trial.nudge = tr("Which of the weights act on the output, and where is the mask applied?")
        mistakes = {
            tr("The mask does not act on the values that the weight has now: apply it each time, in forward."): X @ W
            + b,
            tr("The weights act where the mask is 0: it is the other way round."): X @ (W * (1 - mask)) + b,
            tr("The bias is missing."): X @ (W * mask),
        }
        if in_units == units:
            mistakes[tr("The mask is turned: it has the weight's shape, one row for each input.")] = (
                X @ (W * mask.T) + b
            )
        trial.same(trial.call(layer, X), X @ (W * mask) + b, mistakes=mistakes)


def masks_the_gradient(answer: type[nn.Module], trial: Trial) -> None:
    """Where the mask is 0 the weight gets no gradient, elsewhere its own; weight and bias learn."""
    layer, X, W, b, mask = _filled(answer, trial, *trial.sizes(3))
    trial.nudge = tr("What does autograd see of the mask?")
    leaves = {"weight": W.requires_grad_(), "bias": b.requires_grad_()}
    out = X @ (W * mask) + b
    G = trial.tensor(*out.shape)
    expected = torch.autograd.grad((out * G).sum(), tuple(leaves.values()))
    parameters = dict(layer.named_parameters())

    came = torch.autograd.grad((trial.call(layer, X) * G).sum(), [parameters[n] for n in leaves], allow_unused=True)

    for name, one, other in zip(leaves, came, expected, strict=True):
        mistakes: dict[str, Any] = {
            tr("No gradient reaches {name}: .data hands back values without their history.", name=name): None
        }
        if name == "weight":
            mistakes[tr("Weights that do not act get a gradient all the same, and the optimizer moves them.")] = X.T @ G
        trial.same(one, other, what=tr("the gradient of {name}", name=name), mistakes=mistakes)


def _mask(in_units: int, units: int) -> torch.Tensor:
    """Return a mask with ones on and below the diagonal: there is a zero in it, and it is not symmetric."""
    return torch.ones(in_units, units).tril()


def _filled(
    answer: type[nn.Module], trial: Trial, rows: int, in_units: int, units: int
) -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Build the layer, fill it with drawn values, and draw an input."""
    trial.plan(
        tr(
            "MaskedLinear({in_units}, {units}, mask) with new values in weight and bias, on X of shape {shape}",
            in_units=in_units,
            units=units,
            shape=(rows, in_units),
        ),
        nudge="",
    )
    mask, W, b = _mask(in_units, units), trial.tensor(in_units, units), trial.tensor(units)
    layer = answer(in_units, units, mask.clone())
    with torch.no_grad():
        layer.get_parameter("weight").copy_(W)
        layer.get_parameter("bias").copy_(b)
    return layer, trial.tensor(rows, in_units), W, b, mask


EXERCISE = Exercise(
    name="masked_linear",
    notebook="05_custom_layers",
    section="Parameter, buffer or plain attribute",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a linear layer with parameters weight, (in_units, units), and bias that computes X @ (weight * mask) + "
    "bias: where mask is 0 the weight neither acts nor gets a gradient; mask is saved, and not trained.",
    stub=STUB,
    form=a_module_class,
    requirements=(holds_its_tensors, masks_what_acts, masks_the_gradient),
    hints=(
        "If the weights are set to zero once, when the layer is made, what does the first step of training do to them?",
        "Weight and bias are parameters, the mask is a buffer; the product of weight and mask belongs into forward.",
        "self.register_buffer('mask', mask) in __init__, and X @ (self.weight * self.mask) + self.bias in forward.",
    ),
    solution=MaskedLinear,
    why="The product is computed anew in each forward, so a masked weight never acts, whatever its value; its gradient "
    "is multiplied by the same 0. A buffer is saved and moved with the layer and is not trained.",
)
