"""Every parameter of a nested net, with its shape."""

from collections.abc import Callable
from typing import Any

from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def nest_mlp_shapes(net):
    raise NotImplementedError
"""

Shapes = dict[str, tuple[int, ...]]


def nest_mlp_shapes(net: nn.Module) -> dict[str, tuple[int, ...]]:
    """Map each parameter's dotted name to its shape."""
    return {name: tuple(parameter.shape) for name, parameter in net.named_parameters()}


def finds_every_level(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """Parameters on all levels of the net are found, each with its full name and its shape as a tuple."""
    a, b, c = trial.sizes(3)
    inner = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Sequential(nn.Linear(b, c, bias=False)))
    net = nn.Sequential(inner, nn.Linear(c, a))
    trial.plan(
        f"Sequential(Sequential(Linear({a}, {b}), ReLU(), Sequential(Linear({b}, {c}, bias=False))), Linear({c}, {a}))",
        nudge=tr("A part of a net may itself have parts: how does a name show the way to it?"),
    )

    came = _shapes(answer, net, trial)

    expected = {"0.0.bias": (b,), "0.0.weight": (b, a), "0.2.0.weight": (c, b), "1.bias": (a,), "1.weight": (a, c)}
    mistakes = {
        tr("The sizes stand in the other order: nn.Linear(in, out) keeps its weight as (out, in)."): {
            name: shape[::-1] for name, shape in expected.items()
        },
        tr("Only the outermost level is there."): {name: expected[name] for name in ("1.bias", "1.weight")},
        tr("The shapes are lists: a tuple is asked for."): {name: list(shape) for name, shape in expected.items()},
    }
    trial.same(dict(sorted(came.items())), expected, mistakes=mistakes)


def leaves_buffers_out(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """Only parameters are listed, no buffers."""
    width = trial.size()
    net = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, width))
    trial.plan(f"Sequential(BatchNorm1d({width}), Linear({width}, {width}))", nudge=tr("What does an optimizer train?"))

    extra = set(_shapes(answer, net, trial)) - {"0.weight", "0.bias", "1.weight", "1.bias"}

    trial.require(
        not extra,
        expected=tr("no names but those of parameters"),
        got=tr("also {extra!r}", extra=min(extra, default="")),
        remark=tr("That is a buffer: saved in state_dict(), but no optimizer trains it."),
    )


def keeps_the_order(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """The names come in the net's own order."""
    width, depth = trial.size(), trial.size(11, 13)
    net = nn.Sequential(*[nn.Linear(width, width) for _ in range(depth)])
    trial.plan(
        tr("a Sequential of {depth} layers Linear({width}, {width})", depth=depth, width=width),
        nudge=tr("In which order does data pass through?"),
    )

    came = list(_shapes(answer, net, trial))

    expected = [f"{i}.{name}" for i in range(depth) for name in ("weight", "bias")]
    remark = tr("The names are sorted as words, where '10' comes before '2'.")
    trial.require(
        sorted(came) != sorted(expected) or came == expected,
        expected=tr("the names in the order in which the net holds them"),
        got=tr("a dict that begins with {came}", came=came[:4]),
        remark=remark if came == sorted(expected) else "",
    )


def lists_frozen_ones_too(answer: Callable[[nn.Module], Any], trial: Trial) -> None:
    """A parameter that is frozen is still a parameter."""
    width = trial.size()
    net = nn.Sequential(nn.Linear(width, width).requires_grad_(False), nn.Linear(width, width))
    trial.plan(
        tr("two Linear({width}, {width}), the first one frozen", width=width),
        nudge=tr("Does freezing a weight take it away?"),
    )

    came = _shapes(answer, net, trial)

    trial.require("0.weight" in came, expected=tr("'0.weight' among the names"), got=tr("only {came}", came=list(came)))


def _shapes(answer: Callable[[nn.Module], Any], net: nn.Module, trial: Trial) -> Shapes:
    """Call the answer, and see that it gives a dict with names as keys."""
    came = trial.call(answer, net)
    trial.require(
        isinstance(came, dict) and all(isinstance(name, str) for name in came),
        expected=tr("a dict from names to shapes"),
        got=came,
        remark=tr("It gave None: is a return missing?")
        if came is None
        else tr("Pair each name with a shape, in a dict."),
    )
    return came


EXERCISE = Exercise(
    name="nest_mlp_shapes",
    notebook="02_parameters",
    section="Parameters of nested blocks",
    book=("5.2.1", "6.2.1"),
    difficulty=1,
    minutes=5,
    task="Write a function that maps the dotted name of each parameter of a net to its shape, in the net's order.",
    stub=STUB,
    form=a_function,
    requirements=(finds_every_level, leaves_buffers_out, keeps_the_order, lists_frozen_ones_too),
    hints=(
        "How do you reach the first weight of a block that is itself the first part of a net?",
        "A module can list its parameters with their names, through all levels; you need not walk them yourself.",
        "A dict comprehension over net.named_parameters(), with tuple(parameter.shape) as the value.",
    ),
    solution=nest_mlp_shapes,
    why="named_parameters() walks through all levels in the order of registration, joins the names with dots and "
    "leaves buffers out; tuple() makes plain tuples of the shapes.",
)
