"""One block, applied several times."""

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class RepeatShared(nn.Module):
    def __init__(self, block, times):
        super().__init__()

    def forward(self, X):
        raise NotImplementedError
"""


class RepeatShared(nn.Module):
    """Applies one block several times over."""

    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.block = block
        self.times = times

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Apply the block to X, to what came of it, and so on."""
        for _ in range(self.times):
            X = self.block(X)
        return X


def applies_it_again_and_again(answer: type[nn.Module], trial: Trial) -> None:
    """The block is applied as often as asked for, each time to what it gave before."""
    width, times, dtype = trial.size(), trial.size(3, 5), trial.dtype()
    X = trial.tensor(trial.size(), width, dtype=dtype).requires_grad_()
    linear = nn.Linear(width, width, dtype=dtype)
    block = nn.Sequential(linear, nn.Tanh())
    trial.plan(
        tr(
            "RepeatShared(Sequential(Linear({width}, {width}), Tanh()), {times}) on X of shape {shape}",
            width=width,
            times=times,
            shape=tuple(X.shape),
        ),
        nudge=tr("What is the block applied to, the second time?"),
    )
    steps = [X]
    for _ in range(times + 1):
        steps.append((steps[-1] @ linear.weight.T + linear.bias).tanh())

    came = trial.call(answer(block, times), X)

    mistakes = {
        tr("The block runs only once: children() yields a block once, in however many places it stands."): steps[1],
        tr("The block runs {times} times, not {times2}.", times=times - 1, times2=times): steps[times - 1],
        tr("The block runs {times} times, not {times2}.", times=times + 1, times2=times): steps[times + 1],
        tr("Each time the block is applied to X itself, and the results are added up."): times * steps[1],
    }
    trial.same(came, steps[times], mistakes=mistakes)
    expected, gradient = (torch.autograd.grad(out.sum(), X, allow_unused=True)[0] for out in (steps[times], came))
    cut = {tr("The graph is cut: only some of the rounds are recorded."): None}
    trial.same(gradient, expected, what=tr("the gradient of X"), mistakes=cut)


def owns_one_block(answer: type[nn.Module], trial: Trial) -> None:
    """It is one and the same block: its parameters are the net's, and are there once."""
    width, times = trial.size(), trial.size(3, 5)
    block = nn.Linear(width, width)
    trial.plan(
        tr("parameters() of RepeatShared(Linear({width}, {width}), {times})", width=width, times=times),
        nudge=tr("How many objects are there, and does the net know them?"),
    )

    came = list(answer(block, times).parameters())

    mistakes = {
        tr(
            "There are {times} blocks with parameters of their own: copies, which training will drive apart.",
            times=times,
        ): 2 * times,
        tr("The net does not know the block: a module does not look for its parts in a plain list."): 0,
    }
    trial.same(len(came), 2, what=tr("the number of tensors in parameters()"), mistakes=mistakes)
    trial.require(
        all(any(each is parameter for parameter in block.parameters()) for each in came),
        expected=tr("the parameters of the block that was handed over"),
        got=tr("other tensors of the same shapes"),
        remark=tr("The net holds a copy: training it leaves the block that was handed over as it is."),
    )


def does_nothing_zero_times(answer: type[nn.Module], trial: Trial) -> None:
    """Applied zero times, the block is not run: the output is X."""
    width = trial.size()
    X = trial.tensor(trial.size(), width)
    block = nn.Linear(width, width)
    trial.plan(
        tr("RepeatShared(Linear({width}, {width}), 0) on X of shape {shape}", width=width, shape=tuple(X.shape)),
        nudge=tr("What is left of a sequence of steps, if there are none?"),
    )

    came = trial.call(answer(block, 0), X)

    mistakes = {
        tr("The block runs once before the counting begins."): block(X),
        tr("The output is empty: nothing done to X leaves X."): torch.zeros_like(X),
    }
    trial.same(came, X, mistakes=mistakes)


EXERCISE = Exercise(
    name="repeat_shared",
    notebook="01_blocks",
    section="The loop that skips",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a block RepeatShared(block, times) that applies one and the same block several times over, or not at "
    "all if times is 0.",
    stub=STUB,
    form=a_module_class,
    requirements=(applies_it_again_and_again, owns_one_block, does_nothing_zero_times),
    hints=(
        "How many parameters should RepeatShared(nn.Linear(4, 4), 3) have: 20, or 60?",
        "Keep the block once, and the number; the repetition belongs into forward.",
        "A loop over range(self.times) in forward, with X = self.block(X) in it: for 0 it leaves X as it is.",
    ),
    solution=RepeatShared,
    why="The block is registered once, under one attribute, so its parameters are there once; forward is ordinary "
    "Python, and autograd follows each round of its loop.",
)
