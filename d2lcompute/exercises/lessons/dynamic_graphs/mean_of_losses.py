"""A mean of losses that keeps no graph alive."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def mean_of_losses(losses):
    raise NotImplementedError
"""

Answer = Callable[[Iterator[torch.Tensor]], Any]


def mean_of_losses(losses: "Iterator[torch.Tensor]") -> float:
    """Take the number out of each loss as it comes."""
    numbers = [loss.item() for loss in losses]
    return sum(numbers) / len(numbers)


class _Token:
    """Lives in a graph, and as long as it."""


class _Marked(torch.autograd.Function):
    """The identity, with a token in its node."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, token: _Token) -> torch.Tensor:
        """Return the value, and keep the token."""
        ctx.token = token
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: ARG004
        """Return the gradient as it is."""
        return gradients[0], None


class _Training:
    """Hands out one loss after the other, as a training loop would make them, and traces each back afterwards.

    Args:
        values: the losses' values.
    """

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values
        self.weight = torch.ones((), requires_grad=True)
        self.tokens: list[weakref.ref[_Token]] = []
        self.memory: list[torch.Tensor] = []
        self.alive = 0
        self.cut = False

    def losses(self) -> Iterator[torch.Tensor]:
        """Yield the losses; note how many graphs were alive together."""
        for value in self.values:
            loss = self._loss(value)
            self.alive = max(self.alive, sum(token() is not None for token in self.tokens))
            yield loss
            if loss.grad_fn is None:
                self.cut = True
            else:
                loss.backward()
            del loss

    def _loss(self, value: torch.Tensor) -> torch.Tensor:
        """Make one loss, whose graph holds a token."""
        token = _Token()
        self.tokens.append(weakref.ref(token))
        loss: torch.Tensor = _Marked.apply(self.weight * value, token)
        self.memory.append(loss.detach())
        return loss


def gives_the_mean(answer: Answer, trial: Trial) -> None:
    """The result is the mean of all losses, a Python number."""
    training = _training(trial, nudge=tr("How many losses were there, and what kind of thing is the result?"))
    values = training.values

    came = answer(training.losses())

    mean = values.mean().item()
    remark = ""
    if isinstance(came, torch.Tensor):
        remark = tr("That is a tensor: the number is asked for, which item() takes out.")
    mistakes = {
        tr("That is the sum."): values.sum().item(),
        tr("That is the last loss."): values[-1].item(),
    }
    trial.require(not remark, expected=f"{mean:.6g}", got=came, remark=remark)
    trial.same(came, mean, mistakes=mistakes)


def frees_each_graph(answer: Answer, trial: Trial) -> None:
    """No graph is kept alive: when a loss is made, at most the one before is still there."""
    training = _training(trial, nudge=tr("What does a sum of losses point to?"))

    trial.call(answer, training.losses())

    trial.require(
        training.alive <= 2,
        expected=tr("at most 2 graphs at a time"),
        got=tr(
            "{alive} graphs at a time, of {values_count} losses",
            alive=training.alive,
            values_count=len(training.values),
        ),
        remark=tr(
            "Every loss that is kept, and every sum of losses, keeps the graphs of all of them: the "
            "memory grows with each batch."
        ),
    )


def leaves_the_losses(answer: Answer, trial: Trial) -> None:
    """The losses keep their graphs and their values: whoever made them calls backward afterwards."""
    training = _training(trial, nudge=tr("Whose tensor is it that you change?"))

    answer(training.losses())

    trial.require(
        not training.cut,
        expected=tr("losses that still know their graph"),
        got=tr("losses without one"),
        remark=tr(
            "With an underscore detach_() changes the tensor itself: it is cut off from its graph for everybody."
        ),
    )
    trial.same(torch.stack(training.memory), training.values, what=tr("the losses' values"))


def _training(trial: Trial, *, nudge: str) -> _Training:
    """Draw losses that all differ."""
    count = trial.size(5, 9)
    trial.plan(tr("an iterator over {count} losses, each with a graph of its own", count=count), nudge=nudge)
    return _Training(trial.tensor(count).abs() + torch.arange(1, count + 1))


EXERCISE = Exercise(
    name="mean_of_losses",
    notebook="09_dynamic_graphs",
    section="Tensors saved for the backward pass",
    book=None,
    difficulty=2,
    minutes=5,
    task="Write a function that returns the mean of the losses that an iterator hands out, as a number, without "
    "keeping any loss's graph alive and without changing the losses.",
    stub=STUB,
    form=a_function,
    requirements=(gives_the_mean, frees_each_graph, leaves_the_losses),
    hints=(
        "Which of loss, loss.detach() and loss.item() still leads to the graph?",
        "Take out the number of each loss as it comes, and work with numbers from there on.",
        "Collect loss.item() for each loss in a list; the mean is sum(numbers) / len(numbers).",
    ),
    solution=mean_of_losses,
    why="A loss, or a sum of losses, points to its graph and keeps it alive; item() gives a plain number, which points "
    "to nothing and shares no memory with the loss.",
)
