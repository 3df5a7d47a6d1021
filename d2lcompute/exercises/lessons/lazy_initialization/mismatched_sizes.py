"""The first layer of a net that cannot take what it is given."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import N_, Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def mismatched_sizes(net, X):
    raise NotImplementedError
"""

Answer = Callable[[nn.Sequential, torch.Tensor], Any]


def mismatched_sizes(net: nn.Sequential, X: torch.Tensor) -> int | None:
    """Send X through a copy of the net, layer by layer, and return the index of the first one that fails."""
    import copy

    with torch.no_grad():
        for i, layer in enumerate(copy.deepcopy(net)):
            try:
                X = layer(X)
            except (RuntimeError, ValueError):
                return i
    return None


def finds_the_first(answer: Answer, trial: Trial) -> None:
    """The index is that of the first layer whose input does not fit, whatever its kind and its place."""
    width, hidden, other = trial.sizes(3)
    fits, relu = nn.Linear(width, hidden), nn.ReLU()
    unseen = tr(
        "Not only linear layers have sizes, and the first of them must fit the data: look at what really arrives."
    )
    before = tr("This is the place of the layer before: it still did its work, and the next could not take the result.")
    zero = tr("An index may be 0, and 0 counts as false.")
    later = tr("This is a later layer. What comes after the first one that fails proves nothing.")
    for layers, expected, mistakes in (
        ([fits, nn.BatchNorm1d(other), nn.Linear(hidden, 1)], 1, {unseen: None, before: 0, later: 2}),
        (
            [nn.Linear(other, hidden), relu, nn.Linear(hidden, 1)],
            0,
            {zero: None, later: 2},
        ),
        ([fits, relu, nn.Linear(other, hidden), relu, nn.Linear(width, 1)], 2, {later: 4}),
        ([fits, relu, nn.Linear(hidden, hidden), relu, nn.Linear(other, 1)], 4, {tr(_ONCE): 3}),
        ([nn.Unflatten(1, (1, width)), nn.Flatten(), nn.LazyLinear(hidden), nn.Linear(other, 1)], 3, {}),
    ):
        net, X = _net_and_input(trial, layers, width)
        trial.nudge = tr("Which layer is the first to raise an error, if each is called with what the one before gave?")
        trial.same(trial.call(answer, net, X), expected, mistakes=mistakes)


def gives_none_where_all_fit(answer: Answer, trial: Trial) -> None:
    """If every layer can take what it is given, the answer is None."""
    width, hidden = trial.sizes(2)
    for layers in (
        [nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1)],
        [
            nn.Unflatten(1, (1, width)),
            nn.Flatten(),
            nn.LazyLinear(hidden),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, 1),
        ],
    ):
        net, X = _net_and_input(trial, layers, width)
        trial.nudge = tr("The data came out at the other end: there is no layer to name.")
        came = trial.call(answer, net, X)
        trial.require(came is None, expected="None", got=came)


def leaves_the_net(answer: Answer, trial: Trial) -> None:
    """Afterwards the net is as it was: lazy layers are lazy, each mode and each value is the old one."""
    width, hidden, other = trial.sizes(3)
    layers = [
        nn.Linear(width, hidden),
        nn.BatchNorm1d(hidden),
        nn.Dropout(),
        nn.LazyLinear(hidden),
        nn.Linear(other, 1),
    ]
    net, X = _net_and_input(trial, layers, width)
    trial.nudge = tr("In train mode a net notes what passes it. What could you try instead of the net itself?")
    net[2].eval()
    modes = [layer.training for layer in net]

    trial.call(answer, net, X)

    trial.require(
        type(net[3]) is nn.LazyLinear,
        expected=tr("LazyLinear at index 3, as before"),
        got=tr("{kind} at index 3: its input size is settled", kind=type(net[3]).__name__),
        remark=tr("Data has passed the net itself, and there is no way back from Linear to LazyLinear."),
    )
    remark = tr("The mode is part of the net: whoever goes on training it would train in eval mode.")
    mistakes = {remark: [False] * len(modes)}
    trial.same([layer.training for layer in net], modes, what=tr("the training flags"), mistakes=mistakes)
    trial.same(net.state_dict()["1.num_batches_tracked"].item(), 0, what=tr("the batches that BatchNorm1d has seen"))


_ONCE = N_(
    "The ReLU stands in two places and counts twice: net.children() yields each layer once, net itself each place."
)


def _net_and_input(trial: Trial, layers: list[nn.Module], width: int) -> tuple[nn.Sequential, torch.Tensor]:
    """Put the layers into a net, draw an input, and say what is tried."""
    net, X = nn.Sequential(*layers), trial.tensor(trial.size(), width)
    trial.plan(
        tr("Sequential({layers}) on X of shape {shape}", layers=", ".join(map(_text, layers)), shape=tuple(X.shape)),
        nudge="",
    )
    return net, X


def _text(layer: nn.Module) -> str:
    """Write a layer as it is built."""
    match layer:
        case nn.LazyLinear():
            sizes = f"{layer.out_features}"
        case nn.Linear():
            sizes = f"{layer.in_features}, {layer.out_features}"
        case nn.BatchNorm1d():
            sizes = f"{layer.num_features}"
        case nn.Unflatten():
            sizes = f"1, {layer.unflattened_size}"
        case _:
            sizes = ""
    return f"{type(layer).__name__}({sizes})"


EXERCISE = Exercise(
    name="mismatched_sizes",
    notebook="04_lazy_initialization",
    section="A dry run that stops half way",
    book=("5.3.2", "6.4.2"),
    difficulty=3,
    minutes=15,
    task="Write a function that returns the index of the first layer of an nn.Sequential that cannot take what it is "
    "given when X is sent through, or None where all fit, and leaves the net as it was.",
    stub=STUB,
    form=a_function,
    requirements=(finds_the_first, gives_none_where_all_fit, leaves_the_net),
    hints=(
        "Who knows best whether a layer can take a tensor?",
        "Call the layers one by one and catch the error; do it with a copy, since data leaves its traces in a net.",
        "for i, layer in enumerate(copy.deepcopy(net)): try X = layer(X), and return i where it raises RuntimeError or "
        "ValueError.",
    ),
    solution=mismatched_sizes,
    why="Trying beats computing: whatever a layer does to the shape, the next one is called with what really came; the "
    "deep copy takes the traces, such as sizes that are settled and batches that are counted.",
)
