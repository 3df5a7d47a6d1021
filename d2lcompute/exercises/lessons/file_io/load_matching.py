"""Loading what fits, and saying what did not."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import N_, Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def load_matching(net, state_dict):
    raise NotImplementedError
"""

State = dict[str, torch.Tensor]
Answer = Callable[[nn.Module, State], Any]


def load_matching(net: nn.Module, state_dict: dict[str, torch.Tensor]) -> list[str]:
    """Load the entries that the net has under the same name in the same shape; return the names of the others."""
    own = net.state_dict()
    fitting = {name: value for name, value in state_dict.items() if name in own and value.shape == own[name].shape}
    net.load_state_dict(fitting, strict=False)
    return [name for name in state_dict if name not in fitting]


def loads_what_fits(answer: Answer, trial: Trial) -> None:
    """Each entry whose name and shape the net has is in the net afterwards, buffers too."""
    net, state, others = _net_and_state(trial)
    trial.nudge = tr("Which of the entries fit, and how do they come into the net itself?")
    before = _copied(net.state_dict())

    trial.call(answer, net, state)

    for name in (name for name in state if name not in others):
        remark = tr(
            "{name} is as it was: writing into a dict, or making a new one, does not change the net.", name=name
        )
        if name == "1.running_mean":
            remark = tr(
                "{name} is as it was: a net has buffers besides its parameters, and state_dict() lists both.", name=name
            )
        trial.same(net.state_dict()[name], state[name], what=name, mistakes={remark: before[name]})


def leaves_what_does_not_fit(answer: Answer, trial: Trial) -> None:
    """Everything else in the net keeps its values, also where PyTorch could stretch or reorder what came."""
    net, state, _ = _net_and_state(trial)
    out, hidden = net.state_dict()["3.weight"].shape
    state |= {"3.weight": trial.tensor(hidden, out), "3.bias": trial.tensor(1)}
    trial.plan(
        tr(
            "{text}, where 3.weight is {shape} instead of {shape2}, and 3.bias (1,)",
            text=tr(_TEXT),
            shape=(hidden, out),
            shape2=(out, hidden),
        ),
        nudge=tr("Shapes are the same if all their numbers are, in their order."),
    )
    before = _copied(net.state_dict())
    stretched = tr("copy_ has stretched a tensor of shape (1,): what can be broadcast is not of the same shape.")
    reordered = tr("The number of elements is the same, the shape is not: they would come into other places.")
    reports = {
        "0.bias": {},
        "3.weight": {reordered: state["3.weight"].reshape(out, hidden)},
        "3.bias": {stretched: state["3.bias"].expand(out)},
    }

    trial.call(answer, net, state)

    for name, mistakes in reports.items():
        trial.same(net.state_dict()[name], before[name], what=name, mistakes=mistakes)


def names_the_others(answer: Answer, trial: Trial) -> None:
    """The names of the entries that were not loaded come as a list, in the order of the state_dict."""
    net, state, others = _net_and_state(trial)
    trial.nudge = tr("Go through the state_dict from its first name to its last: which were left out?")
    own = list(net.state_dict())

    came = trial.call(answer, net, state)

    mistakes = {
        tr("These are the net's names that got nothing: asked for are names of the state_dict."): [
            name for name in own if name not in state or name in others
        ],
        tr("These are the names that were loaded."): [name for name in state if name not in others],
        tr("An entry that the net does not know was not loaded either."): [name for name in others if name in own],
        tr("An entry whose shape does not fit was not loaded either."): [name for name in others if name not in own],
        tr("The order is another one: keep that of the state_dict."): sorted(others),
    }
    trial.same(came, others, mistakes=mistakes)


def leaves_the_state_dict(answer: Answer, trial: Trial) -> None:
    """The state_dict is left as it was, also when the net changes later on."""
    net, state, _ = _net_and_state(trial)
    trial.nudge = tr("The caller may want to load the same state_dict into the next net.")
    before = _copied(state)

    trial.call(answer, net, state)

    trial.require(
        list(state) == list(before),
        expected=tr("a state_dict of {before_count} entries, as before", before_count=len(before)),
        got=tr("one of {state_count}", state_count=len(state)),
        remark=tr("Entries were taken out of the caller's dict: make a dict of your own."),
    )
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            tensor.add_(1)
    remark = tr("The net has taken the tensors themselves: whatever changes the net now changes the state_dict, too.")
    for name, value in before.items():
        what = tr("{name} in the state_dict, after 1 was added to all that the net holds", name=name)
        trial.same(state[name], value, what=what, mistakes={remark: value + 1})


_TEXT = N_("a state_dict that lacks 0.bias and has two names more")


def _net_and_state(trial: Trial) -> tuple[nn.Sequential, State, list[str]]:
    """Build a net and a state_dict that fits in part; return both, and the names that do not fit, in their order."""
    width, hidden, out, other_out = trial.sizes(4)
    trial.plan(
        tr(
            "{text}, and 3.weight and 3.bias for {other_out} outputs instead of {out}",
            text=tr(_TEXT),
            other_out=other_out,
            out=out,
        ),
        nudge="",
    )
    net, other = (
        nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, size))
        for size in (out, other_out)
    )
    state = {"teacher.weight": trial.tensor(out), **other.state_dict(), "head.bias": trial.tensor(out)}
    state["1.running_mean"] = trial.tensor(hidden)
    del state["0.bias"]
    return net, state, ["teacher.weight", "3.weight", "3.bias", "head.bias"]


def _copied(state: dict[str, Any]) -> State:
    """Return a snapshot of a state_dict."""
    return {name: value.clone() for name, value in state.items()}


EXERCISE = Exercise(
    name="load_matching",
    notebook="06_file_io",
    section="Another dtype",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that loads those entries of a state_dict whose name and shape the net has, leaves the rest "
    "of the net as it is, and returns the names that were not loaded, in the state_dict's order.",
    stub=STUB,
    form=a_function,
    requirements=(loads_what_fits, leaves_what_does_not_fit, names_the_others, leaves_the_state_dict),
    hints=(
        "For which entries does load_state_dict raise an error, in spite of strict=False?",
        "Pick the entries whose name is in net.state_dict() and whose shape is the same there, and load these.",
        "fitting = a new dict of them; net.load_state_dict(fitting, strict=False); the names of state_dict that "
        "are not in it.",
    ),
    solution=load_matching,
    why="strict=False forgives names and no shapes, so only what fits in both is handed over; net.state_dict() knows "
    "parameters and buffers, and loading copies the values into them.",
)
