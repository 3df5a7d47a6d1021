"""The command ``d2lcompute export``: which files it writes, and what it says."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from ..course.source import CourseError
from .assignment import Assignment, assignment_of, chosen
from .nbgrader import CONFIGURATION, source_notebook
from .otter import master_notebook

__all__ = ["run"]

_Files = dict[str, str]


def run(options: argparse.Namespace) -> int:
    """Export the exercises, as the command line asks.

    Returns:
        The exit status: 0 if all is written, else 1.
    """
    form, folder = (_for_nbgrader, options.nbgrader) if options.nbgrader else (_for_otter, options.otter)
    try:
        files, told = _exported(form, Path(folder), options.notebooks or (), options.lang)
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except (CourseError, ValueError) as error:
        print(f"d2lcompute export: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        place = error.filename or folder
        print(f"d2lcompute export: {place}: {error.strerror}; empty the folder before you try again", file=sys.stderr)
        return 1
    print(told)
    return 0


def _exported(
    form: Callable[[list[Assignment]], tuple[_Files, str]], folder: Path, notebooks: Sequence[str], language: str
) -> tuple[_Files, str]:
    """Return the files of an export, by their paths below the folder, and what is said of it; nothing is written."""
    names = chosen(notebooks)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds something" if folder.is_dir() else "is a file"
        raise ValueError(f"{folder} {what}; expected a new or an empty folder: name another one, or empty it")
    files, next_step = form([assignment_of(name, language) for name in names])
    count = "1 assignment" if len(names) == 1 else f"{len(names)} assignments"
    return files, f"{folder}: {count}. Next, in this folder: {next_step}"


def _for_nbgrader(assignments: list[Assignment]) -> tuple[_Files, str]:
    """Return nbgrader's folder: ``source``, with a folder for each assignment, and the settings."""
    files = {f"source/{each.name}/{each.name}.ipynb": _text(source_notebook(each)) for each in assignments}
    return {"nbgrader_config.py": CONFIGURATION, **files}, f"nbgrader generate_assignment {assignments[0].name}"


def _for_otter(assignments: list[Assignment]) -> tuple[_Files, str]:
    """Return otter's masters, one notebook for each assignment."""
    name = assignments[0].name
    files = {f"{each.name}.ipynb": _text(master_notebook(each)) for each in assignments}
    return files, f"otter assign {name}.ipynb dist/{name}"


def _text(notebook: nbformat.NotebookNode) -> str:
    """Return the text of a notebook's file.

    Raises:
        nbformat.ValidationError: if it is no valid notebook.
    """
    nbformat.validate(notebook)
    return nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n"
