"""Saving in one step, or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def atomic_save(path, obj):
    raise NotImplementedError
"""

Answer = Callable[[Path, Any], Any]


def atomic_save(path: "Path", obj: object) -> None:
    """Write a file beside the old one, and put it in place when it is complete."""
    import os

    temporary = f"{path}.tmp"
    try:
        torch.save(obj, temporary)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def saves(answer: Answer, trial: Trial) -> None:
    """Where nothing fails torch.load gives back what was saved, whether or not there was a file before."""
    path = trial.folder() / "run.pt"
    for text in (tr("where there was no file before"), tr("over the file of before")):
        obj = {"weight": trial.tensor(*trial.sizes(2)), "step": trial.size(10, 99)}
        trial.plan(tr("atomic_save(path, a dict of a tensor and a number), {text}", text=text), nudge="")
        trial.nudge = tr("The complete file has to get the name that was asked for, in the format of torch.save.")

        answer(path, obj)

        trial.require(path.is_file(), expected=tr("a file at the path that was handed over"), got=tr("none"))
        try:
            came = torch.load(path, weights_only=True)
        except Exception as error:
            trial.fail(
                expected=tr("a file that torch.load opens"),
                got=tr("one for which it raises {kind}", kind=type(error).__name__),
            )
        trial.same(came, obj, what=tr("what torch.load gives"))


def keeps_the_old_file(answer: Answer, trial: Trial) -> None:
    """Until the new file is complete the old one is there, whole, under its name."""
    path, good = _good_file(trial)
    trial.nudge = tr("Opening a file for writing empties it. Where could the new one grow meanwhile?")
    for text, obj in _failing(trial):
        trial.input = tr("over a good file: {text}", text=text)
        _fails(answer, path, obj)
        trial.require(path.is_file(), expected=tr("the old file, whole"), got=tr("no file"))
        remark = tr("The old file was opened, and with that it was lost, before the new one was complete.")
        same = path.read_bytes() == good
        trial.require(same, expected=tr("the old file, whole"), got=tr("a file that is not what it was"), remark=remark)

    before = path.stat().st_ino
    trial.input = tr("over a good file: a dict that can be saved")
    answer(path, {"step": 2})
    trial.require(
        path.stat().st_ino != before,
        expected=tr("another file, complete, that takes the old one's place in one step"),
        got=tr("the old file itself, emptied and written anew"),
        remark=tr("If the disk is full or the power goes in the middle of the writing, the old file is lost."),
    )


def leaves_nothing_behind(answer: Answer, trial: Trial) -> None:
    """Whether saving works, fails, or is interrupted by Ctrl-C: no other file is left in the folder."""
    path, _ = _good_file(trial)
    trial.nudge = tr("What is done on the way out, whichever way that is?")
    for text, obj in [(tr("a dict that can be saved"), {"step": 2}), *_failing(trial)]:
        trial.input = tr("over a good file: {text}", text=text)
        _fails(answer, path, obj)
        came = sorted(each.name for each in path.parent.iterdir())
        interrupted = tr("Ctrl-C is no Exception: 'except Exception' lets it pass by. Which clause sees every way out?")
        trial.require(
            came == [path.name],
            expected=tr("only {name} in the folder", name=path.name),
            got=f"{', '.join(came)}",
            remark=interrupted if isinstance(obj, _CtrlC) else "",
        )


def passes_the_error_on(answer: Answer, trial: Trial) -> None:
    """If saving fails the caller hears of it, by the exception that was raised."""
    path, _ = _good_file(trial)
    (text, obj), _ = _failing(trial)
    trial.input = tr("over a good file: {text}", text=text)

    failed = _fails(answer, path, obj)

    trial.require(
        failed,
        expected=tr("an exception"),
        got=tr("none"),
        remark=tr(
            "Who calls this believes that the checkpoint is stored, and goes on for days. Clean up, "
            "then let the exception go its way."
        ),
    )


class _CtrlC:
    """Stands for somebody who presses Ctrl-C while this object is being saved."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


def _good_file(trial: Trial) -> tuple[Path, bytes]:
    """Store a good checkpoint; return its path and its bytes."""
    path = trial.folder() / "run.pt"
    torch.save({"weight": trial.tensor(*trial.sizes(2)), "step": 1}, path)
    trial.plan("", nudge="")
    return path, path.read_bytes()


def _failing(trial: Trial) -> list[tuple[str, Any]]:
    """Return objects that make saving fail."""
    weight = trial.tensor(*trial.sizes(2))
    return [
        (
            tr("a dict with a tensor and a lambda, which cannot be pickled"),
            {"weight": weight, "rate": lambda step: step},
        ),
        (tr("an object during whose saving somebody presses Ctrl-C"), _CtrlC()),
    ]


def _fails(answer: Answer, path: Path, obj: Any) -> bool:
    """Call the answer, and tell whether an exception came out of it."""
    try:
        answer(path, obj)
    except (Exception, KeyboardInterrupt):
        return True
    return False


EXERCISE = Exercise(
    name="atomic_save",
    notebook="06_file_io",
    section="Replace a file in one step",
    book=None,
    difficulty=4,
    minutes=20,
    task="Write a function like torch.save(obj, path) that replaces the file in one step: if saving fails midway, the "
    "old file is still whole, no other file is left, and the exception reaches the caller.",
    stub=STUB,
    form=a_function,
    requirements=(saves, keeps_the_old_file, leaves_nothing_behind, passes_the_error_on),
    rounds=1,
    hints=(
        "When is it certain that the new file is complete, and what may happen to the old one until then?",
        "The notebook's save_whole is nearly right: what does it leave in the folder when torch.save fails?",
        "Save beside the old file and os.replace it, inside try; in finally remove the temporary file if it is still "
        "there.",
    ),
    solution=atomic_save,
    why="os.replace swaps the name in one step, after torch.save has come to its end; finally runs on every way out, "
    "also on Ctrl-C, and lets the exception go on to the caller.",
)
