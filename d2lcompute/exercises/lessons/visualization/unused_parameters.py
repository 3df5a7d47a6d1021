"""Parameters that no gradient will reach, found in the graph."""
# mypy: disable-error-code="no-untyped-call"
# Tensor.backward has no annotations; the wrong answers call it as a learner would.

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def unused_parameters(output, net):
    raise NotImplementedError
"""

Answer = Callable[[torch.Tensor, nn.Module], Any]


def unused_parameters(output: torch.Tensor, net: nn.Module) -> "list[str]":
    """Walk from the output to all leaves, and name the parameters that are not among them."""
    waiting, seen, reached = [output.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            reached.add(getattr(node, "variable", None))
            waiting.extend(source for source, _ in node.next_functions)
    return [name for name, parameter in net.named_parameters() if parameter not in reached]


class _Fork(nn.Module):
    """Two ways from the input to the output, and layers that no way passes."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.spare = nn.Linear(width, out)
        self.straight = nn.Linear(width, out)
        self.detour = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, out))
        self.late = nn.Linear(out, out)

    def forward(self, X: torch.Tensor) -> Any:
        """Add both ways."""
        return self.straight(X) + self.detour(X)


def names_what_was_not_called(answer: Answer, trial: Trial) -> None:
    """The result lists the parameters of layers that took no part, in the net's order."""
    width, out, rows = trial.sizes(3)
    net = _Fork(width, out)
    trial.plan(
        tr(
            "the output of straight(X) + detour(X); the net also has the layers spare and late, X of "
            "shape ({rows}, {width})",
            rows=rows,
            width=width,
        ),
        nudge=tr("From which operations can the output have come, and which leaves lie at the ends of all ways?"),
    )
    expected = ["spare.weight", "spare.bias", "late.weight", "late.bias"]

    came = trial.call(answer, net(trial.tensor(rows, width)), net)

    mistakes = {
        tr("These are names of modules; the parameters have names, too."): ["spare", "late"],
        tr("The names are right, their order is not: keep that of named_parameters()."): sorted(expected),
        tr("Those are the parameters that a gradient does reach."): [
            name for name, _ in net.named_parameters() if name not in expected
        ],
    }
    if isinstance(came, list) and set(expected) < set(came):
        trial.nudge = tr("An operation has several sources: a walk that follows one of them misses the others.")
    trial.same(came, expected, mistakes=mistakes)


def names_what_was_cut_off(answer: Answer, trial: Trial) -> None:
    """Parameters that are frozen, or lie behind a detach(), are in the list as well."""
    width, hidden, rows = trial.sizes(3)
    net = nn.Sequential(nn.Linear(width, hidden, bias=False), nn.Tanh(), nn.Linear(hidden, hidden))
    layers = f"Linear({width}, {hidden}, bias=False), Tanh, Linear({hidden}, {hidden})"
    trial.plan(
        tr("{layers}, the output computed through net[0](X).detach()", layers=layers),
        nudge=tr("The layer was called. Does the graph lead to its weight?"),
    )
    came = trial.call(answer, net[1:](net[0](trial.tensor(rows, width)).detach()), net)
    trial.same(came, ["0.weight"])

    net[0].requires_grad_(False)
    trial.plan(
        tr("{layers}, the first one frozen", layers=layers), nudge=tr("A frozen parameter is no leaf of the graph.")
    )
    came = trial.call(answer, net(trial.tensor(rows, width)), net)
    trial.same(came, ["0.weight"])


def leaves_the_graph_to_be_used(answer: Answer, trial: Trial) -> None:
    """Gradients that are there stay as they are, and backward() can still be called."""
    width, out, rows = trial.sizes(3)
    net = _Fork(width, out)
    trial.plan(
        tr("a net whose parameters have no gradients yet; after the answer output.sum().backward()"),
        nudge=tr("The question is where gradients would go; nobody needs to compute them."),
    )
    output = net(trial.tensor(rows, width))
    expected = torch.autograd.grad(output.sum(), (net.straight.weight,), retain_graph=True)[0]

    trial.call(answer, output, net)

    written = [name for name, parameter in net.named_parameters() if parameter.grad is not None]
    trial.require(
        not written,
        expected=tr("no gradient anywhere"),
        got=tr("gradients in {written} ...", written=", ".join(written[:3])),
        remark=tr("backward() writes gradients, and uses the graph up: the caller's own backward() would add to them."),
    )
    try:
        output.sum().backward()
    except RuntimeError:
        trial.fail(
            expected=tr("a graph that can be used"),
            got=tr("RuntimeError: a second backward through the graph"),
            remark=tr("The graph was used up: the caller wanted to call backward() itself."),
        )
    trial.same(net.straight.weight.grad, expected, what=tr("the gradient of straight.weight"))


EXERCISE = Exercise(
    name="unused_parameters",
    notebook="10_visualization",
    section="The computational graph of an output",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that lists, in the net's order, the names of the parameters that no gradient would reach "
    "from the output, without computing gradients: the caller's backward() must still work.",
    stub=STUB,
    form=a_function,
    requirements=(names_what_was_not_called, names_what_was_cut_off, leaves_the_graph_to_be_used),
    hints=(
        "Every gradient travels from output.grad_fn along next_functions; where does it arrive?",
        "Collect the variable of each AccumulateGrad that you meet, visiting each node once; the others are unused.",
        "Keep the nodes themselves in a set, not their id(): a node that nobody holds is made anew when you ask again. "
        "Then compare parameters by identity, as the keys of a set or a dict do.",
    ),
    solution=unused_parameters,
    why="backward() sends gradients to the leaves of this graph and nowhere else, so what is not among them keeps the "
    "gradient it has: None, if it never had one. The walk reads the graph and leaves it as it was.",
)
