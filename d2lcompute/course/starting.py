"""Starting: what ``d2lcompute start`` does, and how it tells it."""

import json
import subprocess
import sys
from contextlib import nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path

from .._translation import speaking, tr
from .._user_data import user_folder, write_whole
from .copying import Written, write_course
from .merging import Changes
from .source import STARTED, CourseError, languages

__all__ = ["start"]

FIRST = "00_start_here.ipynb"


def start(folder: str | Path, language: str | None = None, *, open_lab: bool = True) -> int:
    """Write the learner's copy of the course into a folder, or bring it up to date, and open it in JupyterLab.

    Args:
        folder: the folder.
        language: the course's language, which the telling is in too; by default that of the copy, else the learner's.
        open_lab: open it; else only write.

    Returns:
        The exit status: 0 if all is well.
    """
    with speaking(language) if language in languages() else nullcontext():
        try:
            written = write_course(folder, language)
        except CourseError as error:
            print(f"d2lcompute start: {error}", file=sys.stderr)
            return 1
        print("\n".join(told(written)), flush=True)
    with suppress(OSError):  # the doctor will not know where the copy is; nothing else is lost
        write_whole(user_folder() / STARTED, json.dumps({"copy": str(written.folder)}) + "\n")
    if not open_lab:
        return 0
    if find_spec("jupyterlab") is None:
        install = f'"{sys.executable}" -m pip install "d2lcompute[notebooks]"'
        print(
            "d2lcompute start: "
            + tr("the copy is written, but JupyterLab is not installed: {install}", install=install),
            file=sys.stderr,
        )
        return 1
    with suppress(KeyboardInterrupt):
        command = [sys.executable, "-m", "jupyterlab", "--ip=127.0.0.1", FIRST]
        return subprocess.call(command, cwd=written.folder)  # noqa: S603  # our own command
    return 0


def told(written: Written) -> list[str]:
    r"""Return the lines that say what was done: a summary, and one for each notebook of which there is more to say.

    Example:
        >>> changes = {"01_blocks.ipynb": Changes(renewed=["a", "b"], kept=["c"], overtaken=["c"])}
        >>> print("\n".join(told(Written(Path("course"), False, changes))))
        course: your copy of the course is up to date. Notebooks: 1. Cells renewed: 2. Of yours, kept: 1.
          01_blocks: renewed 2, kept 1 of yours; the course has changed c too: yours was kept
    """
    count = len(written.changes)
    if written.is_new:
        return [
            tr(
                "{folder}: your copy of the course. Notebooks: {count}. Begin with 00_start_here.",
                folder=written.folder,
                count=count,
            )
        ]
    everything = [changes for changes in written.changes.values() if changes]
    renewed = sum(len(each.renewed) for each in everything)
    kept = sum(len(each.kept) for each in everything)
    lines = [f"  {Path(name).stem}: {_told(changes)}" for name, changes in written.changes.items() if _told(changes)]
    return [
        tr(
            "{folder}: your copy of the course is up to date. "
            "Notebooks: {count}. Cells renewed: {renewed}. Of yours, kept: {kept}.",
            folder=written.folder,
            count=count,
            renewed=renewed,
            kept=kept,
        ),
        *lines,
    ]


def _told(changes: Changes | None) -> str:
    """Say what happened to one notebook; nothing if nothing did."""
    if changes is None:
        return tr("written anew")
    counts = {
        tr("renewed {count}", count=len(changes.renewed)): changes.renewed,
        tr("added {count}", count=len(changes.added)): changes.added,
        tr("dropped {count}", count=len(changes.dropped)): changes.dropped,
    }
    parts = [words for words, names in counts.items() if names]
    if changes.kept:
        parts.append(tr("kept {count} of yours", count=len(changes.kept)))
    notes = []
    if changes.overtaken:
        notes.append(tr("the course has changed {names} too: yours was kept", names=", ".join(changes.overtaken)))
    if changes.left:
        notes.append(tr("no longer in the course, and kept with a tag: {names}", names=", ".join(changes.left)))
    return "; ".join([", ".join(parts), *notes]) if parts else ""
