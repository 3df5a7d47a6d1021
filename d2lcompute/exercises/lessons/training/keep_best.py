"""Training that ends with the net of the best epoch."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def keep_best(net, train_epoch, valid_loss, epochs):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, Callable[[nn.Module], None], Callable[[nn.Module], float], int], Any]
State = dict[str, torch.Tensor]


def keep_best(
    net: nn.Module, train_epoch: "Callable[[nn.Module], None]", valid_loss: "Callable[[nn.Module], float]", epochs: int
) -> int:
    """Copy the state whenever the loss is lower than ever, and load the last copy."""
    best = float("inf")
    for epoch in range(epochs):
        train_epoch(net)
        loss = valid_loss(net)
        if loss < best:
            best, best_epoch = loss, epoch
            state = {name: values.clone() for name, values in net.state_dict().items()}
    net.load_state_dict(state)
    return best_epoch


@dataclass
class _Run:
    """A training whose losses are known beforehand, and which notes what is done."""

    net: nn.Module
    losses: list[float]
    calls: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def train_epoch(self, net: nn.Module) -> None:
        """Change every parameter and every buffer, in place, and note the new state."""
        self.calls.append("train_epoch")
        with torch.no_grad():
            for values in net.state_dict().values():
                values.add_(torch.randn(values.shape) if values.is_floating_point() else 1)
        self.states.append(copy.deepcopy(net.state_dict()))

    def valid_loss(self, net: nn.Module) -> float:  # noqa: ARG002  (the losses are known)
        """Return the loss of the present epoch."""
        self.calls.append("valid_loss")
        return self.losses[max(0, len(self.states) - 1)]

    @property
    def best(self) -> int:
        """The first epoch with the lowest loss."""
        return self.losses.index(min(self.losses))


def returns_the_best_epoch(answer: Answer, trial: Trial) -> None:
    """The result is the number of the epoch with the lowest loss, counted from 0, the first one of equals."""
    run = _run(trial, nudge=tr("When is an epoch better than all before it?"))

    came = trial.call(answer, run.net, run.train_epoch, run.valid_loss, len(run.losses))

    mistakes = {
        tr("That is the last epoch."): len(run.losses) - 1,
        tr("That is the epoch with the highest loss: lower is better."): run.losses.index(max(run.losses)),
        tr("Epochs are counted from 0 here, as range does."): run.best + 1,
        tr("Two epochs have the same loss: the later one is no better than the first."): _last(run.losses),
        tr("There the loss rose for the first time: a later epoch is better still."): _first_dip(run.losses),
        tr("That is the lowest loss, not the number of its epoch."): min(run.losses),
    }
    trial.same(came, run.best, mistakes=mistakes)


def leaves_the_best_net(answer: Answer, trial: Trial) -> None:
    """Afterwards the net itself has the parameters and buffers of the best epoch."""
    run = _run(trial, nudge=tr("What does training do to the values that you keep?"))
    before = copy.deepcopy(run.net.state_dict())

    trial.call(answer, run.net, run.train_epoch, run.valid_loss, len(run.losses))

    best, last = run.states[run.best], run.states[-1]
    buffers = {name for name, _ in run.net.named_buffers()}
    mistakes = {
        tr("These are the values of the last epoch: what was kept was no copy, or was not loaded back."): last,
        tr("The parameters are right, the buffers are those of the last epoch: both belong to the net's state."): {
            name: (last if name in buffers else best)[name] for name in best
        },
        tr("The net is as it was before training: was a copy of it trained?"): before,
    }
    trial.same(dict(run.net.state_dict()), dict(best), what="net.state_dict()", mistakes=mistakes)


def trains_and_measures_in_turn(answer: Answer, trial: Trial) -> None:
    """Each epoch is trained once and then measured once: a look at the validation set costs time."""
    run = _run(trial, nudge=tr("Write down the calls of two epochs, one by one."))
    epochs = len(run.losses)

    trial.call(answer, run.net, run.train_epoch, run.valid_loss, epochs)

    trained, measured = run.calls.count("train_epoch"), run.calls.count("valid_loss")
    remark = ""
    if measured > epochs:
        remark = tr("The loss is computed more than once for the same net: keep it in a variable.")
    trial.require(
        run.calls == ["train_epoch", "valid_loss"] * epochs,
        expected=tr("{epochs} times train_epoch, valid_loss", epochs=epochs),
        got=tr("train_epoch {trained} times, valid_loss {measured} times", trained=trained, measured=measured),
        remark=remark,
    )


def _run(trial: Trial, *, nudge: str) -> _Run:
    """Draw a net with buffers, and losses that fall, rise, and reach the lowest value twice, neither first nor last."""
    a, b = trial.sizes(2)
    net = nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.Linear(b, 1))
    low = trial.size(2, 4) / 10
    losses = [0.9, low + 0.2, 0.8, low, low + 0.3, low, low + 0.1]
    losses = losses[trial.size(0, 1) :]
    trial.plan(
        tr(
            "{losses_count} epochs with the losses {losses}",
            losses_count=len(losses),
            losses=", ".join(f"{loss:.1f}" for loss in losses),
        ),
        nudge=nudge,
    )
    return _Run(net, losses)


def _last(losses: list[float]) -> int:
    """Return the last epoch with the lowest loss."""
    return max(epoch for epoch, loss in enumerate(losses) if loss == min(losses))


def _first_dip(losses: list[float]) -> int:
    """Return the epoch before the first rise."""
    return next(epoch for epoch, loss in enumerate(losses) if losses[epoch + 1] > loss)


EXERCISE = Exercise(
    name="keep_best",
    notebook="08_training",
    section="Early stopping and the best checkpoint",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that calls train_epoch(net), then valid_loss(net), for the given number of epochs, leaves "
    "the net as it was after the epoch with the lowest loss, and returns that epoch's number.",
    stub=STUB,
    form=a_function,
    requirements=(returns_the_best_epoch, leaves_the_best_net, trains_and_measures_in_turn),
    hints=(
        "What must you keep of the best epoch so far, and whose memory does it lie in while training goes on?",
        "Keep the lowest loss, its epoch, and a copy of the whole state_dict; load the copy at the end.",
        "if loss < best: best, best_epoch = loss, epoch, and state = {name: values.clone() for name, values in "
        "net.state_dict().items()}; after the loop net.load_state_dict(state).",
    ),
    solution=keep_best,
    why="state_dict() refers to the net's own memory, so only a copy survives the next epoch; it holds the buffers, "
    "too; and with < the first of two equal epochs stays the best.",
)
