"""Kaiming initialization for every linear layer, and for nothing else."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def more_initializers(net):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module], Any]


def more_initializers(net: nn.Module) -> None:
    """Fill each linear layer: its weight from Kaiming's normal distribution for ReLU, its bias with 0."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class Scaled(nn.Linear):
    """A linear layer of another class."""


def draws_the_weights(answer: Answer, trial: Trial) -> None:
    """Each linear weight, on every level, comes from the normal distribution with mean 0 and variance 2 / inputs."""
    n = trial.choice((300, 320, 340))
    net = nn.Sequential(nn.Linear(n, 100), nn.ReLU(), nn.Sequential(nn.Linear(100, n)))
    trial.plan(
        f"Sequential(Linear({n}, 100), ReLU(), Sequential(Linear(100, {n})))",
        nudge=tr("Kaiming's rule looks at the inputs of a layer, and ReLU asks for a gain of its own."),
    )

    trial.call(answer, net)

    _judge(net.get_parameter("0.weight"), "0.weight", trial)
    _judge(net.get_parameter("2.0.weight"), "2.0.weight", trial)


def finds_subclasses(answer: Answer, trial: Trial) -> None:
    """A layer of a class that is derived from nn.Linear is filled like any linear layer."""
    n = trial.choice((300, 320, 340))
    net = nn.Sequential(Scaled(n, 100), nn.ReLU())
    trial.plan(
        tr("Sequential(Scaled({n}, 100), ReLU()), where Scaled is derived from nn.Linear", n=n),
        nudge=tr("What does type(layer) give for a layer of a derived class?"),
    )
    before = net.get_parameter("0.weight").detach().clone()

    trial.call(answer, net)

    weight = net.get_parameter("0.weight")
    trial.require(
        not torch.equal(weight, before),
        expected=tr("a weight with new values"),
        got=tr("the weight as it was"),
        remark=tr(
            "The layer was skipped without a word: its type is Scaled. isinstance sees that it is an nn.Linear too."
        ),
    )
    _judge(weight, "0.weight", trial)


def empties_the_biases(answer: Answer, trial: Trial) -> None:
    """Each bias is 0 afterwards, and a layer without one is no obstacle."""
    a, b, c = trial.sizes(3)
    net = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c, bias=False), nn.ReLU(), nn.Linear(c, a))
    trial.plan(
        f"Sequential(Linear({a}, {b}), ReLU(), Linear({b}, {c}, bias=False), ReLU(), Linear({c}, {a}))",
        nudge=tr("Which values has a new bias, and what is layer.bias of a layer that has none?"),
    )

    trial.call(answer, net)

    for name in ("0.bias", "4.bias"):
        bias = net.get_parameter(name).detach()
        trial.same(bias, torch.zeros_like(bias), what=name)


def leaves_the_rest_alone(answer: Answer, trial: Trial) -> None:
    """Nothing else is touched: other layers keep their values, and no parameter is replaced by a new one."""
    n = trial.size()
    net = nn.Sequential(nn.Embedding(n, n), nn.Conv1d(n, n, 3), nn.BatchNorm1d(n), nn.Linear(n, n))
    trial.plan(
        f"Sequential(Embedding({n}, {n}), Conv1d({n}, {n}, 3), BatchNorm1d({n}), Linear({n}, {n}))",
        nudge=tr("Which layers are linear ones? Others have a weight and a bias, too."),
    )
    nn.init.normal_(net.get_parameter("2.bias"))
    parameters = dict(net.named_parameters())
    before = {name: values.clone() for name, values in net.state_dict().items() if not name.startswith("3.")}

    trial.call(answer, net)

    for name, values in before.items():
        trial.same(net.state_dict()[name], values, what=name)
    trial.require(
        all(net.get_parameter(name) is parameter for name, parameter in parameters.items()),
        expected=tr("the parameters that were there"),
        got=tr("new ones in their place"),
        remark=tr("Fill a parameter in place: an optimizer made earlier would train the old one."),
    )


def _judge(weight: torch.Tensor, name: str, trial: Trial) -> None:
    """Compare many draws with the distribution: mean, standard deviation, and the share of large values."""
    weight = weight.detach()
    outputs, inputs = weight.shape
    expected, std = (2 / inputs) ** 0.5, weight.std().item()
    mistakes = {
        tr("These are the values that nn.Linear starts with."): (1 / (3 * inputs)) ** 0.5,
        tr("That is 2 / outputs: Kaiming's default, fan_in, counts the inputs."): (2 / outputs) ** 0.5,
        tr("That is Xavier's rule: it looks at inputs and outputs, and knows of no ReLU."): (2 / (inputs + outputs))
        ** 0.5,
        tr("The gain for ReLU is missing: ReLU drops half of the values, so the variance is doubled."): inputs**-0.5,
        tr("2 / inputs is the variance; the standard deviation is its root."): 2 / inputs,
        tr("That is the standard deviation of init_normal, whatever the number of inputs."): 0.01,
    }
    remark = next((each for each, value in mistakes.items() if abs(std / value - 1) < 0.04), "")
    trial.require(
        abs(std / expected - 1) < 0.04,
        expected=tr(
            "{name}: standard deviation {expected:.4f}, the root of 2 / {inputs}",
            name=name,
            expected=expected,
            inputs=inputs,
        ),
        got=tr("{name}: standard deviation {std:.4f}", name=name, std=std),
        remark=remark,
    )
    mean = weight.mean().item()
    trial.require(
        abs(mean) < 0.06 * expected,
        expected=tr("{name}: mean 0", name=name),
        got=tr("{name}: mean {mean:.4f}", name=name, mean=mean),
        remark=remark,
    )
    share = (weight.abs() > 2 * expected).double().mean().item()
    trial.require(
        0.03 < share < 0.06,
        expected=tr("{name}: 4.6 % of the values beyond two standard deviations", name=name),
        got=tr("{name}: {value:.1f} % of them", name=name, value=100 * share),
        remark=tr("The spread is right, the shape is not: a uniform distribution ends, a normal one has tails."),
    )


EXERCISE = Exercise(
    name="more_initializers",
    notebook="03_initialization",
    section="A different initializer for each layer",
    book=("5.2.2", "6.3.1"),
    difficulty=2,
    minutes=15,
    task="Look up Kaiming's initializer in torch.nn.init, and write a function that fills a net with it: every linear "
    "weight, subclasses too, from the normal distribution for ReLU, every linear bias with 0, and nothing else.",
    stub=STUB,
    form=a_function,
    requirements=(draws_the_weights, finds_subclasses, empties_the_biases, leaves_the_rest_alone),
    hints=(
        "Which question about a layer is answered with yes for nn.Linear and for classes derived from it?",
        "Go through net.modules(); torch.nn.init has a function for each distribution, and nonlinearity sets the gain.",
        "For each module with isinstance(module, nn.Linear): nn.init.kaiming_normal_(module.weight, "
        'nonlinearity="relu"), and nn.init.zeros_ for the bias, unless it is None.',
    ),
    solution=more_initializers,
    why="net.modules() meets every module on every level, isinstance keeps the linear ones and their subclasses, and "
    "the functions of nn.init write in place: variance 2 / inputs makes up for the half that ReLU drops.",
)
