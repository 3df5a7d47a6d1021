"""The tensors in which backward would leave a gradient."""

from collections.abc import Callable
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, shown, tr

__all__ = ["EXERCISE"]

STUB = """\
def leaves_of(out):
    raise NotImplementedError
"""

Answer = Callable[[torch.Tensor], Any]
Leaves = dict[str, torch.Tensor]


def leaves_of(out: torch.Tensor) -> list[torch.Tensor]:
    """Walk the graph back, each node once, and collect what its ends belong to."""
    if out.grad_fn is None:
        return [out] if out.requires_grad else []
    leaves, seen = [], set()
    todo: list[Any] = [out.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.append(node.variable)
        todo += [parent for parent, _ in node.next_functions]
    return leaves


def finds_every_leaf(answer: Answer, trial: Trial) -> None:
    """The result holds every tensor whose grad out.backward() would fill, on all branches, and no other."""
    trial.nudge = tr(
        "An operation has several inputs: each has a node in next_functions, or None where no gradient is asked for."
    )
    leaves = _leaves(trial)
    a, b, c = leaves.values()
    constant, frozen = trial.tensor(3), trial.tensor(3)
    operations = {
        "(a * constant + b).tanh() * c": ((a * constant + b).tanh() * c, leaves),
        "(frozen - a).exp() / (b.sigmoid() + constant)": (
            (frozen - a).exp() / (b.sigmoid() + constant),
            {"a": a, "b": b},
        ),
        "torch.cat((a, b.detach() * 2, c))": (torch.cat((a, b.detach() * 2, c)), {"a": a, "c": c}),
    }
    for text, (out, expected) in operations.items():
        trial.plan(f"out = ({text}).sum()", nudge=trial.nudge)
        _compare(trial.call(answer, out.sum()), expected, leaves, trial)


def names_each_once(answer: Answer, trial: Trial) -> None:
    """A leaf to which several paths lead is in the result once."""
    leaves = _leaves(trial)
    a, b, _ = leaves.values()
    times = trial.size(2, 4)
    trial.plan(
        f"out = (a * b + {' + '.join('a' * times)}).sum()", nudge=tr("How often does your walk come to a's node?")
    )
    out = (a * b).sum()
    for _ in range(times):
        out = out + a.sum()

    came = _tensors(trial.call(answer, out), trial)

    names = [_name(tensor, leaves) for tensor in came]
    trial.require(
        len(set(names)) == len(names),
        expected=tr("a and b, each once"),
        got=", ".join(names),
        remark=tr("Several paths lead to the same leaf, and each has put it into the list: note where you have been."),
    )


def ends_without_a_walk(answer: Answer, trial: Trial) -> None:
    """A leaf's only leaf is itself, and a tensor that requires no gradient has none."""
    leaves = _leaves(trial)
    a = leaves["a"]
    nudge = tr("What is the grad_fn of a tensor that came from no operation?")
    trial.plan(tr("out = a, a leaf that requires a gradient"), nudge=nudge)

    _compare(trial.call(answer, a), {"a": a}, leaves, trial)

    trial.plan(tr("out = a.detach(), which requires no gradient"), nudge=nudge)
    came = _tensors(trial.call(answer, a.detach()), trial)
    trial.require(
        not came,
        expected=tr("an empty list"),
        got=tr("a list of {came_count}", came_count=len(came)),
        remark=tr("backward() would leave no gradient there: it would be an error."),
    )


def _leaves(trial: Trial) -> Leaves:
    """Draw three leaves."""
    return {name: trial.tensor(3).requires_grad_() for name in "abc"}


def _compare(came: Any, expected: Leaves, leaves: Leaves, trial: Trial) -> None:
    """See that the right tensors came, in any order, as often as may be."""
    names = {_name(tensor, leaves) for tensor in _tensors(came, trial)}
    remark = ""
    if others := names - set(expected):
        remark = tr("A result, a constant or a detached tensor gets no gradient: only the ends of the graph do.")
        names = {*names - others, *others}
    trial.require(
        names == set(expected),
        expected=tr("the tensors {expected}", expected=", ".join(expected)),
        got=", ".join(sorted(names)) or tr("an empty list"),
        remark=remark,
    )


def _tensors(came: Any, trial: Trial) -> list[torch.Tensor]:
    """See that a list of tensors came."""
    remark = tr("Hand back a list of tensors: the node of a leaf has it as its attribute variable.")
    if came is None:
        remark = tr("It gave None: is a return missing?")
    trial.require(
        isinstance(came, list | tuple) and all(isinstance(item, torch.Tensor) for item in came),
        expected=tr("a list of tensors"),
        got=came if came is None else shown(came),
        remark=remark,
    )
    return list(came)


def _name(tensor: torch.Tensor, leaves: Leaves) -> str:
    """Return a leaf's name."""
    return next((name for name, leaf in leaves.items() if leaf is tensor), tr("a tensor that is no leaf of the graph"))


EXERCISE = Exercise(
    name="leaves_of",
    notebook="09_dynamic_graphs",
    section="Walk through the graph",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that returns a list of the tensors in which out.backward() would leave a gradient, each "
    "once and in any order, without calling backward.",
    stub=STUB,
    form=a_function,
    requirements=(finds_every_leaf, names_each_once, ends_without_a_walk),
    hints=(
        "Where does a walk from out.grad_fn along next_functions end, and what is stored there?",
        "Keep a list of nodes to visit and a set of those visited; the node of a leaf has an attribute variable.",
        "while todo: node = todo.pop(); skip None and what was seen; if hasattr(node, 'variable') take it; add the "
        "parents from node.next_functions. Look at out.grad_fn is None before.",
    ),
    solution=leaves_of,
    why="The graph ends in one node for each leaf that requires a gradient, AccumulateGrad, whose variable is the leaf "
    "itself; constants have no node (None), and a tensor without grad_fn is a leaf itself or nothing.",
)
