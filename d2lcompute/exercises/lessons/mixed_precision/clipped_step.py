"""One training step with a scaled loss and clipped gradients."""

# mypy: disable-error-code="no-untyped-call"
# GradScaler.step is untyped in some versions of torch: the solution stays as a learner would write it.

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def clipped_step(net, X, y, optimizer, scaler, max_norm):
    raise NotImplementedError
"""


def clipped_step(
    net: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    max_norm: float,
) -> float:
    """Take a step on the mean squared error, its gradients clipped; return their norm before that."""
    optimizer.zero_grad()
    scaler.scale(nn.functional.mse_loss(net(X), y)).backward()
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return norm.item()


def clips_the_true_gradients(answer: Any, trial: Trial) -> None:
    """The step is the one that clipped gradients give without any scaling."""
    net, X, y = _task(trial, tried=tr("a net with old gradients, scale 65536, max_norm 1, SGD with rate 0.5"))
    gradients, norm = _gradients(net, X, y)
    old = _stale(net)
    trial.call(answer, net, X, y, torch.optim.SGD(net.parameters(), lr=0.5), torch.amp.GradScaler("cpu"), 1.0)

    def after(factor: float) -> list[torch.Tensor]:
        return [p - 0.5 * factor * g for p, g in zip(old, gradients, strict=True)]

    mistakes = {
        tr(
            "The weights have hardly moved: were scaled gradients clipped and then divided? Or was a copy trained?"
        ): old,
        tr("The gradients are not clipped, or not those that the optimizer uses."): after(1.0),
    }
    trial.same(
        [p.detach() for p in net.parameters()], after(1 / norm), what=tr("the weights after it"), mistakes=mistakes
    )


def returns_the_true_norm(answer: Any, trial: Trial) -> None:
    """What comes back is the norm of the gradients as they are: not scaled, not clipped."""
    net, X, y = _task(trial, tried=tr("scale 1024, max_norm 1: the norm that comes back"))
    norm = _gradients(net, X, y)[1]
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    came = trial.call(answer, net, X, y, torch.optim.SGD(net.parameters(), lr=0.1), scaler, 1.0)

    if isinstance(came, torch.Tensor) and came.numel() == 1:
        came = came.item()
    mistakes = {
        tr("This norm is 1024 times too large: it was taken before the gradients were divided by the scale."): 1024
        * norm,
        tr("This is the norm after clipping: clip_grad_norm_ returns the one before."): 1.0,
    }
    trial.same(came, norm, what=tr("the norm"), mistakes=mistakes)


def skips_what_overflows(answer: Any, trial: Trial) -> None:
    """Where a scaled gradient is infinite, the weights stay as they are."""
    net, X, y = _task(trial, tried=tr("a scale of 2^127, with which the gradients overflow"))
    before = [p.detach().clone() for p in net.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)

    trial.call(answer, net, X, y, torch.optim.SGD(net.parameters(), lr=0.1), scaler, 1.0)

    trial.nudge = tr("Who decides whether the step is taken? The optimizer alone does not know of an overflow.")
    came = [p.detach() for p in net.parameters()]
    if any(bool(values.isnan().any()) for values in came):
        trial.fail(expected=tr("the weights as they were"), got=tr("weights that are NaN"))
    trial.same(came, before, what=tr("the weights"))


def adapts_the_scale(answer: Any, trial: Trial) -> None:
    """After the step the scaler has adapted its scale, once."""
    net, X, y = _task(trial, tried=tr("a scaler that doubles its scale of 1024 after each good step"))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)

    trial.call(answer, net, X, y, torch.optim.SGD(net.parameters(), lr=0.1), scaler, 1.0)

    trial.require(
        scaler.get_scale() == 2048,
        expected=tr("the scale 2048 after one good step"),
        got=tr("the scale {get_scale:g}", get_scale=scaler.get_scale()),
        remark=tr(
            "A scale that nobody adapts stays too high, or too low, for ever: what does the scaler need at the end?"
        ),
    )


def _task(trial: Trial, *, tried: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Draw a net, a batch and targets that are far away, so that the gradients' norm is far above 1."""
    width, hidden, rows = trial.sizes(3)
    trial.plan(tried, nudge=tr("In which order: divide by the scale, clip, step? Only true gradients can be clipped."))
    net = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    return net, trial.tensor(rows, width), 30 + trial.tensor(rows, 1)


def _gradients(net: nn.Module, X: torch.Tensor, y: torch.Tensor) -> tuple[list[torch.Tensor], float]:
    """Return the gradients without scaling and clipping, and their norm."""
    gradients = list(torch.autograd.grad(((net(X) - y) ** 2).mean(), tuple(net.parameters())))
    return gradients, torch.cat([g.flatten() for g in gradients]).norm().item()


def _stale(net: nn.Module) -> list[torch.Tensor]:
    """Leave old gradients in a net, as a loop does, and return copies of its parameters."""
    for p in net.parameters():
        p.grad = torch.full_like(p, 100.0)
    return [p.detach().clone() for p in net.parameters()]


EXERCISE = Exercise(
    name="clipped_step",
    notebook="11_mixed_precision",
    section="Scaling by hand",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write one training step on the mean squared error with a scaler, the norm of the gradients clipped to "
    "max_norm, and return their norm before clipping as a number.",
    stub=STUB,
    form=a_function,
    requirements=(clips_the_true_gradients, returns_the_true_norm, skips_what_overflows, adapts_the_scale),
    hints=(
        "Between backward and the step, in what state are the gradients: true, or multiplied by the scale?",
        "Scale the loss and call backward, have the scaler divide the gradients, clip them, and leave the rest to it.",
        "scaler.unscale_(optimizer), then nn.utils.clip_grad_norm_(net.parameters(), max_norm), which returns the "
        "norm; then scaler.step(optimizer) and scaler.update().",
    ),
    solution=clipped_step,
    why="unscale_ divides the gradients by the scale and notes whether any is infinite, so the clipped ones are the "
    "true ones; step remembers both, does not divide again, and skips where there was an overflow.",
)
