"""Units that never fire, found with hooks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def dead_units(net, batches):
    raise NotImplementedError
"""

Batches = list[torch.Tensor]
Answer = Callable[[nn.Module, Batches], Any]


def dead_units(net: nn.Module, batches: "list[torch.Tensor]") -> "dict[str, int]":
    """Note for each ReLU which units have fired so far, and count the others."""
    fired: dict[str, torch.Tensor] = {}

    def hook_for(name: str) -> "Callable[..., None]":
        def hook(_module: nn.Module, _args: "tuple[torch.Tensor]", output: torch.Tensor) -> None:
            now = (output > 0).any(dim=0)
            fired[name] = fired[name] | now if name in fired else now

        return hook

    named = list(net.named_modules())
    handles = [m.register_forward_hook(hook_for(name)) for name, m in named if isinstance(m, nn.ReLU)]
    for X in batches:
        net(X)
    for handle in handles:
        handle.remove()
    return {name: int((~units).sum()) for name, units in fired.items()}


def counts_over_all_batches(answer: Answer, trial: Trial) -> None:
    """A unit counts as dead if it is 0 for every example of every batch."""
    net, batches = _task(trial, nudge=tr("Which axis of a ReLU's output counts examples, and which one counts units?"))
    signs = [torch.cat(parts) for parts in zip(*(_fired(net, X) for X in batches), strict=True)]
    last = _fired(net, batches[-1])
    expected = {"1": _dead(signs[0]), "3": _dead(signs[1])}

    came = trial.call(answer, net, batches)

    mistakes = {
        tr("Only the last batch is counted: a unit may fire in one batch and not in another."): {
            "1": _dead(last[0]),
            "3": _dead(last[1]),
        },
        tr("The dead units of the batches are added up: a unit that fires in one of them is alive."): {
            name: sum(_dead(_fired(net, X)[i]) for X in batches) for i, name in enumerate(expected)
        },
        tr("These are zeros, not units: a healthy unit is 0 for some examples, too."): {
            name: int((~signs[i]).sum()) for i, name in enumerate(expected)
        },
        tr("These units are 0 for one example at least; a dead one is 0 for all."): {
            name: int((~signs[i]).any(dim=0).sum()) for i, name in enumerate(expected)
        },
        tr("These are units that fire."): {name: int(signs[i].any(dim=0).sum()) for i, name in enumerate(expected)},
    }
    if isinstance(came, dict) and len(came) == 1:
        trial.nudge = tr("Only one ReLU is counted: a function that is made in a loop looks the name up when it runs.")
    trial.same(came, expected, mistakes=mistakes)


def finds_every_relu(answer: Answer, trial: Trial) -> None:
    """Every nn.ReLU of the net is counted, however deep it stands, under its full name."""
    flat, batches = _task(trial, nudge=tr("Which names does named_modules() give?"))
    net = nn.Sequential(flat[:2], nn.Sequential(nn.Sequential(flat[2], flat[3]), flat[4]))
    trial.input += tr(", the first batch alone, with the layers packed into blocks")
    signs = _fired(flat, batches[0])

    came = trial.call(answer, net, batches[:1])

    trial.same(
        came,
        {"0.1": _dead(signs[0]), "1.0.1": _dead(signs[1])},
        mistakes={tr("Blocks have layers inside: look at modules of every depth."): {}},
    )


def takes_its_hooks_away(answer: Answer, trial: Trial) -> None:
    """Afterwards no hook is left on the net."""
    net, batches = _task(trial, nudge=tr("What does register_forward_hook return, and what is it good for?"))

    trial.call(answer, net, batches)

    left = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())
    trial.require(
        left == 0,
        expected=tr("a net without hooks, as it was"),
        got=tr("{left} hooks are still on it", left=left),
        remark=tr("They run in every later call: what register_forward_hook returns can take them away."),
    )


def _task(trial: Trial, *, nudge: str) -> tuple[nn.Sequential, Batches]:
    """Draw a net and four batches; two units a layer never fire, and one of the first fires in the first batch only."""
    width, first, second = trial.sizes(3, 7, 9)
    rows = trial.sizes(4, 10, 14)
    early, late, out = nn.Linear(width, first), nn.Linear(first, second), nn.Linear(second, 2)
    with torch.no_grad():
        for layer in (early, late):
            layer.weight.normal_()
            layer.bias.zero_()
            layer.bias[:2] = -1000  # with four batches more than any layer has units, if one adds them up
        batches = sorted((trial.tensor(n, width) for n in rows), key=lambda X: -float(early(X)[:, -1].max()))
        highest = [float(early(X)[:, -1].max()) for X in batches]
        early.bias[-1] -= (highest[0] + highest[1]) / 2
    trial.plan(
        tr(
            "Linear({width}, {first}), ReLU, Linear({first}, {second}), ReLU, Linear({second}, 2) on "
            "batches of {batches} examples; two units a layer have a bias of -1000",
            width=width,
            first=first,
            second=second,
            batches=", ".join(str(len(X)) for X in batches),
        ),
        nudge=nudge,
    )
    return nn.Sequential(early, nn.ReLU(), late, nn.ReLU(), out), batches


def _fired(net: nn.Sequential, X: torch.Tensor) -> list[torch.Tensor]:
    """Return for both ReLUs which unit fires for which example."""
    with torch.no_grad():
        first = net[0](X).relu()
        return [first > 0, net[2](first) > 0]


def _dead(fired: torch.Tensor) -> int:
    """Count the columns that hold no True."""
    return int((~fired.any(dim=0)).sum())


EXERCISE = Exercise(
    name="dead_units",
    notebook="10_visualization",
    section="Saturated activations",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that runs the net on each batch of the list and returns, for each nn.ReLU by its full name, "
    "how many of its units give 0 for every example of every batch.",
    stub=STUB,
    form=a_function,
    requirements=(counts_over_all_batches, finds_every_relu, takes_its_hooks_away),
    hints=(
        "If a ReLU gave a tensor of shape (12, 5), which reduction tells for each of the 5 units if it ever fired?",
        "Let a hook on each ReLU note (output > 0).any(dim=0), and join the notes of the batches with |.",
        "Take the names from net.named_modules(), give the hook its name by a default argument or an outer function, "
        "remove the handles, and count (~fired).sum().",
    ),
    solution=dead_units,
    why="A unit is alive if it fires for a single example anywhere, so the notes of the batches are joined by 'or' "
    "before they are counted; a unit that is always 0 gets no gradient, and will hardly come back.",
)
