"""Wrong answers to ``gradient_at``."""

from typing import Any

import torch

from d2lcompute.exercises.lessons.start_here.gradient_at import Function
from tests.exercises.wrong_answers import WrongAnswer


def _not_marked(f: Function, x: torch.Tensor) -> Any:
    f(x).backward()
    return x.grad


def _marks_x(f: Function, x: torch.Tensor) -> Any:
    return torch.autograd.grad(f(x.requires_grad_()), x)[0]


def _through_x(f: Function, x: torch.Tensor) -> Any:
    f(x.requires_grad_()).backward()
    return x.grad


def _tidies_up(f: Function, x: torch.Tensor) -> Any:
    f(x.requires_grad_()).backward()
    gradient, x.grad = x.grad, None
    x.requires_grad_(False)
    return gradient


def _puts_away(f: Function, x: torch.Tensor) -> Any:
    marked, x.grad = x.requires_grad, None
    f(x.requires_grad_()).backward()
    gradient, x.grad = x.grad, None
    x.requires_grad_(marked)
    return gradient


def _only_clones(f: Function, x: torch.Tensor) -> Any:
    leaf = x.clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


def _value(f: Function, x: torch.Tensor) -> Any:
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    y.backward()
    return y


def _difference(f: Function, x: torch.Tensor) -> Any:
    start, h = x.detach(), 0.01
    steps = h * torch.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape)
    return torch.stack([(f(start + step) - f(start)) / h for step in steps]).reshape(x.shape)


def _all_at_once(f: Function, x: torch.Tensor) -> Any:
    start, h = x.detach(), 0.01
    return (f(start + h) - f(start)) / h


WRONG_ANSWERS = (
    WrongAnswer(_not_marked, "does not require grad", "x is a tensor, and tensors have a .grad."),
    WrongAnswer(_marks_x, "Now x is marked", "requires_grad_() looks like an option of this one computation."),
    WrongAnswer(_through_x, "Now x is marked", "The steps of the notebook, on the caller's tensor."),
    WrongAnswer(_tidies_up, "this is the sum of both", "What was changed is put back, or so it seems."),
    WrongAnswer(_puts_away, "that x held before is gone", "The old gradient is cleared, as in a training loop."),
    WrongAnswer(_only_clones, "own .grad stays empty", "A clone has memory of its own, but not a start of its own."),
    WrongAnswer(_value, "the value of f, not its gradient", "The result of f is at hand, and it is returned."),
    WrongAnswer(_difference, "not from trying f nearby", "A difference quotient is how a derivative is defined."),
    WrongAnswer(_all_at_once, "not from trying f nearby", "The quotient, with all elements moved together."),
)
