"""How many parameters tying saves."""

from collections.abc import Callable
from typing import Any

from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def why_share(net):
    raise NotImplementedError
"""


def why_share(net: nn.Module) -> tuple[int, int]:
    """Count a net's parameters as they are tied, and as if every place had its own."""
    tied = sum(parameter.numel() for parameter in net.parameters())
    untied = sum(parameter.numel() for _, parameter in net.named_parameters(remove_duplicate=False))
    return tied, untied


def counts_what_is_there(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """The first number counts each parameter once, however many places use it."""
    net, tied, untied = _tied_net(trial)

    came = _pair(answer, net, trial)[0]

    mistakes = {
        tr("A parameter that is used in several places is there only once."): untied,
        tr(
            "These are the parameters of every module and of all modules inside it: most are counted more than once."
        ): sum(parameter.numel() for module in net.modules() for parameter in module.parameters()),
        tr("These are tensors. How many numbers are in them?"): len(list(net.parameters())),
        tr("Frozen parameters are missing: they are not trained now, but they are there."): sum(
            parameter.numel() for parameter in net.parameters() if parameter.requires_grad
        ),
    }
    trial.same(came, tied, what=tr("the number of parameters with tying"), mistakes=mistakes)


def counts_each_place(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """The second number counts a parameter once for each place that uses it."""
    net, tied, untied = _tied_net(trial)

    came = _pair(answer, net, trial)[1]

    mistakes = {
        tr("parameters() gives a shared parameter once; here each place counts."): tied,
        tr("Buffers are counted too: state_dict() holds more than parameters."): sum(
            tensor.numel() for tensor in net.state_dict().values()
        ),
    }
    trial.same(came, untied, what=tr("the number of parameters without tying"), mistakes=mistakes)


def _tied_net(trial: Trial) -> tuple[nn.Module, int, int]:
    """Draw a net that uses one layer several times, and one weight in two layers; return it with both counts."""
    d, h = trial.sizes(2, 3, 9)
    places = trial.size(2, 3)  # with four, two mistakes may give the same number
    shared = nn.Linear(h, h)
    decoder = nn.Linear(h, h)
    decoder.weight = shared.weight
    inner = nn.Sequential(*[shared] * places, nn.BatchNorm1d(h))
    net = nn.Sequential(nn.Linear(d, h).requires_grad_(False), inner, decoder)
    trial.plan(
        tr(
            "Linear({d}, {h}) frozen, {places} times one Linear({h}, {h}), BatchNorm1d({h}), a Linear with its weight",
            d=d,
            h=h,
            places=places,
        ),
        nudge=tr("Which objects are there, and in how many places does each of them stand?"),
    )
    rest = d * h + h + 2 * h  # the first layer and the normalisation
    return net, rest + h * h + 2 * h, rest + places * (h * h + h) + h * h + h


def _pair(answer: Callable[[nn.Module], Any], net: nn.Module, trial: Trial) -> Any:
    """Call the answer, and see that it gives two things."""
    came = trial.call(answer, net)
    two = isinstance(came, tuple | list) and len(came) == 2
    trial.require(
        two, expected=tr("a tuple of two integers"), got=came, remark=tr("Return both numbers: with tying, without.")
    )
    return came


EXERCISE = Exercise(
    name="why_share",
    notebook="02_parameters",
    section="Count and list",
    book=("5.2.4", "6.2.3"),
    difficulty=2,
    minutes=10,
    task="Write a function that counts a net's parameters as they are tied, and as if every place had its own.",
    stub=STUB,
    form=a_function,
    requirements=(counts_what_is_there, counts_each_place),
    hints=(
        "If one layer with 12 parameters stands in three places, how many parameters does the net have?",
        "net.parameters() leaves duplicates out; when parameters are listed by name, an option keeps them.",
        "Sum numel() over net.parameters(), and over net.named_parameters(remove_duplicate=False).",
    ),
    solution=why_share,
    why="A tied parameter is one object with several names: parameters() yields the object once, "
    "named_parameters(remove_duplicate=False) yields it under each name; what they differ by is what sharing saves.",
)
