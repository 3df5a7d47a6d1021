"""Whether anything in a net still waits for its shape."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def is_materialized(net):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module], Any]


def is_materialized(net: nn.Module) -> bool:
    """Tell whether each parameter and each buffer has its shape."""
    from torch.nn.parameter import is_lazy

    return not any(is_lazy(tensor) for tensor in (*net.parameters(), *net.buffers()))


def sees_what_is_open(answer: Answer, trial: Trial) -> None:
    """The answer is False as long as a single parameter or buffer has no shape, however deep in the net it is."""
    width, hidden = trial.sizes(2)
    deep = nn.Sequential(nn.Linear(width, hidden), nn.Sequential(nn.ReLU(), nn.Sequential(nn.LazyLinear(1))))
    reached = nn.ModuleDict({"body": nn.LazyLinear(hidden), "extra": nn.LazyLinear(1)})
    reached["body"](torch.zeros(1, width))
    _try(answer, trial, nn.LazyLinear(hidden), f"LazyLinear({hidden})", False, "")
    remark = tr("Data has passed one of the layers and not the other: all of them have to be ready.")
    _try(answer, trial, reached, tr("a net of two lazy layers, one of which has seen data"), False, remark)
    remark = tr("A lazy layer stands inside a part of a part: look at any depth.")
    _try(answer, trial, deep, tr("a LazyLinear two levels deep in a net"), False, remark)
    remark = tr("This layer has no parameters. What else does a module register that has a shape?")
    _try(answer, trial, nn.LazyBatchNorm1d(affine=False), "LazyBatchNorm1d(affine=False)", False, remark)


def sees_what_is_settled(answer: Answer, trial: Trial) -> None:
    """The answer is True where all have their shapes, in whatever way they came by them."""
    width, hidden = trial.sizes(2)
    run, loaded = (nn.Sequential(nn.LazyLinear(hidden), nn.LazyBatchNorm1d(affine=False)) for _ in range(2))
    run(torch.zeros(2, width))
    _try(answer, trial, run, tr("a net with LazyLinear({hidden}), after its dry run", hidden=hidden), True, "")
    _try(answer, trial, nn.Sequential(nn.ReLU(), nn.Flatten()), tr("a net without parameters"), True, "")
    empty = nn.Linear(width, hidden)
    empty.register_buffer("seen", torch.empty(0))
    remark = tr("A tensor of shape (0,) has a shape: what waits for one is another kind of tensor.")
    _try(
        answer,
        trial,
        empty,
        tr("Linear({width}, {hidden}) with a buffer of shape (0,)", width=width, hidden=hidden),
        True,
        remark,
    )
    loaded.load_state_dict(run.state_dict())
    remark = tr("A state_dict brings the shapes, too: the class is still the lazy one, the parameters are not.")
    _try(answer, trial, loaded, tr("a lazy net that has loaded the values of a ready one"), True, remark)


def _try(answer: Answer, trial: Trial, net: nn.Module, text: str, expected: bool, remark: str) -> None:
    """Ask about one net."""
    trial.plan(text, nudge=tr("What tells a placeholder from a tensor that has its shape?"))
    trial.same(trial.call(answer, net), expected, mistakes={remark: not expected} if remark else {})


EXERCISE = Exercise(
    name="is_materialized",
    notebook="04_lazy_initialization",
    section="What works before the dry run",
    book=None,
    difficulty=1,
    minutes=5,
    task="Write a function that tells whether a net is ready: no parameter and no buffer in it, at any depth, still "
    "waits for its shape.",
    stub=STUB,
    form=a_function,
    requirements=(sees_what_is_open, sees_what_is_settled),
    hints=(
        "Which question has a placeholder a true answer to: its shape, its size(), or is_lazy?",
        "net.parameters() and net.buffers() reach every depth; ask each tensor, not each layer.",
        "It is ready if not any(is_lazy(tensor) ...), over the parameters and over the buffers.",
    ),
    solution=is_materialized,
    why="A placeholder is a class of its own, so is_lazy tells it from any tensor, also from an empty one; "
    "parameters() and buffers() list placeholders like all others, at any depth.",
)
