"""The layers that the book's initializers pass by."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def skipped_layers(net):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module], Any]


def skipped_layers(net: nn.Module) -> list[str]:
    """Name the linear layers of which type(m) == nn.Linear is not true."""
    return [name for name, m in net.named_modules() if isinstance(m, nn.Linear) and type(m) is not nn.Linear]


class Scaled(nn.Linear):
    """A linear layer of another class."""


def finds_subclasses(answer: Answer, trial: Trial) -> None:
    """Linear layers of derived classes are named, on every level of the net, with their full names."""
    a, b, c = trial.sizes(3)
    inner = nn.Sequential(nn.Linear(b, b), Scaled(b, c))
    net = nn.Sequential(Scaled(a, b), inner, nn.MultiheadAttention(c, 1))
    trial.plan(
        tr(
            "Sequential(Scaled({a}, {b}), Sequential(Linear({b}, {b}), Scaled({b}, {c})), "
            "MultiheadAttention({c}, 1)), where Scaled is derived from nn.Linear",
            a=a,
            b=b,
            c=c,
        ),
        nudge=tr("Which modules are an nn.Linear, and yet of another type? Look on every level."),
    )
    _require_named(_names(answer, net, trial), {"0", "1.1", "2.out_proj"}, trial)


def finds_lazy_ones(answer: Answer, trial: Trial) -> None:
    """A lazy linear layer that has not seen data is named: its class is still another."""
    a, b = trial.sizes(2)
    net = nn.Sequential(nn.LazyLinear(a), nn.ReLU(), nn.Sequential(nn.LazyLinear(b)))
    trial.plan(
        tr(
            "Sequential(LazyLinear({a}), ReLU(), Sequential(LazyLinear({b}))), before data has passed through", a=a, b=b
        ),
        nudge=tr("What is the type of a lazy layer, and what is it derived from?"),
    )
    _require_named(_names(answer, net, trial), {"0", "2.0"}, trial)


def names_no_others(answer: Answer, trial: Trial) -> None:
    """Nothing else is named: neither what would be filled, nor what is no linear layer."""
    a, b = trial.sizes(2)
    net = nn.Sequential(nn.LazyLinear(b), nn.Sequential(nn.ReLU(), nn.Linear(b, a)), nn.BatchNorm1d(a))
    net(torch.randn(2, a))
    net.append(nn.Bilinear(a, a, b)).append(nn.LazyConv1d(a, 1))
    trial.plan(
        tr(
            "Sequential(LazyLinear({b}) that has seen data, Sequential(ReLU(), Linear({b}, {a})), "
            "BatchNorm1d({a}), Bilinear({a}, {a}, {b}), LazyConv1d({a}, 1))",
            b=b,
            a=a,
        ),
        nudge=tr("Two questions about a module: is it a linear layer at all, and is it of exactly that type?"),
    )
    came = _names(answer, net, trial)

    filled = tr(
        "Of these type(m) == nn.Linear is true: they would be filled. A lazy layer becomes an nn.Linear with data."
    )
    trial.require(
        not came,
        expected=tr("an empty list: nothing in this net is skipped that ought to be filled"),
        got=tr("the names {came}", came=came),
        remark=filled if set(came) == {"0", "1.1"} else "",
    )


def _names(answer: Answer, net: nn.Module, trial: Trial) -> list[str]:
    """Call the answer, and see that it gives a list of names."""
    came = trial.call(answer, net)
    remark = (
        tr("It gave None: is a return missing?")
        if came is None
        else tr("Names are asked for, as named_modules() gives.")
    )
    trial.require(
        isinstance(came, list | tuple) and all(isinstance(name, str) for name in came),
        expected=tr("a list of names"),
        got=came,
        remark=remark,
    )
    return list(came)


def _require_named(came: list[str], expected: set[str], trial: Trial) -> None:
    """Require that these names are there."""
    missing = sorted(expected - set(came))
    only_top = bool(came) and not any("." in name for name in came) and all("." in name for name in missing)
    trial.require(
        not missing,
        expected=tr("the names {expected}", expected=", ".join(map(repr, sorted(expected)))),
        got=tr("a list without {missing}", missing=", ".join(map(repr, missing))),
        remark=tr("Only the outermost level was searched: children() stops there.") if only_top else "",
    )


EXERCISE = Exercise(
    name="skipped_layers",
    notebook="03_initialization",
    section="`type(m) ==` or `isinstance`?",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns the names of all linear layers of a net, lazy ones included, that an "
    "initializer with the test type(m) == nn.Linear would skip.",
    stub=STUB,
    form=a_function,
    requirements=(finds_subclasses, finds_lazy_ones, names_no_others),
    hints=(
        "Of which modules is one of type(m) == nn.Linear and isinstance(m, nn.Linear) true, and the other not?",
        "named_modules() goes through all levels and gives each module with its full name.",
        "Keep a name if its module is an instance of nn.Linear while its type is another: two conditions with and.",
    ),
    solution=skipped_layers,
    why="isinstance is true for a class and all that is derived from it, nn.LazyLinear included; == on types is true "
    "for the class alone; what passes the first test and not the second is skipped.",
)
