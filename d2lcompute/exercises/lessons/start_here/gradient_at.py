"""The gradient of a function at a point, and nothing else."""

# mypy: disable-error-code="no-untyped-call, return-value"
# backward() is untyped in torch, and .grad may be None: the solution stays as a learner would write it.

from collections.abc import Callable
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def gradient_at(f, x):
    raise NotImplementedError
"""

Function = Callable[[torch.Tensor], torch.Tensor]
Answer = Callable[[Function, torch.Tensor], Any]


def gradient_at(f: "Callable[[torch.Tensor], torch.Tensor]", x: torch.Tensor) -> torch.Tensor:
    """Return the gradient of f at x, and leave x as it was."""
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


def gives_the_gradient(answer: Answer, trial: Trial) -> None:
    """The result holds, for each element of x, the derivative of f with respect to it."""
    for text, f, derivative in _FUNCTIONS:
        x = _point(trial, f"f(x) = {text}")
        trial.nudge = tr(
            "The derivative is exact: it comes from the record of what f computed, not from trying f nearby."
        )
        expected = derivative(x)
        mistakes = {
            tr("That is the value of f, not its gradient."): f(x),
            tr("That is x itself, not the gradient of f at x."): x,
            tr("The derivatives are added up: the gradient has one for each element of x."): expected.sum(),
        }
        trial.same(trial.call(answer, f, x), expected, mistakes=mistakes)


def leaves_a_plain_tensor_plain(answer: Answer, trial: Trial) -> None:
    """A tensor that requires no gradient is handed back as it came: it requires none, and holds none."""
    _, f, _ = _FUNCTIONS[0]
    x = _point(trial, tr("x.requires_grad and x.grad after gradient_at(f, x), where x requires no gradient"))

    trial.call(answer, f, x)

    remark = tr("Now x is marked: from here on everything that its owner computes with it is recorded.")
    trial.same(x.requires_grad, False, what="x.requires_grad", mistakes={remark: True})
    trial.require(
        x.grad is None, expected="x.grad is None", got=x.grad, remark=tr("The gradient was left behind in x.")
    )


def leaves_a_gradient_alone(answer: Answer, trial: Trial) -> None:
    """A tensor that requires a gradient and holds one already keeps both, and the old one is not added in."""
    x = _point(trial, tr("f(x) = (3 * x).sum(), where x requires a gradient and holds one"))
    old, expected = torch.ones_like(x), torch.full_like(x, 3)
    x.requires_grad_().grad = old.clone()

    came = trial.call(answer, lambda x: (3 * x).sum(), x)

    mistakes = {
        tr("backward adds to the gradient that x held before: this is the sum of both."): old + expected,
        tr(
            "A clone of a tensor that requires a gradient is the result of an operation: the "
            "gradient runs on into x, and the clone's own .grad stays empty."
        ): None,
    }
    trial.same(came, expected, mistakes=mistakes)
    trial.same(
        x.requires_grad, True, what="x.requires_grad", mistakes={tr("The mark that x came with is gone."): False}
    )
    mistakes = {
        tr("The gradient that x held before is gone."): None,
        tr("The new gradient was added to it."): old + expected,
    }
    trial.same(x.grad, old, what="x.grad", mistakes=mistakes)


_FUNCTIONS: tuple[tuple[str, Function, Function], ...] = (
    ("(x ** 2).sum()", lambda x: (x**2).sum(), lambda x: 2 * x),
    ("x.sum() ** 2", lambda x: x.sum() ** 2, lambda x: 2 * x.sum() * torch.ones_like(x)),
    ("(x.exp() * x).mean()", lambda x: (x.exp() * x).mean(), lambda x: (x.exp() * x + x.exp()) / x.numel()),
)


def _point(trial: Trial, what: str) -> torch.Tensor:
    """Draw a tensor with one to three axes."""
    shape, dtype = tuple(trial.sizes(trial.size(1, 3), 2, 5)), trial.dtype()
    trial.plan(
        tr("{what}; x of shape {shape}, {dtype}", what=what, shape=shape, dtype=dtype),
        nudge=tr("Which tensor does backward write into, and is it yours or the caller's?"),
    )
    return trial.tensor(*shape, dtype=dtype)


EXERCISE = Exercise(
    name="gradient_at",
    notebook="00_start_here",
    section="Gradients",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns the gradient of f at x, where f gives a single number, and leaves x as it was: "
    "its values, requires_grad and grad.",
    stub=STUB,
    form=a_function,
    requirements=(gives_the_gradient, leaves_a_plain_tensor_plain, leaves_a_gradient_alone),
    hints=(
        "If backward writes into the .grad of a tensor, whose .grad should it be?",
        "Make a tensor of your own with the values of x and without its history, and let f work on that one.",
        "x.detach().clone().requires_grad_() is such a tensor: call f on it, then backward, then read its .grad.",
    ),
    solution=gradient_at,
    why="detach() gives the values without history, clone() gives them memory of their own, so the copy is where "
    "backward stops and leaves the gradient; neither the flag nor the gradient of x is touched.",
)
