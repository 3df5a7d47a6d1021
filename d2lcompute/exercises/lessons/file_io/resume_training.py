"""Stopping, and going on as if nothing had happened."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, functions, tr

__all__ = ["EXERCISE"]

STUB = """\
def save(path, net, optimizer, step):
    raise NotImplementedError


def load(path, net, optimizer):
    raise NotImplementedError
"""

Run = tuple[nn.Sequential, torch.optim.Optimizer]
Answer = tuple[Callable[..., Any], Callable[..., Any]]


def save(path: "Path", net: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write all that a training run needs into one file."""
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, path)


def load(path: "Path", net: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Fill net and optimizer from the file, and return the step."""
    run = torch.load(path)
    net.load_state_dict(run["net"])
    optimizer.load_state_dict(run["optimizer"])
    return run["step"]


def goes_on_alike(answer: Answer, trial: Trial) -> None:
    """A new run that loads the file takes the same steps as the one that never stopped."""
    make, batches = _plan(trial)
    run, new = make(), make()
    _train(run, batches)
    at_the_stop, untouched = copy.deepcopy(run[0]), copy.deepcopy(new[0])
    bare = copy.deepcopy(run[0])

    path = trial.folder() / "run.pt"
    answer[0](path, *run, len(batches))
    answer[1](path, *new)

    mistakes = {
        tr(
            "Nothing was loaded into the objects that were handed over: a new name for the loaded "
            "ones changes nothing for the caller."
        ): _parameters(_train((untouched, _like(new[1], untouched)), batches)),
        tr(
            "The optimizer does not go on where it stopped: what it keeps for each parameter is part of the run, too."
        ): (_parameters(_train((bare, _like(new[1], bare)), batches))),
        tr(
            "The optimizer trains parameters that are no longer the net's: values are to be copied "
            "into the net's own parameters."
        ): _parameters(at_the_stop),
    }
    expected, came = _train(run, batches), _train(new, batches)
    trial.same(_parameters(came), _parameters(expected), what=tr("the parameters, after more steps"), mistakes=mistakes)
    trial.nudge = tr(
        "Batch normalization keeps its running mean in a buffer: where are parameters and buffers together?"
    )
    trial.same(dict(came.named_buffers()), dict(expected.named_buffers()), what=tr("the buffers, after more steps"))


def returns_the_step(answer: Answer, trial: Trial) -> None:
    """What load returns is the step that save was given."""
    make, _ = _plan(trial)
    path, step = trial.folder() / "run.pt", trial.size(10, 99)
    trial.plan(
        tr("load(path, net, optimizer) after save(path, net, optimizer, {step})", step=step),
        nudge=tr("Which step was saved?"),
    )

    answer[0](path, *make(), step)

    trial.same(answer[1](path, *make()), step)


def keeps_it_in_one_file(answer: Answer, trial: Trial) -> None:
    """The file is all that load needs: it may be moved to another folder."""
    make, batches = _plan(trial)
    run, new = make(), make()
    _train(run, batches)
    path = trial.folder() / "run.pt"
    trial.plan(
        tr("save(path, ...), then the file is moved, then load(new_path, ...)"),
        nudge=tr("What stands beside the file, or under another name, is lost: put everything into one dict."),
    )
    answer[0](path, *run, 1)
    trial.require(path.is_file(), expected=tr("a file at the path that was handed over"), got=tr("none"))

    moved = path.replace(trial.folder() / "moved.pt")
    answer[1](moved, *new)

    trial.same(_parameters(new[0]), _parameters(run[0]), what=tr("the parameters"))


def stores_no_objects(answer: Answer, trial: Trial) -> None:
    """The file holds values alone: torch.load opens it as it is, without weights_only=False."""
    make, _ = _plan(trial)
    path = trial.folder() / "run.pt"
    trial.plan(
        tr("torch.load(path) after save(path, net, optimizer, 1)"), nudge=tr("What does a state_dict hold, and a net?")
    )
    answer[0](path, *make(), 1)

    try:
        torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        trial.fail(
            expected=tr("a file of tensors, numbers, texts and containers"),
            got=tr("a file that torch.load refuses"),
            remark=tr(
                "Net and optimizer were stored as objects: whoever loads them has to allow the file to run code."
            ),
        )


def _plan(trial: Trial) -> tuple[Callable[[], Run], list[tuple[torch.Tensor, torch.Tensor]]]:
    """Draw sizes, an optimizer and data; return how to make a new run, and batches for it."""
    width, hidden, rows = trial.sizes(3)
    name = trial.choice((tr("SGD with momentum"), "Adam"))

    def make() -> Run:
        net = nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()
        if name == "Adam":
            return net, torch.optim.Adam(net.parameters(), lr=0.01)
        return net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    count = trial.size(2, 3)
    trial.plan(
        tr(
            "{count} steps of {name}, save, load into a new net and a new optimizer, {count} more steps",
            count=count,
            name=name,
        ),
        nudge=tr("On what does the next step depend, besides the data?"),
    )
    double = torch.float64
    return make, [(trial.tensor(rows, width, dtype=double), trial.tensor(rows, 1, dtype=double)) for _ in range(count)]


def _train(run: Run, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> nn.Sequential:
    """Take one step for each batch, and return the net."""
    net, optimizer = run
    for X, y in batches:
        optimizer.zero_grad()
        nn.functional.mse_loss(net(X), y).backward()
        optimizer.step()
    return net


def _like(optimizer: torch.optim.Optimizer, net: nn.Module) -> torch.optim.Optimizer:
    """Return a new optimizer of the same kind for another net."""
    return type(optimizer)(net.parameters(), **optimizer.defaults)


def _parameters(net: nn.Module) -> dict[str, torch.Tensor]:
    """Return the net's parameters by their names."""
    return dict(net.named_parameters())


EXERCISE = Exercise(
    name="resume_training",
    notebook="06_file_io",
    section="Resume training",
    book=("5.5.1", "6.6.1"),
    difficulty=2,
    minutes=15,
    task="Write save(path, net, optimizer, step) and load(path, net, optimizer), which returns the step: stop, save, "
    "load into a new net and optimizer, go on, and all is as if training had never stopped.",
    stub=STUB,
    form=functions("save", "load"),
    requirements=(goes_on_alike, returns_the_step, keeps_it_in_one_file, stores_no_objects),
    rounds=2,
    hints=(
        "What does the next step of SGD with momentum depend on, besides parameters and data?",
        "Both the net and the optimizer have a state_dict; one dict for one file holds the two, and the step.",
        "torch.save of {'net': net.state_dict(), 'optimizer': optimizer.state_dict(), 'step': step}; in load call "
        "load_state_dict of both.",
    ),
    solution=(save, load),
    why="The net's state_dict holds parameters and buffers, the optimizer's what it keeps for each parameter; "
    "load_state_dict copies values into the net's own parameters, so the optimizer goes on training them.",
)
