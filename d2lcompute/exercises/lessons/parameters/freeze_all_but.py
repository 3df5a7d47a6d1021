"""Training a part of a net, chosen by name."""

from collections.abc import Callable
from typing import Any

from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

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
        net = _net(
            trial, prefix, nudge=tr("A name tells the way from the outermost block inwards: where does it begin?")
        )
        trial.call(answer, net, prefix)

        others = [name for name, _ in net.named_parameters() if not name.startswith(prefix)]
        left = [name for name in others if net.get_parameter(name).requires_grad]
        nothing = tr(
            "Nothing was frozen: requires_grad is a property of parameters. On a module it is an "
            "attribute that nobody reads, and on the values in state_dict() it changes other tensor "
            "objects than the net's."
        )
        trial.require(
            not left,
            expected=tr("frozen: {others}", others=", ".join(others)),
            got=tr("still trainable: {left}", left=", ".join(left)),
            remark=nothing if left == others else "",
        )


def trains_the_chosen(answer: Answer, trial: Trial) -> None:
    """Parameters whose names begin with prefix are trainable, also if they were frozen before."""
    for prefix in _PREFIXES:
        for frozen in (False, True):
            state = tr("all of it frozen before") if frozen else tr("none of it frozen before")
            net = _net(
                trial, prefix, state, nudge=tr("Which names begin with the prefix? All of them are to be trained.")
            )
            net.requires_grad_(not frozen)
            trial.call(answer, net, prefix)

            chosen = [name for name, _ in net.named_parameters() if name.startswith(prefix)]
            lost = [name for name in chosen if not net.get_parameter(name).requires_grad]
            remark = tr("What was frozen earlier stays frozen: thaw what is to be trained now.")
            trial.require(
                not lost,
                expected=tr("trainable: {chosen}", chosen=", ".join(chosen)),
                got=tr("frozen: {lost}", lost=", ".join(lost)),
                remark=remark if frozen else "",
            )


def returns_the_names(answer: Answer, trial: Trial) -> None:
    """The result is the list of the names of all trainable parameters, in the net's order."""
    for prefix in _PREFIXES:
        net = _net(trial, prefix, nudge=tr("Return the full names, as named_parameters() gives them, in a list."))
        names = [name for name, _ in net.named_parameters()]
        chosen = [name for name in names if name.startswith(prefix)]

        came = trial.call(answer, net, prefix)

        mistakes = {
            tr("These are the names of those that were frozen."): [name for name in names if name not in chosen],
            tr("The names have lost their beginning: get_parameter(name) would not find them."): [
                name.removeprefix(prefix) for name in chosen
            ],
            tr("These are all names, not only those that begin with the prefix."): names,
        }
        trial.same(came, chosen, mistakes=mistakes)


_PREFIXES = ("1.", "0.1.")


def _net(trial: Trial, prefix: str, state: str = "", *, nudge: str) -> nn.Module:
    """Draw a nested net in which "1." is also a part of other names."""
    a, b, c = trial.sizes(3)
    net = nn.Sequential(nn.Sequential(nn.Linear(a, b), nn.Linear(b, b)), nn.Linear(b, c))
    text = f"Sequential(Sequential(Linear({a}, {b}), Linear({b}, {b})), Linear({b}, {c}))"
    tried = tr("prefix {prefix!r}, net {net}", prefix=prefix, net=text)
    trial.plan(tr("{net}, {what}", net=tried, what=state) if state else tried, nudge=nudge)
    return net


EXERCISE = Exercise(
    name="freeze_all_but",
    notebook="02_parameters",
    section="Freeze parameters",
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
)
