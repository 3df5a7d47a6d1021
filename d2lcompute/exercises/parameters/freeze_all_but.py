"""Training a part of a net, chosen by name."""

from collections.abc import Callable
from typing import Any

from torch import nn

from d2lcompute.exercises._exercise import Exercise, WrongAnswer
from d2lcompute.exercises._forms import a_function
from d2lcompute.exercises._trial import Trial

__all__ = ["EXERCISE"]

STUB = """\
def freeze_all_but(net, prefix):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, str], Any]


def freeze_all_but(net: nn.Module, prefix: str) -> list[str]:
    """Train only the parameters whose names begin with prefix; return these names."""
    trained = []
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith(prefix))
        if parameter.requires_grad:
            trained.append(name)
    return trained


def freezes_the_others(answer: Answer, trial: Trial) -> None:
    """Parameters whose names do not begin with prefix are frozen: they require no gradient."""
    for prefix in _PREFIXES:
        net = _net(trial, prefix, nudge="A name tells the way from the outermost block inwards: where does it begin?")
        trial.call(answer, net, prefix)

        others = [name for name, _ in net.named_parameters() if not name.startswith(prefix)]
        left = [name for name in others if net.get_parameter(name).requires_grad]
        nothing = (
            "Nothing was frozen: requires_grad is a property of parameters. On a module it is an attribute that nobody "
            "reads, and on the values in state_dict() it changes other tensor objects than the net's."
        )
        trial.require(
            not left,
            expected=f"frozen: {', '.join(others)}",
            came=f"still trainable: {', '.join(left)}",
            remark=nothing if left == others else "",
        )


def trains_the_chosen(answer: Answer, trial: Trial) -> None:
    """Parameters whose names begin with prefix are trainable, also if they were frozen before."""
    for prefix in _PREFIXES:
        for frozen in (False, True):
            state = "all of it frozen before" if frozen else "none of it frozen before"
            net = _net(trial, prefix, state, nudge="Which names begin with the prefix? All of them are to be trained.")
            net.requires_grad_(not frozen)
            trial.call(answer, net, prefix)

            chosen = [name for name, _ in net.named_parameters() if name.startswith(prefix)]
            lost = [name for name in chosen if not net.get_parameter(name).requires_grad]
            remark = "What was frozen earlier stays frozen: thaw what is to be trained now."
            trial.require(
                not lost,
                expected=f"trainable: {', '.join(chosen)}",
                came=f"frozen: {', '.join(lost)}",
                remark=remark if frozen else "",
            )


def returns_the_names(answer: Answer, trial: Trial) -> None:
    """The result is the list of the names of all trainable parameters, in the net's order."""
    for prefix in _PREFIXES:
        net = _net(trial, prefix, nudge="Return the full names, as named_parameters() gives them, in a list.")
        names = [name for name, _ in net.named_parameters()]
        chosen = [name for name in names if name.startswith(prefix)]

        came = trial.call(answer, net, prefix)

        mistakes = {
            "These are the names of those that were frozen.": [name for name in names if name not in chosen],
            "The names have lost their beginning: get_parameter(name) would not find them.": [
                name.removeprefix(prefix) for name in chosen
            ],
            "These are all names, not only those that begin with the prefix.": names,
        }
        trial.same(came, chosen, mistakes=mistakes)


_PREFIXES = ("1.", "0.1.")


def _net(trial: Trial, prefix: str, state: str = "", *, nudge: str) -> nn.Module:
    """Draw a nested net in which "1." is also a part of other names."""
    a, b, c = trial.sizes(3)
    net = nn.Sequential(nn.Sequential(nn.Linear(a, b), nn.Linear(b, b)), nn.Linear(b, c))
    text = f"Sequential(Sequential(Linear({a}, {b}), Linear({b}, {b})), Linear({b}, {c}))"
    trial.plan(f"prefix {prefix!r}, net {text}{', ' if state else ''}{state}", nudge=nudge)
    return net


def _contains(net: nn.Module, prefix: str) -> Any:
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(prefix in name)
    return [name for name, _ in net.named_parameters() if name.startswith(prefix)]


def _first_part(net: nn.Module, prefix: str) -> Any:
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.split(".")[0] == prefix.strip("."))
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


def _modules(net: nn.Module, prefix: str) -> Any:
    for name, module in net.named_modules():
        if not name.startswith(prefix.strip(".")):
            module.requires_grad = False
    return [name for name, _ in net.named_parameters() if name.startswith(prefix)]


def _state_dict(net: nn.Module, prefix: str) -> Any:
    for name, values in net.state_dict().items():
        values.requires_grad_(name.startswith(prefix))
    return [name for name in net.state_dict() if name.startswith(prefix)]


def _only_freezes(net: nn.Module, prefix: str) -> Any:
    chosen = []
    for name, parameter in net.named_parameters():
        if name.startswith(prefix):
            chosen.append(name)
        else:
            parameter.requires_grad_(False)
    return chosen


def _frozen_names(net: nn.Module, prefix: str) -> Any:
    freeze_all_but(net, prefix)
    return [name for name, parameter in net.named_parameters() if not parameter.requires_grad]


def _names_below(net: nn.Module, prefix: str) -> Any:
    net.requires_grad_(False)
    block = net.get_submodule(prefix.strip(".")).requires_grad_()
    return [name for name, _ in block.named_parameters()]


def _nothing(net: nn.Module, prefix: str) -> Any:
    freeze_all_but(net, prefix)


EXERCISE = Exercise(
    name="freeze_all_but",
    notebook="02_parameters",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function after which exactly those parameters of a net are trainable whose names begin with prefix, "
    "and which returns their names as a list, in the net's order.",
    stub=STUB,
    form=a_function,
    requirements=(freezes_the_others, trains_the_chosen, returns_the_names),
    hints=(
        "What do 'block.0.weight' and 'block.0.bias' have in common, which no other name of the net has?",
        "Go through named_parameters(), and switch requires_grad of each parameter on or off by its name.",
        "parameter.requires_grad_(name.startswith(prefix)) does both for one parameter; collect the names on the way.",
    ),
    solution=freeze_all_but,
    why="requires_grad_ takes True or False, so each parameter is thawed or frozen by what its name begins with, "
    "whatever it was before; the names come from named_parameters(), which is in the net's order.",
    wrong_answers=(
        WrongAnswer(_contains, "where does it begin?", "in is shorter than startswith, and right for most nets."),
        WrongAnswer(_first_part, "Which names begin with the prefix?", "The first part of the name is compared."),
        WrongAnswer(_modules, "an attribute that nobody reads", "Python lets one set any attribute on a module."),
        WrongAnswer(_state_dict, "changes other tensor objects", "Its tensors have the net's memory, not its flags."),
        WrongAnswer(_only_freezes, "What was frozen earlier", "The net is taken to be all trainable at first."),
        WrongAnswer(_frozen_names, "those that were frozen", "The names are collected in the other branch."),
        WrongAnswer(_names_below, "have lost their beginning", "A block by itself names only what is below it."),
        WrongAnswer(_nothing, "is a return missing?", "The work on the net is done, and the names are forgotten."),
    ),
)
