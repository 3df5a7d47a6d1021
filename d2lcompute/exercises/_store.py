"""Where progress is kept: a small JSON file in the user's data folder, or memory where there is none."""

import errno
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

__all__ = ["VARIABLE", "passed_names", "record", "reset"]

VARIABLE = "D2LCOMPUTE_DATA"
"""The environment variable that names another folder; tests and validation set it."""

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
    names, note = passed_names()
    return note if name in names else _write(names | {name}) or note


def reset() -> str:
    """Forget what has been passed, and return a note for the learner, empty if all is well."""
    _in_memory.clear()
    return _write(set())


def _path() -> Path:
    """Return the file's place; it is looked up each time, since the environment may change."""
    if folder := os.environ.get(VARIABLE):
        return Path(folder, "progress.json")
    path = Path(platformdirs.user_data_dir("d2lcompute", appauthor=False), "progress.json")
    if not path.is_absolute():  # a user without a home: "~" was not replaced, and would become a folder right here
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return path


def _read() -> set[str]:
    """Read the names; ValueError if the file holds anything else than what :func:`_write` writes."""
    kept = json.loads(_path().read_text(encoding="utf-8"))
    names = kept.get("passed") if isinstance(kept, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not a record of progress")
    return set(names)


def _write(names: set[str]) -> str:
    """Write the file in one step: a reader finds the old one or the new one, never half of one."""
    text = json.dumps({"format": 1, "passed": sorted(names)}, indent=2) + "\n"
    temporary = None
    try:
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
            temporary = file.name
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                os.remove(temporary)
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
    return f"The record of progress was damaged. It is now called {aside.name}, in {aside.parent}; a new one begins."


def _not_kept(error: OSError) -> str:
    """Say that progress lasts only as long as the process."""
    return (
        f"Progress is kept only until this session ends: {error.filename} cannot be used ({type(error).__name__}). "
        f"Set the environment variable {VARIABLE} to a folder of yours to keep it."
    )
