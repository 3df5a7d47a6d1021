"""A summary that counts every parameter once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def count_by_layer(net):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module], Any]


def count_by_layer(net: nn.Module) -> "dict[str, int]":
    """Walk through the modules, and count of each one's own parameters those that were not met before."""
    counts, met = {}, set()
    for path, module in net.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            counts[path] = sum(parameter.numel() for parameter in own if parameter not in met)
            met.update(own)
    return counts


class _Scaled(nn.Module):
    """A block with a parameter of its own, and a layer."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.layer = nn.Linear(width, out)

    def forward(self, X: torch.Tensor) -> Any:
        """Scale the features, then run the layer."""
        return self.layer(self.scale * X)


def counts_what_a_module_holds_itself(answer: Answer, trial: Trial) -> None:
    """Each module that holds parameters itself appears with their number, without those of the modules inside it."""
    d, h, out = trial.sizes(3)
    trial.plan(
        tr(
            "Linear({d}, {h}), Tanh and a block with a parameter of shape ({h},) and layer = Linear({h}, {out})",
            d=d,
            h=h,
            out=out,
        ),
        nudge=tr("What does parameters(recurse=False) give for a block, and what for a layer?"),
    )
    net = nn.Sequential(nn.Linear(d, h), nn.Tanh(), _Scaled(h, out))
    expected = {"0": d * h + h, "2": h, "2.layer": h * out + out}

    came = trial.call(answer, net)

    every = {path: sum(p.numel() for p in module.parameters()) for path, module in net.named_modules()}
    mistakes = {
        tr("A block's number contains its layers', which have rows of their own: recurse=False leaves them out."): {
            path: every[path] for path in ("", "0", "2", "2.layer")
        },
        tr(
            "With all that is inside them, modules without parameters of their own too: each number is there twice."
        ): every,
        tr("The block holds a parameter itself: a module with layers inside may have one, too."): {
            path: expected[path] for path in ("0", "2.layer")
        },
        tr("The activation holds no parameters, and the net itself none directly: leave them out."): {
            "": 0,
            "0": d * h + h,
            "1": 0,
            "2": h,
            "2.layer": h * out + out,
        },
    }
    trial.same(came, expected, mistakes=mistakes)


def counts_a_shared_weight_once(answer: Answer, trial: Trial) -> None:
    """A weight that layers share counts where it comes first; the others have what is left, which may be 0."""
    words, size = trial.sizes(2)
    trial.plan(
        tr(
            "Embedding({words}, {size}), Linear({size}, {words}, bias=False), Linear({size}, "
            "{words}), all with the same weight",
            words=words,
            size=size,
        ),
        nudge=tr("Which parameters has the walk met before it comes to the second layer?"),
    )
    net = nn.Sequential(nn.Embedding(words, size), nn.Linear(size, words, bias=False), nn.Linear(size, words))
    net[1].weight = net[2].weight = net[0].weight
    expected = {"0": words * size, "1": 0, "2": words}

    came = trial.call(answer, net)

    table = words * size
    trial.same(
        came,
        expected,
        mistakes={
            tr("The shared weight is counted in every layer: there is one table."): {
                "0": table,
                "1": table,
                "2": table + words,
            },
            tr("A layer whose parameters were all met before still holds them: it appears, with 0."): {
                "0": table,
                "2": words,
            },
        },
    )


def lists_a_shared_layer_once(answer: Answer, trial: Trial) -> None:
    """A layer that stands in several places appears once, under its first path."""
    d, h = trial.sizes(2)
    trial.plan(
        tr("Linear({d}, {h}), one Linear({h}, {h}) in the places 1 and 3", d=d, h=h),
        nudge=tr("One object in two places is one layer: under which path does named_modules() give it?"),
    )
    shared = nn.Linear(h, h)
    net = nn.Sequential(nn.Linear(d, h), shared, nn.Tanh(), shared)

    came = trial.call(answer, net)

    trial.same(came, {"0": d * h + h, "1": h * h + h})


EXERCISE = Exercise(
    name="count_by_layer",
    notebook="10_visualization",
    section="The tree of modules",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that maps the path of each module that holds parameters itself to their number of elements, "
    "each parameter counted only where it comes first, so that the numbers add up to the net's true total.",
    stub=STUB,
    form=a_function,
    requirements=(counts_what_a_module_holds_itself, counts_a_shared_weight_once, lists_a_shared_layer_once),
    hints=(
        "Which modules hold parameters themselves, and which only through the modules inside them?",
        "Walk through named_modules(), take parameters(recurse=False) of each, and remember which ones you have met.",
        "Keep a set of the parameters met so far: a set compares them by identity, not by their values.",
    ),
    solution=count_by_layer,
    why="Ties are between parameters, not between modules, so the walk has to remember parameters; "
    "recurse=False asks each module only for what it holds itself, so no level is counted twice.",
)
