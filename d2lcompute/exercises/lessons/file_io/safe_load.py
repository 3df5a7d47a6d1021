"""Loading what needs no code, and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def safe_load(path):
    raise NotImplementedError
"""

Answer = Callable[[Path], Any]


def safe_load(path: "Path") -> "object | None":
    """Load a file of tensors and plain values; return None for one that would have to run code."""
    import pickle

    try:
        return torch.load(path, weights_only=True)
    except pickle.UnpicklingError:
        return None


def gives_what_is_harmless(answer: Answer, trial: Trial) -> None:
    """Tensors, numbers, texts and containers of them come back as they were stored."""
    rows, width = trial.sizes(2)
    X = trial.tensor(rows, width, dtype=trial.dtype())
    path = trial.folder() / "file.pt"
    for text, stored in (
        (
            tr("a dict with a tensor of shape {shape}, a number and a text", shape=(rows, width)),
            {"X": X, "step": rows, "note": "warm"},
        ),
        (tr("the state_dict of a net"), nn.Sequential(nn.Linear(width, rows), nn.BatchNorm1d(rows)).state_dict()),
        (tr("a list of a tensor of shape {shape} and a view of it", shape=(rows, width)), [X, X[:1]]),
        (tr("a tensor of shape {shape}", shape=(rows, width)), X),
    ):
        trial.plan(
            tr("safe_load of {text}", text=text), nudge=tr("The default of torch.load lets all of this through.")
        )
        torch.save(stored, path)

        trial.same(trial.call(answer, path), stored, mistakes={tr("This needs no code to be loaded."): None})


def refuses_what_needs_code(answer: Answer, trial: Trial) -> None:
    """For a file that would run code to be loaded the answer is None, and nothing of it is run."""
    width, folder = trial.size(), trial.folder()
    path, marker = folder / "file.pt", folder / "made-by-the-file"
    for text, stored in (
        (tr("a whole net, Linear({width}, 1)", width=width), nn.Linear(width, 1)),
        (
            tr("a dict with an object that makes a folder when it is loaded"),
            {"X": torch.ones(width), "more": _Trap(marker)},
        ),
    ):
        trial.plan(tr("safe_load of {text}", text=text), nudge=tr("Which exception says that a file would need code?"))
        torch.save(stored, path)

        came = answer(path)

        trial.require(
            not marker.exists(),
            expected=tr("None, and no folder"),
            got=tr("the folder: loading did what the file says"),
            remark=tr("Looking at what was loaded comes too late: by then the file has been obeyed."),
        )
        remark = tr("The net is there, so its class was looked up and its code was run: the file may name any other.")
        trial.require(came is None, expected="None", got=came, remark=remark)


def tells_of_other_trouble(answer: Answer, trial: Trial) -> None:
    """A file that is missing or cut short is an error, as ever: None means one thing."""
    rows, folder = trial.size(10, 20), trial.folder()
    cut = folder / "cut.pt"
    torch.save(trial.tensor(rows, rows), cut)
    cut.write_bytes(cut.read_bytes()[:-100])
    for text, path in ((tr("that is not there"), folder / "missing.pt"), (tr("whose last 100 bytes are missing"), cut)):
        trial.plan(tr("safe_load of a file {text}", text=text), nudge="")
        raised, came = False, None
        try:
            came = answer(path)
        except Exception:
            raised = True
        remark = tr("Who gets None here believes that the file is dangerous: catch that one exception, no others.")
        trial.require(raised, expected=tr("an exception"), got=came, remark=remark)


class _Trap:
    """Makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.marker),)


EXERCISE = Exercise(
    name="safe_load",
    notebook="06_file_io",
    section="What is safe to load",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns what torch.save has stored in a file, or None if loading it would need to run "
    "code, which it never does; a file that is missing or damaged remains an error.",
    stub=STUB,
    form=a_function,
    requirements=(gives_what_is_harmless, refuses_what_needs_code, tells_of_other_trouble),
    rounds=1,
    hints=(
        "What did torch.load do with the file of the trap, by default?",
        "Let torch.load decide, with its safe default, and turn the one exception that it raises for code into None.",
        "try: return torch.load(path, weights_only=True); the exception to catch is pickle.UnpicklingError.",
    ),
    solution=safe_load,
    why="With weights_only=True torch.load looks at each instruction before it carries it out, and raises "
    "UnpicklingError at the first that calls something unknown; all other errors mean something else.",
)
