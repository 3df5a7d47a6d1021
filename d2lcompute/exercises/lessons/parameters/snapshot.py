"""A net's values, kept while training goes on."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, shown, tr

__all__ = ["EXERCISE"]

STUB = """\
def snapshot(net):
    raise NotImplementedError
"""

State = dict[str, torch.Tensor]
Answer = Callable[[nn.Module], Any]


def snapshot(net: nn.Module) -> dict[str, torch.Tensor]:
    """Copy the net's state_dict."""
    return {name: values.clone() for name, values in net.state_dict().items()}


def holds_all_values(answer: Answer, trial: Trial) -> None:
    """The result has all names and values of net.state_dict(), so that it can be loaded back."""
    net = _net(trial, nudge=tr("What does load_state_dict expect to find, besides the parameters?"))

    came = _state(answer, net, trial)

    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}
    lost = tr("Only the parameters are there: buffers, such as a running mean, are part of the net's state too.")
    trial.same(_sorted(came), _sorted(net.state_dict()), mistakes={lost: _sorted(parameters)})


def stays_as_it_is(answer: Answer, trial: Trial) -> None:
    """Training goes on, and the values in the result stay what they were: those of parameters and those of buffers."""
    net = _net(
        trial, tr("looked at after a training step"), nudge=tr("Whose memory do the values of the result lie in?")
    )
    before = copy.deepcopy(net.state_dict())

    came = _state(answer, net, trial)

    _train(net, trial)
    moved = [name for name in before if name in came and not torch.equal(came[name], before[name])]
    remark = tr("Parameters were copied, buffers were not: a running mean is changed in place, too.")
    trial.require(
        not moved,
        expected=tr("all values as before the step"),
        got=tr("changed by the step: {moved}", moved=", ".join(moved)),
        remark="" if any("weight" in name or "bias" in name for name in moved) else remark,
    )


def keeps_no_history(answer: Answer, trial: Trial) -> None:
    """The values are plain ones: they require no gradient, and hold no record of how they were made."""
    net = _net(trial, nudge=tr("What does state_dict() leave out of a parameter?"))

    came = _state(answer, net, trial)

    recorded = [name for name, values in came.items() if values.requires_grad]
    trial.require(
        not recorded,
        expected=tr("values that require no gradient"),
        got=tr("require a gradient: {recorded}", recorded=", ".join(recorded)),
        remark=tr(
            "A clone of a parameter is recorded as computed from it: what is computed with it later "
            "would send gradients back into the net. state_dict() gives values without that."
        ),
    )


def _net(trial: Trial, what: str = "", *, nudge: str) -> nn.Module:
    """Draw a net with parameters and buffers, trained for one step."""
    a, b = trial.sizes(2)
    net = nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.Linear(b, 1))
    text = tr("snapshot of Sequential(Linear({a}, {b}), BatchNorm1d({b}), Linear({b}, 1))", a=a, b=b)
    trial.plan(tr("{net}, {what}", net=text, what=what) if what else text, nudge=nudge)
    _train(net, trial)
    return net


def _train(net: nn.Module, trial: Trial) -> None:
    """Take one step, which changes every parameter and every buffer."""
    net(trial.tensor(8, net[0].in_features)).square().mean().backward()  # type: ignore[index]
    torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1).step()


def _state(answer: Answer, net: nn.Module, trial: Trial) -> State:
    """Call the answer, and see that it gives a dict of tensors."""
    came = trial.call(answer, net)
    remark = tr("Give back names and values, as net.state_dict() does.")
    if isinstance(came, nn.Module):
        remark = tr("That is a whole net: only its state is asked for, which load_state_dict can load.")
    elif came is None:
        remark = tr("It gave None: is a return missing?")
    trial.require(
        isinstance(came, dict) and all(isinstance(values, torch.Tensor) for values in came.values()),
        expected=tr("a dict from names to tensors"),
        got=shown(came),
        remark=remark,
    )
    return came


def _sorted(state: State) -> State:
    """Return a dict in the order of its names: any order can be loaded."""
    return dict(sorted(state.items()))


EXERCISE = Exercise(
    name="snapshot",
    notebook="02_parameters",
    section="`state_dict`: what a net would save",
    book=None,
    difficulty=2,
    minutes=5,
    task="Write a function that returns a net's state_dict so that later training does not change what was returned.",
    stub=STUB,
    form=a_function,
    requirements=(holds_all_values, stays_as_it_is, keeps_no_history),
    hints=(
        "An optimizer writes the new values into the memory of the old ones: who else looks into that memory?",
        "Take net.state_dict(), and give every tensor in it memory of its own.",
        "A dict comprehension over net.state_dict().items() with clone() for each, or copy.deepcopy of the whole.",
    ),
    solution=snapshot,
    why="state_dict() has all parameters and buffers, detached, but in the net's own memory; clone() gives each tensor "
    "memory of its own, which no optimizer and no forward pass writes into.",
)
