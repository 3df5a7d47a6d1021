"""The leading half of each row's Fourier coefficients."""

import math

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class HalfFourier(nn.Module):
    def forward(self, X):
        raise NotImplementedError
"""


class HalfFourier(nn.Module):
    """The Fourier coefficients of each row; the other half of them would only repeat these."""

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Transform each row of real numbers, and return its first d // 2 + 1 coefficients."""
        return torch.fft.rfft(X, dim=-1)


def gives_the_leading_half(answer: type[nn.Module], trial: Trial) -> None:
    """For each row by itself the first d // 2 + 1 coefficients of its Fourier transform come, as complex numbers."""
    size = trial.choice((4, 6))
    for rows, width in ((size, size), (trial.size(2, 5), 8), (trial.size(2, 5), 7)):
        X = _input(trial, rows, width)
        whole, columns = _coefficients(X), _coefficients(X.T).T
        out = whole[:, : width // 2 + 1]
        mistakes = {
            tr("These are all coefficients: for real rows the second half only repeats the first."): whole,
            tr(
                "One is missing: for an even d the coefficient number d // 2 is the last one that is not a repetition."
            ): (whole[:, : (width + 1) // 2]),
            tr(
                "Both axes were transformed: the examples of a batch have nothing to do with each other."
            ): _coefficients(out.T).T,
            tr("The transform ran along the first axis, across the examples."): columns[: rows // 2 + 1],
            tr("The phases are lost: a coefficient is a complex number, not its size."): out.abs(),
            tr("The imaginary parts are lost: a coefficient has two parts."): out.real,
            tr("The coefficients are divided by the square root of d."): out / math.sqrt(width),
            tr("These are the other half of the coefficients: the leading ones come first."): whole[:, width // 2 :],
        }
        trial.same(trial.call(answer(), X), out, mistakes=mistakes)


def sends_gradients_back(answer: type[nn.Module], trial: Trial) -> None:
    """Gradients flow back into X."""
    X = _input(trial, trial.size(2, 5), trial.size(3, 8)).requires_grad_()
    trial.nudge = tr("Does every step from X to the coefficients leave a trace in the graph?")
    out = _coefficients(X)[:, : X.shape[1] // 2 + 1]
    (expected,) = torch.autograd.grad((out.real.sin() + out.imag.cos()).sum(), X)

    came = trial.call(answer(), X)
    (gradient,) = torch.autograd.grad((came.real.sin() + came.imag.cos()).sum(), X, allow_unused=True)

    trial.same(gradient, expected, what=tr("the gradient of X"))


def _input(trial: Trial, rows: int, width: int) -> torch.Tensor:
    """Draw real rows."""
    dtype = trial.dtype()
    trial.plan(
        tr("HalfFourier() on X of shape {shape}, {dtype}", shape=(rows, width), dtype=dtype),
        nudge=tr("Along which axis does one example lie, and how many of its d coefficients are not repetitions?"),
    )
    return trial.tensor(rows, width, dtype=dtype)


def _coefficients(X: torch.Tensor) -> torch.Tensor:
    """Compute all coefficients of each row by their formula: the sum over j of x_j exp(-2 pi i j k / d)."""
    steps = torch.arange(X.shape[1], dtype=torch.float64)
    angles = -2 * math.pi * torch.outer(steps, steps) / X.shape[1]
    waves = torch.polar(torch.ones_like(angles), angles)
    single = X.dtype in (torch.float32, torch.complex64)
    return (X.to(torch.complex128) @ waves).to(torch.complex64 if single else torch.complex128)


EXERCISE = Exercise(
    name="half_fourier",
    notebook="05_custom_layers",
    section="A layer without parameters",
    book=("5.4.2", "6.5.2"),
    difficulty=2,
    minutes=10,
    task="Write a layer without parameters that takes real X of shape (n, d) to the first d // 2 + 1 Fourier "
    "coefficients of each row by itself: a complex tensor of shape (n, d // 2 + 1).",
    stub=STUB,
    form=a_module_class,
    requirements=(gives_the_leading_half, sends_gradients_back),
    hints=(
        "Of the d coefficients of d real numbers, which are the complex conjugates of others?",
        "torch.fft has a function for all coefficients, and one that leaves out the repetitions of a real input.",
        "torch.fft.rfft transforms along dim=-1, so that each row stays by itself.",
    ),
    solution=HalfFourier,
    why="For real numbers coefficient d - k is the conjugate of coefficient k, so the first d // 2 + 1 hold "
    "everything; rfft computes just these, along the last axis, and autograd knows its gradient.",
)
