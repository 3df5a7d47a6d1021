"""A net for inputs of any width."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class VaryingInputNet(nn.Module):
    def __init__(self, units):
        super().__init__()

    def forward(self, X):
        raise NotImplementedError
"""


class VaryingInputNet(nn.Module):
    """A first layer for each width, made when that width comes, and one rest for all."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.first = nn.ModuleDict()
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(32, units))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Send X through the first layer of its width, then through the rest."""
        width = str(X.shape[1])
        if width not in self.first:
            self.first[width] = nn.LazyLinear(32)
        return self.rest(self.first[width](X))


def takes_any_width(answer: type[nn.Module], trial: Trial) -> None:
    """Inputs of any width give so many units for each example, and each column of the input counts."""
    units, rows = trial.size(), trial.size(16, 24)
    net = answer(units)
    for width in (trial.size(3, 9), trial.size(10, 20), 1, trial.size(200, 300)):
        X = trial.tensor(rows, width).requires_grad_()
        trial.plan(
            tr("VaryingInputNet({units}) on X of shape {shape}", units=units, shape=(rows, width)),
            nudge=tr("A linear layer, lazy or not, settles on one width. What does each further width need?"),
        )
        came = trial.call(net, X)
        fits = isinstance(came, torch.Tensor) and came.shape == (rows, units)
        trial.require(fits, expected=tr("a tensor of shape {shape}", shape=(rows, units)), got=came)
        (gradient,) = torch.autograd.grad(came.sin().sum(), X, allow_unused=True)
        silent = width if gradient is None else int((gradient == 0).all(0).sum())
        trial.require(
            silent == 0,
            expected=tr("an output that depends on each column of X"),
            got=tr("{silent} of {width} columns have no influence", silent=silent, width=width),
            remark=tr("What does not fit is cut off: that loses data, and nobody is told."),
        )


def keeps_the_first_layer(answer: type[nn.Module], trial: Trial) -> None:
    """A width that comes again meets the layer that it met before: the same input gives the same output."""
    net, (X, other) = _net_and_inputs(answer, trial)
    trial.nudge = tr("What is done for a width that was seen before?")

    came = trial.call(net, X)
    trial.call(net, other)
    again = trial.call(net, X)

    remark = tr(
        "The layer of this width was made anew, with new random values: what it learned would be lost each time."
    )
    trial.require(
        isinstance(came, torch.Tensor) and isinstance(again, torch.Tensor) and torch.allclose(came, again),
        expected=tr("the same output for X of shape {shape} before and after another width", shape=tuple(X.shape)),
        got=tr("another output"),
        remark=remark,
    )


def registers_all(answer: type[nn.Module], trial: Trial) -> None:
    """All that is trained is in parameters(), also what was made for a new width."""
    net, (X, other) = _net_and_inputs(answer, trial)
    trial.nudge = tr("Where does a module look for its parts?")

    used = [*_trained(trial.call(net, X)), *_trained(trial.call(net, other))]

    known = {id(parameter) for parameter in net.parameters()}
    lost = {id(parameter) for parameter in used} - known
    trial.require(
        not lost,
        expected=tr("each tensor that the output depends on, and that can be trained, is in parameters()"),
        got=tr("{lost_count} of them are not", lost_count=len(lost)),
        remark=tr(
            "A module does not look for its layers in a plain dict, nor among the variables of "
            "forward: they are neither trained nor saved."
        ),
    )


def shares_the_rest(answer: type[nn.Module], trial: Trial) -> None:
    """What follows the first layer is shared: outputs for different widths depend on the same parameters."""
    net, (X, other) = _net_and_inputs(answer, trial)
    trial.nudge = tr("What has the width of the input to do with the layers after the first?")

    one, two = _trained(trial.call(net, X)), _trained(trial.call(net, other))

    trial.require(
        any(first is second for first in one for second in two),
        expected=tr("parameters that the outputs for both widths depend on"),
        got=tr("none"),
        remark=tr("Each width has a whole net of its own: what one learns, the others never hear of."),
    )


def _net_and_inputs(answer: type[nn.Module], trial: Trial) -> tuple[nn.Module, list[torch.Tensor]]:
    """Build the net, and draw two inputs of different widths."""
    units, rows, (width, other) = trial.size(), trial.size(), trial.sizes(2)
    trial.plan(
        tr(
            "VaryingInputNet({units}) on X of shape {shape}, then {shape2}",
            units=units,
            shape=(rows, width),
            shape2=(rows, other),
        ),
        nudge="",
    )
    return answer(units).eval(), [trial.tensor(rows, width), trial.tensor(rows, other)]


def _trained(out: Any) -> list[torch.Tensor]:
    """Follow the graph of an output back to the tensors that a backward pass would fill."""
    found, nodes, seen = [], [getattr(out, "grad_fn", None)], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes.extend(following for following, _ in node.next_functions)
        found.extend([node.variable] if hasattr(node, "variable") else [])
    return found


EXERCISE = Exercise(
    name="varying_inputs",
    notebook="04_lazy_initialization",
    section="When to write the sizes down",
    book=("5.3.3", "6.4.3"),
    difficulty=3,
    minutes=20,
    task="Write a net VaryingInputNet(units) that takes X of shape (n, d) for any d, also one not seen before, and "
    "gives (n, units); what follows the first layer is shared among all widths.",
    stub=STUB,
    form=a_module_class,
    requirements=(takes_any_width, keeps_the_first_layer, registers_all, shares_the_rest),
    hints=(
        "Which layers of an MLP have a size that depends on the width of the input?",
        "Give each width a first layer of its own, made when that width comes for the first time, and kept.",
        "An nn.ModuleDict from str(X.shape[1]) to nn.LazyLinear(32), filled in forward, and one nn.Sequential for "
        "the rest.",
    ),
    solution=VaryingInputNet,
    why="Only the first layer's weight has the input's width; nn.ModuleDict registers each that is made. An optimizer "
    "made before a width has come does not hold its layer: send one batch of each width first.",
)
