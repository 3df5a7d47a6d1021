"""Where progress is kept: a small JSON file in the user's data folder, or memory where there is none."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..._translation import tr
from ..._user_data import VARIABLE, user_folder, write_whole

__all__ = ["passed_names", "record", "reset"]

_MOST_CHARACTERS = 1_000_000  # a record of progress has a few thousand
_WAIT_SECONDS = 5.0

_in_memory: set[str] = set()


def passed_names() -> tuple[set[str], str]:
    """Return the names of the exercises that have been passed, and a note for the learner, empty if all is well."""
    try:
        return _read() | _in_memory, ""
    except FileNotFoundError:
        return set(_in_memory), ""
    except OSError as error:
        return set(_in_memory), _not_kept(error)
    except (ValueError, RecursionError):  # the latter from brackets without end
        return set(_in_memory), _set_aside()


def record(name: str) -> str:
    """Keep that an exercise has been passed, and return a note for the learner, empty if all is well."""
    with _alone():
        names, note = passed_names()
        return note if name in names else _write(names | {name}) or note


def reset() -> str:
    """Forget what has been passed, and return a note for the learner, empty if all is well."""
    _in_memory.clear()
    with _alone():
        return _write(set())


def _path() -> Path:
    return user_folder() / "progress.json"


def _read() -> set[str]:
    """Read the names; ValueError if the file holds anything else than what :func:`_write` writes."""
    with open(_path(), encoding="utf-8") as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise ValueError("too long for a record of progress")
    kept = json.loads(text)
    names = kept.get("passed") if isinstance(kept, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not a record of progress")
    return set(names)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time read the file and write it anew, so that none takes back what another has added.

    A folder is the lock: making one succeeds for a single process, on every system. One that stays for five seconds
    was left by a process that died.
    """
    until = time.monotonic() + _WAIT_SECONDS
    lock = None
    with suppress(OSError):  # where no folder can be made, there is no file to protect
        lock = _path().with_name("progress.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        while time.monotonic() < until:
            with suppress(FileExistsError):
                lock.mkdir()
                break
            time.sleep(0.01)
    try:
        yield
    finally:
        if lock:
            with suppress(OSError):
                lock.rmdir()


def _write(names: set[str]) -> str:
    text = json.dumps({"format": 1, "passed": sorted(names)}, indent=2) + "\n"
    try:
        write_whole(_path(), text)
    except OSError as error:
        _in_memory.update(names)
        return _not_kept(error)
    _in_memory.clear()
    return ""


def _set_aside() -> str:
    """Rename a damaged file, so that nothing in it is lost."""
    path = _path()
    number = 1
    while (aside := path.with_name(f"progress.damaged-{number}.json")).exists():
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        return _not_kept(error)
    return tr(
        "The record of progress was damaged. It is now called {name}, in {folder}; a new one begins.",
        name=aside.name,
        folder=aside.parent,
    )


def _not_kept(error: OSError) -> str:
    """Say that progress lasts only as long as the process."""
    return tr(
        "Progress is kept only until this session ends: {place} cannot be used ({error}). Set "
        "the environment variable {variable} to a folder of yours to keep it.",
        place=_place(error),
        error=type(error).__name__,
        variable=VARIABLE,
    )


def _place(error: OSError) -> str:
    """Return what an error is about; that of a full disk names nothing."""
    return str(error.filename or os.environ.get(VARIABLE) or tr("the folder of your data"))
