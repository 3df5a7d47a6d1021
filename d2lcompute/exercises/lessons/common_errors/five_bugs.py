"""A training function that raises nothing and is wrong in five places."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def mended_fit(net, X, y, steps):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, torch.Tensor, torch.Tensor, int], Any]


def broken_fit(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> list[torch.Tensor]:
    """Centre the data, train the net by SGD, and return the loss of each step."""
    net.eval()
    X -= X.mean(dim=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    losses = []
    for _ in range(steps):
        scores = net(X).softmax(dim=1)
        loss = nn.functional.cross_entropy(scores, y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return losses


def mended_fit(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> list[float]:
    """Do the same with the five mended."""
    net.train()
    X = X - X.mean(dim=0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def trains_the_net(answer: Answer, trial: Trial) -> None:
    """The net ends with the weights that a right training gives it."""
    net, X, y, steps = _task(trial, nudge=tr("Print the loss of each step: does it fall as fast as it could?"))
    mistakes = {
        tr("The gradients of all earlier steps are added up: what empties them?"): _weights(
            net, X, y, steps, empties=False
        ),
        tr("cross_entropy takes the scores as they are: it has the softmax inside."): _weights(
            net, X, y, steps, twice=True
        ),
        tr(
            "The net is in evaluation mode while it is trained: batch normalization uses its running "
            "averages, which stay what they were."
        ): _weights(net, X, y, steps, mode=False),
        tr("The data are not centred."): _weights(net, X + 3, y, steps, centred=False),
    }
    expected = _weights(net, X, y, steps)
    trained = copy.deepcopy(net).eval()

    trial.call(answer, trained, X + 3, y, steps)

    trial.same(list(trained.parameters()), expected, what=tr("the weights"), mistakes=mistakes)


def keeps_no_graphs(answer: Answer, trial: Trial) -> None:
    """It returns the loss of each step, and no graph with it; X is left as it was."""
    net, X, y, steps = _task(trial, nudge=tr("What does a list of losses keep alive?"))

    losses = trial.call(answer, net, X, y, steps)

    trial.require(
        isinstance(losses, list) and len(losses) == steps,
        expected=tr("a list of {steps} losses", steps=steps),
        got=losses,
        remark=tr("One loss for each step, in a list."),
    )
    held = [loss for loss in losses if isinstance(loss, torch.Tensor) and loss.requires_grad]
    trial.require(
        not held,
        expected=tr("numbers, or tensors without a graph"),
        got=tr("{held_count} tensors that hold the graph of their step", held_count=len(held)),
        remark=tr("Each loss in the list keeps its step's graph in memory: store loss.item() or loss.detach()."),
    )


def _task(trial: Trial, *, nudge: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor, int]:
    """Draw a net with batch normalization, data whose mean is not 0, and a number of steps."""
    width, hidden, classes = trial.size(3, 6), trial.size(4, 8), trial.size(3, 5)
    rows, steps = trial.size(12, 20), trial.size(4, 6)
    trial.plan(
        tr(
            "{steps} steps on X of shape ({rows}, {width}), {classes} classes",
            steps=steps,
            rows=rows,
            width=width,
            classes=classes,
        ),
        nudge=nudge,
    )
    layers = nn.Linear(width, hidden), nn.ReLU(), nn.BatchNorm1d(hidden), nn.Linear(hidden, classes)
    X = trial.tensor(rows, width, dtype=torch.float64)
    y = torch.arange(rows) % classes
    return nn.Sequential(*layers).double(), X, y, steps


def _weights(
    net: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    steps: int,
    *,
    empties: bool = True,
    twice: bool = False,
    mode: bool = True,
    centred: bool = True,
) -> list[torch.Tensor]:
    """Return the weights after a training, with one of the mistakes or none."""
    net = copy.deepcopy(net).train(mode)
    X = X - X.mean(dim=0) if centred else X
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(steps):
        scores = net(X).softmax(dim=1) if twice else net(X)
        loss = nn.functional.cross_entropy(scores, y)
        if empties:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


EXERCISE = Exercise(
    name="five_bugs",
    notebook="14_common_errors",
    section="When there is no message",
    book=None,
    difficulty=3,
    minutes=20,
    task="The function broken_fit raises nothing and is wrong in five places. Write mended_fit, with all five mended: "
    "it centres the data, trains the net in training mode, and returns the loss of each step.",
    stub=STUB,
    given=(broken_fit,),
    form=a_function,
    requirements=(trains_the_net, keeps_no_graphs),
    hints=(
        "Go through broken_fit line by line: which mode, whose X, which gradients, which scores, and what is kept?",
        "Two of the five are in the first two lines, two in how the loss is made and followed, one in the last line.",
        "net.train(); X = X - X.mean(dim=0); cross_entropy(net(X), y); optimizer.zero_grad() before backward(); "
        "losses.append(loss.item()).",
    ),
    solution=mended_fit,
    why="eval() made batch normalization use averages that never moved; -= wrote into the caller's tensor; a second "
    "softmax flattens the loss; without zero_grad() each step follows the sum of all gradients; and a loss in a list "
    "keeps the graph of its step.",
)
