"""What the tests of interruptions share: running a function up to a line, and a careless way of saving."""

import contextlib
import os
import random
import sys
from pathlib import Path

import pytest

from d2lcompute.checkpoints import files, save_checkpoint

LINUX = sys.platform == "linux"


THOROUGH = bool(os.environ.get("D2LCOMPUTE_THOROUGH"))  # minutes: every byte, and lines of torch as well as ours


# From Python 3.12 on, forking warns of threads that hold locks; these processes only save.
forking = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def save_in_place(path, net, *arguments, **options):
    """Save as many programs do: empty the old file, then write the new one into it, in two steps."""
    save_checkpoint(path.parent.parent / path.name, net, *arguments, **options)
    content = (path.parent.parent / path.name).read_bytes()
    with open(path, "wb") as file:
        file.write(content[:3000])
        file.write(content[3000:])


OURS = (str(Path(files.__file__).parent), contextlib.__file__, str(Path(__file__).parent))


FILES = ("",) if THOROUGH else OURS


def run_by_line(function, number=None, stop=None, files=FILES):
    """Run a function, and call ``stop`` before its line of this number, counted from 1; return the lines that ran."""
    lines, before = [], sys.gettrace()

    def trace(frame, event, _):
        if event == "line":
            lines.append((frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno))
            if len(lines) == number:
                stop()
        return trace if frame.f_code.co_filename.startswith(files) else None

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


def numbers_of_lines(function, *, inside=(), files=FILES):
    """Run a function twice, to fill caches; return a number for each of our lines, or for many of all that run."""
    function()
    lines = run_by_line(function, files=files)
    if THOROUGH:
        return random.Random(0).sample(range(1, len(lines) + 1), min(len(lines), 2000))
    return [lines.index(line) + 1 for line in dict.fromkeys(lines) if not inside or line[0] in inside]


def ctrl_c():
    """Do what Python does when the user presses Ctrl-C."""
    raise KeyboardInterrupt


def outcome_on_disk(path, old, new):
    """Return whether a path holds the old file, the new one, or neither, and whether other files stand beside it."""
    content = path.read_bytes()
    found = "old" if content == old else "new" if content == new else "neither"
    return found if os.listdir(path.parent) == [path.name] else f"{found} and a temporary file"


# A file that was interrupted between being opened and being used is closed a moment later, with a warning.
interrupting = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
