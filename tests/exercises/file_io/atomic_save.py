"""Wrong answers to ``atomic_save``."""

import io
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch

from d2lcompute.exercises.lessons.file_io.atomic_save import atomic_save
from tests.exercises.wrong_answers import WrongAnswer


def _directly(path: Path, obj: Any) -> None:
    torch.save(obj, path)


def _removes_first(path: Path, obj: Any) -> None:
    path.unlink(missing_ok=True)
    atomic_save(path, obj)


def _through_memory(path: Path, obj: Any) -> None:
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    path.write_bytes(buffer.getvalue())


def _copies(path: Path, obj: Any) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        torch.save(obj, temporary)
        shutil.copyfile(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _as_in_the_notebook(path: Path, obj: Any) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(obj, temporary)
    os.replace(temporary, path)


def _misses_ctrl_c(path: Path, obj: Any) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        torch.save(obj, temporary)
        os.replace(temporary, path)
    except Exception:
        temporary.unlink()
        raise


def _says_nothing(path: Path, obj: Any) -> None:
    try:
        atomic_save(path, obj)
    except Exception as error:
        print(f"not saved: {error}")


def _other_format(path: Path, obj: Any) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        temporary.write_bytes(pickle.dumps(obj))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


WRONG_ANSWERS = (
    WrongAnswer(_directly, "before the new one was complete", "torch.save overwrites without being asked."),
    WrongAnswer(_removes_first, "Opening a file for writing", "Make room first, as one does on a desk."),
    WrongAnswer(_through_memory, "in the middle of the writing", "What fails in pickling fails in memory."),
    WrongAnswer(_copies, "in the middle of the writing", "Copying a finished file seems safe."),
    WrongAnswer(_as_in_the_notebook, "whichever way that is", "The failed attempt stays in the folder."),
    WrongAnswer(_misses_ctrl_c, "Ctrl-C is no Exception", "except Exception looks like every way out."),
    WrongAnswer(_says_nothing, "the checkpoint is stored", "A message seems friendlier than a traceback."),
    WrongAnswer(_other_format, "in the format of torch.save", "Pickle stores tensors as well."),
)
