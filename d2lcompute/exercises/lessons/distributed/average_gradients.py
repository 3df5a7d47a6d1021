"""What DDP does to gradients, on copies of a net that stand for ranks."""

# The learner's solution reads .grad, which may be None for torch's typing.
# mypy: disable-error-code="no-untyped-call, union-attr"

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def average_gradients(replicas):
    raise NotImplementedError
"""


def average_gradients(replicas: list[nn.Module]) -> None:
    """Give each parameter the mean of its gradients, in memory of its own on each replica."""
    for same in zip(*(net.parameters() for net in replicas), strict=True):
        if same[0].grad is None:
            continue
        mean = torch.stack([parameter.grad for parameter in same]).mean(dim=0)
        for parameter in same:
            parameter.grad = mean.clone()


def gives_all_the_mean(answer: Any, trial: Trial) -> None:
    """Each parameter of each replica has the mean of that parameter's gradients."""
    replicas = _replicas(trial, nudge=tr("Which parameters of the replicas belong together, and who needs the result?"))
    columns = list(zip(*([p.grad.clone() for p in net.parameters()] for net in replicas), strict=True))
    values = [p.detach().clone() for net in replicas for p in net.parameters()]

    trial.call(answer, replicas)

    for rank, net in enumerate(replicas):
        for (name, p), column in zip(net.named_parameters(), columns, strict=True):
            mistakes = {
                tr("The gradients are added up, and not divided by the number of replicas."): sum(column),
                tr("Replica {rank} still has its own gradient: all of them need the mean.", rank=rank): column[rank],
                tr("The gradient is gone."): None,
            }
            trial.same(
                p.grad,
                sum(column) / len(column),
                what=tr("replica {rank}, {name}.grad", rank=rank, name=name),
                mistakes=mistakes,
            )
    trial.require(
        all(map(torch.equal, values, (p.detach() for net in replicas for p in net.parameters()))),
        expected=tr("the values of the parameters as they were"),
        got=tr("other values"),
        remark=tr("DDP averages gradients; the values stay equal because each optimizer then does the same step."),
    )


def shares_no_memory(answer: Any, trial: Trial) -> None:
    """Each replica's gradients have memory of their own."""
    replicas = _replicas(trial, nudge=tr("Processes share no memory: what would clipping one replica's gradients do?"))

    trial.call(answer, replicas)

    first, *others = ([p.grad for p in net.parameters()] for net in replicas)
    memory = {gradient.data_ptr() for gradient in first if gradient is not None}
    trial.require(
        not any(gradient.data_ptr() in memory for other in others for gradient in other if gradient is not None),
        expected=tr("gradients in memory of their own on each replica"),
        got=tr("one tensor that several replicas refer to"),
        remark=tr("The replicas share one gradient: whoever scales its own in place scales everyone's."),
    )


def leaves_out_the_frozen(answer: Any, trial: Trial) -> None:
    """A frozen parameter, which has no gradient on any replica, has none afterwards."""
    replicas = _replicas(trial, frozen=True, nudge=tr("What is grad of a parameter that is frozen?"))

    trial.call(answer, replicas)

    trial.require(
        all(net.get_parameter("0.weight").grad is None for net in replicas),
        expected=tr("0.weight.grad is None on each replica, as before"),
        got=tr("a tensor"),
        remark=tr("A frozen parameter now has a gradient of zeros: an optimizer with weight decay would move it."),
    )


def _replicas(trial: Trial, *, frozen: bool = False, nudge: str) -> list[nn.Module]:
    """Draw a net, copies of it, and for each copy gradients from its own examples."""
    count, (a, b, c) = trial.size(2, 4), trial.sizes(3)
    text = tr(
        "{count} replicas of Linear({a}, {b}), Tanh, Linear({b}, {c}), each with gradients of its own",
        count=count,
        a=a,
        b=b,
        c=c,
    )
    trial.plan(text + (tr(", 0.weight frozen") if frozen else ""), nudge=nudge)
    net = nn.Sequential(nn.Linear(a, b), nn.Tanh(), nn.Linear(b, c))
    net[0].weight.requires_grad_(not frozen)
    replicas: list[nn.Module] = [copy.deepcopy(net) for _ in range(count)]
    for replica in replicas:
        replica(trial.tensor(3, a)).square().sum().backward()
    return replicas


EXERCISE = Exercise(
    name="average_gradients",
    notebook="13_distributed",
    section="The average of the gradients",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that takes a list of equal nets, one for each rank, after each has called backward on its "
    "own examples, and gives every parameter the mean over the list of that parameter's gradients, as DDP does.",
    stub=STUB,
    form=a_function,
    requirements=(gives_all_the_mean, shares_no_memory, leaves_out_the_frozen),
    hints=(
        "Which tensors belong together: those of one net, or those in the same place of all nets?",
        "Walk through the parameters of all nets side by side, take the mean of their gradients, and give each its own "
        "copy; who has no gradient is left alone.",
        "zip(*(net.parameters() for net in replicas)) yields the parameters in the same place; torch.stack(...).mean(0)"
        " is the mean, and p.grad = mean.clone() hands out a copy.",
    ),
    solution=average_gradients,
    why="Equal nets have their parameters in the same order, so zip brings together what belongs together; clone gives "
    "each replica memory of its own, as processes have it; None means that no gradient was asked for.",
)
