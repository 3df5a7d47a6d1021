"""Watching a shared layer while it is trained."""

# mypy: disable-error-code="no-untyped-call, union-attr"
# backward() is untyped in torch, and .grad may be None: the solution stays as a learner would write it.

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def shared_layer_training(net, shared, X, y, lr, steps):
    raise NotImplementedError
"""

Pairs = list[tuple[torch.Tensor, torch.Tensor]]
Tensors = list[torch.Tensor]


def shared_layer_training(
    net: nn.Module, shared: nn.Linear, X: torch.Tensor, y: torch.Tensor, lr: float, steps: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Train with SGD; return for each step the shared weight after it and the gradient used for it."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(X), y).backward()
        optimizer.step()
        seen.append((shared.weight.detach().clone(), shared.weight.grad.clone()))
    return seen


def returns_the_gradients(answer: Any, trial: Trial) -> None:
    """The gradients are those of the mean squared error at each step, summed over the layer's places."""
    task = _task(trial)

    came = _pairs(answer(*copy.deepcopy(task)), task[-1], trial)

    mistakes = {
        tr("Each step adds its gradient to those before: what empties them between the steps?"): _train(
            *task, add=True
        )[1],
        tr("The squared errors are summed up, not averaged."): _train(*task, reduction="sum")[1],
        tr("All entries show the same step: they are one tensor, which training fills anew."): _train(*task)[1][-1:]
        * task[-1],
    }
    trial.same([gradient for _, gradient in came], _train(*task)[1], what=tr("the gradients"), mistakes=mistakes)


def returns_the_weights(answer: Any, trial: Trial) -> None:
    """The weights are those after each step, and stay so while training goes on."""
    task = _task(trial)
    weights = _train(*task)[0]

    came = _pairs(answer(*copy.deepcopy(task)), task[-1], trial)

    mistakes = {
        tr("All entries show the last step: they are one tensor, which training goes on changing."): weights[-1:]
        * task[-1],
        tr("These are the weights before each step."): [task[1].weight, *weights[:-1]],
    }
    trial.same([weight for weight, _ in came], weights, what=tr("the weights"), mistakes=mistakes)


def trains_the_whole_net(answer: Any, trial: Trial) -> None:
    """Afterwards the net that was handed over is trained, in all its layers."""
    task = _task(trial)
    net = task[0]
    before = [parameter.detach().clone() for parameter in net.parameters()]
    expected = _train(*task)[2]

    trial.call(answer, *task)

    remark = tr("The net that was handed over is as it was: its copy was trained.")
    trial.same(list(net.parameters()), expected, what=tr("the net's parameters"), mistakes={remark: before})


def _task(trial: Trial) -> tuple[nn.Module, nn.Linear, torch.Tensor, torch.Tensor, float, int]:
    """Draw what the answer is called with: a net with one layer in two places, data, a rate and a number of steps."""
    width, hidden, rows = trial.sizes(3)
    shared = nn.Linear(hidden, hidden).double()
    layers = (nn.Linear(width, hidden).double(), nn.Tanh(), shared, nn.Tanh(), shared, nn.Linear(hidden, 1).double())
    steps = trial.size(3, 5)
    trial.plan(
        tr(
            "{steps} steps, one Linear({hidden}, {hidden}) in two places of the net, X of shape {shape}",
            steps=steps,
            hidden=hidden,
            shape=(rows, width),
        ),
        nudge=tr("Write one step on paper: which gradient is it that moves the weight, and when is the weight read?"),
    )
    X, y = trial.tensor(rows, width, dtype=torch.float64), trial.tensor(rows, 1, dtype=torch.float64)
    return nn.Sequential(*layers), shared, X, y, 0.1, steps


def _train(
    net: nn.Module,
    shared: nn.Linear,
    X: torch.Tensor,
    y: torch.Tensor,
    lr: float,
    steps: int,
    *,
    add: bool = False,
    reduction: str = "mean",
) -> tuple[Tensors, Tensors, Tensors]:
    """Train a copy without an optimizer; return the weights, the gradients and the net's parameters at the end."""
    net, shared = copy.deepcopy((net, shared))
    parameters = list(net.parameters())
    place = next(i for i, parameter in enumerate(parameters) if parameter is shared.weight)
    weights, used = [], [torch.zeros_like(parameter) for parameter in parameters]
    gradients = []
    for _ in range(steps):
        loss = getattr((net(X) - y) ** 2, reduction)()
        fresh = torch.autograd.grad(loss, parameters)
        used = [old + new if add else new for old, new in zip(used, fresh, strict=True)]
        with torch.no_grad():
            for parameter, gradient in zip(parameters, used, strict=True):
                parameter.sub_(lr * gradient)
        weights.append(shared.weight.detach().clone())
        gradients.append(used[place])
    return weights, gradients, [parameter.detach() for parameter in parameters]


def _pairs(came: Any, steps: int, trial: Trial) -> Pairs:
    """See that one pair of tensors came for each step."""
    pairs = isinstance(came, list) and all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in came)
    trial.require(
        pairs and len(came) == steps,
        expected=tr("a list of {steps} pairs (weight, gradient), one for each step", steps=steps),
        got=tr("a list of {came_count} pairs", came_count=len(came)) if pairs else came,
        remark=tr("It gave None: is a return missing?")
        if came is None
        else tr("Append one pair in each turn of the loop."),
    )
    return came


EXERCISE = Exercise(
    name="shared_layer_training",
    notebook="02_parameters",
    section="The gradient of a tied parameter",
    book=("5.2.3", "6.2.2"),
    difficulty=3,
    minutes=20,
    task="Write a function that trains a net with SGD on the mean squared error, and returns for each step the shared "
    "layer's weight after it and the gradient used for it.",
    stub=STUB,
    form=a_function,
    requirements=(returns_the_gradients, returns_the_weights, trains_the_whole_net),
    hints=(
        "What happens later to a tensor that you put into the list, if training goes on writing into it?",
        "Empty the gradients, compute the loss, call backward, take the step; then keep copies of weight and gradient.",
        "optimizer.zero_grad(), nn.functional.mse_loss(net(X), y).backward(), optimizer.step(), and append "
        "(shared.weight.detach().clone(), shared.weight.grad.clone()).",
    ),
    solution=shared_layer_training,
    why="backward adds up the gradients from both places of the layer into one .grad, which zero_grad empties before "
    "each step; clone() keeps what is there now, while the optimizer goes on changing the weight in place.",
)
