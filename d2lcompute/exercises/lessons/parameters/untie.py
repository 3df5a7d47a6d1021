"""A net without ties."""

# mypy: disable-error-code="arg-type"
# _modules may hold None: the solution stays as a learner would write it.

from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import N_, Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def untie(net):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module], Any]


def untie(net: nn.Module) -> nn.Module:
    """Copy a net; in the copy there is a parameter of its own under each name."""
    import copy

    net = copy.deepcopy(net)
    for name, child in net._modules.items():
        setattr(net, name, untie(child))
    for name, parameter in net.named_parameters(recurse=False, remove_duplicate=False):
        setattr(net, name, copy.deepcopy(parameter))
    return net


def unties_every_place(answer: Answer, trial: Trial) -> None:
    """In the copy there is a parameter of its own, with memory of its own, under each name."""
    for text, net, _ in _nets(trial):
        trial.plan(text, nudge=tr("Which names does the net have, if duplicates are kept, and must the copy have?"))
        came = _named(_net(answer, net, trial))
        trial.same(list(came), list(_named(net)), what=tr("the names, duplicates kept"))
        for one, other in combinations(came, 2):
            trial.require(
                came[one] is not came[other],
                expected=tr("{one} and {other} are two parameters", one=one, other=other),
                got=tr("one parameter under both names"),
                remark=tr(_IN_ONE_MODULE) if one.rpartition(".")[0] == other.rpartition(".")[0] else tr(_IN_TWO_PLACES),
            )
            trial.require(
                _memory(came[one]) != _memory(came[other]),
                expected=tr("{one} and {other} have memory of their own", one=one, other=other),
                got=tr("two parameters in one piece of memory"),
                remark=tr("Two objects that share their memory still change together: clone what they hold."),
            )


def computes_the_same(answer: Answer, trial: Trial) -> None:
    """The copy gives the outputs that the net gives, and what was frozen is frozen in it."""
    for text, net, X in _nets(trial):
        trial.plan(
            tr("{text}, on X of shape {shape}", text=text, shape=tuple(X.shape)),
            nudge=tr("Which values does each place begin with?"),
        )
        came = _net(answer, net, trial)
        trial.same(trial.call(came, X), net(X))
        frozen = [[name for name, each in _named(one).items() if not each.requires_grad] for one in (came, net)]
        remark = tr("nn.Parameter(values) is trainable unless it is told otherwise: this one was not.")
        trial.same(frozen[0], frozen[1], what=tr("the names of what is frozen"), mistakes={remark: []})


def leaves_the_net_alone(answer: Answer, trial: Trial) -> None:
    """The net that was handed over stays as it is: tied, and with memory that the copy does not look into."""
    for text, net, _ in _nets(trial):
        trial.plan(
            tr("{text}, the net itself afterwards", text=text),
            nudge=tr("Is what you change a part of the copy, or of the net?"),
        )
        before = _named(net)
        came = _net(answer, net, trial)
        after = _named(net)
        trial.require(
            list(after) == list(before) and all(after[name] is before[name] for name in before),
            expected=tr("the net has the parameters that it had"),
            got=tr("other parameters, or other names"),
            remark=tr("The net itself was untied: its owner wanted it tied."),
        )
        shared = {_memory(each) for each in before.values()} & {_memory(each) for each in _named(came).values()}
        trial.require(
            not shared,
            expected=tr("a copy with memory of its own"),
            got=tr("a copy that shares memory with the net"),
            remark=tr("Training the copy would change the net."),
        )


_IN_ONE_MODULE = N_("Both names belong to one module, so copying modules one by one does not part them.")
_IN_TWO_PLACES = N_(
    "It still stands in both places. A deep copy keeps what is tied, and children() and parameters() meet a thing only "
    "once, in however many places it stands."
)


class _TwoNames(nn.Module):
    """One parameter under two names of one module."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.randn(width))
        self.shift = self.gain

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X * self.gain + self.shift


def _nets(trial: Trial) -> list[tuple[str, nn.Module, torch.Tensor]]:
    """Draw nets that are tied in three ways, each with an input."""
    width = trial.size()
    shared, first, last = (nn.Linear(width, width) for _ in range(3))
    last.weight = first.weight
    first.bias.requires_grad_(False)
    layers = f"Linear({width}, {width})"
    chosen = (
        (
            tr("Sequential(a, Tanh(), a, Sequential(a, Tanh()), a) with one a = {layers}", layers=layers),
            nn.Sequential(shared, nn.Tanh(), shared, nn.Sequential(shared, nn.Tanh()), shared),
        ),
        (
            tr("two {layers} with one weight and two biases, the first bias frozen", layers=layers),
            nn.Sequential(first, nn.Tanh(), last),
        ),
        (tr("a module with one parameter under the names gain and shift"), _TwoNames(width)),
    )
    return [(text, net, trial.tensor(trial.size(), width)) for text, net in chosen]


def _net(answer: Answer, net: nn.Module, trial: Trial) -> nn.Module:
    """Call the answer, and see that it gives a net."""
    came = trial.call(answer, net)
    remark = (
        tr("It gave None: is a return missing?") if came is None else tr("Return the copy, a net like the one given.")
    )
    trial.require(isinstance(came, nn.Module), expected=tr("a net"), got=came, remark=remark)
    return came


def _named(net: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameter under each name, tied ones under all of theirs."""
    return dict(net.named_parameters(remove_duplicate=False))


def _memory(parameter: nn.Parameter) -> int:
    """Return where a parameter's memory begins."""
    return parameter.untyped_storage().data_ptr()


EXERCISE = Exercise(
    name="untie",
    notebook="02_parameters",
    section="Which names are tied?",
    book=None,
    difficulty=4,
    minutes=30,
    task="Write a function that returns a copy of a net in which no two names share a parameter, whether layers or "
    "parameters were tied; it computes the same, and the net itself stays as it is.",
    stub=STUB,
    form=a_function,
    requirements=(unties_every_place, computes_the_same, leaves_the_net_alone),
    hints=(
        "If one layer stands in two places of a copy, what must happen before its weight can be two weights?",
        "Untie from the top down: copy the net, then let each place hold an untied copy of what it holds; _modules "
        "lists each place, children() does not.",
        "After copy.deepcopy(net): setattr(net, name, untie(child)) for the items of net._modules, then a deepcopy of "
        "each of the module's own parameters, duplicates kept.",
    ),
    solution=untie,
    why="Each place gets the result of a call of its own, which begins with a deep copy, so nothing in one place can "
    "be an object of another place; what is left are parameters with two names in one module, and the second loop "
    "copies these one by one.",
)
