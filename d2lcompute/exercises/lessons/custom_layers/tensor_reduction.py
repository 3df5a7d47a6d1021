"""A layer that reduces the products of its inputs to a few sums."""

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class TensorReduction(nn.Module):
    def __init__(self, in_units, units):
        super().__init__()
        self.weight = ...  # shape (in_units, in_units, units)

    def forward(self, X):
        raise NotImplementedError
"""


class TensorReduction(nn.Module):
    """Sums up all products of two inputs, each with a weight of its own for each output."""

    def __init__(self, in_units: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, in_units, units) / in_units)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Compute y_k = sum over i and j of W_ijk x_i x_j, for each row x of X."""
        return torch.einsum("ni,nj,ijk->nk", X, X, self.weight)


def holds_the_weight(answer: type[nn.Module], trial: Trial) -> None:
    """The layer has one parameter, weight, of shape (in_units, in_units, units)."""
    in_units, units = trial.sizes(2)
    trial.plan(
        tr("the parameters of TensorReduction({in_units}, {units})", in_units=in_units, units=units),
        nudge=tr("The formula shows them all: how many indices has W, and in which order?"),
    )
    trial.call(answer(units, units), trial.tensor(units, units))  # a stub shows here that it is one

    came = {name: tuple(parameter.shape) for name, parameter in answer(in_units, units).named_parameters()}

    shape = (in_units, in_units, units)
    mistakes = {
        tr("The index k of the outputs comes last."): {"weight": (units, in_units, in_units)},
        tr("A plain tensor is not registered: wrap it in nn.Parameter, outermost."): {},
        tr("The formula adds nothing to the sum: it has no bias."): {"weight": shape, "bias": (units,)},
    }
    trial.same(came, {"weight": shape}, what=tr("names and shapes"), mistakes=mistakes)


def computes_the_sum(answer: type[nn.Module], trial: Trial) -> None:
    """Each output is the sum of W_ijk x_i x_j over all i and j, for each example by itself."""
    size = trial.size()
    for rows, in_units, units in ((size, size, size), tuple(trial.sizes(3)), (1, size, 1)):  # equal: mistakes run on
        net, X, W = _net_input_weight(answer, trial, rows, in_units, units)
        out = _sums(X, W)
        mistakes = {
            tr("Only the squares x_i x_i are there: i and j run independently of each other."): torch.stack(
                [(X**2) @ W[:, :, k].diagonal() for k in range(units)], dim=1
            ),
            tr("Only the first of the two inputs is multiplied in."): X @ W.sum(1),
            tr("The products mix examples: x_i and x_j come from the same row of X."): _sums_over_rows(X, W),
            tr("The numbers of all examples are in one: the first axis of X stays."): out.sum(0),
            tr("An axis of length 1 is an axis: squeeze() takes it away when only one example comes."): out.squeeze(),
        }
        if rows == in_units == units:
            remark = tr("The output's index is the last one of W, and the sums run over the first two.")
            mistakes[remark] = _sums(X, W.permute(1, 2, 0))
        trial.same(trial.call(net, X), out, mistakes=mistakes)


def learns(answer: type[nn.Module], trial: Trial) -> None:
    """Gradients flow back into the weight, and into X through both factors."""
    net, X, W = _net_input_weight(answer, trial, *trial.sizes(3))
    X.requires_grad_()
    trial.nudge = tr("Which of the factors has lost its history?")
    # Large sums are made smaller: the slope of a sine at 50 tells more of rounding than of the answer.
    expected = torch.autograd.grad((_sums(X, W.requires_grad_()) / 10).sin().sum(), (W, X))

    out = trial.call(net, X)
    came = torch.autograd.grad((out / 10).sin().sum(), (net.get_parameter("weight"), X), allow_unused=True)

    for name, one, other in zip(("weight", "X"), came, expected, strict=True):
        remark = tr("No gradient reaches {name}: .data and detach() hand back values without their history.", name=name)
        trial.same(one, other, what=tr("the gradient of {name}", name=name), mistakes={remark: None})


def _net_input_weight(
    answer: type[nn.Module], trial: Trial, rows: int, in_units: int, units: int
) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Build the layer, fill its weight with drawn values, and draw an input."""
    dtype = trial.dtype()
    trial.plan(
        tr(
            "TensorReduction({in_units}, {units}) on X of shape {shape}, {dtype}",
            in_units=in_units,
            units=units,
            shape=(rows, in_units),
            dtype=dtype,
        ),
        nudge=tr(
            "Write the formula for one example and one output as two loops: what is multiplied, what is summed up?"
        ),
    )
    net, W = answer(in_units, units).to(dtype), trial.tensor(in_units, in_units, units, dtype=dtype)
    with torch.no_grad():
        net.get_parameter("weight").copy_(W)
    return net, trial.tensor(rows, in_units, dtype=dtype), W


def _sums(X: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    """Compute the formula, one output after the other: x^T W_k x for each row x."""
    return torch.stack([((X @ W[:, :, k]) * X).sum(1) for k in range(W.shape[2])], dim=1)


def _sums_over_rows(X: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    """Compute what comes if the second factor is summed over all examples."""
    return torch.stack([(X @ W[:, :, k]) @ X.sum(0) for k in range(W.shape[2])], dim=1)


EXERCISE = Exercise(
    name="tensor_reduction",
    notebook="05_custom_layers",
    section="Initial values",
    book=("5.4.1", "6.5.1"),
    difficulty=3,
    minutes=20,
    task="Write a layer that takes X of shape (n, in_units) to (n, units): y_k is the sum of W_ijk x_i x_j over all i "
    "and j, for each row x of X, where W is the parameter weight of shape (in_units, in_units, units).",
    stub=STUB,
    form=a_module_class,
    requirements=(holds_the_weight, computes_the_sum, learns),
    hints=(
        "For one row x and one k, W_k is a square matrix: how do you write the sum with matrix products?",
        "All products x_i x_j of a row are X[:, :, None] * X[:, None, :], of shape (n, in_units, in_units); "
        "then multiply by the weight and sum over both axes.",
        "torch.einsum takes the indices as text: ni for X, nj for X again, ijk for the weight, and what is left.",
    ),
    solution=TensorReduction,
    why="Indices that stand before the arrow of einsum and not behind it are summed over: i and j go, the example n "
    "and the output k stay; each step has a gradient, so the layer learns like any other.",
)
