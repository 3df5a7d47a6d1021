"""Initialization that looks at the data."""

# mypy: disable-error-code="misc"
# A parameter divided in place stays a Parameter, which torch's types do not say.

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import N_, Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def unit_variance_init(net, X):
    raise NotImplementedError
"""

Answer = Callable[[nn.Sequential, torch.Tensor], Any]


def unit_variance_init(net: nn.Sequential, X: torch.Tensor) -> None:
    """Scale each linear layer so that what it gives on X has standard deviation 1."""
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                std = layer(X).std()
                for parameter in layer.parameters():
                    parameter /= std
            X = layer(X)


class Scaled(nn.Linear):
    """A linear layer of another class."""


def scales_the_outputs(answer: Answer, trial: Trial) -> None:
    """Afterwards the output of each linear layer on X, all entries together, has standard deviation 1."""
    a, b, c, d = trial.sizes(4, 5, 12)
    net = nn.Sequential(nn.Linear(a, b), nn.Tanh(), Scaled(b, c), nn.ReLU(), nn.Linear(c, d))
    X = trial.tensor(100, a)
    trial.plan(
        tr(
            "Sequential(Linear({a}, {b}), Tanh(), Scaled({b}, {c}), ReLU(), Linear({c}, {d})), "
            "Scaled derived from nn.Linear, X of shape {shape}",
            a=a,
            b=b,
            c=c,
            d=d,
            shape=tuple(X.shape),
        ),
        nudge=tr(
            "Go layer by layer, and take along what the layers before have made of X. The scaling "
            "itself is no part of a computation."
        ),
    )
    start = copy.deepcopy(net)

    trial.call(answer, net, X)

    stds = _stds(net, X)
    trial.require(
        all(_close(std, 1) for std in stds.values()),
        expected=tr("standard deviations 1.00, 1.00, 1.00"),
        got=tr("standard deviations ") + ", ".join(f"{std:.2f}" for std in stds.values()),
        remark=_about(net, start, X),
    )


def keeps_the_proportions(answer: Answer, trial: Trial) -> None:
    """In each linear layer weight and bias, where there is one, are multiplied by one common factor."""
    a, b, c = trial.sizes(3, 5, 12)
    net = nn.Sequential(nn.Linear(a, b, bias=False), nn.Tanh(), nn.Linear(b, c))
    X = trial.tensor(100, a)
    trial.plan(
        tr(
            "Sequential(Linear({a}, {b}, bias=False), Tanh(), Linear({b}, {c})), X of shape {shape}, "
            "the values before and after",
            a=a,
            b=b,
            c=c,
            shape=tuple(X.shape),
        ),
        nudge=tr(
            "One number for a whole layer changes the scale of its output, and nothing else. Where "
            "there is no bias, layer.bias is None."
        ),
    )
    before = copy.deepcopy(dict(net.named_parameters()))

    trial.call(answer, net, X)

    with torch.no_grad():
        for layer in ("0", "2"):
            old, new = before[f"{layer}.weight"], net.get_parameter(f"{layer}.weight")
            factor = (new * old).sum() / old.square().sum()
            by_unit = {tr(_ONE_BY_ONE): old * ((new * old).sum(1) / old.square().sum(1))[:, None]}
            trial.same(new.detach(), factor * old.detach(), what=f"{layer}.weight", mistakes=by_unit)
        kept = before["2.bias"].detach()
        remark = tr(
            "The bias is part of the output: with the weight alone scaled, or another factor, the scale is missed."
        )
        mistakes = {
            remark: kept,
            tr("The bias is lost: it is scaled like the weight, not set to 0."): torch.zeros_like(kept),
        }
        trial.same(net.get_parameter("2.bias").detach(), factor * kept, what="2.bias", mistakes=mistakes)


def leaves_the_rest_alone(answer: Answer, trial: Trial) -> None:
    """Nothing else is touched: other layers keep their values, and all parameters stay the objects that they were."""
    a, b, c = trial.sizes(3, 5, 12)
    net = nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.Tanh(), nn.Linear(b, c))
    nn.init.uniform_(net.get_parameter("1.weight"), 2, 3)
    X = trial.tensor(100, a)
    trial.plan(
        tr(
            "Sequential(Linear({a}, {b}), LayerNorm({b}), Tanh(), Linear({b}, {c})), X of shape {shape}",
            a=a,
            b=b,
            c=c,
            shape=tuple(X.shape),
        ),
        nudge=tr("Only linear layers are to be scaled; others may have a weight, too."),
    )
    parameters, norm = dict(net.named_parameters()), net.get_parameter("1.weight").detach().clone()

    trial.call(answer, net, X)

    trial.require(
        all(net.get_parameter(name) is parameter for name, parameter in parameters.items()),
        expected=tr("the parameters that were there"),
        got=tr("new ones in their place"),
        remark=tr("Write into the parameters: an optimizer made earlier would train the old ones."),
    )
    trial.same(net.get_parameter("1.weight").detach(), norm, what=tr("the weight of LayerNorm"))
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    trial.require(
        not frozen, expected=tr("all parameters trainable"), got=tr("frozen: {frozen}", frozen=", ".join(frozen))
    )


_ONE_BY_ONE = N_("Each unit has a factor of its own: one factor is asked for, for a whole layer.")


@torch.no_grad()
def _stds(net: nn.Sequential, X: torch.Tensor) -> dict[int, float]:
    """Return the standard deviation of what each linear layer gives, by its place."""
    stds = {}
    for place, layer in enumerate(net):
        X = layer(X)
        if isinstance(layer, nn.Linear):
            stds[place] = X.std().item()
    return stds


def _close(one: float, other: float) -> bool:
    """Compare standard deviations; dividing by n or by n - 1 makes no difference here."""
    return abs(one - other) < 0.01 * other


@torch.no_grad()
def _about(net: nn.Sequential, start: nn.Sequential, X: torch.Tensor) -> str:
    """Name the mistake, if it is a known one."""
    stds, before = _stds(net, X), _stds(start, X)
    first, second, last = stds
    unchanged = torch.equal(net.get_parameter("2.weight"), start.get_parameter("2.weight"))
    known = {
        tr("Nothing has changed: the factor has to be written into the layers."): stds == before,
        tr("The second linear layer was skipped: its class is derived from nn.Linear, its type is another."): unchanged,
        tr("The layer was divided by the variance: its root, the standard deviation, is the factor."): _close(
            stds[first], 1 / before[first]
        ),
        tr(_ONE_BY_ONE): all(_close(std, 1) for std in net[0](X).std(0).tolist()),
        tr("The weights have standard deviation 1 now: look at what the layer gives on X."): _close(
            net.get_parameter("0.weight").std().item(), 1
        ),
        tr("That is measured behind the activation: the output of the linear layer itself is meant."): _close(
            stds[first], before[first] / start[:2](X).std().item()
        ),
        tr(
            "The first layer is right, later ones are not: measure a layer after those before it have been scaled."
        ): _close(stds[first], 1) and not (_close(stds[second], 1) and _close(stds[last], 1)),
    }
    return next((remark for remark, holds in known.items() if holds), "")


EXERCISE = Exercise(
    name="unit_variance_init",
    notebook="03_initialization",
    section="An initializer of your own",
    book=None,
    difficulty=4,
    minutes=25,
    task="Write a function that walks through an nn.Sequential and multiplies weight and bias of each linear layer by "
    "one factor, so that the layer's output on X, all entries together, has standard deviation 1.",
    stub=STUB,
    form=a_function,
    requirements=(scales_the_outputs, keeps_the_proportions, leaves_the_rest_alone),
    hints=(
        "If weight and bias of a layer are divided by 5, what becomes of its output?",
        "Go through the layers in order with the current X: measure what a linear layer makes of it, scale the layer, "
        "and only then let X pass through.",
        "Under torch.no_grad(): std = layer(X).std() for a linear layer, divide each of its parameters by it in place, "
        "then X = layer(X) for every layer.",
    ),
    solution=unit_variance_init,
    why="A linear layer's output is proportional to weight and bias taken together, so dividing both by its standard "
    "deviation makes that 1; X passes through the scaled layer before the next one is measured.",
)
