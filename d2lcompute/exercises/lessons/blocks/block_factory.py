"""A net made of independent blocks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def block_factory(make_block, n):
    raise NotImplementedError
"""


def block_factory(make_block: "Callable[[], nn.Module]", n: int) -> nn.Module:
    """Put n independent blocks one behind the other."""
    return nn.Sequential(*[make_block() for _ in range(n)])


Answer = Callable[[Callable[[], nn.Module], int], Any]


def applies_n_in_sequence(answer: Answer, trial: Trial) -> None:
    """The net applies n blocks, each to what the one before gave."""
    n, width = trial.sizes(2)
    weight, X = trial.tensor(width, width), trial.tensor(trial.size(), width)
    trial.plan(
        tr("block_factory(make_block, {n}) on X of shape {shape}", n=n, shape=tuple(X.shape)),
        nudge=tr("What is each block applied to?"),
    )
    steps = [X]
    for _ in range(n + 1):
        steps.append((steps[-1] @ weight.T).tanh())

    came = trial.call(answer(lambda: _block(width, weight), n), X)

    mistakes = {
        tr("The net holds {n} blocks in a row, not {n2}.", n=n - 1, n2=n): steps[n - 1],
        tr("The net holds {n} blocks in a row, not {n2}.", n=n + 1, n2=n): steps[n + 1],
        tr("Each block is applied to X itself, and the results are added up."): n * steps[1],
        tr("Each block is applied to X itself; what the others give is lost."): steps[1],
    }
    trial.same(came, steps[n], mistakes=mistakes)


def gives_each_its_own_parameters(answer: Answer, trial: Trial) -> None:
    """Each block has parameters of its own, and the net knows them."""
    n, width = trial.sizes(2)
    trial.plan(
        tr("parameters() of block_factory(make_block, {n})", n=n),
        nudge=tr("Which objects does the net hold, and how many are there?"),
    )

    came = len(list(answer(lambda: _block(width), n).parameters()))

    mistakes = {
        tr("Your blocks are one object used {n} times: 1 weight instead of {n}.", n=n): 1,
        tr("The net does not know its blocks: a module does not look for its parts in a plain list."): 0,
    }
    trial.same(came, n, what=tr("the number of weights"), mistakes=mistakes)


def makes_each_anew(answer: Answer, trial: Trial) -> None:
    """Each block is made by a call of make_block, with a start of its own."""
    n, width = trial.sizes(2)
    trial.plan(f"block_factory(make_block, {n})", nudge=tr("How often is make_block called?"))
    made = []

    def make_block() -> nn.Module:
        made.append(_block(width))
        return made[-1]

    answer(make_block, n)

    remark = tr("Copies of one block all start from the same values: independent ones are drawn one by one.")
    trial.same(len(made), n, what=tr("the number of calls of make_block"), mistakes={remark: 1})


def _block(width: int, weight: torch.Tensor | None = None) -> nn.Module:
    """Make a block with a single weight, drawn or given."""
    linear = nn.Linear(width, width, bias=False)
    if weight is not None:
        linear.weight = nn.Parameter(weight.clone())
    return nn.Sequential(linear, nn.Tanh())


EXERCISE = Exercise(
    name="block_factory",
    notebook="01_blocks",
    section="Rebuild `nn.Sequential`",
    book=("5.1.3", "6.1.3"),
    difficulty=2,
    minutes=10,
    task="Write a function that makes n independent blocks with make_block() and returns a net that chains them.",
    stub=STUB,
    form=a_function,
    requirements=(applies_n_in_sequence, gives_each_its_own_parameters, makes_each_anew),
    hints=(
        "If a block has 4 parameters, how many should the net of three blocks have?",
        "Call make_block once for each place, and hand all the blocks to a container that registers and chains them.",
        "A list comprehension over range(n) makes them; nn.Sequential takes them as separate arguments, with a star.",
    ),
    solution=block_factory,
    why="The comprehension calls make_block() anew for each place, so there are n objects with their own parameters; "
    "[make_block()] * n would repeat one reference n times.",
)
